/* rollout.drain, undrain and power_cycle: the operator's own commands around a host's reboot. */
#include "tests/unit/fleet/fleet_case.h"

static void commands_set(void)
{
	static char power[] = "power", *powers[] = {power};

	drains_set();
	rollout()->power_cycle = (struct string_list){.items = powers, .count = 1};
}

static void world_make(size_t count)
{
	world_init(&world, count, 1);
	commands_set();
	rollout()->max_unavailable = 2;
}

static void world_drop(void)
{
	assert_true(world_ok(&world));
	world_free(&world);
}

static unsigned out_of_service(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < world.inventory.host_count; i++)
		count += world.hosts[i].out_of_service;
	return count;
}

static void drained_before_the_reboot(void **state)
{
	(void)state;
	world_make(5);
	world.hosts[0].guests = true; /* they leave as it is drained */
	world.hosts[1].tries = true;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(with_verdict(HOST_DONE), 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(world.hosts[i].drains, 1);
		assert_int_equal(world.hosts[i].undrains, 1);
	}
	assert_int_equal(out_of_service(), 0);
	/* Nothing is left to do: nobody is drained. */
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.hosts[0].drains, 1);
	world_drop();
}

/* A host is out of service for its drain and its reboot, and little more: what can be built before
 * is. */
static void out_of_service_for_little_more(void **state)
{
	uint64_t most = 0;

	(void)state;
	world_make(20);
	rollout()->max_unavailable = 8;
	for (size_t i = 0; i < 20; i++) {
		struct world_host *host = &world.hosts[i];

		host->tries = i % 2;
		host->drain_ms = 10000 + (unsigned)i * 20000;
		host->boot_ms = 60000 + (unsigned)(i % 7) * 30000;
		host->apply_ms = 20000;
		host->commit_ms = 600000; /* images take long to build */
		host->latency_ms = 5 + (unsigned)(i % 5) * 30;
	}
	assert_int_equal(world_run(&world), 0);
	for (size_t i = 0; i < 20; i++) {
		const struct world_host *host = &world.hosts[i];
		uint64_t more = host->back_at - host->out_at - host->drain_ms - host->boot_ms;

		most = more > most ? more : most;
	}
	printf("out of service: drain, reboot and at most %.0f s\n", (double)most / 1000);
	assert_in_range(most, 1, 60000);
	world_drop();
}

static void drained_for_reboot(void **state)
{
	(void)state;
	world_make(3);
	world.job = JOB_REBOOT;
	world.hosts[0].guests = true;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(reboots(), 3);
	assert_int_equal(world.hosts[2].undrains, 1);
	assert_int_equal(out_of_service(), 0);
	world_drop();
}

static void guests_that_stay_forbid_it(void **state)
{
	(void)state;
	world_make(2);
	world.hosts[0].guests = world.hosts[0].guests_stay = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(world.hosts[0].reboots, 0);
	assert_int_equal(world.hosts[0].verdict, HOST_BLOCKED);
	assert_non_null(strstr(world.hosts[0].err.msg, "a guest is running"));
	assert_int_equal(world.hosts[0].undrains, 1);
	assert_int_equal(out_of_service(), 0);
	world_drop();
}

static void drain_that_fails_skips_the_host(void **state)
{
	(void)state;
	world_make(2);
	world.hosts[0].drain_fails = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(world.hosts[0].verdict, HOST_SKIPPED);
	assert_non_null(strstr(world.hosts[0].err.msg,
	                       "not rebooted: rollout.drain: drain ended with status 1"));
	assert_int_equal(world.hosts[0].reboots, 0);
	assert_int_equal(world.hosts[0].undrains, 1);
	assert_int_equal(world.hosts[1].verdict, HOST_DONE);
	world.hosts[0].drain_fails = false;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.hosts[0].reboots, 1);
	world_drop();
}

/* Whatever a host ends with, it is undrained. */
static void undrained_on_every_way_out(void **state)
{
	(void)state;
	world_make(3);
	rollout()->max_failures = 3;
	rollout()->max_unavailable = 3;
	rollout()->power_cycle.count = 0;
	world.hosts[0].never_returns = true;
	world.hosts[1].ineffective = true;
	world.hosts[2].tries = world.hosts[2].panics = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(with_verdict(HOST_FAILED), 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(world.hosts[i].undrains, 1);
	assert_int_equal(out_of_service(), 0);
	world_drop();
}

static void undrain_that_fails_is_tried_again(void **state)
{
	(void)state;
	world_make(2);
	rollout()->max_failures = 1;
	world.hosts[0].undrain_fails = 1;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(world.hosts[0].verdict, HOST_FAILED);
	assert_non_null(strstr(world.hosts[0].err.msg, "it is still drained: rollout.undrain"));
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.hosts[0].undrains, 2);
	assert_int_equal(world.hosts[0].reboots, 1);
	assert_int_equal(world.hosts[0].drains, 1);
	assert_int_equal(out_of_service(), 0);
	world_drop();
}

/* One that is not undrained serves nobody: it holds a slot, for hosts outside the selection, too.
 */
static void drained_holds_a_slot(void **state)
{
	(void)state;
	world_make(3);
	rollout()->max_failures = 1;
	rollout()->max_unavailable = 1;
	world.hosts[0].undrain_fails = 1;
	world.selected_count = 1;
	assert_int_equal(world_run(&world), 2);
	world.selected[0] = 1;
	assert_int_equal(world_run(&world), 3);
	assert_int_equal(world.hosts[1].reboots, 0);
	world.selected[0] = 0;
	assert_int_equal(world_run(&world), 0);
	world.selected[0] = 1;
	assert_int_equal(world_run(&world), 0);
	world_drop();
}

/* The controller dies after each effect in turn: the next run undrains what this one drained. */
static void crash_anywhere(void **state)
{
	static const enum host_job jobs[] = {JOB_APPLY, JOB_REBOOT};

	(void)state;
	for (size_t job = 0; job < 2; job++) {
		for (size_t after = 1; after < 90; after++) {
			world_make(2);
			rollout()->max_unavailable = 1;
			world.job = jobs[job];
			world.hosts[0].guests = world.hosts[1].tries = true;
			world.crash_after = after;
			world_run(&world);
			world_wait(&world, after % 3 * 60000);
			world.crash_after = 0;
			if (world_run(&world) != 0)
				fail_msg("job %zu, crash after %zu: %s / %s", job, after,
				         world.hosts[0].err.msg, world.hosts[1].err.msg);
			assert_int_equal(out_of_service(), 0);
			assert_int_equal(with_verdict(HOST_DONE), 2);
			for (size_t i = 0; i < 2 && jobs[job] == JOB_REBOOT; i++)
				assert_int_equal(world.hosts[i].reboots, 1);
			if (!world_ok(&world))
				fail_msg("job %zu, crash after %zu", job, after);
			world_free(&world);
		}
	}
}

/* What a run that died left drained, and nobody reaches: the way out is undrained, too. */
static void drained_and_out_of_reach(void **state)
{
	(void)state;
	world_make(2);
	rollout()->max_failures = 1;
	world.hosts[0].undrain_fails = 1;
	assert_int_equal(world_run(&world), 2);
	world.hosts[0].refuses = true;
	assert_int_equal(world_run(&world), 4);
	assert_int_equal(world.hosts[0].verdict, HOST_UNREACHABLE);
	assert_int_equal(world.hosts[0].undrains, 2);
	assert_int_equal(out_of_service(), 0);
	world_free(&world);
}

/* Interrupted: what is drained goes on, and ends undrained. */
static void interrupted_anywhere(void **state)
{
	(void)state;
	for (size_t after = 1; after < 60; after++) {
		world_make(3);
		rollout()->max_unavailable = 1;
		world.stop_after = after;
		world_run(&world);
		assert_int_equal(out_of_service(), 0);
		world_drop();
	}
}

static void lost_while_it_is_drained(void **state)
{
	(void)state;
	world_make(1);
	world.hosts[0].cuts = 2;
	world.hosts[0].drain_ms = 3000000;
	if (world_run(&world) != 0)
		fail_msg("%s", world.hosts[0].err.msg);
	assert_int_equal(world.hosts[0].drains, 1);
	world_drop();
}

/* What its reboot was to do is done, then: nobody reboots it once more. */
static void restarted_while_it_is_drained(void **state)
{
	(void)state;
	world_make(1);
	world.hosts[0].restarts_drained = true;
	world.hosts[0].boot_ms = 5000;
	if (world_run(&world) != 0)
		fail_msg("%s", world.hosts[0].err.msg);
	assert_int_equal(world.hosts[0].drains, 1);
	assert_int_equal(world.hosts[0].undrains, 1);
	assert_int_equal(world.hosts[0].reboots, 0);
	assert_int_equal(out_of_service(), 0);
	world_drop();
}

static void power_cycled_once_when_overdue(void **state)
{
	(void)state;
	world_make(2);
	rollout()->max_failures = 1;
	world.hosts[0].never_returns = true; /* a boot that hangs */
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.hosts[0].power_cycles, 1);
	assert_int_equal(world.hosts[1].power_cycles, 0);
	assert_int_equal(world.hosts[0].verdict, HOST_DONE);
	world_drop();
}

/* A trial that hangs comes back on its former entry: rolled back. */
static void power_cycled_trial_is_rolled_back(void **state)
{
	(void)state;
	world_make(1);
	rollout()->max_failures = 1;
	rollout()->confirm_timeout_s = 300;
	world.hosts[0].tries = world.hosts[0].never_returns = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(world.hosts[0].power_cycles, 1);
	assert_non_null(strstr(world.hosts[0].err.msg, "rolled back"));
	/* boot, confirm_timeout and one more boot, then the cycle and its boot */
	assert_true(world.hosts[0].finished_at - world.hosts[0].started_at >=
	            (600 + 300 + 600) * UINT64_C(1000));
	world_drop();
}

static void power_cycle_that_fails(void **state)
{
	(void)state;
	world_make(1);
	rollout()->max_failures = 1;
	world.hosts[0].never_returns = world.hosts[0].power_fails = true;
	assert_int_equal(world_run(&world), 2);
	assert_non_null(strstr(world.hosts[0].err.msg, "rollout.power_cycle failed: power ended"));
	assert_int_equal(world.hosts[0].undrains, 1);
	/* The next run waits for the boot, and does not do it again. */
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(world.hosts[0].power_cycles, 1);
	assert_non_null(strstr(world.hosts[0].err.msg, "rollout.power_cycle was no help"));
	world_free(&world);
}

/* The controller dies anywhere around the cycle: it is still done at most once. */
static void power_cycled_once_over_crashes(void **state)
{
	(void)state;
	for (size_t after = 8; after < 60; after++) {
		world_make(1);
		rollout()->max_failures = 1;
		rollout()->drain.count = rollout()->undrain.count = 0;
		world.hosts[0].never_returns = true;
		world.crash_after = after;
		world_run(&world);
		world.crash_after = 0;
		world_run(&world);
		if (world.hosts[0].power_cycles > 1)
			fail_msg("crash after %zu: %u cycles", after, world.hosts[0].power_cycles);
		world_drop();
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(drained_before_the_reboot),
	    cmocka_unit_test(out_of_service_for_little_more),
	    cmocka_unit_test(drained_for_reboot),
	    cmocka_unit_test(guests_that_stay_forbid_it),
	    cmocka_unit_test(drain_that_fails_skips_the_host),
	    cmocka_unit_test(undrained_on_every_way_out),
	    cmocka_unit_test(undrain_that_fails_is_tried_again),
	    cmocka_unit_test(drained_holds_a_slot),
	    cmocka_unit_test(crash_anywhere),
	    cmocka_unit_test(drained_and_out_of_reach),
	    cmocka_unit_test(interrupted_anywhere),
	    cmocka_unit_test(lost_while_it_is_drained),
	    cmocka_unit_test(restarted_while_it_is_drained),
	    cmocka_unit_test(power_cycled_once_when_overdue),
	    cmocka_unit_test(power_cycled_trial_is_rolled_back),
	    cmocka_unit_test(power_cycle_that_fails),
	    cmocka_unit_test(power_cycled_once_over_crashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
