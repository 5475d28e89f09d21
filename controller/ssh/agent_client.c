/* agent_client.c: see agent_client.h. */
#include "controller/ssh/agent_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX (256 * 1024)

struct agent_question {
	uv_work_t work;
	struct agent_client *client; /* NULL once the client was closed */
	struct agent_question *next;
	agent_answer_fn answer; /* NULL: forgotten */
	void *ctx;
	unsigned timeout_ms;
	struct sockaddr_un socket;
	uint8_t *question, *reply;
	size_t size, reply_size;
	struct gf_err err;
};

int agent_client_init(struct agent_client *client, uv_loop_t *loop, const char *socket_path,
                      struct gf_err *err)
{
	*client = (struct agent_client){.loop = loop};
	client->socket_path = strdup(socket_path);
	return client->socket_path ? 0 : gf_err_set(err, GF_E_MEMORY, "out of memory");
}

static void question_free(struct agent_question *question)
{
	free(question->question);
	free(question->reply);
	free(question);
}

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* Moves SIZE bytes to or from the agent before UNTIL. */
static int transfer(struct agent_question *q, int fd, uint8_t *data, size_t size, bool out,
                    uint64_t until)
{
	while (size > 0) {
		uint64_t now = now_ms();
		struct pollfd poll_fd = {fd, out ? POLLOUT : POLLIN, 0};
		if (now >= until || poll(&poll_fd, 1, (int)(until - now)) == 0)
			return gf_err_set(
			    &q->err, GF_E_AUTH,
			    "the ssh-agent at %s did not answer within %u s: does it wait "
			    "for a confirmation?",
			    q->socket.sun_path, q->timeout_ms / 1000);
		ssize_t done = out ? send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT)
		                   : recv(fd, data, size, MSG_DONTWAIT);
		if (done < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (done <= 0)
			return gf_err_set(&q->err, GF_E_AUTH, "the ssh-agent at %s hung up",
			                  q->socket.sun_path);
		data += done;
		size -= (size_t)done;
	}
	return 0;
}

static void ask(struct agent_question *q, int fd)
{
	uint64_t until = now_ms() + q->timeout_ms;
	uint8_t head[4];
	if (connect(fd, (struct sockaddr *)&q->socket, sizeof(q->socket)) != 0) {
		gf_err_errno(&q->err, GF_E_AUTH, "cannot reach the ssh-agent at %s",
		             q->socket.sun_path);
		return;
	}
	if (transfer(q, fd, q->question, q->size, true, until) != 0 ||
	    transfer(q, fd, head, sizeof(head), false, until) != 0)
		return;
	size_t size =
	    (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
	uint8_t *reply = size > 0 && size <= ANSWER_MAX ? malloc(size + 4) : NULL;
	if (!reply) {
		gf_err_set(&q->err, GF_E_AUTH, "the ssh-agent at %s gave a malformed answer",
		           q->socket.sun_path);
		return;
	}
	memcpy(reply, head, sizeof(head));
	if (transfer(q, fd, reply + 4, size, false, until) != 0) {
		free(reply);
		return;
	}
	q->reply = reply;
	q->reply_size = size + 4;
}

static void work_cb(uv_work_t *work)
{
	struct agent_question *q = work->data;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		gf_err_errno(&q->err, GF_E_AUTH, "cannot open a socket");
		return;
	}
	ask(q, fd);
	close(fd);
}

static void after_work_cb(uv_work_t *work, int status);

static void ask_next(struct agent_client *client)
{
	while (!client->asking && client->first) {
		struct agent_question *q = client->first;
		client->first = q->next;
		if (!client->first)
			client->last = NULL;
		if (!q->answer) {
			question_free(q);
			continue;
		}
		client->asking = q;
		q->work.data = q;
		uv_queue_work(client->loop, &q->work, work_cb, after_work_cb);
	}
}

static void after_work_cb(uv_work_t *work, int status)
{
	(void)status;
	struct agent_question *q = work->data;
	if (q->client) {
		q->client->asking = NULL;
		ask_next(q->client);
	}
	if (q->answer)
		q->answer(q->ctx, q->reply, q->reply_size, q->reply ? NULL : &q->err);
	question_free(q);
}

struct agent_question *agent_client_ask(struct agent_client *client, const void *question,
                                        size_t size, unsigned timeout_ms, agent_answer_fn answer,
                                        void *ctx, struct gf_err *err)
{
	struct agent_question *q = calloc(1, sizeof(*q));
	if (!q || !(q->question = malloc(size))) {
		free(q);
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	memcpy(q->question, question, size);
	q->size = size;
	q->client = client;
	q->answer = answer;
	q->ctx = ctx;
	q->timeout_ms = timeout_ms;
	q->socket.sun_family = AF_UNIX;
	if (strlen(client->socket_path) >= sizeof(q->socket.sun_path)) {
		gf_err_set(err, GF_E_AUTH, "the path of the ssh-agent's socket is too long: %s",
		           client->socket_path);
		question_free(q);
		return NULL;
	}
	strcpy(q->socket.sun_path, client->socket_path);
	if (client->last)
		client->last->next = q;
	else
		client->first = q;
	client->last = q;
	ask_next(client);
	return q;
}

void agent_client_forget(struct agent_question *question)
{
	if (question)
		question->answer = NULL;
}

void agent_client_close(struct agent_client *client)
{
	if (client->asking) {
		client->asking->client = NULL;
		client->asking->answer = NULL;
	}
	while (client->first) {
		struct agent_question *q = client->first;
		client->first = q->next;
		question_free(q);
	}
	free(client->socket_path);
	client->socket_path = NULL;
}
