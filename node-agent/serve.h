/* serve.h: requests, one JSON object a line, and their answers (docs/design/contracts.md, The
 * wire). */
#ifndef GPUFLEET_SERVE_H
#define GPUFLEET_SERVE_H

#include <jansson.h>
#include <time.h>

#include "node-agent/agent.h"

struct serve {
	const struct agent *agent;
	int in, out;
	json_t *id;    /* of the request at hand, borrowed */
	json_t *facts; /* requests.c: those that were told last; NULL: what was asked for since may
	                  have changed the host */
	struct timespec facts_seen;
};

/* Says hello and answers requests until IN ends. Returns the process's exit status. */
int serve_loop(struct serve *serve);

/* Forgets the facts that SERVE has told. */
void serve_forget(struct serve *serve);

/* Answers one request: writes its events and its result or error. *failed is set for an error.
 * Returns -1 when the answer could not be written: the connection is gone. */
int serve_request(struct serve *serve, const json_t *request, bool *failed);

/* Writes OBJECT as a line. */
int serve_write(struct serve *serve, const json_t *object, struct gf_err *err);

/* Is somebody still reading? */
bool serve_alive(struct serve *serve);

/* requests.c: the request's result, a new reference, or NULL with *err. GF_E_LOST ends the session.
 */
json_t *request_answer(struct serve *serve, const json_t *request, struct gf_err *err);

#endif
