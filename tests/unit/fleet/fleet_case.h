/* fleet_case.h: one world for a test of the fleet, and what is asked of it again and again. */
#ifndef TESTS_FLEET_CASE_H
#define TESTS_FLEET_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/fleet/world.h"

#define UNUSED __attribute__((unused))

static struct world world;

UNUSED static struct inventory_rollout *rollout(void)
{
	return &world.inventory.rollout;
}

UNUSED static void waves_set(unsigned first, unsigned then)
{
	world.waves[0] = (struct inventory_wave){false, first};
	world.waves[1] = (struct inventory_wave){false, then};
	world.waves[2] = (struct inventory_wave){true, 100};
	rollout()->wave_count = 3;
}

/* The world's own commands (world_hook.c). */
UNUSED static void drains_set(void)
{
	static char drain[] = "drain", undrain[] = "undrain";
	static char *drains[] = {drain}, *undrains[] = {undrain};

	rollout()->drain = (struct string_list){.items = drains, .count = 1};
	rollout()->undrain = (struct string_list){.items = undrains, .count = 1};
}

UNUSED static unsigned with_verdict(enum host_state verdict)
{
	unsigned count = 0;

	for (size_t i = 0; i < world.selected_count; i++)
		count += world.hosts[world.selected[i]].verdict == verdict;
	return count;
}

UNUSED static unsigned reboots(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < world.inventory.host_count; i++)
		count += world.hosts[i].reboots;
	return count;
}

#endif
