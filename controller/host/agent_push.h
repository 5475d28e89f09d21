/* agent_push.h: what a host that has no agent asks for: the part of the launch script that puts one
 * there, then the bundle; each once, in that order.
 *
 *	agent_push_asked(&push, greeting, link, bundle, &err);     for each greeting but hello
 *	agent_push_drained(&push, link, bundle, &err);             when the link has drained
 */
#ifndef GPUFLEET_AGENT_PUSH_H
#define GPUFLEET_AGENT_PUSH_H

#include "controller/host/agent_bundle.h"
#include "controller/link/link.h"
#include "node-agent/wire/frame.h"

enum agent_push_state {
	AGENT_PUSH_NONE,   /* nothing has been asked for */
	AGENT_PUSH_PLACED, /* place_script was sent */
	AGENT_PUSH_BEGUN,  /* the bundle is on its way */
	AGENT_PUSH_DONE,   /* all of it was given to the link */
};

/* All zero to begin with. */
struct agent_push {
	enum agent_push_state state;
	size_t pushed; /* bytes of the bundle given to the link */
};

/* The host asks for GREETING (place or push), which is written to LINK: of the bundle as much as is
 * to be on its way at once. -1 also when it is not its turn (GF_E_PROTOCOL). */
int agent_push_asked(struct agent_push *push, enum frame_greeting greeting, struct link *link,
                     const struct agent_bundle *bundle, struct gf_err *err);

/* LINK takes more: of the bundle, where it is on its way. */
int agent_push_drained(struct agent_push *push, struct link *link,
                       const struct agent_bundle *bundle, struct gf_err *err);

#endif
