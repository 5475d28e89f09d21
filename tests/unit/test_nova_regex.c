/* Python's regular expressions as far as PCRE2 reads them alike; the rest is unknown. */
#include "tests/unit/nova.h"

#include "controller/nova/nova_regex.h"

static void test_matches(void **state)
{
	static const struct {
		const char *pattern, *text;
		enum fact wanted;
	} rows[] = {
	    {"", "0000", FACT_YES},
	    {".*", "0000", FACT_YES},
	    {"0", "01", FACT_YES}, /* only the start is anchored */
	    {"1", "01", FACT_NO},
	    {"01$", "01", FACT_YES},
	    {"0$", "01", FACT_NO},
	    {"[2-7]", "3", FACT_YES},
	    {"[^2-7]", "3", FACT_NO},
	    {"(01|0a)", "0a", FACT_YES},
	    {"\\d\\d", "0a", FACT_NO},
	    {"3B", "3b", FACT_NO},
	    {"(?!3b)", "3b", FACT_NO},
	    {"(?P<x>0)(?P=x)", "00", FACT_YES},
	    {"0{2,4}", "0000", FACT_YES},
	    {"(?i)3B", "3b", FACT_UNKNOWN},
	    {"0{,4}", "0000", FACT_UNKNOWN},
	    {"[[:digit:]]", "0", FACT_UNKNOWN},
	    {"0++", "00", FACT_UNKNOWN},
	    {"\xc3\xa4", "00", FACT_UNKNOWN},
	    {"\\u0030", "00", FACT_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool invalid;
		struct nova_regex *regex = nova_regex_new(rows[i].pattern, &invalid);

		if (!regex || invalid || nova_regex_match(regex, rows[i].text) != rows[i].wanted)
			fail_msg("%s on %s", rows[i].pattern, rows[i].text);
		nova_regex_free(regex);
	}
}

static void test_invalid(void **state)
{
	static const char *const patterns[] = {"[",  "(",       "*",       "a**",
	                                       "\\", "\\Q0\\E", "(*UTF)0", "+"};

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		bool invalid = false;
		struct nova_regex *regex = nova_regex_new(patterns[i], &invalid);

		if (regex || !invalid)
			fail_msg("%s", patterns[i]);
	}
	nova_regex_free(NULL);
}

/* A host can't make us compute for ever. */
static void test_bounded(void **state)
{
	char pattern[1200];
	bool invalid;
	struct nova_regex *regex;

	(void)state;
	memset(pattern, '0', sizeof(pattern) - 1);
	pattern[sizeof(pattern) - 1] = '\0';
	regex = nova_regex_new(pattern, &invalid);
	assert_int_equal(nova_regex_match(regex, "0000"), FACT_UNKNOWN);
	nova_regex_free(regex);
	regex = nova_regex_new("((((0*)*)*)*)*x", &invalid);
	assert_int_not_equal(nova_regex_match(regex, "0000000000000000000000000000000000"),
	                     FACT_YES);
	nova_regex_free(regex);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_matches),
	    cmocka_unit_test(test_invalid),
	    cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
