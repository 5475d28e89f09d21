/* rollout.windows as spans of time: days, midnight, zones, and the days on which clocks change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "controller/clock/windows.h"

static char zone_utc[] = "UTC", zone_berlin[] = "Europe/Berlin", zone_none[] = "No/Such";

#define MON 1U
#define SAT (1U << 5)
#define SUN (1U << 6)
#define ALL 0x7fU

/* "2026-01-03 22:00" as UTC. */
static int64_t utc(const char *text)
{
	struct tm tm = {0};

	assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
	return (int64_t)timegm(&tm);
}

static char *shown(int64_t instant, char text[32])
{
	time_t when = (time_t)instant;
	struct tm tm;

	strftime(text, 32, "%Y-%m-%d %H:%M", gmtime_r(&when, &tm));
	return text;
}

/* The first span that ends after NOW is OPEN to CLOSE (UTC). */
static void expect_first(const struct inventory_window *list, size_t count, const char *now,
                         const char *open, const char *close)
{
	const struct inventory_rollout rollout = {
	    .windows = (struct inventory_window *)(uintptr_t)list, .window_count = count};
	struct windows windows;
	struct gf_err err = {0};
	char a[32], b[32];

	if (windows_resolve(&rollout, utc(now), &windows, &err) < 0)
		fail_msg("%s", err.msg);
	for (size_t i = 0; i < windows.count; i++) {
		assert_true(windows.spans[i].open < windows.spans[i].close);
		assert_true(i == 0 || windows.spans[i - 1].close < windows.spans[i].open);
	}
	for (size_t i = 0; i < windows.count; i++) {
		if (windows.spans[i].close <= utc(now))
			continue;
		assert_string_equal(shown(windows.spans[i].open, a), open);
		assert_string_equal(shown(windows.spans[i].close, b), close);
		break;
	}
	windows_free(&windows);
}

static void test_days(void **state)
{
	/* 2026-01-01 is a Thursday. */
	struct inventory_window night = {SAT, 22 * 60, 4 * 60, zone_utc};

	(void)state;
	expect_first(&night, 1, "2026-01-01 12:00", "2026-01-03 22:00", "2026-01-04 04:00");
	expect_first(&night, 1, "2026-01-04 03:59", "2026-01-03 22:00", "2026-01-04 04:00");
	expect_first(&night, 1, "2026-01-04 04:00", "2026-01-10 22:00", "2026-01-11 04:00");
	night.days = MON | SUN;
	expect_first(&night, 1, "2026-01-01 12:00", "2026-01-04 22:00", "2026-01-05 04:00");
	expect_first(&night, 1, "2026-01-05 04:00", "2026-01-05 22:00", "2026-01-06 04:00");
	expect_first(&night, 1, "2025-12-28 23:00", "2025-12-28 22:00", "2025-12-29 04:00");
}

/* Berlin: an hour ahead in winter, two in summer. In 2026 the clocks jump on March 29 from 2 to 3,
 * and go back on October 25 from 3 to 2. */
static void test_zones(void **state)
{
	struct inventory_window window = {ALL, 1 * 60, 4 * 60, zone_berlin};

	(void)state;
	expect_first(&window, 1, "2026-01-01 12:00", "2026-01-02 00:00", "2026-01-02 03:00");
	expect_first(&window, 1, "2026-07-01 12:00", "2026-07-01 23:00", "2026-07-02 02:00");
	expect_first(&window, 1, "2026-03-28 12:00", "2026-03-29 00:00", "2026-03-29 02:00");
	expect_first(&window, 1, "2026-10-24 12:00", "2026-10-24 23:00", "2026-10-25 03:00");
}

static void test_joined(void **state)
{
	const struct inventory_window halves[] = {{ALL, 0, 12 * 60, zone_utc},
	                                          {SAT, 12 * 60, 0, zone_utc},
	                                          {SAT, 13 * 60, 14 * 60, zone_utc}};
	const struct inventory_window zones[] = {{ALL, 60, 120, zone_utc},
	                                         {ALL, 150, 240, zone_berlin}};

	(void)state;
	expect_first(halves, 3, "2026-01-02 13:00", "2026-01-03 00:00", "2026-01-04 12:00");
	expect_first(zones, 2, "2026-01-02 13:00", "2026-01-03 01:00", "2026-01-03 03:00");
}

static void test_questions(void **state)
{
	struct windows_span spans[] = {{100, 200}, {300, 400}};
	const struct windows windows = {spans, 2}, none = {NULL, 0};

	(void)state;
	assert_int_equal(windows_close(&windows, 99), 0);
	assert_int_equal(windows_close(&windows, 100), 200);
	assert_int_equal(windows_close(&windows, 199), 200);
	assert_int_equal(windows_close(&windows, 200), 0);
	assert_int_equal(windows_close(&windows, 300), 400);
	assert_int_equal(windows_close(&windows, 400), 0);
	assert_int_equal(windows_next(&windows, 99), 100);
	assert_int_equal(windows_next(&windows, 100), 300);
	assert_int_equal(windows_next(&windows, 300), 0);
	assert_int_equal(windows_close(&none, 5) + windows_next(&none, 5), 0);
}

/* The zone of the machine is the one without "tz", and stays what it was. */
static void test_own_zone(void **state)
{
	struct inventory_window window = {ALL, 60, 120, NULL};
	struct inventory_window other = {ALL, 60, 120, zone_none};
	const struct inventory_rollout rollout = {.windows = &other, .window_count = 1}, none = {0};
	struct windows windows;
	struct gf_err err = {0};

	(void)state;
	setenv("TZ", "America/New_York", 1);
	expect_first(&window, 1, "2026-01-02 13:00", "2026-01-03 06:00", "2026-01-03 07:00");
	assert_string_equal(getenv("TZ"), "America/New_York");
	assert_int_equal(windows_resolve(&rollout, 1000000000, &windows, &err), -1);
	assert_int_equal(err.code, GF_E_INPUT);
	assert_non_null(strstr(err.msg, "no table of the time zone No/Such: install tzdata"));
	assert_string_equal(getenv("TZ"), "America/New_York");
	unsetenv("TZ");
	window.tz = zone_berlin;
	expect_first(&window, 1, "2026-01-02 13:00", "2026-01-03 00:00", "2026-01-03 01:00");
	assert_null(getenv("TZ"));
	assert_int_equal(windows_resolve(&none, 0, &windows, NULL), 0);
	assert_int_equal(windows.count, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_days),     cmocka_unit_test(test_zones),
	    cmocka_unit_test(test_joined),   cmocka_unit_test(test_questions),
	    cmocka_unit_test(test_own_zone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
