/* Waves are cumulative shares of the selected hosts, rounded up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "controller/fleet/waves.h"

static void check(struct inventory_wave *waves, size_t wave_count, size_t hosts,
                  const size_t *expected, size_t expected_count)
{
	struct inventory_rollout rollout = {.waves = waves, .wave_count = wave_count};
	size_t count = 0, *computed = waves_compute(&rollout, hosts, &count);

	assert_non_null(computed);
	assert_int_equal(count, expected_count);
	assert_memory_equal(computed, expected, expected_count * sizeof(*expected));
	free(computed);
}

static void shares_are_cumulative(void **state)
{
	struct inventory_wave usual[] = {{false, 1}, {true, 10}, {true, 100}};
	struct inventory_wave backwards[] = {{true, 50}, {true, 10}, {false, 3}};
	struct inventory_wave short_of[] = {{false, 2}};
	struct inventory_wave huge[] = {{false, 1}, {false, 4000000000u}};

	(void)state;
	check(usual, 3, 100, (size_t[]){1, 10, 100}, 3);
	check(usual, 3, 11, (size_t[]){1, 2, 11}, 3);
	check(usual, 3, 5, (size_t[]){1, 5}, 2);
	check(usual, 3, 1, (size_t[]){1}, 1);
	check(backwards, 3, 10, (size_t[]){5, 10}, 2);
	check(short_of, 1, 10, (size_t[]){2, 10}, 2);
	check(huge, 2, 7, (size_t[]){1, 7}, 2);
	check(NULL, 0, 7, (size_t[]){7}, 1);
}

static void limits_have_a_floor(void **state)
{
	(void)state;
	assert_int_equal(waves_limit(8, false, 3, 1), 8);
	assert_int_equal(waves_limit(10, true, 5, 1), 1);
	assert_int_equal(waves_limit(10, true, 55, 1), 5);
	assert_int_equal(waves_limit(0, false, 5, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(shares_are_cumulative),
	    cmocka_unit_test(limits_have_a_floor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
