/* The recap folds by cause, whatever the hosts' names, failures last; and text from hosts is made
 * safe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "controller/terminal/escape.h"
#include "controller/terminal/recap.h"

static void folds_by_cause(void **state)
{
	const struct recap_item items[] = {
	    {"gpu01", "failed", "task", "gpu01: no space in /boot of gpu01"},
	    {"gpu02", "done", "", ""},
	    {"gpu03", "unreachable", "connect", "no route to gpu03"},
	    {"gpu04", "failed", "task", "gpu04: no space in /boot of gpu04"},
	    {"gpu05", "blocked", "blocked", "1 guest is running (vm1)"},
	    {"gpu06", "failed", "lost", "gpu06: no space in /boot of gpu06"},
	};
	size_t count;
	struct recap_group *groups = recap_fold(items, 6, &count);

	(void)state;
	assert_non_null(groups);
	assert_int_equal(count, 4);
	assert_string_equal(groups[0].verdict, "unreachable");
	assert_string_equal(groups[1].verdict, "blocked");
	assert_string_equal(groups[2].code, "lost");
	assert_string_equal(groups[3].code, "task");
	assert_int_equal(groups[3].count, 2);
	assert_string_equal(groups[3].message, "HOST: no space in /boot of HOST");
	assert_string_equal(groups[3].hosts[1], "gpu04");
	recap_groups_free(groups, count);
}

static void nothing_to_fold(void **state)
{
	size_t count;
	struct recap_group *groups = recap_fold(NULL, 0, &count);

	(void)state;
	assert_int_equal(count, 0);
	recap_groups_free(groups, count);
}

static void escapes(void **state)
{
	char buffer[64];

	(void)state;
	assert_string_equal(escape_text("a\033[2Jb\n", buffer, sizeof(buffer), 0),
	                    "a\\x1b[2Jb\\x0a");
	assert_string_equal(escape_text("a\nb\tc", buffer, sizeof(buffer), 1), "a\nb\tc");
	assert_string_equal(escape_text("gr\xc3\xbc\xc3\x9f", buffer, sizeof(buffer), 0),
	                    "gr\xc3\xbc\xc3\x9f");
	assert_string_equal(escape_text("\xff\xc2\x9b", buffer, sizeof(buffer), 0),
	                    "\\xff\\xc2\\x9b");
	assert_string_equal(escape_text("\xe2\x80\xae", buffer, sizeof(buffer), 0),
	                    "\\xe2\\x80\\xae");
	assert_string_equal(escape_text("\xe2\x81\xa6\xe2\x80\xa8", buffer, sizeof(buffer), 0),
	                    "\\xe2\\x81\\xa6\\xe2\\x80\\xa8");
	/* ESC, written longer than it may be. */
	assert_string_equal(escape_text("\xe0\x80\x9b", buffer, sizeof(buffer), 0),
	                    "\\xe0\\x80\\x9b");
	assert_string_equal(escape_text("0123456789", buffer, 10, 0), "01234");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(folds_by_cause),
	    cmocka_unit_test(nothing_to_fold),
	    cmocka_unit_test(escapes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
