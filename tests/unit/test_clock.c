/* The clock's heap: order, re-arming, disarming, and timers that arm others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <cmocka.h>

#include "controller/clock/clock.h"

static uint64_t now_ms;
static int fired[64], fired_count;

static uint64_t test_now(struct clock *clock)
{
	(void)clock;
	return now_ms;
}

static void note(void *ctx)
{
	fired[fired_count++] = *(int *)ctx;
}

static void fires_in_order(void **state)
{
	struct clock clock = {.now = test_now};
	struct clock_timer timers[20] = {0};
	int ids[20];

	(void)state;
	now_ms = 1000;
	fired_count = 0;
	for (int i = 0; i < 20; i++) {
		ids[i] = i;
		timers[i].fire = note;
		timers[i].ctx = &ids[i];
		clock_arm(&clock, &timers[i], (uint64_t)((i * 7) % 20) * 10);
	}
	clock_disarm(&clock, &timers[3]);
	clock_arm(&clock, &timers[0], 500); /* was first, is last */
	assert_int_equal(clock_next(&clock), 1000 + 20);
	now_ms = 1199;
	clock_fire(&clock);
	assert_int_equal(fired_count, 18);
	for (int i = 1; i < fired_count; i++)
		assert_true((fired[i - 1] * 7) % 20 < (fired[i] * 7) % 20);
	now_ms = 1500;
	clock_fire(&clock);
	assert_int_equal(fired[18], 0);
	assert_int_equal(clock_next(&clock), UINT64_MAX);
	clock_release(&clock);
}

static void jitter_stays_near(void **state)
{
	struct clock a = {.now = test_now, .seed = 7}, b = {.now = test_now, .seed = 7};

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t delay = clock_jitter(&a, 1000);

		assert_in_range(delay, 750, 1250);
		assert_int_equal(delay, clock_jitter(&b, 1000));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fires_in_order),
	    cmocka_unit_test(jitter_stays_near),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
