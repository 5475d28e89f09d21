/* test_history_time.c: times as people write them, and when a watch goes round. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "controller/history/history_time.h"

#define NOW 1769860800 /* 2026-01-31T12:00:00Z */

/* In a zone that is an hour east of UTC. */
static const struct {
	const char *text;
	int64_t when; /* 0: refused */
	const char *told;
} sinces[] = {
    {"2026-01-31T12:00:00Z", NOW, NULL},
    {"2026-01-31T13:00:00+01:00", NOW, NULL},
    {"2026-01-31T06:30:00-0530", NOW, NULL},
    {"2026-01-31T12:00:00.5Z", NOW, NULL},
    {"2026-01-31T13:00:00", NOW, NULL},
    {"2026-01-31 13:00", NOW, NULL},
    {"2026-01-31", NOW - 13 * 3600, NULL},
    {"2024-02-29", 1709161200, NULL},
    {"7d", NOW - 7 * 86400, NULL},
    {"24h", NOW - 86400, NULL},
    {"30m", NOW - 1800, NULL},
    {"90s", NOW - 90, NULL},
    {"2w", NOW - 14 * 86400, NULL},
    {"0s", NOW, NULL},
    {"2026-02-01", 0, "still to come"},
    {"2026-01-31T12:00:01Z", 0, "still to come"},
    {"999999999w", 0, "further back"},
    {"99999d", 0, "further back"},
    {"", 0, "--since takes a time"},
    {"yesterday", 0, "not \"yesterday\""},
    {"7", 0, "--since takes"},
    {"7 d", 0, "--since takes"},
    {"-7d", 0, "--since takes"},
    {"7dd", 0, "--since takes"},
    {"12345678901d", 0, "--since takes"},
    {"2026-13-01", 0, "--since takes"},
    {"2025-02-29", 0, "--since takes"},
    {"2026-01-31T", 0, "--since takes"},
    {"2026-01-31T25:00Z", 0, "--since takes"},
    {"2026-01-31T12:00:00Zebra", 0, "--since takes"},
    {"2026-01-31T12:00:00+1", 0, "--since takes"},
    {"1969-01-01", 0, "--since takes"},
};

static void test_since(void **state)
{
	(void)state;
	setenv("TZ", "XXX-1", 1);
	tzset();
	for (size_t i = 0; i < sizeof(sinces) / sizeof(sinces[0]); i++) {
		struct gf_err err = {0};
		int64_t when = 0;
		int rc = history_time_since(sinces[i].text, NOW, &when, &err);

		if (rc != (sinces[i].told ? -1 : 0) || when != sinces[i].when)
			fail_msg("\"%s\": %d, %lld, %s", sinces[i].text, rc, (long long)when,
			         err.msg);
		if (sinces[i].told && !strstr(err.msg, sinces[i].told))
			fail_msg("\"%s\": %s", sinces[i].text, err.msg);
	}
}

static void test_there_and_back(void **state)
{
	char text[HISTORY_TIME_SIZE];
	int64_t when;

	(void)state;
	history_time_write(NOW, text);
	assert_string_equal(text, "2026-01-31T12:00:00Z");
	assert_int_equal(history_time_read(text, &when), 0);
	assert_int_equal(when, NOW);
	assert_int_equal(history_time_read("2026-01-31T12:00:00", &when), -1);
	assert_int_equal(history_time_read("2026-01-31", &when), -1);
	assert_int_equal(history_time_read(NULL, &when), -1);
}

static const struct {
	const char *text;
	unsigned seconds; /* 0: refused */
} intervals[] = {
    {"1s", 1}, {"60s", 60}, {"5m", 300}, {"1h", 3600}, {"7d", 7 * 86400}, {"0s", 0},  {"8d", 0},
    {"1w", 0}, {"60", 0},   {"5min", 0}, {"", 0},      {"m", 0},          {"-5m", 0}, {"1.5h", 0},
};

static void test_interval(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++) {
		struct gf_err err = {0};
		unsigned seconds = 0;
		int rc = history_time_interval(intervals[i].text, &seconds, &err);

		if (seconds != intervals[i].seconds || rc != (seconds ? 0 : -1))
			fail_msg("\"%s\": %u", intervals[i].text, seconds);
		if (rc)
			assert_non_null(strstr(err.msg, "5m"));
	}
}

static const struct {
	uint64_t start, interval, now, rest, next;
} rounds[] = {
    {1000, 300, 1010, 5, 1300}, {1000, 300, 1290, 5, 1300},
    {1000, 300, 1295, 5, 1300}, {1000, 300, 1296, 5, 1600}, /* too little rest */
    {1000, 300, 1300, 0, 1300}, {1000, 300, 1301, 0, 1600},
    {1000, 300, 2950, 5, 3100}, /* it took six rounds: they are left out, and the beat is kept */
    {1000, 300, 900, 5, 1000},
};

static void test_rounds_do_not_drift(void **state)
{
	uint64_t next = 1000;

	(void)state;
	for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++)
		assert_int_equal(history_time_next(rounds[i].start, rounds[i].interval,
		                                   rounds[i].now, rounds[i].rest),
		                 rounds[i].next);
	for (int i = 1; i < 1000; i++) {
		next = history_time_next(1000, 300, next + 7, 5);
		assert_int_equal(next, 1000 + 300 * (uint64_t)i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_since),
	    cmocka_unit_test(test_there_and_back),
	    cmocka_unit_test(test_interval),
	    cmocka_unit_test(test_rounds_do_not_drift),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
