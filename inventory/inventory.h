/* inventory.h: one fleet as its operator wrote it, resolved: every host with everything that
 * applies to it (host over group over defaults). Reading is inventory_read.c; node sets are
 * nodeset.h.
 */
#ifndef GPUFLEET_INVENTORY_H
#define GPUFLEET_INVENTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node-agent/wire/error.h"

enum inventory_role { ROLE_COMPUTE, ROLE_CONTROL };
enum inventory_host_keys { HOST_KEYS_STRICT, HOST_KEYS_ACCEPT_NEW, HOST_KEYS_PIN };
enum inventory_become { BECOME_NONE, BECOME_SUDO };
enum inventory_functions { FUNCTIONS_ALL, FUNCTIONS_PRIMARY };

struct string_list {
	char **items;
	size_t count;
};

/* One entry of `gpus`. Strings not given are NULL. */
struct inventory_gpu {
	char *alias;
	char *vendor;              /* four lower-case hex digits, or NULL with `class` alone */
	char *device;              /* four lower-case hex digits, or NULL */
	char *class_code;          /* four lower-case hex digits ("0300"), or NULL */
	char *subsystem;           /* "1462:3609", or NULL */
	char *address;             /* "0000:01:00.0", only in a host's own list, or NULL */
	struct string_list except; /* PCI addresses */
	enum inventory_functions functions;
	char *numa_policy, *resource_class;
	char *nvswitch; /* "split": GPUs of a board go to guests one by one; "board" */
	struct string_list traits;
	int managed, live_migratable, one_time_use; /* -1 not given, 0 no, 1 yes */
};

struct inventory_gpu_list {
	struct inventory_gpu *items;
	size_t count;
	bool given;      /* false: no `gpus` anywhere, look at every GPU */
	size_t *holders; /* how many lists these items are in; NULL: they are nobody's to free */
};

struct inventory_host {
	char *name;
	char *address;  /* what to connect to: `address`, else the name */
	uint16_t port;  /* 0: not given (~/.ssh/config, else 22) */
	char *host_key; /* "SHA256:…" or NULL */
	/* Most hosts have these in common: shared_text.h. */
	char *user;          /* NULL: not given (~/.ssh/config, else the local user) */
	char *identity_file; /* `~` expanded; NULL: agent and defaults */
	char *known_hosts;   /* `~` expanded; NULL: not given (~/.ssh/known_hosts) */
	char *jump;          /* [user@]host[:port], several with commas; or NULL */
	char *domain;        /* or NULL */
	bool address_given;  /* `address` stands in the inventory */
	/* From ~/.ssh/config alone, where there is no identity_file. */
	struct string_list identity_files;
	bool identities_given;  /* IdentityFile applies: the usual files are not tried */
	bool identities_only;   /* no other key of the agent is, either */
	bool known_hosts_given; /* UserKnownHostsFile applies */
	/* ServerAliveInterval and ServerAliveCountMax of ~/.ssh/config; 0: not given. */
	unsigned alive_interval_s, alive_count;
	/* What `jump` ends in, resolved (controller/ssh/ssh_jump.h); NULL: reached directly.
	 * Borrowed. */
	const struct inventory_host *bastion;
	enum inventory_host_keys host_keys;
	enum inventory_become become;
	enum inventory_role role;
	const struct string_list *groups; /* the inventory's; NULL: a host that it does not have */
	struct inventory_gpu_list gpus;
	struct string_list kernel_args_add, kernel_args_remove;
};

struct inventory_wave {
	bool percent; /* value is a percentage of the selected hosts, else a count */
	unsigned value;
};

/* When hosts may be taken down: on DAYS (bit 0: Monday) from FROM to TO, minutes since midnight in
 * zone TZ; TO before FROM: on the day after. */
struct inventory_window {
	unsigned days, from, to;
	char *tz; /* "Europe/Berlin"; NULL: the controller's own */
};

struct inventory_rollout {
	struct inventory_wave *waves;
	size_t wave_count;
	unsigned max_unavailable; /* default 1 */
	bool max_unavailable_percent;
	unsigned max_failures; /* default 0 */
	bool max_failures_percent;
	unsigned per_domain;                                    /* 0: no limit */
	struct string_list drain, undrain, health, power_cycle; /* argv; count 0: none */
	unsigned boot_timeout_s;                                /* default 1800 */
	unsigned confirm_timeout_s;                             /* default 600 */
	struct inventory_window *windows;
	size_t window_count; /* 0: at any time */
};

struct inventory_flavor_gpu {
	char *alias;
	unsigned count;
};

struct inventory_flavor {
	char *name;
	unsigned vcpus, ram_mb, disk_gb;
	struct inventory_flavor_gpu *gpus;
	size_t gpu_count;
};

/* The names of the groups that some hosts are in, all of them. */
struct inventory_groups {
	struct string_list names;
	struct inventory_groups *next;
};

struct inventory {
	char *path; /* as given */
	char *fleet;
	char *playbook; /* a shipped name, or a path resolved against the inventory's folder */
	char *sha256;   /* of the file's bytes, lower-case hex */
	struct inventory_host *hosts; /* in natural order of their names */
	size_t host_count;
	struct inventory_groups *groups;
	struct inventory_gpu_list gpus; /* the fleet's list */
	struct inventory_flavor *flavors;
	size_t flavor_count;
	struct inventory_rollout rollout;
	bool nova_given;                      /* it has a section `nova` */
	char *nova_release, *nova_deployment; /* as written, or NULL */
	int nova_number; /* Nova's number of nova_release (nova_release.h); 0: not given */
	int report_in_placement, pci_in_placement; /* -1 not given, 0 no, 1 yes */
};

/* Reads and checks an inventory file. On failure err->msg is "FILE:LINE:COL: message" of the first
 * mistake. The caller owns the result: inventory_free. */
struct inventory *inventory_read(const char *path, struct gf_err *err);

/* The same from memory; `path` is used in messages and to resolve a playbook's path. */
struct inventory *inventory_parse(const char *path, const char *text, size_t length,
                                  struct gf_err *err);

void inventory_free(struct inventory *inventory);

/* The host of that exact name, or NULL. */
const struct inventory_host *inventory_host_find(const struct inventory *inventory,
                                                 const char *name);

/* The hosts that a node set (`--limit`; NULL means all) names: an array of indexes into
 * inventory->hosts, ascending, owned by the caller (free). A name or group that the inventory does
 * not have, and an empty selection, are errors. Returns 0 or -1. */
int inventory_select(const struct inventory *inventory, const char *limit, size_t **indexes,
                     size_t *count, struct gf_err *err);

#endif
