/* Links are ticked in the order in which they were woken, and the loop gets its turn between them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include "controller/ssh/ssh_link.h"

#define LINKS 40

static struct ssh_ticks *queue;
static struct ssh_link links[LINKS];
static size_t ticked[4 * LINKS], ticks, again;
static unsigned turns, work_ms;
static uv_check_t looked;

static void tick(struct ssh_link *link)
{
	const struct timespec work = {.tv_nsec = (long)work_ms * 1000000};

	ticked[ticks++] = (size_t)(link - links);
	nanosleep(&work, NULL);
	if (again) {
		again--;
		ssh_ticks_add(queue, link);
	}
}

static void looked_cb(uv_check_t *check)
{
	(void)check;
	turns++;
}

static void run(uv_loop_t *loop)
{
	uv_check_init(loop, &looked);
	uv_check_start(&looked, looked_cb);
	uv_unref((uv_handle_t *)&looked);
	uv_run(loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&looked, NULL);
	ssh_ticks_free(queue);
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
}

static void begin(uv_loop_t *loop)
{
	uv_loop_init(loop);
	queue = ssh_ticks_new(loop, tick);
	assert_non_null(queue);
	ticks = again = 0;
	turns = work_ms = 0;
}

static void in_order_and_once(void **state)
{
	uv_loop_t loop;

	(void)state;
	begin(&loop);
	for (size_t i = 0; i < LINKS; i++)
		ssh_ticks_add(queue, &links[i]);
	ssh_ticks_add(queue, &links[0]); /* keeps its place */
	ssh_ticks_remove(queue, &links[0]);
	ssh_ticks_remove(queue, &links[0]);
	ssh_ticks_remove(queue, &links[7]);
	ssh_ticks_remove(queue, &links[LINKS - 1]);
	ssh_ticks_add(queue, &links[7]);
	run(&loop);
	assert_int_equal(ticks, LINKS - 2);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(ticked[i], i + 1);
	assert_int_equal(ticked[6], 8);
	assert_int_equal(ticked[ticks - 1], 7);
}

/* Whoever wakes itself up again does not keep the loop from looking at the others. */
static void once_in_a_turn(void **state)
{
	uv_loop_t loop;

	(void)state;
	begin(&loop);
	again = 5;
	ssh_ticks_add(queue, &links[3]);
	run(&loop);
	assert_int_equal(ticks, 6);
	assert_true(turns >= 6);
}

/* Forty links of 4 ms each are not one turn of 160 ms. */
static void turns_are_short(void **state)
{
	uv_loop_t loop;

	(void)state;
	begin(&loop);
	work_ms = 4;
	for (size_t i = 0; i < LINKS; i++)
		ssh_ticks_add(queue, &links[i]);
	run(&loop);
	assert_int_equal(ticks, LINKS);
	assert_true(turns >= 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(in_order_and_once),
	    cmocka_unit_test(once_in_a_turn),
	    cmocka_unit_test(turns_are_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
