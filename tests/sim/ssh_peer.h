/* ssh_peer.h: what both simulators' SSH servers do alike: one connection of a client that has the
 * right key, with one session channel at a time.
 */
#ifndef GPUFLEET_SIM_SSH_PEER_H
#define GPUFLEET_SIM_SSH_PEER_H

#include <libssh/callbacks.h>
#include <libssh/libssh.h>
#include <libssh/server.h>
#include <stdbool.h>

struct ssh_peer {
	ssh_session session;
	ssh_key client_key;                             /* NULL: no key is good enough */
	struct ssh_channel_callbacks_struct channel_cb; /* set by the owner but for their size */
	struct ssh_server_callbacks_struct server_cb;
	bool authenticated;
	ssh_channel channel; /* NULL: none is open; the owner frees it */
};

/* Serves the key exchange, and lets EVENT serve the rest. False: the client has gone. */
bool ssh_peer_greet(struct ssh_peer *peer, ssh_event event);

/* A descriptor that is readable when the program is to end. A lost peer kills nobody from now on.
 */
int ssh_peer_signals(void);

#endif
