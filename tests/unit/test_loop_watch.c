/* The longest turn of a loop: what a turn is busy with, and what it is blocked in; not its sleep.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "controller/clock/loop_watch.h"

#define BLOCKED_MS 30

static void block_cb(uv_timer_t *timer)
{
	const struct timespec blocked = {.tv_nsec = BLOCKED_MS * 1000000L};

	(void)timer;
	nanosleep(&blocked, NULL);
}

static void work_cb(uv_timer_t *timer)
{
	uint64_t began = uv_hrtime();

	(void)timer;
	while (uv_hrtime() - began < BLOCKED_MS * UINT64_C(1000000))
		;
}

static void nothing_cb(uv_timer_t *timer)
{
	(void)timer;
}

/* The longest turn of a loop that sleeps for 5 ms, calls CALL, and sleeps for 5 ms. */
static void run(uv_timer_cb call, struct loop_watch *watch)
{
	uv_timer_t first, last;
	uv_loop_t loop;

	assert_int_equal(uv_loop_init(&loop), 0);
	loop_watch_start(watch, &loop);
	uv_timer_init(&loop, &first);
	uv_timer_init(&loop, &last);
	uv_timer_start(&first, call, 5, 0);
	uv_timer_start(&last, nothing_cb, 10 + BLOCKED_MS, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&first, NULL);
	uv_close((uv_handle_t *)&last, NULL);
	loop_watch_stop(watch);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
}

static void blocked_turn_counts(void **state)
{
	struct loop_watch watch;

	(void)state;
	run(block_cb, &watch);
	assert_true(loop_watch_busy_ms(&watch) >= BLOCKED_MS);
	assert_true(loop_watch_longest_ms(&watch) <= loop_watch_busy_ms(&watch));
}

static void sleep_does_not_count(void **state)
{
	struct loop_watch idle, blocked;

	(void)state;
	run(nothing_cb, &idle);
	run(block_cb, &blocked);
	assert_true(loop_watch_longest_ms(&idle) < loop_watch_longest_ms(&blocked));
}

static void work_counts(void **state)
{
	struct loop_watch watch;

	(void)state;
	run(work_cb, &watch);
	assert_true(loop_watch_busy_ms(&watch) >= BLOCKED_MS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(blocked_turn_counts),
	    cmocka_unit_test(sleep_does_not_count),
	    cmocka_unit_test(work_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
