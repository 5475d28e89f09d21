/* ssh_agent.c: see ssh_agent.h. */
#include "controller/ssh/ssh_agent.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_MAX (256 * 1024)

struct ssh_agent_question {
	uv_work_t work;
	struct ssh_agent *agent; /* NULL once the agent was closed */
	struct ssh_agent_question *next;
	ssh_agent_answer_fn answer; /* NULL: forgotten */
	void *ctx;
	unsigned timeout_ms;
	struct sockaddr_un socket;
	uint8_t *question, *reply;
	size_t size, reply_size;
	struct gf_err err;
};

int ssh_agent_init(struct ssh_agent *agent, uv_loop_t *loop, const char *socket_path,
                   struct gf_err *err)
{
	*agent = (struct ssh_agent){.loop = loop};
	agent->socket_path = strdup(socket_path);
	return agent->socket_path ? 0 : gf_err_set(err, GF_E_MEMORY, "out of memory");
}

static void question_free(struct ssh_agent_question *question)
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
static int transfer(struct ssh_agent_question *q, int fd, uint8_t *data, size_t size, bool out,
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

static void ask(struct ssh_agent_question *q, int fd)
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
	struct ssh_agent_question *q = work->data;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		gf_err_errno(&q->err, GF_E_AUTH, "cannot open a socket");
		return;
	}
	ask(q, fd);
	close(fd);
}

static void after_work_cb(uv_work_t *work, int status);

static void ask_now(struct ssh_agent *agent, struct ssh_agent_question *q)
{
	agent->asking = q;
	q->work.data = q;
	uv_queue_work(agent->loop, &q->work, work_cb, after_work_cb);
}

/* The first that waits and was not forgotten. */
static void ask_next(struct ssh_agent *agent)
{
	while (!agent->asking && agent->first) {
		struct ssh_agent_question *q = agent->first;
		agent->first = q->next;
		if (q->answer)
			ask_now(agent, q);
		else
			question_free(q);
	}
}

static void after_work_cb(uv_work_t *work, int status)
{
	(void)status;
	struct ssh_agent_question *q = work->data;
	if (q->agent) {
		q->agent->asking = NULL;
		ask_next(q->agent);
	}
	if (q->answer)
		q->answer(q->ctx, q->reply, q->reply_size, q->reply ? NULL : &q->err);
	question_free(q);
}

struct ssh_agent_question *ssh_agent_ask(struct ssh_agent *agent, const void *question, size_t size,
                                         unsigned timeout_ms, ssh_agent_answer_fn answer, void *ctx,
                                         struct gf_err *err)
{
	assert(answer); /* none means forgotten */
	struct ssh_agent_question *q = calloc(1, sizeof(*q));
	if (!q || !(q->question = malloc(size))) {
		free(q);
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	memcpy(q->question, question, size);
	q->size = size;
	q->agent = agent;
	q->answer = answer;
	q->ctx = ctx;
	q->timeout_ms = timeout_ms;
	q->socket.sun_family = AF_UNIX;
	if (strlen(agent->socket_path) >= sizeof(q->socket.sun_path)) {
		gf_err_set(err, GF_E_AUTH, "the path of the ssh-agent's socket is too long: %s",
		           agent->socket_path);
		question_free(q);
		return NULL;
	}
	strcpy(q->socket.sun_path, agent->socket_path);
	if (!agent->asking) { /* so none waits */
		ask_now(agent, q);
		return q;
	}
	if (agent->first)
		agent->last->next = q;
	else
		agent->first = q;
	agent->last = q;
	return q;
}

void ssh_agent_forget(struct ssh_agent_question *question)
{
	if (question)
		question->answer = NULL;
}

void ssh_agent_end(struct ssh_agent *agent)
{
	if (agent->asking) {
		agent->asking->agent = NULL;
		agent->asking->answer = NULL;
	}
	while (agent->first) {
		struct ssh_agent_question *q = agent->first;
		agent->first = q->next;
		question_free(q);
	}
	free(agent->socket_path);
	agent->socket_path = NULL;
}
