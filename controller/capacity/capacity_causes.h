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

/* A GPU of a host: DEVICE is its primary function in the host's entry. BLOCKS marks which items of
 * CAUSES block it, each id once, and COUNT says how many (0 unless its verdict is "blocked"). A GPU
 * that is only blocked for another function of its card is blocked by what blocks that one. */
typedef int (*capacity_gpu_fn)(void *ctx, const json_t *device,
                               const struct capacity_causes *causes, const bool *blocks,
                               size_t count);

/* Calls EACH for every GPU of ENTRY (a host of the report); a non-zero return ends it and is
 * returned. -1 when out of memory. */
int capacity_causes_each(const json_t *entry, capacity_gpu_fn each, void *ctx);

#endif
