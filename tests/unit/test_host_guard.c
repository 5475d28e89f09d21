/* test_host_guard.c: hosts that a run on the whole fleet leaves alone
 * (controller/host/host_guard.c), on scripted hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/fleet/world.h"

static struct world world;

static unsigned with_verdict(enum host_state verdict)
{
	unsigned count = 0;

	for (size_t i = 0; i < world.selected_count; i++)
		count += world.hosts[world.selected[i]].verdict == verdict;
	return count;
}

static unsigned reboots(void)
{
	unsigned count = 0;

	for (size_t i = 0; i < world.inventory.host_count; i++)
		count += world.hosts[i].reboots;
	return count;
}

/* The machine that gpufleet runs on is changed only by who names it; a plan says so, too. */
static void own_machine_is_left_alone(void **state)
{
	static const enum host_job jobs[] = {JOB_PLAN, JOB_APPLY, JOB_REBOOT, JOB_ROLLBACK};

	(void)state;
	for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
		world_init(&world, 1, 1);
		world.own_boot_id = "boot-of-gpu01-1";
		world.job = jobs[i];
		assert_int_equal(world_run(&world), 2);
		assert_int_equal(world.hosts[0].verdict, HOST_BLOCKED);
		assert_non_null(strstr(world.hosts[0].err.msg, "gpufleet runs on"));
		assert_non_null(strstr(world.hosts[0].err.msg, "--limit"));
		assert_int_equal(world.hosts[0].begun + reboots(), 0);
		world_free(&world);
	}
	world_init(&world, 2, 1);
	world.own_boot_id = "boot-of-gpu02-1";
	world.job = JOB_SCAN;
	assert_int_equal(world_run(&world), 0);
	world.job = JOB_APPLY;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(world.hosts[0].verdict, HOST_DONE);
	world.by_name = true;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(reboots(), 2);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* So is the way to other hosts, be it the nearest bastion or one before, named or by address. */
static void way_to_others_is_left_alone(void **state)
{
	static char outer_name[] = "GPU01", inner_name[] = "by-address", inner_address[] = "gpu02";
	struct inventory_host outer = {.name = outer_name, .address = outer_name};
	struct inventory_host inner = {
	    .name = inner_name, .address = inner_address, .bastion = &outer};

	(void)state;
	world_init(&world, 5, 1);
	world.inventory_hosts[2].bastion = world.inventory_hosts[3].bastion = &inner;
	world.inventory_hosts[1].bastion = &outer;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(with_verdict(HOST_BLOCKED), 2);
	assert_int_equal(with_verdict(HOST_DONE), 3);
	assert_non_null(strstr(world.hosts[0].err.msg, "the way (jump) to gpu[02-04],"));
	assert_non_null(strstr(world.hosts[1].err.msg, "the way (jump) to gpu[03-04],"));
	assert_int_equal(world.hosts[0].begun + world.hosts[1].begun, 0);
	world.by_name = true;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(reboots(), 5);
	assert_true(world_ok(&world));
	world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(own_machine_is_left_alone),
	    cmocka_unit_test(way_to_others_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
