/* capacity.h: what the fleet has of each alias, and how many guests of each flavor it can take.
 * Pure: a function of the inventory and of each host's readiness.
 */
#ifndef GPUFLEET_CAPACITY_H
#define GPUFLEET_CAPACITY_H

#include <jansson.h>

#include "inventory/inventory.h"

/* The report's `capacity` (a new reference) from HOSTS, the report's array of hosts. */
json_t *capacity_build(const struct inventory *inventory, const json_t *hosts);

#endif
