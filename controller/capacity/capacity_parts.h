/* capacity_parts.h: what capacity.c puts together, a file each.
 */
#ifndef GPUFLEET_CAPACITY_PARTS_H
#define GPUFLEET_CAPACITY_PARTS_H

#include "controller/capacity/capacity.h"

/* capacity_aliases.c: of each alias the GPUs by verdict and cause; in all, by domain, by NUMA node.
 * NULL when out of memory, as all of these. */
json_t *capacity_aliases(const struct inventory *inventory, const struct capacity_source *sources,
                         size_t count);

/* capacity_flavors.c: how many guests of each flavor fit, and what keeps out the next. */
json_t *capacity_flavors(const struct capacity_flavor *flavors, size_t flavor_count,
                         bool split_boards, int release, const struct capacity_source *sources,
                         size_t count);

/* capacity_blockers.c: what blocks GPUs, most of them first. */
json_t *capacity_blockers(const struct capacity_source *sources, size_t count);

#endif
