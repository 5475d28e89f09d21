/* ssh_jump.h: the bastions that lead to hosts, resolved before anything is connected to.
 *
 * `jump` is [user@]host[:port], several with commas, the first of them reached directly. Each is
 * looked up as a host is: in the inventory when it stands there, then in ~/.ssh/config, then the
 * built-in values. What neither gives of key file and known_hosts is the host's behind it, and so
 * is its host key policy.
 */
#ifndef GPUFLEET_SSH_JUMP_H
#define GPUFLEET_SSH_JUMP_H

#include "controller/ssh/ssh_config.h"

struct ssh_jump {
	struct inventory_host host;
	struct ssh_jump *next;
};

/* Every bastion once; all zero to begin with. Owns what the hosts' `bastion` points to. */
struct ssh_jumps {
	struct ssh_jump *first;
};

/* Sets HOST's bastion, and that one's, from its jump; HOST itself was filled by ssh_config_apply.
 * CONFIG may be NULL. Returns 0 or -1 with *err. */
int ssh_jumps_resolve(struct ssh_jumps *jumps, const struct ssh_config *config,
                      const struct inventory *inventory, struct inventory_host *host,
                      ssh_config_warn_fn *warn, void *ctx, struct gf_err *err);

/* The hosts that point into it must not be used any more. */
void ssh_jumps_free(struct ssh_jumps *jumps);

#endif
