/* capacity_nova.h: what nova-compute on a host keeps back and overcommits, from its effective
 * options. docs/design/capacity.md has the rules and their sources.
 */
#ifndef GPUFLEET_CAPACITY_NOVA_H
#define GPUFLEET_CAPACITY_NOVA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "controller/capacity/capacity_cpus.h"

/* Which processors are for guests without pinned ones: all, those of a set, or none (all that
 * guests may have are for pinned ones). */
enum capacity_shared { SHARED_ALL, SHARED_SET, SHARED_NONE };

struct capacity_pages {
	int node;
	double mb; /* of memory, reserved on that node as huge pages */
};

#define CAPACITY_PAGES_MAX 64

struct capacity_nova {
	bool cpu_known; /* what is about processors */
	enum capacity_shared shared;
	struct capacity_cpus set; /* SHARED_SET */
	bool pinned; /* guests with pinned processors are possible: cpu_dedicated_set */
	double reserved_cpus, cpu_ratio;
	bool ram_known; /* what is about memory */
	double reserved_mb, ram_ratio;
	struct capacity_pages pages[CAPACITY_PAGES_MAX];
	size_t page_count;
	bool ratio_assumed; /* a ratio that the host sets nowhere */
};

/* RELEASE: Nova's number that the inventory gives, for hosts whose facts have none; 0: unknown. -1
 * when out of memory. */
int capacity_nova_read(const json_t *facts, int release, struct capacity_nova *out);

#endif
