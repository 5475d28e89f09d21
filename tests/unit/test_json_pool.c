/* Of equal documents one is kept, and those that were not asked for lately are let go of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "controller/host/json_pool.h"

static json_t *document(int number)
{
	return json_pack("{s:s, s:[i]}", "name", "plan", "stages", number);
}

static void equal_ones_are_one(void **state)
{
	struct json_pool pool = {0};
	json_t *first = json_pool_share(&pool, document(1));
	json_t *other = json_pool_share(&pool, document(2));
	json_t *again = json_pool_share(&pool, document(1));

	(void)state;
	assert_ptr_equal(first, again);
	assert_ptr_not_equal(first, other);
	json_pool_release(&pool);
	/* They outlive it. */
	assert_int_equal(json_integer_value(json_array_get(json_object_get(again, "stages"), 0)),
	                 1);
	json_decref(first);
	json_decref(again);
	json_decref(other);
}

static void the_oldest_gives_way(void **state)
{
	struct json_pool pool = {0};
	json_t *kept = json_pool_share(&pool, document(0)), *lost, *now;

	(void)state;
	lost = json_pool_share(&pool, document(1000));
	for (int i = 1; i < 3 * JSON_POOL_SIZE; i++) {
		json_decref(json_pool_share(&pool, document(i)));
		now = json_pool_share(&pool, document(0)); /* asked for all the time */
		assert_ptr_equal(now, kept);
		json_decref(now);
	}
	now = json_pool_share(&pool, document(1000));
	assert_ptr_not_equal(now, lost);
	json_decref(now);
	json_decref(lost);
	json_decref(kept);
	json_pool_release(&pool);
}

static void nothing_is_nothing(void **state)
{
	struct json_pool pool = {0};
	json_t *alone = document(1);

	(void)state;
	assert_null(json_pool_share(&pool, NULL));
	assert_ptr_equal(json_pool_share(NULL, alone), alone);
	json_decref(alone);
	json_pool_release(&pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal_ones_are_one),
	    cmocka_unit_test(the_oldest_gives_way),
	    cmocka_unit_test(nothing_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
