/* capacity_search.h: how many equal guests fit on one host, exactly, where GPUs that can't be split
 * or have no NUMA node make them compete in more than one way: tried out, each situation once.
 */
#ifndef GPUFLEET_CAPACITY_SEARCH_H
#define GPUFLEET_CAPACITY_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/capacity/capacity_memo.h"

/* What a guest needs is so many GPUs of each kind. It is put into one cell, which says from which
 * pool it may take a kind: GPUs that are alike for all purposes. What it may take besides is the
 * kind's spare pool, and sets: one guest at most gets GPUs out of a set, and what it does not take
 * is lost; a whole set goes to a guest completely or not at all. */
struct capacity_problem {
	size_t kinds, cells, pools, types;
	const unsigned *need;  /* by kind; none is 0 */
	const unsigned *first; /* by kind, and one more: its pools, the spare one among them */
	const unsigned *pool;  /* by kind and cell: index of a pool */
	const int *spare;      /* by kind: index of a pool, or -1 */
	/* By type of set, cell and kind: how many GPUs of it a guest in the cell may take. */
	const uint16_t *gives;
	const bool *whole;  /* by type */
	const bool *usable; /* by type and cell */
	/* So many GPUs in each pool, then sets of each type, then guests that each cell takes. */
	const uint16_t *state;
};

/* Bounds on what a hostile host can make us compute. */
#define CAPACITY_STEPS_MAX 50000
#define CAPACITY_TYPES_MAX 16

/* The most guests that fit in *guests; *at_least: the steps ran out, and it may be more. BEFORE
 * holds the answers of other problems; SCRATCH is for this one. -1 when out of memory. */
int capacity_search(const struct capacity_problem *problem, struct capacity_memo *before,
                    struct capacity_memo *scratch, unsigned *guests, bool *at_least);

#endif
