/* ssh_agent.h: asks the user's ssh-agent (not gpufleet's agent on the host, which is spoken to in
 * controller/host/agent_link.h) without ever blocking the loop: one question at a time (gpg-agent
 * breaks on more), each on a connection of its own, on libuv's thread pool, with a deadline.
 *
 * Questions and answers are whole agent messages: the four length bytes and what they announce.
 */
#ifndef GPUFLEET_SSH_AGENT_H
#define GPUFLEET_SSH_AGENT_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "node-agent/wire/error.h"

#define SSH_AGENT_REQUEST_IDENTITIES 11
#define SSH_AGENT_IDENTITIES_ANSWER  12
#define SSH_AGENT_SIGN_REQUEST       13

struct ssh_agent_question;

struct ssh_agent {
	uv_loop_t *loop;
	char *socket_path;
	struct ssh_agent_question *first, *last; /* waiting */
	struct ssh_agent_question *asking;
};

/* The answer, or NULL with why there is none. The bytes are the callee's only during the call. */
typedef void (*ssh_agent_answer_fn)(void *ctx, const uint8_t *answer, size_t size,
                                    const struct gf_err *err);

int ssh_agent_init(struct ssh_agent *agent, uv_loop_t *loop, const char *socket_path,
                   struct gf_err *err);

/* Queues QUESTION (copied). ANSWER is needed. NULL with *err when out of memory. Answers come
 * later, on the loop. */
struct ssh_agent_question *ssh_agent_ask(struct ssh_agent *agent, const void *question, size_t size,
                                         unsigned timeout_ms, ssh_agent_answer_fn answer, void *ctx,
                                         struct gf_err *err);

/* No answer will come to this question any more. */
void ssh_agent_forget(struct ssh_agent_question *question);

/* No question may be left that was not forgotten or answered. Those under way are dropped as they
 * end. */
void ssh_agent_end(struct ssh_agent *agent);

#endif
