/* test_fleet_crash.c: the controller dies after every single thing that others can see of it (an
 * event on the disk, a request on a host), and the same command goes on: nothing is lost, nothing
 * is done twice, and never are more hosts down than may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/fleet/world.h"

static struct world world;
static size_t hosts = 3;

/* Every host has its own pace, so that they are at different places when it happens. */
static bool tries; /* boot changes are tried first */

static void fleet_make(enum host_job job)
{
	world_init(&world, hosts, 7);
	world.job = job;
	world.inventory.rollout.max_unavailable = 2;
	for (size_t i = 0; i < hosts; i++) {
		world.hosts[i].apply_ms = 11000 + (unsigned)i * 7000;
		world.hosts[i].boot_ms = 61000 + (unsigned)i * 23000;
		world.hosts[i].tries = tries;
	}
	if (job == JOB_REBOOT)
		for (size_t i = 0; i < hosts; i++)
			world.hosts[i].configured = world.hosts[i].effective =
			    world.hosts[i].tuned = true;
}

static size_t effects_of(enum host_job job)
{
	size_t effects;

	fleet_make(job);
	assert_int_equal(world_run(&world), 0);
	effects = world.effects;
	assert_true(effects > 10 * hosts);
	world_free(&world);
	return effects;
}

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			fail_msg("died after effect %zu, resumed %llu ms later: %s: %s", after,    \
			         (unsigned long long)pause, host->name, #condition);               \
	} while (0)

static void crash_and_resume(enum host_job job, size_t after, uint64_t pause)
{
	fleet_make(job);
	world.crash_after = after;
	assert_int_equal(world_run(&world), -1);
	world.crash_after = 0;
	world_wait(&world, pause);
	world_run(&world);
	for (size_t i = 0; i < hosts; i++) {
		const struct world_host *host = &world.hosts[i];

		CHECK(world_proven(host));
		CHECK(host->reboots == 1);
		/* A stage whose reboot was never asked for is staged anew. */
		CHECK(host->begun == (job == JOB_APPLY ? 2 : 0) || (tries && host->begun == 3));
		CHECK(host->commits == (tries && job == JOB_APPLY));
		CHECK(world_open_intents(&world, i) == 0);
		CHECK(!world.records[i].operation_open && !world.records[i].reboot_open);
	}
	assert_int_equal(world.status, 0);
	assert_true(world.most_down <= 2);
	assert_true(world_ok(&world));
	/* … and nothing is left for a third one. */
	if (job == JOB_APPLY) {
		assert_int_equal(world_run(&world), 0);
		for (size_t i = 0; i < hosts; i++)
			assert_in_range(world.hosts[i].reboots + world.hosts[i].begun, 3,
			                3 + tries);
	}
	world_free(&world);
}

static void crash_everywhere(enum host_job job)
{
	/* At once; while the work that it began goes on; when all of it is long over. */
	static const uint64_t pauses[] = {0, 15000, 3600000};
	size_t effects = effects_of(job);

	for (size_t after = 1; after <= effects; after++)
		for (size_t i = 0; i < sizeof(pauses) / sizeof(pauses[0]); i++)
			crash_and_resume(job, after, pauses[i]);
}

static void apply_resumes_from_anywhere(void **state)
{
	(void)state;
	crash_everywhere(JOB_APPLY);
}

static void trials_resume_from_anywhere(void **state)
{
	(void)state;
	tries = true;
	hosts = 1; /* two more would only take longer */
	crash_everywhere(JOB_APPLY);
	tries = false;
	hosts = 3;
}

/* A rolling reboot dies, and an apply comes next, with or without guests that were started
 * meanwhile: no slot stays taken for a reboot that will never be. */
static void apply_settles_a_dead_reboot(void **state)
{
	size_t effects = effects_of(JOB_REBOOT);

	(void)state;
	for (size_t after = 1; after <= effects; after++) {
		for (int guests = 0; guests < 2; guests++) {
			fleet_make(JOB_REBOOT);
			world.crash_after = after;
			assert_int_equal(world_run(&world), -1);
			world.crash_after = 0;
			world_wait(&world, 600000);
			for (size_t i = 0; i < hosts; i++)
				world.hosts[i].guests = guests;
			world.job = JOB_APPLY;
			world_run(&world);
			for (size_t i = 0; i < hosts; i++) {
				if (world.records[i].down || world.records[i].reboot_open ||
				    world.hosts[i].reboots > 1 || world_open_intents(&world, i))
					fail_msg("died after effect %zu%s: %s is not settled",
					         after, guests ? ", guests" : "",
					         world.hosts[i].name);
			}
			if (!guests)
				assert_int_equal(world.status, 0);
			assert_true(world_ok(&world));
			world_free(&world);
		}
	}
}

/* It dies while a control host is worked on, which is not the first of them by now: that one's work
 * comes to its end before another one's begins. */
static void control_hosts_stay_one_at_a_time(void **state)
{
	(void)state;
	world_init(&world, 3, 7);
	for (size_t i = 0; i < 3; i++)
		world.hosts[i].control = true;
	world.hosts[0].refuses = true;
	world_fault_add(
	    &world, &(struct world_fault){
	                .kind = FAULT_CONTROLLER, .moment = MOMENT_OPERATION, .nth = 1, .run = 1});
	assert_int_equal(world_run(&world), -1);
	assert_int_equal(world.hosts[1].begun, 1);
	world.hosts[0].refuses = false;
	assert_int_equal(world_run(&world), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(world.hosts[i].begun, 1);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* It dies, and its successor dies before it comes to the host, perhaps: whosever lease the host
 * has, it is no obstacle. */
static void successor_dies_too(void **state)
{
	(void)state;
	hosts = 1;
	for (size_t after = 1, effects = effects_of(JOB_APPLY); after < effects; after++) {
		for (size_t then = 1; then < 20; then += 9) {
			fleet_make(JOB_APPLY);
			world.crash_after = after;
			assert_int_equal(world_run(&world), -1);
			world.crash_after = then;
			world_run(&world);
			world.crash_after = 0;
			if (world_run(&world) != 0)
				fail_msg("died after effect %zu, then after %zu: %s", after, then,
				         world.hosts[0].err.msg);
			assert_int_equal(world.hosts[0].reboots, 1);
			assert_true(world_proven(&world.hosts[0]));
			assert_true(world_ok(&world));
			world_free(&world);
		}
	}
	hosts = 3;
}

/* The controller dies in a stage that needs a reboot; the stage comes to its end (or, DIES, its
 * worker dies at the last moment), and the host loses its power: it has booted what was changed,
 * and is not rebooted for it once more. False: it had not begun. */
static bool power_cut_after(size_t effect, bool dies)
{
	bool begun;

	world_init(&world, 1, 7);
	world.crash_after = effect;
	assert_int_equal(world_run(&world), -1);
	world.crash_after = 0;
	begun = world.hosts[0].begun;
	if (begun) {
		if (dies)
			assert_true(world_worker_dies(&world.hosts[0], true));
		world_wait(&world, 60000);
		assert_true(world.hosts[0].configured);
		assert_true(world_power_lost(&world.hosts[0]));
		world_wait(&world, 600000);
		assert_int_equal(world_run(&world), 0);
		assert_true(world_proven(&world.hosts[0]));
		assert_int_equal(world.hosts[0].reboots, 0);
		assert_false(world.records[0].reboot_owed);
		assert_true(world_ok(&world));
	}
	world_free(&world);
	return begun;
}

static void power_cut_is_the_reboot(void **state)
{
	size_t effect = 1;

	(void)state;
	while (!power_cut_after(effect, true))
		effect++;
	power_cut_after(effect, false);
}

/* A worker dies when all is staged, so the stage is begun again, and the controller dies in that;
 * the host loses its power. The next run finds both the reboot that the first go left and the
 * second go's end: what the host has booted by then is the trial. */
static void power_cut_is_the_second_goes_reboot(void **state)
{
	(void)state;
	world_init(&world, 1, 7);
	world.hosts[0].tries = true;
	world_fault_add(&world, &(struct world_fault){.kind = FAULT_WORKER_LATE,
	                                              .moment = MOMENT_OPERATION,
	                                              .nth = 1,
	                                              .run = 1,
	                                              .delay_ms = 10000});
	world_fault_add(&world, &(struct world_fault){.kind = FAULT_CONTROLLER,
	                                              .moment = MOMENT_OPERATION,
	                                              .nth = 2,
	                                              .run = 1,
	                                              .delay_ms = 10000});
	assert_int_equal(world_run(&world), -1);
	assert_int_equal(world.hosts[0].begun, 2);
	world_wait(&world, 60000);
	assert_int_equal(world.hosts[0].trial, TRIAL_STAGED);
	assert_true(world_power_lost(&world.hosts[0]));
	world_wait(&world, 100000);
	assert_int_equal(world.hosts[0].trial, TRIAL_UP);
	assert_int_equal(world_run(&world), 0);
	assert_true(world_proven(&world.hosts[0]));
	assert_int_equal(world.hosts[0].reboots, 0);
	assert_true(world_ok(&world));
	world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(apply_resumes_from_anywhere),
	    cmocka_unit_test(trials_resume_from_anywhere),
	    cmocka_unit_test(apply_settles_a_dead_reboot),
	    cmocka_unit_test(control_hosts_stay_one_at_a_time),
	    cmocka_unit_test(successor_dies_too),
	    cmocka_unit_test(power_cut_is_the_reboot),
	    cmocka_unit_test(power_cut_is_the_second_goes_reboot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
