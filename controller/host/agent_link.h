/* agent_link.h: the agent on one host, over one link: starts it (pushing it where it is absent),
 * sends requests, gives back events and results. One request at a time.
 *
 * All callbacks come on the loop's thread, never from within agent_link_open or
 * agent_link_request, and never after agent_link_close. A callback may close the client.
 */
#ifndef GPUFLEET_AGENT_LINK_H
#define GPUFLEET_AGENT_LINK_H

#include <jansson.h>

#include "controller/host/agent_bundle.h"
#include "controller/link/link.h"
#include "controller/secret/secret.h"
#include "controller/store/json_share.h"

struct agent_link;

struct agent_link_events {
	void (*connected)(void *ctx); /* authenticated; the agent is being started */
	void (*waiting)(void *ctx);   /* for a person's answer, or for another host's try of it */
	void (*hello)(void *ctx, const json_t *hello);   /* requests may be sent */
	void (*event)(void *ctx, const json_t *event);   /* before the result of a request */
	void (*result)(void *ctx, const json_t *result); /* of the request */
	void (*error)(void *ctx,
	              const struct gf_err *err); /* the agent refused or failed the request */
	void (*failed)(void *ctx, const struct gf_err *err); /* no connection any more: close it */
};

/* Connects to HOST (borrowed, as BUNDLE, SECRETS and SHARE, until close). SECRETS: who knows sudo's
 * password; NULL where nobody does. SHARE: what other hosts have said, so that nobody may change
 * what callbacks are given; or NULL. NULL with *err for what is known at once. */
struct agent_link *agent_link_open(struct link_opener *opener, const struct inventory_host *host,
                                   const struct agent_bundle *bundle, struct secrets *secrets,
                                   struct json_share *share, const struct agent_link_events *events,
                                   void *ctx, struct gf_err *err);

/* Sends REQUEST (stolen; its "id" is set here). */
int agent_link_request(struct agent_link *client, json_t *request, struct gf_err *err);

/* Within the callback `result`: its text, as the agent wrote it, of *SIZE bytes; it belongs to the
 * client. NULL: the agent wrote it as no agent of ours does. */
const char *agent_link_result_text(const struct agent_link *client, size_t *size);

void agent_link_close(struct agent_link *client);

#endif
