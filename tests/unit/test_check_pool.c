/* test_check_pool.c: equal checks are one value, and no two that differ are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/readiness/check_pool.h"

static void test_equal_is_one(void **state)
{
	struct check_pool *pool = check_pool_new();
	char device[] = "0000:01:00.0", same_device[] = "0000:01:00.0", evidence[] = "driver x";
	struct check check = {CHECK_DEVICE_DRIVER, device, CHECK_PENDING, evidence, "cause", "fix"};
	struct check others[] = {
	    {CHECK_DEVICE_TWIN, device, CHECK_PENDING, evidence, "cause", "fix"},
	    {CHECK_DEVICE_DRIVER, NULL, CHECK_PENDING, evidence, "cause", "fix"},
	    {CHECK_DEVICE_DRIVER, "0000:01:00.1", CHECK_PENDING, evidence, "cause", "fix"},
	    {CHECK_DEVICE_DRIVER, device, CHECK_BLOCKED, evidence, "cause", "fix"},
	    {CHECK_DEVICE_DRIVER, device, CHECK_PENDING, "driver y", "cause", "fix"},
	    {CHECK_DEVICE_DRIVER, device, CHECK_PENDING, evidence, "causes", "fix"},
	    {CHECK_DEVICE_DRIVER, device, CHECK_PENDING, evidence, "cause", "fixes"},
	};
	json_t *first = check_pool_json(pool, &check, check_json), *other, *wanted;

	(void)state;
	check.device = same_device;
	other = check_pool_json(pool, &check, check_json);
	assert_ptr_equal(other, first);
	json_decref(other);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		other = check_pool_json(pool, &others[i], check_json);
		wanted = check_json(&others[i]);
		assert_ptr_not_equal(other, first);
		assert_true(json_equal(other, wanted));
		json_decref(other);
		json_decref(wanted);
	}
	other = check_pool_json(NULL, &check, check_json);
	assert_ptr_not_equal(other, first);
	json_decref(other);
	check_pool_free(pool);
	/* What was given out outlives the pool, and what the check was made from. */
	memset(device, 'x', sizeof(device) - 1);
	assert_string_equal(json_string_value(json_object_get(first, "device")), "0000:01:00.0");
	json_decref(first);
}

/* More than fit at first: the pool grows, and finds them still. */
static void test_many(void **state)
{
	struct check_pool *pool = check_pool_new();
	json_t **values = calloc(50000, sizeof(json_t *));
	struct check check = {.id = CHECK_HOST_FACTS, .cause = "", .fix = ""};
	size_t found = 0;
	char evidence[32];

	(void)state;
	check.evidence = evidence;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 50000; i++) {
			json_t *value;

			snprintf(evidence, sizeof(evidence), "evidence %d", i);
			value = check_pool_json(pool, &check, check_json);
			assert_string_equal(json_string_value(json_object_get(value, "evidence")),
			                    evidence);
			found += round == 1 && value == values[i];
			json_decref(values[i]);
			values[i] = value;
		}
	}
	assert_true(found > 49000);
	for (int i = 0; i < 50000; i++)
		json_decref(values[i]);
	free(values);
	check_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_equal_is_one),
	    cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
