/* agent_client.h: asks an ssh-agent without ever blocking the loop: one question at a time
 * (gpg-agent breaks on more), each on a connection of its own, on libuv's thread pool, with a
 * deadline.
 *
 * Questions and answers are whole agent messages: the four length bytes and what they announce.
 */
#ifndef GPUFLEET_AGENT_CLIENT_H
#define GPUFLEET_AGENT_CLIENT_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "node-agent/wire/error.h"

#define AGENT_REQUEST_IDENTITIES 11
#define AGENT_IDENTITIES_ANSWER  12
#define AGENT_SIGN_REQUEST       13

struct agent_question;

struct agent_client {
	uv_loop_t *loop;
	char *socket_path;
	struct agent_question *first, *last; /* waiting */
	struct agent_question *asking;
};

/* The answer, or NULL with why there is none. The bytes are the callee's only during the call. */
typedef void (*agent_answer_fn)(void *ctx, const uint8_t *answer, size_t size,
                                const struct gf_err *err);

int agent_client_init(struct agent_client *client, uv_loop_t *loop, const char *socket_path,
                      struct gf_err *err);

/* Queues QUESTION (copied). NULL with *err when out of memory. Answers come later, on the loop. */
struct agent_question *agent_client_ask(struct agent_client *client, const void *question,
                                        size_t size, unsigned timeout_ms, agent_answer_fn answer,
                                        void *ctx, struct gf_err *err);

/* No answer will come to this question any more. */
void agent_client_forget(struct agent_question *question);

/* No question may be left that was not forgotten or answered. Those under way are dropped as they
 * end. */
void agent_client_close(struct agent_client *client);

#endif
