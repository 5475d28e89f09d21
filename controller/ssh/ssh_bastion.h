/* ssh_bastion.h: jump hosts: one session per bastion, which carries every host behind it as a
 * direct-tcpip channel. A bastion's own session is an ssh_link like any other (and may be behind
 * another bastion); a host's libssh session runs on one end of a socket pair, whose other end a
 * tunnel pumps to and from its channel, on the loop.
 *
 *   a link:  BASTION (until the session is there) → TURN → TUNNEL (channel) → HANDSHAKE (on the
 * pair) …
 *
 * Back-pressure: a tunnel holds at most one buffer in each direction, and none while both sides
 * take what comes. What the host's session does not take stays in the channel (its window closes);
 * what the bastion does not take stays in the socket pair.
 *
 * Possible failure modes: the bastion cannot be reached (all who wait fail with its words, and for
 * a moment nobody tries again); it forbids forwarding or cannot reach the host (that link fails or
 * tries again); its session ends (all its links fail with GF_E_LOST; the first to come back
 * makes one new session for all).
 */
#ifndef GPUFLEET_SSH_BASTION_H
#define GPUFLEET_SSH_BASTION_H

#include "controller/ssh/ssh_link.h"

struct ssh_bastion {
	struct ssh_opener *opener;
	struct ssh_bastion *next;
	const struct inventory_host *host;
	struct ssh_link *link; /* its session; NULL: none */
	bool ready;
	struct ssh_tunnel *tunnels; /* all, also those whose link has gone while they opened */
	struct ssh_tunnel *moved;   /* those that libssh's callbacks had something for */
	struct ssh_turns turns;     /* of the hosts behind it to connect */
	unsigned opening, blocked;  /* tunnels in these conditions */
	uint64_t in_bytes;          /* of the session, when last looked at */
	unsigned failures;          /* to connect, in a row */
	uint64_t quiet_until;       /* no new try before (uv_now): those who come get `err` */
	struct gf_err err;
	uint8_t buffer[32 * 1024]; /* on the way from one side of a tunnel to the other */
};

/* The steps of LINK_NEW with a bastion, LINK_BASTION and LINK_TUNNEL. */
enum link_step tunnel_start_step(struct ssh_link *link);
enum link_step tunnel_wait_step(struct ssh_link *link);
enum link_step tunnel_open_step(struct ssh_link *link);
/* Gives LINK's tunnel up, if it has one. */
void tunnel_drop(struct ssh_link *link);

/* The step of a bastion's own link once it is ready. */
enum link_step bastion_step(struct ssh_link *link);
/* The session of BASTION is about to be freed, and all its channels with it. */
void bastion_drop_channels(struct ssh_bastion *bastion);
/* Closes every bastion's session and frees them: all other links are closed already. */
void bastions_end(struct ssh_opener *opener);

#endif
