/* capacity.h: what the fleet has of each alias, how many more guests of each flavor it can take,
 * and what blocks the most of it. Pure: a function of the inventory, each host's facts and its
 * readiness. docs/design/capacity.md has the rules.
 */
#ifndef GPUFLEET_CAPACITY_H
#define GPUFLEET_CAPACITY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "inventory/inventory.h"

/* One host. Everything is borrowed for the call. */
struct capacity_source {
	const struct inventory_host *host;
	const json_t *facts; /* its newest facts document; NULL: never reached */
	const json_t *entry; /* its entry of the report's hosts */
};

struct capacity_flavor {
	const struct inventory_flavor *flavor; /* borrowed */
	int numa; /* do guests have a NUMA topology of one node? -1: where an alias has a policy */
};

/* What is asked beside what the inventory says. */
struct capacity_question {
	const struct capacity_flavor *flavors;
	size_t flavor_count;
	bool split_boards; /* GPUs behind NVSwitches go to guests one by one */
};

/* The report's `capacity`, a new reference: aliases, flavors, blockers. NULL when out of memory. */
json_t *capacity_build(const struct inventory *inventory, const struct capacity_source *sources,
                       size_t count);

/* The same for other flavors than the inventory's. */
json_t *capacity_answer(const struct inventory *inventory, const struct capacity_question *question,
                        const struct capacity_source *sources, size_t count);

#endif
