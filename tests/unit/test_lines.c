/* Wrapping, cutting and counting: in characters, never in the middle of one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/terminal/lines.h"

static void wraps_to(const char *text, unsigned indent, unsigned columns, const char *expected)
{
	char *seen = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&seen, &size);

	assert_non_null(out);
	lines_wrap(out, text, indent, columns);
	fclose(out);
	assert_string_equal(seen, expected);
	free(seen);
}

static void wraps(void **state)
{
	(void)state;
	wraps_to("one two three", 2, 0, "  one two three\n");
	wraps_to("one two three", 2, 9, "  one two\n  three\n");
	wraps_to("one two three", 2, 15, "  one two three\n");
	wraps_to("aa /a/path/that/is/long bb cc", 0, 8, "aa\n/a/path/that/is/long\nbb cc\n");
	wraps_to("", 4, 20, "    \n");
	wraps_to("größer größer", 0, 6, "größer\ngrößer\n");
}

static void cuts_and_counts(void **state)
{
	char text[] = "a·b·c", whole[] = "ab";

	(void)state;
	assert_int_equal(lines_width(text), 5);
	lines_cut(text, 2);
	assert_string_equal(text, "a·");
	lines_cut(whole, 2);
	assert_string_equal(whole, "ab");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wraps),
	    cmocka_unit_test(cuts_and_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
