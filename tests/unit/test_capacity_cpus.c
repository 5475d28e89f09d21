/* test_capacity_cpus.c: sets of processors as Nova and the kernel write them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "controller/capacity/capacity_cpus.h"

static void test_cpus(void **state)
{
	static const struct {
		const char *text;
		int count; /* -1: refused */
	} cases[] = {
	    {"", 0},       {"4-12,^8,15", 9}, {" 0 - 3 , ^1-2,, 7", 3},
	    {"^1,0-3", 3}, {"3-1", -1},       {"a", -1},
	    {"1-", -1},    {"-3", -1},        {"0-8191", 8192},
	    {"8192", -1},  {"1;2", -1},       {"99999999999999999999", -1},
	    {"0-3\n", 4},
	};
	struct capacity_cpus cpus;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int rc = capacity_cpus_parse(cases[i].text, &cpus);

		assert_int_equal(rc, cases[i].count < 0 ? -1 : 0);
		if (rc == 0)
			assert_int_equal(capacity_cpus_count(&cpus), cases[i].count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cpus)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
