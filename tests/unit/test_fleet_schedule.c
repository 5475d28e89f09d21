/* test_fleet_schedule.c: how well slots are used: 1,000 hosts with varied times on the virtual
 * clock, one wave. No order can take less than the hosts' times divided among the slots, nor less
 * than the longest of them; a host's time is how long it holds its slot.
 */
#include "tests/unit/fleet/fleet_case.h"

#define HOSTS 1000

/* Stages of 5 s to 2 minutes, boots of 30 s to 5 minutes: the same in every run. */
static void hosts_make(unsigned slots)
{
	uint64_t dice = 20;

	world_init(&world, HOSTS, 20);
	world.inventory.rollout.max_unavailable = slots;
	world.forks = slots > 64 ? slots : 0; /* otherwise the command line's own 64 */
	for (size_t i = 0; i < HOSTS; i++) {
		struct world_host *host = &world.hosts[i];

		dice = dice * 6364136223846793005u + 1442695040888963407u;
		host->apply_ms = 5000 + (unsigned)(dice >> 33) % 115000;
		host->boot_ms = 30000 + (unsigned)(dice >> 17) % 270000;
		host->latency_ms = 5 + (unsigned)(dice >> 50) % 195;
		host->tries = i % 2;
	}
}

/* What a run took, against the least that it could take. */
static double run_stretch(unsigned slots, const char *which)
{
	uint64_t began = world.now, sum = 0, longest = 0, least;
	double ratio;

	assert_int_equal(world_run(&world), 0);
	for (size_t i = 0; i < HOSTS; i++) {
		uint64_t took = world.hosts[i].finished_at - world.hosts[i].started_at;

		sum += took;
		longest = took > longest ? took : longest;
	}
	least = sum / slots > longest ? sum / slots : longest;
	ratio = (double)(world.now - began) / (double)least;
	printf("%4u slots%s: %8.0f s, at least %8.0f s (hosts' times / slots %8.0f s, longest "
	       "%4.0f s): %.3f\n",
	       slots, which, (double)(world.now - began) / 1000, (double)least / 1000,
	       (double)sum / slots / 1000, (double)longest / 1000, ratio);
	assert_in_range(world.most_down, 1, slots);
	return ratio;
}

static void world_drop(void)
{
	assert_true(world_ok(&world));
	world_free(&world);
}

/* Where a slot has dozens of hosts to take, or every host one of its own. */
static void slots_are_used(void **state)
{
	static const unsigned slots[] = {8, 32, HOSTS};

	(void)state;
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++) {
		hosts_make(slots[i]);
		assert_true(run_stretch(slots[i], "") <= 1.05);
		world_drop();
	}
}

/* With a few hosts for each slot the last ones decide. In a fleet's first run nobody knows how long
 * a host takes, and who goes last is the inventory's order: told here, and held to what any order
 * keeps. From then on those go first that took longest. */
static void last_hosts_decide(void **state)
{
	(void)state;
	hosts_make(100);
	assert_true(run_stretch(100, " (first run)") <= 2);
	world.job = JOB_REBOOT;
	assert_true(run_stretch(100, " (later)") <= 1.05);
	world_drop();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slots_are_used),
	    cmocka_unit_test(last_hosts_decide),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
