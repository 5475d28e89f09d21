/* agent_push.c: see agent_push.h. */
#include "controller/host/agent_push.h"

#include <string.h>

#include "node-agent/launch_script.h"

#define PUSH_CHUNK ((size_t)64 << 10)

int agent_push_drained(struct agent_push *push, struct link *link,
                       const struct agent_bundle *bundle, struct gf_err *err)
{
	char chunk[PUSH_CHUNK];
	size_t left = bundle->size - push->pushed;
	size_t size = left < PUSH_CHUNK ? left : PUSH_CHUNK;

	if (push->state != AGENT_PUSH_BEGUN)
		return 0;
	if (!left) {
		push->state = AGENT_PUSH_DONE;
		return 0;
	}
	if (agent_bundle_read(bundle, push->pushed, chunk, size, err) ||
	    link_write(link, chunk, size, err))
		return -1;
	push->pushed += size;
	return 0;
}

int agent_push_asked(struct agent_push *push, enum frame_greeting greeting, struct link *link,
                     const struct agent_bundle *bundle, struct gf_err *err)
{
	if (greeting == FRAME_GREETING_PLACE) {
		if (push->state != AGENT_PUSH_NONE)
			return gf_err_set(err, GF_E_PROTOCOL,
			                  "the host asked twice for how to put the agent there");
		push->state = AGENT_PUSH_PLACED;
		return link_write(link, place_script, strlen(place_script), err);
	}
	if (push->state == AGENT_PUSH_NONE)
		return gf_err_set(err, GF_E_PROTOCOL,
		                  "the host asked for the agent before it asked for how to put it "
		                  "there");
	if (push->state != AGENT_PUSH_PLACED)
		return gf_err_set(err, GF_E_PROTOCOL,
		                  "the host asked twice for the agent: its folder may be full");
	push->state = AGENT_PUSH_BEGUN;
	return agent_push_drained(push, link, bundle, err);
}
