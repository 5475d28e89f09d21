/* test_fleet_random.c: seeded random fleets, faults, crashes and interruptions. Whatever happens,
 * the rules that world.h watches hold, every host comes to an end, nobody is called done who isn't,
 * and the exit status is the one that the table says.
 *
 * FLEET_SEEDS=FIRST-LAST tries others than the usual ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "tests/unit/fleet/world.h"

static struct world world;
static uint64_t dice;

static unsigned roll(unsigned sides)
{
	uint64_t z = (dice += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ (z >> 31)) % sides);
}

static bool chance(unsigned percent)
{
	return roll(100) < percent;
}

static void host_make(struct world_host *host, unsigned trouble)
{
	host->refuses = chance(trouble);
	host->blocked = chance(trouble);
	host->guests = chance(trouble);
	host->plan_fails = chance(trouble / 2);
	host->fails = chance(trouble);
	host->dies = chance(trouble);
	host->never_returns = chance(trouble);
	host->ineffective = chance(trouble);
	host->lies = chance(50);
	host->reboot_ignored = chance(trouble);
	host->tries = chance(50);
	host->panics = chance(trouble);
	host->cut_off = chance(trouble);
	host->cuts = chance(trouble * 2) ? roll(4) : 0;
	host->configured = host->effective = host->tuned = chance(10);
	host->control = chance(10);
	if (host->control)
		host->tries = false;
	host->latency_ms = 1 + roll(400);
	host->apply_ms = 100 + roll(60000);
	host->boot_ms = 5000 + roll(200000);
	snprintf(host->domain, sizeof(host->domain), "rack%u", roll(4));
}

static void fleet_make(uint64_t seed)
{
	struct inventory_rollout *rollout = &world.inventory.rollout;
	unsigned trouble;
	size_t count;

	dice = seed;
	count = 1 + roll(20);
	world_init(&world, count, seed);
	trouble = (unsigned[]){0, 2, 5, 15}[roll(4)];
	for (size_t i = 0; i < count; i++)
		host_make(&world.hosts[i], trouble);
	rollout->wave_count = roll(4);
	for (size_t i = 0; i < rollout->wave_count; i++)
		world.waves[i] = (struct inventory_wave){chance(50), 1 + roll(60)};
	rollout->max_unavailable = 1 + roll(5);
	rollout->max_failures = roll(4);
	rollout->per_domain = roll(3);
	world.forks = chance(50) ? 1 + roll(8) : 0;
	rollout->confirm_timeout_s = 60 * (1 + roll(20));
}

static int expected_status(void)
{
	unsigned verdicts[HOST_STATE_COUNT] = {0}, control_skipped = 0;

	for (size_t i = 0; i < world.inventory.host_count; i++) {
		verdicts[world.hosts[i].verdict]++;
		control_skipped += world.hosts[i].control && world.hosts[i].verdict == HOST_SKIPPED;
	}
	if (world.stopped && verdicts[HOST_SKIPPED])
		return 130;
	/* Without an interruption, nobody is held back but by the budget or for want of a slot; and
	 * control hosts, as long as no compute host is ready. */
	if (verdicts[HOST_SKIPPED] > control_skipped ||
	    verdicts[HOST_FAILED] > world.inventory.rollout.max_failures)
		return 3;
	if (verdicts[HOST_FAILED] || verdicts[HOST_BLOCKED] || control_skipped)
		return 2;
	return verdicts[HOST_UNREACHABLE] ? 4 : 0;
}

static void check_end(unsigned long long seed, unsigned runs)
{
	for (size_t i = 0; i < world.inventory.host_count; i++) {
		const struct world_host *host = &world.hosts[i];

		if (!host_state_terminal(host->verdict))
			fail_msg("seed %llu: %s came to no end", seed, host->name);
		if (host->verdict == HOST_DONE && !world_proven(host))
			fail_msg("seed %llu: %s is called done, and is not", seed, host->name);
		/* A trial that was lost is begun again by the next run, and one that is no good
		 * goes back. */
		if (host->reboots > (host->tries ? 2 * runs : host->ineffective ? runs : 1))
			fail_msg("seed %llu: %s was rebooted %u times in %u runs", seed, host->name,
			         host->reboots, runs);
		if (host->verdict == HOST_FAILED && host->trial == TRIAL_UP && !host->guests &&
		    !host->away && !host->cut_off && !host->confirm_timer.slot)
			fail_msg("seed %llu: %s failed (%s), and its trial stands for ever", seed,
			         host->name, host->err.msg);
		if (host->verdict == HOST_DONE && world_open_intents(&world, i))
			fail_msg("seed %llu: %s is done, and an intent has no result", seed,
			         host->name);
	}
	if (world.status != expected_status())
		fail_msg("seed %llu: exit status %d, the table says %d", seed, world.status,
		         expected_status());
}

static void fleet_try(uint64_t seed)
{
	unsigned runs = 1, crashes;

	fleet_make(seed);
	crashes = roll(4);
	for (; crashes; crashes--, runs++) {
		world.crash_after = 1 + roll(60 * (unsigned)world.inventory.host_count);
		if (world_run(&world) >= 0)
			check_end(seed, runs);
		world_wait(&world, chance(30) ? 0 : roll(400000));
	}
	world.crash_after = 0;
	if (chance(20)) {
		world.stop_after = 1 + roll(40 * (unsigned)world.inventory.host_count);
		world_run(&world);
		check_end(seed, runs++);
		world.stop_after = 0;
	}
	world_run(&world);
	check_end(seed, runs);
	if (!world_ok(&world))
		fail_msg("seed %llu: a rule was broken", (unsigned long long)seed);
	world_free(&world);
}

static void random_fleets(void **state)
{
	const char *seeds = getenv("FLEET_SEEDS");
	unsigned long long first = 1, last = 150;

	(void)state;
	if (seeds && sscanf(seeds, "%llu-%llu", &first, &last) != 2)
		fail_msg("FLEET_SEEDS=FIRST-LAST");
	for (uint64_t seed = first; seed <= last; seed++)
		fleet_try(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_fleets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
