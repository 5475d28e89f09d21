/* serve.c: the wire's agent side. One request at a time: while an operation is followed, the next
 * request waits; a connection that ends takes only this process with it, never the operation. */
#include "node-agent/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "node-agent/facts/facts.h"
#include "node-agent/reboot.h"
#include "node-agent/tasks/nova_pause.h"
#include "node-agent/wire/frame.h"

/* Writes a line, or a part of it, once what was written before is gone from the pipe, which holds a
 * page (packets_limit): each becomes a packet of its own. */
static ssize_t packet_write(int fd, const char *text, size_t size)
{
	struct pollfd out = {.fd = fd, .events = POLLOUT};
	if (poll(&out, 1, -1) < 0)
		return -1;
	return write(fd, text, size < FRAME_PACKET ? size : FRAME_PACKET);
}

int serve_write(struct serve *serve, const json_t *object, struct gf_err *err)
{
	size_t length;
	char *line = frame_encode(object, &length, err);
	if (!line)
		return -1;
	size_t done = 0;
	while (done < length) {
		ssize_t n = packet_write(serve->out, line + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(line);
			return gf_err_errno(err, GF_E_LOST, "cannot answer");
		}
		done += (size_t)n;
	}
	free(line);
	return 0;
}

bool serve_alive(struct serve *serve)
{
	struct pollfd out = {.fd = serve->out};
	return poll(&out, 1, 0) <= 0 || !(out.revents & (POLLERR | POLLHUP | POLLNVAL));
}

void serve_forget(struct serve *serve)
{
	json_decref(serve->facts);
	serve->facts = NULL;
}

static int serve_hello(struct serve *serve)
{
	char boot_id[HOST_BOOT_ID_SIZE];
	struct utsname uts;
	host_boot_id(&serve->agent->root, boot_id);
	json_t *hello = json_pack("{s:s,s:i,s:s,s:s}", "hello", "gpufleet-agent", "protocol",
	                          FRAME_PROTOCOL, "version", GPUFLEET_VERSION, "arch",
	                          uname(&uts) == 0 ? uts.machine : "unknown");
	facts_set_text(hello, "boot_id", boot_id);
	int failed = serve_write(serve, hello, NULL);
	json_decref(hello);
	return failed;
}

static int write_error(struct serve *serve, const struct gf_err *error)
{
	json_t *answer = json_pack("{s:O,s:{s:s,s:o}}", "id", serve->id, "error", "code",
	                           gf_code_name(error->code), "message",
	                           frame_text(error->msg, strlen(error->msg)));
	int failed = serve_write(serve, answer, NULL);
	json_decref(answer);
	return failed;
}

int serve_request(struct serve *serve, const json_t *request, bool *failed)
{
	struct gf_err err = {.code = GF_OK};
	json_t *none = json_null(), *id = json_object_get(request, "id");
	serve->id = id ? id : none;
	json_t *result = request_answer(serve, request, &err);
	*failed = !result;
	if (!result)
		return err.code == GF_E_LOST ? -1 : write_error(serve, &err);
	json_t *answer = json_pack("{s:O,s:o}", "id", serve->id, "result", result);
	int lost = serve_write(serve, answer, &err);
	json_decref(answer);
	return lost;
}

static int serve_line(struct serve *serve, const char *line, size_t length)
{
	struct gf_err err;
	bool failed;
	if (length == 0)
		return 0;
	json_t *request = frame_parse(line, length, &err);
	if (!request) {
		json_t *none = json_null();
		serve->id = none;
		return write_error(serve, &err);
	}
	int lost = serve_request(serve, request, &failed);
	json_decref(request);
	return lost;
}

/* sshd makes a packet of what it reads at once, up to 32 kB, and an SSH library keeps several
 * buffers of the longest packet that a session has seen: with hundreds of sessions that is most of
 * a controller's memory. A pipe that holds a page can be written to again when it is empty, which
 * packet_write goes by. */
static void packets_limit(int fd)
{
	(void)fcntl(fd, F_SETPIPE_SZ, 4096); /* no pipe: then it is as it is */
}

int serve_loop(struct serve *serve)
{
	struct frame frame;
	struct gf_err err = {.code = GF_OK};
	int status = 0;
	packets_limit(serve->out);
	frame_init(&frame, FRAME_LINE_LIMIT);
	if (serve_hello(serve) != 0)
		status = 1;
	nova_pause_mend(serve->agent, reboot_on_its_way);
	while (status == 0) {
		char buffer[65536], *line;
		size_t length;
		ssize_t n = read(serve->in, buffer, sizeof(buffer));
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (frame_feed(&frame, buffer, (size_t)n, &err) != 0) {
			json_t *none = json_null();
			serve->id = none;
			write_error(serve, &err);
			status = 1;
		}
		while (status == 0 && (line = frame_line(&frame, &length)))
			if (serve_line(serve, line, length) != 0)
				status = 1;
	}
	frame_free(&frame);
	serve_forget(serve);
	return status;
}
