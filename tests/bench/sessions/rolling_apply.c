/* rolling_apply.c: how long a rolling apply of 1,000 hosts takes on the virtual clock, with reboots
 * of 30 s: the real fleet and host machine (tests/unit/fleet/world.h), no network. One line for
 * each number of slots: SLOTS SECONDS LEAST, where LEAST is what no order can beat: the hosts' own
 * times (two stages with the reboot between them) divided among the slots, a whole number of turns.
 */
#include <stdio.h>

#include "tests/unit/fleet/world.h"

#define HOSTS    1000
#define STAGE_MS 10000
#define BOOT_MS  30000

static int roll(unsigned slots)
{
	static struct world world;
	uint64_t began, turns = (HOSTS + slots - 1) / slots;
	int status;

	world_init(&world, HOSTS, 1);
	world.inventory.rollout.max_unavailable = slots;
	world.forks = slots;
	for (size_t i = 0; i < HOSTS; i++) {
		world.hosts[i].apply_ms = STAGE_MS;
		world.hosts[i].boot_ms = BOOT_MS;
		world.hosts[i].latency_ms = 5;
	}
	began = world.now;
	status = world_run(&world);
	printf("%u %.1f %.1f\n", slots, (double)(world.now - began) / 1000,
	       (double)(turns * (2 * STAGE_MS + BOOT_MS)) / 1000);
	status = status || !world_ok(&world);
	world_free(&world);
	return status;
}

int main(void)
{
	static const unsigned slots[] = {8, 32, 100};
	int status = 0;

	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		status |= roll(slots[i]);
	return status;
}
