/* ssh_opener.h: opens links (controller/link/link.h) over SSH: libssh for transport, authentication
 * and channels, on one libuv loop. Name look-up, TCP, known_hosts and agent signing are gpufleet's
 * own.
 *
 * One opener serves any number of links: it holds what they share (keys and known_hosts files, each
 * read once; the agent's identities; options). A link's machine is ssh_link.h.
 */
#ifndef GPUFLEET_SSH_OPENER_H
#define GPUFLEET_SSH_OPENER_H

#include <uv.h>

#include "controller/link/link.h"
#include "controller/secret/secret.h"

struct ssh_options {
	unsigned connect_timeout_ms; /* name look-up and TCP; key exchange anew; 0: 10000 */
	unsigned auth_timeout_ms;    /* authentication and the opening of a channel; 0: 20000 */
	unsigned command_timeout_ms; /* from link_exec to the end of the command; 0: none */
	unsigned idle_timeout_ms;    /* no byte either way while a command runs; 0: none */
	unsigned keepalive_ms; /* silent for so long: asked; for four times that: lost; 0: 15000 */
	unsigned connect_attempts;   /* refused or reset at the start: tries in all; 0: 3 */
	unsigned refused_timeout_ms; /* with a server that turns every connection away; 0: 60000 */
	struct secrets *secrets;  /* who knows passphrases and passwords; NULL: nobody (borrowed) */
	const char *agent_socket; /* NULL: $SSH_AUTH_SOCK; "": no agent (copied) */
	const char *ciphers;      /* comma list, best first; NULL: the default (copied) */
};

/* An opener on LOOP. Options may be NULL (all defaults). */
struct link_opener *ssh_opener_new(uv_loop_t *loop, const struct ssh_options *options,
                                   struct gf_err *err);

/* Frees the opener. Every link must have been closed; what they hold is released as the loop runs,
 * so run it once more (until uv_run returns 0) afterwards. NULL is fine. */
void ssh_opener_free(struct link_opener *opener);

#endif
