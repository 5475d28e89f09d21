/* capacity_problem.h: a host and a flavor, reduced to what makes a difference to how many guests
 * fit: counts of GPUs that are alike.
 */
#ifndef GPUFLEET_CAPACITY_PROBLEM_H
#define GPUFLEET_CAPACITY_PROBLEM_H

#include "controller/capacity/capacity_fit.h"
#include "controller/capacity/capacity_search.h"

/* Where a guest may have GPUs of a kind from: its cell, its socket, anywhere. */
enum problem_scope { SCOPE_CELL, SCOPE_SOCKET, SCOPE_HOST };

/* Owns what its `problem` points to. */
struct problem_store {
	struct capacity_problem problem;
	char *block; /* in which all of them lie */
	unsigned *need, *first, *pool;
	int *spare;
	uint16_t *gives, *state;
	bool *whole, *usable;
	enum problem_scope *scope; /* by kind */
	size_t *socket_of;         /* by cell: the first cell of its socket */
	bool sets_left_out;        /* there were too many kinds of sets */
	bool nested;               /* no sets, no spare GPUs */
};

/* NUMA: with cells and policies; else as if all GPUs and guests were on one node. -1 when out of
 * memory; problem_free after either. */
int problem_fill(const struct capacity_host *host, const struct capacity_wish *wish, bool later,
                 bool numa, struct problem_store *out);
void problem_free(struct problem_store *store);

#endif
