/* rollout.windows: what begins, what is put off, and what a crash before a window closes leaves. */
#include "tests/unit/fleet/fleet_case.h"

/* Windows of the world, in seconds from now on. */
static void windows_set(struct windows_span *spans, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		spans[i].open += WORLD_DAY_ZERO + (int64_t)(world.now / 1000);
		spans[i].close += WORLD_DAY_ZERO + (int64_t)(world.now / 1000);
	}
	world.windows = (struct windows){spans, count};
}

static void nothing_begins_outside_windows(void **state)
{
	struct windows_span closed[] = {{-100, -1}, {90000, 100000}}, open[] = {{-10, 100000}};

	(void)state;
	world_init(&world, 3, 1);
	windows_set(closed, 2);
	assert_int_equal(world_run(&world), 5);
	assert_int_equal(with_verdict(HOST_SKIPPED), 3);
	assert_int_equal(reboots(), 0);
	assert_int_equal(world.hosts[0].begun, 0);
	assert_int_equal(world.hosts[0].err.code, GF_E_WINDOW);
	assert_non_null(strstr(world.hosts[0].err.msg, "no window of rollout.windows is open: the "
	                                               "same command goes on in the next window, "
	                                               "from "));
	windows_set(open, 1);
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(reboots(), 3);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* One after another, until the next reboot may not be over in time: by what is waited for at most,
 * and from the second rollout on by what its last reboot took. */
static void windows_leave_time_for_a_reboot(void **state)
{
	struct windows_span first[] = {{0, 1900}}, again[] = {{0, 700}};

	(void)state;
	world_init(&world, 4, 1);
	rollout()->boot_timeout_s = 1700;
	for (size_t i = 0; i < 4; i++)
		world.hosts[i].boot_ms = 150000;
	windows_set(first, 1);
	assert_int_equal(world_run(&world), 5);
	assert_int_equal(with_verdict(HOST_DONE), 1);
	assert_int_equal(with_verdict(HOST_SKIPPED), 3);
	assert_int_equal(reboots(), 1);
	assert_non_null(strstr(world.hosts[2].err.msg, "its reboot may take 29 minutes, and the "
	                                               "window closes at "));
	world.windows.count = 0;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(reboots(), 4);
	/* All took about 150 s: 285 s are enough now. */
	world.job = JOB_REBOOT;
	windows_set(again, 1);
	assert_int_equal(world_run(&world), 5);
	assert_int_equal(with_verdict(HOST_DONE), 3);
	assert_int_equal(with_verdict(HOST_SKIPPED), 1);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* What is changed when the window closes is not rebooted; the next run does what is left. */
static void window_closes_before_the_reboot(void **state)
{
	struct windows_span first[] = {{0, 1800}}, next[] = {{0, 100000}};

	(void)state;
	world_init(&world, 1, 1);
	rollout()->boot_timeout_s = 1700;
	world.hosts[0].apply_ms = 300000;
	windows_set(first, 1);
	assert_int_equal(world_run(&world), 5);
	assert_int_equal(world.hosts[0].begun, 1);
	assert_int_equal(reboots(), 0);
	assert_int_equal(with_verdict(HOST_SKIPPED), 1);
	windows_set(next, 1);
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(reboots(), 1);
	assert_true(world_proven(&world.hosts[0]));
	assert_true(world_ok(&world));
	world_free(&world);
}

/* Put off with its trial staged, a host of a later wave holds a slot: it gets its turn all the
 * same, or nobody ever would. */
static void put_off_in_a_later_wave(void **state)
{
	struct windows_span first[] = {{0, 2300}}, next[] = {{0, 100000}};

	(void)state;
	world_init(&world, 3, 1);
	waves_set(1, 2);
	rollout()->boot_timeout_s = 1700;
	rollout()->max_failures = 1;
	world.hosts[0].fails = true;
	world.hosts[1].tries = true;
	world.hosts[1].apply_ms = 700000;
	windows_set(first, 1);
	assert_int_equal(world_run(&world), 5);
	assert_int_equal(world.hosts[0].verdict, HOST_FAILED);
	assert_int_equal(world.hosts[1].verdict, HOST_SKIPPED);
	assert_int_equal(world.hosts[1].begun, 1);
	assert_int_equal(reboots(), 0);
	world.hosts[0].fails = false;
	windows_set(next, 1);
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(with_verdict(HOST_DONE), 3);
	assert_int_equal(world.most_down, 1);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* What a crash left in the middle of an operation goes on to its end; but nothing is rebooted, and
 * no intent is left open. The next window does the rest. */
static void crash_before_the_window_closes(void **state)
{
	struct windows_span closed[] = {{90000, 100000}};
	unsigned went_on = 0;

	(void)state;
	for (size_t effect = 1;; effect++) {
		struct windows_span now[1] = {closed[0]};
		unsigned rebooted, begun;
		int status;

		world_init(&world, 2, 1);
		world.crash_after = effect;
		status = world_run(&world);
		world.crash_after = 0;
		world_wait(&world, 600000);
		rebooted = reboots();
		begun = world.hosts[0].begun + world.hosts[1].begun;
		windows_set(now, 1);
		if (status >= 0) {
			assert_int_equal(world_run(&world), 0);
			world_free(&world);
			break;
		}
		status = world_run(&world);
		assert_true(status == 5 || (status == 0 && world_proven(&world.hosts[1])));
		assert_int_equal(reboots(), rebooted);
		went_on += world.hosts[0].begun + world.hosts[1].begun > begun;
		for (size_t i = 0; i < 2; i++)
			assert_int_equal(world_open_intents(&world, i), 0);
		world.windows.count = 0;
		assert_int_equal(world_run(&world), 0);
		assert_true(world_proven(&world.hosts[0]) && world_proven(&world.hosts[1]));
		assert_int_equal(reboots(), 2);
		assert_true(world_ok(&world));
		world_free(&world);
	}
	assert_true(went_on > 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_begins_outside_windows),
	    cmocka_unit_test(windows_leave_time_for_a_reboot),
	    cmocka_unit_test(window_closes_before_the_reboot),
	    cmocka_unit_test(put_off_in_a_later_wave),
	    cmocka_unit_test(crash_before_the_window_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
