/* capacity_what_if.h: what is asked with --what-if: flavors that the inventory does not have, and
 * checks whose fixes are taken for done.
 */
#ifndef GPUFLEET_CAPACITY_WHAT_IF_H
#define GPUFLEET_CAPACITY_WHAT_IF_H

#include <stdbool.h>
#include <stddef.h>

#include "controller/capacity/capacity.h"
#include "inventory/inventory.h"

struct capacity_what_if {
	struct inventory_flavor *flavors;
	int *numa; /* by flavor, as in struct capacity_flavor */
	size_t flavor_count;
	struct string_list fixed;   /* ids of checks */
	struct string_list changes; /* as they were given */
};

/* Adds what TEXT says: "fix=CHECK", or "flavor=NAME,vcpus=N,ram=MIB,gpus=ALIAS:N,…" with gpus as
 * often as wanted, and numa=0 or numa=1. Anything else: -1, GF_E_USAGE, with what to write instead.
 * capacity_what_if_free after either. */
int capacity_what_if_add(struct capacity_what_if *what_if, const char *text,
                         const struct inventory *inventory, struct gf_err *err);
void capacity_what_if_free(struct capacity_what_if *what_if);

/* The capacity for the inventory's flavors and those of WHAT_IF: as it is now, or (THEN) as it
 * would be. SOURCES have the hosts' readiness now or then. What a fix brings beyond verdicts is
 * done here: with device.nvswitch fixed, somebody sees to it that GPUs of a board go to guests one
 * by one. NULL when out of memory. */
json_t *capacity_what_if_answer(const struct capacity_what_if *what_if,
                                const struct inventory *inventory, bool then,
                                const struct capacity_source *sources, size_t count);

#endif
