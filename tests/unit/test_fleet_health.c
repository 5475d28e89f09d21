/* rollout.health: the operator's own command between two waves. */
#include "tests/unit/fleet/fleet_case.h"

static void health_set(void)
{
	static char check[] = "check", *items[] = {check};

	rollout()->health = (struct string_list){.items = items, .count = 1};
}

/* The operator's own command is asked after each wave but the last, and opens the next one. */
static void health_opens_the_next_wave(void **state)
{
	(void)state;
	world_init(&world, 8, 1);
	waves_set(1, 4);
	rollout()->max_unavailable = 8;
	world.health_ms = 300000;
	health_set();
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.healths, 2);
	assert_true(world.hosts[1].started_at >= world.hosts[0].finished_at + 300000);
	assert_int_equal(with_verdict(HOST_DONE), 8);
	/* Nobody had anything to do: there is nothing to ask about. */
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.healths, 2);
	assert_true(world_ok(&world));
	world_free(&world);
}

static void health_that_refuses_halts(void **state)
{
	(void)state;
	world_init(&world, 8, 1);
	waves_set(1, 4);
	rollout()->max_unavailable = 8;
	world.health_refuses = 2;
	health_set();
	assert_int_equal(world_run(&world), 3);
	assert_int_equal(with_verdict(HOST_DONE), 4);
	assert_int_equal(with_verdict(HOST_SKIPPED), 4);
	assert_non_null(
	    strstr(world.hosts[7].err.msg,
	           "not begun: halted after wave 2, as rollout.health refused: check ended "
	           "with status 1: not well"));
	/* The same command goes on, and asks anew about what it did itself. */
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(with_verdict(HOST_DONE), 8);
	assert_int_equal(world.healths, 2);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* Interrupted while it runs: it is ended, and nothing new begins. */
static void interrupted_while_health_is_asked(void **state)
{
	(void)state;
	for (size_t after = 1; after < 60; after++) {
		int status;

		world_init(&world, 4, 1);
		waves_set(1, 2);
		rollout()->max_unavailable = 4;
		health_set();
		world.stop_after = after;
		status = world_run(&world);
		assert_true(status == 130 || status == 0);
		world.stop_after = 0;
		assert_int_equal(world_run(&world), 0);
		assert_int_equal(with_verdict(HOST_DONE), 4);
		assert_true(world_ok(&world));
		world_free(&world);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(health_opens_the_next_wave),
	    cmocka_unit_test(health_that_refuses_halts),
	    cmocka_unit_test(interrupted_while_health_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
