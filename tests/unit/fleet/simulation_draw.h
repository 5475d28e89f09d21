/* simulation_draw.h: from a seed, what a fleet is like, and what is done to it. The same on every
 * machine.
 */
#ifndef TEST_FLEET_SIMULATION_DRAW_H
#define TEST_FLEET_SIMULATION_DRAW_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/fleet/world.h"

struct dice {
	uint64_t state;
};

unsigned dice_roll(struct dice *dice, unsigned sides);
bool dice_chance(struct dice *dice, unsigned percent);

/* The hosts of WORLD with all that stays as it is, its limits and deadlines. */
void simulation_fleet_make(struct world *world, struct dice *dice, uint64_t seed);

/* One more fault of KIND, in the next run, which undisturbed has about as many EFFECTS. */
void simulation_fault_draw(struct world *world, struct dice *dice, enum world_fault_kind kind,
                           size_t effects);

/* How long nobody runs gpufleet. */
uint64_t simulation_pause_draw(struct dice *dice);

#endif
