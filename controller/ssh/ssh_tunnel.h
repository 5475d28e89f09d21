/* ssh_tunnel.h: one link's way through a bastion, between ssh_bastion.c and ssh_tunnel.c. */
#ifndef GPUFLEET_SSH_TUNNEL_H
#define GPUFLEET_SSH_TUNNEL_H

#include "controller/ssh/ssh_bastion.h"

/* What one side did not take at once. */
struct tunnel_rest {
	uint8_t *data; /* NULL: nothing */
	size_t size, sent;
};

struct ssh_tunnel {
	struct ssh_bastion *bastion;
	struct ssh_link
	    *link; /* NULL: it has gone, and the channel must be closed once it opened */
	struct ssh_tunnel *prev, *next, *next_moved;
	ssh_channel channel; /* NULL: none, or its session has ended */
	struct ssh_channel_callbacks_struct callbacks;
	bool opening, moved;
	bool blocked;               /* the bastion's session takes nothing now */
	uv_poll_t *poll;            /* of our end of the pair; frees itself */
	int fd, mask;               /* -1: none */
	struct tunnel_rest in, out; /* from the bastion, to it */
	bool in_ended, out_ended;
};

struct ssh_tunnel *tunnel_new(struct ssh_bastion *bastion, struct ssh_link *link);
/* The bastion said something while this one may be opening. May free it. */
void tunnel_heard(struct ssh_tunnel *tunnel);
/* Moves what can be moved, both ways. */
void tunnel_pump(struct ssh_tunnel *tunnel);
/* The bastion's session ends: no channel any more. Frees the tunnel when its link has gone. */
void tunnel_cut(struct ssh_tunnel *tunnel);

#endif
