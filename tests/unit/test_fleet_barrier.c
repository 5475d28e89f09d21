/* A stage that declares a barrier begins when the hosts of the open wave have all come to it. */
#include "tests/unit/fleet/fleet_case.h"

/* "after", which needs no reboot, waits for everybody. */
static void world_make(size_t count)
{
	world_init(&world, count, 1);
	json_object_set_new(world.playbook->stages[1].json, "barrier", json_true());
	rollout()->max_unavailable = 2;
}

static uint64_t latest_reboot(size_t first, size_t end)
{
	uint64_t latest = 0;

	for (size_t i = first; i < end; i++)
		latest = world.hosts[i].up_at > latest ? world.hosts[i].up_at : latest;
	return latest;
}

static void hosts_wait_for_each_other(void **state)
{
	(void)state;
	world_make(7);
	waves_set(1, 4);
	world.hosts[2].boot_ms = 500000; /* everybody of its wave waits for it */
	world.hosts[3].tries = true;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(with_verdict(HOST_DONE), 7);
	for (size_t i = 1; i < 4; i++)
		assert_true(world.hosts[i].tuned_at > latest_reboot(1, 4));
	/* … and nobody of another wave. */
	assert_true(world.hosts[0].tuned_at < world.hosts[1].started_at);
	assert_int_equal(reboots(), 7);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* One that fails has come as far as it gets. */
static void failed_host_holds_nobody(void **state)
{
	(void)state;
	world_make(4);
	rollout()->max_failures = 1;
	world.hosts[1].fails = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(with_verdict(HOST_DONE), 3);
	world_free(&world);
}

/* Halted while hosts wait there: they say where they stopped, and the next run goes on from there.
 */
static void halted_at_the_barrier(void **state)
{
	(void)state;
	world_make(4);
	world.hosts[3].fails = true;
	assert_int_equal(world_run(&world), 3);
	assert_int_equal(world.hosts[0].verdict, HOST_SKIPPED);
	assert_non_null(strstr(world.hosts[0].err.msg,
	                       "stopped before stage after, whose barrier it waited at: not begun: "
	                       "halted by the failure budget"));
	world.hosts[3].fails = false;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(with_verdict(HOST_DONE), 4);
	assert_int_equal(reboots(), 4);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* A host that waits there is in service, and on its default boot. */
static void drained_host_is_undrained_to_wait(void **state)
{
	(void)state;
	world_make(5);
	rollout()->max_unavailable = 1;
	drains_set();
	world.hosts[1].tries = true;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(with_verdict(HOST_DONE), 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(world.hosts[i].drains, 1);
		assert_int_equal(world.hosts[i].undrains, 1);
		assert_false(world.hosts[i].out_of_service);
	}
	assert_true(world_ok(&world));
	world_free(&world);
}

static void crash_anywhere(void **state)
{
	(void)state;
	for (size_t after = 1; after < 120; after += 3) {
		world_make(3);
		world.hosts[1].tries = true;
		world.crash_after = after;
		world_run(&world);
		world.crash_after = 0;
		assert_int_equal(world_run(&world), 0);
		assert_int_equal(with_verdict(HOST_DONE), 3);
		if (!world_ok(&world))
			fail_msg("crash after %zu", after);
		world_free(&world);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hosts_wait_for_each_other),
	    cmocka_unit_test(failed_host_holds_nobody),
	    cmocka_unit_test(halted_at_the_barrier),
	    cmocka_unit_test(drained_host_is_undrained_to_wait),
	    cmocka_unit_test(crash_anywhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
