/* The clock's heap: order, re-arming, disarming, and timers that arm others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <string.h>
#include <cmocka.h>

#include <unistd.h>

#include "controller/clock/clock_uv.h"

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

static char order[8];

static void arrived_cb(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	strcat(order, "a");
	uv_close((uv_handle_t *)poll, NULL);
}

static void nothing(void *ctx)
{
	(void)ctx;
}

static void deadline(void *ctx)
{
	(void)ctx;
	strcat(order, "d");
}

/* Between the look at what has arrived and the look at timers, as a long callback would. */
static void stall_cb(uv_check_t *check)
{
	usleep(400000);
	assert_int_equal(write(*(int *)check->data, "x", 1), 1);
	uv_close((uv_handle_t *)check, NULL);
}

/* What arrived while the loop stood still comes before the deadlines that ran out meanwhile. */
static void stalled_loop_reads_before_deadlines(void **state)
{
	struct clock_timer timer = {.fire = deadline}, first = {.fire = nothing};
	struct clock_uv real;
	uv_check_t stall;
	uv_poll_t poll;
	uv_loop_t loop;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	uv_loop_init(&loop);
	clock_uv_start(&real, &loop);
	uv_poll_init(&loop, &poll, ends[0]);
	uv_poll_start(&poll, UV_READABLE, arrived_cb);
	uv_check_init(&loop, &stall);
	stall.data = &ends[1];
	uv_check_start(&stall, stall_cb);
	clock_arm(&real.clock, &timer, 20);
	clock_arm(&real.clock, &first, 1); /* ends the first poll */
	order[0] = '\0';
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_string_equal(order, "ad");
	clock_uv_stop(&real);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fires_in_order),
	    cmocka_unit_test(jitter_stays_near),
	    cmocka_unit_test(stalled_loop_reads_before_deadlines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
