/* capacity_causes.h: which checks block which GPU of a host.
 */
#ifndef GPUFLEET_CAPACITY_CAUSES_H
#define GPUFLEET_CAPACITY_CAUSES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A check that blocks. Everything is borrowed from the host's entry. */
struct capacity_cause {
	size_t id;          /* index in readiness_check_ids */
	const char *device; /* NULL: it blocks all of the host's */
	const json_t *check;
};

struct capacity_causes {
	struct capacity_cause *items;
	size_t count;
};

/* How many ids there are. */
size_t capacity_cause_ids(void);

/* The checks of ENTRY (a host of the report) that block. -1 when out of memory;
 * capacity_causes_free after either. */
int capacity_causes_read(const json_t *entry, struct capacity_causes *out);
void capacity_causes_free(struct capacity_causes *causes);

/* Marks in BLOCKS (by item) what blocks the GPU at ADDRESS, each id once. A GPU that is only
 * blocked for another function of its card is blocked by what blocks that one. How many it marked.
 */
size_t capacity_causes_of(const struct capacity_causes *causes, const char *address, bool *blocks);

#endif
