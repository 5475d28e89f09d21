/* nova_fleet.h: what the control plane needs to know of the whole fleet, from the stored facts of
 * every host: of each alias the models and how Nova types them, who reports to Placement, and who
 * was never scanned. Pure: facts come from the caller.
 */
#ifndef GPUFLEET_NOVA_FLEET_H
#define GPUFLEET_NOVA_FLEET_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "inventory/inventory.h"

/* One model under one alias. */
struct nova_fleet_model {
	char vendor[5], device[5];
	const char *type; /* type-PCI or type-PF */
	const char *host; /* one that has it (its name in the inventory) */
	size_t count;     /* devices of the fleet */
};

struct nova_fleet_alias {
	const char *name;
	const struct inventory_gpu *gpu; /* the first entry of `gpus` with that name */
	const char *differs; /* what another entry of the same name says otherwise ("numa_policy"),
	                        or NULL */
	struct nova_fleet_model *models;
	size_t count;
};

struct host_facts;
struct nova_fleet_host;

struct nova_fleet {
	const struct inventory *inventory; /* borrowed */
	struct nova_fleet_alias *aliases;
	size_t alias_count;
	struct nova_fleet_host *hosts; /* by index in the inventory */
};

/* One in which nobody was scanned yet; the caller frees it. NULL when out of memory. */
struct nova_fleet *nova_fleet_new(const struct inventory *inventory, struct gf_err *err);

/* What is known of HOST from now on (one that is not in the inventory counts for nothing): its
 * newest facts document, in place of an older one. NULL, and one of the wrong shape: it was never
 * scanned. -1 only when out of memory. */
int nova_fleet_put(struct nova_fleet *fleet, const struct inventory_host *host, const json_t *facts,
                   struct gf_err *err);

/* The same where FACTS were parsed before; PARSED NULL: they were not. */
int nova_fleet_put_parsed(struct nova_fleet *fleet, const struct inventory_host *host,
                          const json_t *facts, const struct host_facts *parsed, struct gf_err *err);

void nova_fleet_free(struct nova_fleet *fleet);

/* NULL when no entry of `gpus` has that name. */
const struct nova_fleet_alias *nova_fleet_alias_find(const struct nova_fleet *fleet,
                                                     const char *name);

/* The compute hosts that were never scanned; those that were, and whose nova-compute does not
 * report PCI devices to Placement (or was not found). Their number, and their names as a node set
 * ("gpu[01-16],gpu20"), cut to SIZE, in NAMES. */
size_t nova_fleet_unscanned(const struct nova_fleet *fleet, char *names, size_t size);
size_t nova_fleet_not_reporting(const struct nova_fleet *fleet, char *names, size_t size);

#endif
