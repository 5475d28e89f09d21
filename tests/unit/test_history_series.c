/* test_history_series.c: what a scan leaves of a report, and many of them thinned to few. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "controller/history/history_series.h"
#include "controller/history/history_time.h"

static json_int_t count_of(const json_t *point, const char *key)
{
	assert_true(json_is_integer(json_object_get(point, key)));
	return json_integer_value(json_object_get(point, key));
}

static void test_summary(void **state)
{
	json_t *report = json_pack(
	    "{s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}, s:{s:[{s:s, s:i, s:i, s:i, s:i, s:i, "
	    "s:i}, {s:i}]}}",
	    "totals", "hosts", 9, "gpus", 31, "ready", 17, "pending", 3, "blocked", 2, "in_use", 1,
	    "ignored", 7, "unknown", 1, "capacity", "aliases", "alias", "a100", "total", 20,
	    "ready", 15, "in_use", 1, "pending", 2, "blocked", 2, "other", 99, "alias", 3);
	json_t *summary = history_summary(report), *series = json_array(), *alias;

	(void)state;
	assert_int_equal(count_of(summary, "total"), 31);
	assert_int_equal(count_of(summary, "ready"), 17);
	assert_int_equal(count_of(summary, "ignored"), 7);
	assert_null(json_object_get(summary, "hosts"));
	assert_int_equal(history_series_add(series, "2026-01-01T00:00:00Z", summary), 0);
	assert_int_equal(json_array_size(json_object_get(json_array_get(series, 0), "aliases")), 1);
	alias = json_array_get(json_object_get(json_array_get(series, 0), "aliases"), 0);
	assert_string_equal(json_string_value(json_object_get(alias, "alias")), "a100");
	assert_int_equal(count_of(alias, "total"), 20);
	assert_null(json_object_get(alias, "other"));
	/* What an older or a damaged row lacks. */
	assert_int_equal(history_series_add(series, "2026-01-02T00:00:00Z", NULL), 0);
	assert_int_equal(count_of(json_array_get(series, 1), "blocked"), 0);
	json_decref(series);
	json_decref(summary);
	json_decref(report);
}

/* A point every STEP seconds from START on, numbered by its total. */
static void points_add(json_t *series, int64_t start, int64_t step, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		char when[HISTORY_TIME_SIZE];
		json_t *summary = json_pack("{s:i}", "total", (int)json_array_size(series));

		history_time_write(start + (int64_t)i * step, when);
		assert_int_equal(history_series_add(series, when, summary), 0);
		json_decref(summary);
	}
}

static const char *time_of(const json_t *series, size_t i)
{
	return json_string_value(json_object_get(json_array_get(series, i), "time"));
}

/* The points are scans' own, in order; the first and the last are among them. */
static void thin_expect(json_t *series, size_t most, size_t least)
{
	json_t *thin = history_series_thin(series, most);
	size_t size = json_array_size(thin), last = json_array_size(series) - 1;
	json_int_t former = -1;

	assert_in_range(size, least, most);
	for (size_t i = 0; i < size; i++) {
		const json_t *point = json_array_get(thin, i);

		assert_true(count_of(point, "total") > former);
		former = count_of(point, "total");
		assert_ptr_equal(point, json_array_get(series, (size_t)former));
	}
	assert_string_equal(time_of(thin, 0), time_of(series, 0));
	assert_string_equal(time_of(thin, size - 1), time_of(series, last));
	json_decref(thin);
}

static void test_thinned_evenly(void **state)
{
	json_t *series = json_array();

	(void)state;
	points_add(series, 1700000000, 300, 10000);
	thin_expect(series, 500, 500);
	thin_expect(series, 2, 2);
	thin_expect(series, 10000, 10000);
	thin_expect(series, 20000, 10000);
	json_decref(series);
}

/* Equal parts of time, not of points: a year of a scan a day isn't pushed out by a week of many. */
static void test_thinned_by_time(void **state)
{
	json_t *series = json_array(), *thin;
	size_t days = 0;

	(void)state;
	points_add(series, 1700000000, 86400, 300);
	points_add(series, 1700000000 + 300 * 86400, 60, 10000);
	thin_expect(series, 500, 300);
	thin = history_series_thin(series, 500);
	for (size_t i = 0; i < json_array_size(thin); i++)
		days += count_of(json_array_get(thin, i), "total") < 300;
	assert_int_equal(days, 300);
	json_decref(thin);
	json_decref(series);
}

/* Clocks are set back, and stand still. */
static void test_clocks_that_go_wrong(void **state)
{
	json_t *series = json_array();

	(void)state;
	points_add(series, 1700000000, 300, 600);
	points_add(series, 1690000000, 300, 600);
	thin_expect(series, 100, 2);
	json_decref(series);
	series = json_array();
	for (size_t i = 0; i < 300; i++)
		points_add(series, 1700000000, 100000, 2);
	thin_expect(series, 100, 2);
	json_decref(series);
	series = json_array();
	points_add(series, 1700000000, 0, 600);
	thin_expect(series, 100, 2);
	json_decref(series);
}

static void test_small(void **state)
{
	json_t *series = json_array(), *thin = history_series_thin(series, 500);

	(void)state;
	assert_int_equal(json_array_size(thin), 0);
	json_decref(thin);
	assert_null(history_series_thin(series, 1));
	points_add(series, 1700000000, 0, 1);
	thin_expect(series, 500, 1);
	json_decref(series);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_summary),         cmocka_unit_test(test_thinned_evenly),
	    cmocka_unit_test(test_thinned_by_time), cmocka_unit_test(test_clocks_that_go_wrong),
	    cmocka_unit_test(test_small),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
