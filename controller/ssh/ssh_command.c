/* ssh_command.c: one command on a channel: its output out, its input in, its status.
 *
 * Possible failure modes: the host refuses a channel or the command; it closes the channel without
 * a status; the connection ends. EOF and exit status come in any order: the command has ended when
 * both are here, or the channel is closed.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/ssh/ssh_link.h"

#define READ_SIZE (32 * 1024)
/* Handed to libssh at a time, and only when it holds nothing: it keeps two buffers for the longest
 * packet of each session, of the next power of two. */
#define WRITE_SIZE 4000
#define READS_MAX  8 /* in one step, so that one loud host does not starve the others */

static const struct {
	const char *name;
	int number;
} signals[] = {{"HUP", 1},   {"INT", 2},   {"QUIT", 3},  {"ILL", 4},   {"ABRT", 6},
               {"FPE", 8},   {"KILL", 9},  {"USR1", 10}, {"SEGV", 11}, {"USR2", 12},
               {"PIPE", 13}, {"ALRM", 14}, {"TERM", 15}};

static void exit_status_cb(ssh_session session, ssh_channel channel, int status, void *userdata)
{
	(void)session;
	(void)channel;
	((struct ssh_link *)userdata)->exit_status = status & 255;
}

static void exit_signal_cb(ssh_session session, ssh_channel channel, const char *signal, int core,
                           const char *message, const char *language, void *userdata)
{
	(void)session;
	(void)channel;
	(void)core;
	(void)message;
	(void)language;
	struct ssh_link *link = userdata;
	link->exit_status = 255;
	for (size_t i = 0; signal && i < sizeof(signals) / sizeof(signals[0]); i++)
		if (strcmp(signal, signals[i].name) == 0)
			link->exit_status = 128 + signals[i].number;
}

static enum link_step lost(struct ssh_link *link)
{
	return link_fail(link, GF_E_LOST, "the connection to %s was lost while %s",
	                 link->host->name, link_state_name(link->state));
}

int command_exec_start(struct link *base, const char *command, struct gf_err *err)
{
	struct ssh_link *link = (struct ssh_link *)base;
	if (link->state != LINK_IDLE || link->closing)
		return gf_err_set(err, GF_E_INTERNAL, "the link to %s is %s", link->host->name,
		                  link_state_name(link->state));
	free(link->command);
	link->command = strdup(command);
	link->channel = link->command ? ssh_channel_new(link->session) : NULL;
	if (!link->channel)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	link->exit_status = -1;
	link->out_size = link->out_sent = 0;
	link->eof_wanted = link->eof_sent = false;
	memset(&link->callbacks, 0, sizeof(link->callbacks));
	ssh_callbacks_init(&link->callbacks);
	link->callbacks.userdata = link;
	link->callbacks.channel_exit_status_function = exit_status_cb;
	link->callbacks.channel_exit_signal_function = exit_signal_cb;
	ssh_set_channel_callbacks(link->channel, &link->callbacks);
	link_move(link, LINK_OPENING);
	link_wake(link);
	return 0;
}

void command_drop(struct ssh_link *link)
{
	if (!link->channel)
		return;
	ssh_remove_channel_callbacks(link->channel, &link->callbacks);
	ssh_channel_free(link->channel);
	link->channel = NULL;
}

enum link_step command_open_step(struct ssh_link *link)
{
	int rc = ssh_channel_open_session(link->channel);
	if (rc == SSH_OK) {
		turns_end(link, SSH_PACE_IN);
		return link_move(link, LINK_REQUESTING);
	}
	if (!ssh_is_connected(link->session))
		return lost(link);
	if (rc == SSH_AGAIN)
		return STEP_WAIT;
	return link_fail(link, GF_E_CONNECT,
	                 "%s refuses to open a channel (%s): see MaxSessions there",
	                 link->host->name, ssh_get_error(link->session));
}

enum link_step command_request_step(struct ssh_link *link)
{
	int rc = ssh_channel_request_exec(link->channel, link->command);
	if (rc == SSH_OK) {
		free(link->command); /* thousands run the same one of 4 kB */
		link->command = NULL;
		link->running_since = link->idle_since = uv_now(link->opener->loop);
		return link_move(link, LINK_RUNNING);
	}
	if (!ssh_is_connected(link->session))
		return lost(link);
	if (rc == SSH_AGAIN)
		return STEP_WAIT;
	return link_fail(link, GF_E_PROTOCOL, "%s refuses to run commands (%s)", link->host->name,
	                 ssh_get_error(link->session));
}

uint64_t command_deadline(const struct ssh_link *link)
{
	const struct ssh_options *options = &link->opener->options;
	uint64_t now = uv_now(link->opener->loop), until = UINT64_MAX;
	if (options->command_timeout_ms)
		until = link->running_since + options->command_timeout_ms;
	if (options->idle_timeout_ms && link->idle_since + options->idle_timeout_ms < until)
		until = link->idle_since + options->idle_timeout_ms;
	return until == UINT64_MAX || until <= now ? 0 : until - now;
}

/* Drains one stream. 1: there was something, 0: nothing, -1: the link is no longer ours to use. */
static int drain(struct ssh_link *link, int fd)
{
	static char buffer[READ_SIZE]; /* one thread; the callee copies what it keeps */
	int moved = 0;
	for (int i = 0; i < READS_MAX; i++) {
		int got =
		    ssh_channel_read_nonblocking(link->channel, buffer, sizeof(buffer), fd == 2);
		if (got <= 0)
			break; /* nothing, the end, or an error that is seen below */
		moved = 1;
		link->idle_since = uv_now(link->opener->loop);
		link->base.events->output(link->base.ctx, &link->base, fd, buffer, (size_t)got);
		if (link->closing)
			return -1;
	}
	return moved;
}

void command_out_drop(struct ssh_link *link)
{
	if (link->out)
		explicit_bzero(link->out, link->out_room); /* it may have been a password */
	free(link->out);
	link->out = NULL;
	link->out_size = link->out_sent = link->out_room = 0;
}

static int send_some(struct ssh_link *link)
{
	int moved = 0;
	while (link->out_sent < link->out_size) {
		size_t size = link->out_size - link->out_sent;
		uint32_t window = ssh_channel_window_size(link->channel);
		if (window == 0 || (ssh_get_status(link->session) & SSH_WRITE_PENDING))
			return moved;
		if (size > WRITE_SIZE)
			size = WRITE_SIZE;
		if (size > window)
			size = window;
		int sent =
		    ssh_channel_write(link->channel, link->out + link->out_sent, (uint32_t)size);
		if (sent <= 0)
			return moved;
		link->out_sent += (size_t)sent;
		link->idle_since = uv_now(link->opener->loop);
		moved = 1;
	}
	if (link->out_size > 0 && !(ssh_get_status(link->session) & SSH_WRITE_PENDING)) {
		command_out_drop(link);
		moved = 1;
		if (link->base.events->drained)
			link->base.events->drained(link->base.ctx, &link->base);
		if (link->closing)
			return -1;
	}
	if (link->eof_wanted && !link->eof_sent && link->out_size == 0) {
		link->eof_sent = true;
		ssh_channel_send_eof(link->channel);
		moved = 1;
	}
	return moved;
}

static enum link_step finished(struct ssh_link *link)
{
	int status = link->exit_status;
	command_drop(link);
	link_move(link, LINK_IDLE);
	link->base.events->exited(link->base.ctx, &link->base, status);
	return STEP_MORE;
}

enum link_step command_run_step(struct ssh_link *link)
{
	uint64_t before = link->counter.in_bytes;
	int out = drain(link, 1);
	int errors = out < 0 ? -1 : drain(link, 2);
	int sent = errors < 0 ? -1 : send_some(link);
	if (out < 0 || errors < 0 || sent < 0)
		return STEP_WAIT;
	/* Looking at one stream reads the socket, too, and may bring what belongs to the other. */
	if (out || errors || sent || link->counter.in_bytes != before)
		return STEP_MORE;
	bool closed = ssh_channel_is_closed(link->channel);
	if (closed) {
		/* Reading one stream pumps the socket: what came with the end may lie in the other.
		 */
		out = drain(link, 1);
		errors = out < 0 ? -1 : drain(link, 2);
		if (out < 0 || errors < 0)
			return STEP_WAIT;
		if (out || errors)
			return STEP_MORE;
	}
	if (link->exit_status >= 0 && (closed || ssh_channel_is_eof(link->channel)))
		return finished(link);
	if (!ssh_is_connected(link->session))
		return lost(link);
	if (closed)
		return link_fail(link, GF_E_LOST, "%s ended the command without an exit status",
		                 link->host->name);
	return STEP_WAIT;
}

int command_write(struct link *base, const void *data, size_t size, struct gf_err *err)
{
	struct ssh_link *link = (struct ssh_link *)base;
	if (!link->channel || link->eof_wanted || link->closing)
		return gf_err_set(err, GF_E_INTERNAL, "no command on %s takes input",
		                  link->host->name);
	if (link->out_sent > 0) {
		link->out_size -= link->out_sent;
		memmove(link->out, link->out + link->out_sent, link->out_size);
		link->out_sent = 0;
	}
	if (link->out_size + size > link->out_room) {
		uint8_t *grown = realloc(link->out, link->out_size + size);
		if (!grown)
			return gf_err_set(err, GF_E_MEMORY, "out of memory");
		link->out = grown;
		link->out_room = link->out_size + size;
	}
	if (size)
		memcpy(link->out + link->out_size, data, size);
	link->out_size += size;
	link_wake(link);
	return 0;
}

void command_write_eof(struct link *base)
{
	struct ssh_link *link = (struct ssh_link *)base;
	link->eof_wanted = true;
	link_wake(link);
}
