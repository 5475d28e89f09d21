/* capacity_host.h: one host as a place for guests: its GPUs, which of them can't be split between
 * guests, its NUMA cells, and what processors and memory it has left. docs/design/capacity.md says
 * where each rule comes from.
 */
#ifndef GPUFLEET_CAPACITY_HOST_H
#define GPUFLEET_CAPACITY_HOST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "inventory/inventory.h"

#define CAPACITY_UNKNOWN    (-1)
#define CAPACITY_NO_NODE    (-1) /* a GPU whose NUMA node the firmware does not tell */
#define CAPACITY_OTHER_CELL (-2) /* a GPU on a node that guests can't be on */

/* Processors, or MiB of memory. A guest may have MOST, and all that come LEFT, or they are
 * CAPACITY_UNKNOWN: then they limit nothing here. */
struct capacity_amount {
	long long most, left;
};

struct capacity_gpu {
	const char *alias; /* borrowed, or NULL */
	int cell;          /* index, CAPACITY_NO_NODE or CAPACITY_OTHER_CELL */
	int set;           /* index, or -1: alone */
	/* A guest can have it now; or when all that is pending was done. */
	bool now, later;
};

/* GPUs of which one guest at most has some. */
struct capacity_set {
	bool whole; /* and only all of them */
	bool held;  /* a running guest has one: nobody else gets another */
};

struct capacity_cell {
	int node, socket; /* socket: -1 where it has none, or several */
	struct capacity_amount vcpus, ram_mb;
};

struct capacity_host {
	struct capacity_gpu *gpus;
	size_t gpu_count;
	struct capacity_set *sets;
	size_t set_count;
	struct capacity_cell *cells; /* one at least */
	size_t cell_count;
	struct capacity_amount vcpus, ram_mb;
	bool pending; /* a guest can have more GPUs later than now */
	bool cells_known;
	bool ratio_assumed; /* no allocation ratio is set on the host: Nova's initial ones */
};

/* Fills *out from a host's FACTS (NULL: it was never reached) and its ENTRY of the report; both are
 * borrowed as long as *out lives. RELEASE: Nova's number for a host that does not tell its own; 0:
 * unknown. SPLIT_BOARDS: GPUs behind NVSwitches go to guests one by one.
 * -1 when out of memory; capacity_host_free after either. */
int capacity_host_fill(const json_t *facts, const json_t *entry, int release, bool split_boards,
                       struct capacity_host *out);
void capacity_host_free(struct capacity_host *host);

/* capacity_room.c: the cells, and what Nova may still give of the host's processors and memory.
 * -1 when out of memory. */
int capacity_room_fill(const json_t *facts, int release, struct capacity_host *out);

#endif
