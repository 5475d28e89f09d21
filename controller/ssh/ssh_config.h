/* ssh_config.h: ~/.ssh/config as ssh reads it: what it says of a host, for what the inventory
 * leaves open.
 *
 * Understood: Host (with *, ? and !), Match (all, host, originalhost, user, localuser), Include,
 * HostName, Port, User, IdentityFile, IdentitiesOnly, ProxyJump, UserKnownHostsFile,
 * ServerAliveInterval, ServerAliveCountMax, IgnoreUnknown; "first value wins" throughout, as in
 * ssh_config(5). Nothing that would change how a host is reached is ignored in silence: it is an
 * error or a warning for the hosts that it concerns. The system's /etc/ssh/ssh_config is not read.
 *
 * Reading (ssh_config_read.c) makes a flat list of lines, Include's files in their place; looking
 * up (ssh_config.c) goes through it once for each host.
 */
#ifndef GPUFLEET_SSH_CONFIG_H
#define GPUFLEET_SSH_CONFIG_H

#include "inventory/inventory.h"
#include "node-agent/wire/error.h"

struct ssh_config;

/* Reads PATH; Include's relative names are looked for in its folder. A file that is not there is an
 * empty configuration. NULL with *err, "FILE:LINE:COL: message" for what stands in a file. */
struct ssh_config *ssh_config_read(const char *path, struct gf_err *err);

/* The same from memory; Include is not followed. */
struct ssh_config *ssh_config_parse(const char *path, const char *text, size_t size,
                                    struct gf_err *err);
void ssh_config_free(struct ssh_config *config);

/* Something of FILE:LINE that gpufleet leaves out for host NAME. */
typedef void ssh_config_warn_fn(void *ctx, const char *file, unsigned line, const char *host,
                                const char *message);

/* Fills what HOST has no value for (address, port, user, identity files, known_hosts, jump) with
 * what CONFIG says of its name, then with the built-in values: the local user, port 22,
 * ~/.ssh/known_hosts. CONFIG may be NULL. WARN is called during the call; it may be NULL. Returns 0
 * or -1 with *err, HOST then being filled in part. */
int ssh_config_apply(const struct ssh_config *config, struct inventory_host *host,
                     ssh_config_warn_fn *warn, void *ctx, struct gf_err *err);

#endif
