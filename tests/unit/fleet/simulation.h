/* simulation.h: one seed of a rollout, twice: undisturbed, and with controller, links, agents and
 * hosts that die at any step. Resumed until nothing more changes, both must have ended alike.
 */
#ifndef TEST_FLEET_SIMULATION_H
#define TEST_FLEET_SIMULATION_H

#include <stdint.h>

#include "tests/unit/fleet/world.h"

#define SIMULATION_HOSTS 50 /* at most */

/* What was tried, over all seeds. */
struct simulation {
	bool verbose;
	unsigned long long seeds, hosts, reboots, commits;
	unsigned long long undisturbed_runs, disturbed_runs, resumed_runs;
	unsigned long long interrupted; /* runs, by the second ^C */
	unsigned long long struck[FAULT_COUNT];
	unsigned long long expired;     /* trials that nobody confirmed in time */
	unsigned long long halted;      /* fleets that the budget, or want of slots, stopped */
	unsigned long long rolled_back; /* hosts, in the run that was left undisturbed again */
	unsigned long long late;        /* hosts that this run found still down or not ready */
	unsigned long long differences;
};

/* Adds SEED's figures; prints each difference. Returns how many there are. */
unsigned simulate(struct simulation *simulation, uint64_t seed);

#endif
