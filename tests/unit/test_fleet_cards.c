/* test_fleet_cards.c: a card that moves, vanishes or appears over a reboot that gpufleet made ends
 * its host before anything else is done to it, wherever the controller died meanwhile; the next run
 * takes the host as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/fleet/world.h"

static struct world world;

static const struct {
	bool vanishes, moves, appears;
	const char *told;
} changes[] = {
    {true, false, false, "the card 0000:02:00.0 (10de:1b06) is gone since the reboot"},
    {false, true, false, "the card 0000:02:00.0 (10de:1b06) is at 0000:07:00.0 since the reboot"},
    {false, false, true, "the card 0000:03:00.0 (10de:1b06) is new since the reboot"},
};

static struct world_host *host_make(size_t change, bool tries)
{
	struct world_host *host;

	world_init(&world, 1, 7);
	host = &world.hosts[0];
	host->card_vanishes = changes[change].vanishes;
	host->card_moves = changes[change].moves;
	host->card_appears = changes[change].appears;
	host->tries = tries;
	return host;
}

/* Told of the change, with its second stage (Nova's, on a real host) not begun. */
static void check_told(const struct world_host *host, size_t change, size_t after)
{
	if (host->verdict != HOST_FAILED || host->err.code != GF_E_REBOOT ||
	    !strstr(host->err.msg, changes[change].told))
		fail_msg("died after effect %zu: %s: %s", after, host_state_name(host->verdict),
		         host->err.msg);
	assert_false(host->tuned);
	assert_int_equal(host->commits, 0);
	/* One that was tried is sent back. */
	assert_int_equal(host->reboots, 1 + host->tries);
	assert_int_not_equal(host->trial, TRIAL_UP);
}

static void change_ends_the_host(void **state)
{
	(void)state;
	for (size_t change = 0; change < 3; change++) {
		for (int tries = 0; tries < 2; tries++) {
			struct world_host *host = host_make(change, tries);

			world_run(&world);
			check_told(host, change, 0);
			/* Looked at by somebody: now it is what it is. */
			assert_int_equal(world_run(&world), 0);
			assert_true(world_proven(host));
			assert_true(world_ok(&world));
			world_free(&world);
		}
	}
}

/* LOOKED: somebody scans before the same command goes on. */
static bool crash_and_resume(size_t change, size_t after, bool looked)
{
	struct world_host *host = host_make(change, false);
	bool crashed, told;

	world.crash_after = after;
	crashed = world_run(&world) == -1;
	world.crash_after = 0;
	/* All is said, and what died is only the report of it. */
	told = world_recorded(&world, 0, "host.finished", "verdict", "failed");
	world_wait(&world, 600000);
	if (looked) {
		world.job = JOB_SCAN;
		assert_int_equal(world_run(&world), 0);
		world.job = JOB_APPLY;
	}
	if (crashed && !told) {
		world_run(&world);
		check_told(host, change, after);
	}
	assert_int_equal(world_run(&world), 0);
	assert_true(world_proven(host));
	assert_true(world_ok(&world));
	world_free(&world);
	return crashed;
}

static void change_survives_a_crash(void **state)
{
	(void)state;
	for (size_t change = 0; change < 3; change++)
		for (int looked = 0; looked < 2; looked++)
			for (size_t after = 1; crash_and_resume(change, after, looked); after++)
				;
}

/* Between two runs people may do with a host what they like. */
static void change_between_runs_is_theirs(void **state)
{
	struct world_host *host = host_make(0, false);

	(void)state;
	host->card_vanishes = false;
	assert_int_equal(world_run(&world), 0);
	host->card_vanishes = true;
	host->boot++;
	world.job = JOB_VERIFY;
	world_run(&world);
	assert_int_equal(host->verdict, HOST_DONE);
	world.job = JOB_APPLY;
	assert_int_equal(world_run(&world), 0);
	assert_true(world_proven(host));
	world_free(&world);
}

static void rolling_reboot_tells_it_too(void **state)
{
	struct world_host *host = host_make(0, false);

	(void)state;
	host->configured = host->effective = host->tuned = true;
	world.job = JOB_REBOOT;
	world_run(&world);
	assert_int_equal(host->verdict, HOST_FAILED);
	assert_non_null(strstr(host->err.msg, changes[0].told));
	world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(change_ends_the_host),
	    cmocka_unit_test(change_survives_a_crash),
	    cmocka_unit_test(change_between_runs_is_theirs),
	    cmocka_unit_test(rolling_reboot_tells_it_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
