/* sudo's words: the prompt, noise around it, both in any pieces; what is the command's is left to
 * it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/secret/become.h"

static const struct {
	const char *said; /* P: the prompt, M: the mark */
	enum become_state state;
	const char *rest, *reason; /* the command's; sudo's last line */
} table[] = {
    {"", BECOME_BEGUN, "", ""},
    {"P", BECOME_ASKED, "", ""},
    {"M", BECOME_PASSED, "", ""},
    {"Mhello P M", BECOME_PASSED, "hello P M", ""},
    {"\nWe trust you.\n\nP", BECOME_ASKED, "", "We trust you."},
    {"gpufleet-gpufleet-p-P", BECOME_ASKED, "", "gpufleet-gpufleet-p-"},
    {"gpufleet-p-00ggpufleet-mM!", BECOME_PASSED, "!", "gpufleet-p-00ggpufleet-m"},
    {"sudo: a password is required\n", BECOME_BEGUN, "", "sudo: a password is required"},
    {"x\033[2Jy\n", BECOME_BEGUN, "", "x?[2Jy"},
};

static void feed_in_pieces(size_t row, size_t piece)
{
	struct become become;
	char text[600] = "", expected[600] = "", rest[600] = "", reason[200];
	assert_int_equal(become_init(&become, NULL), 0);
	const char *both[] = {table[row].said, table[row].rest};
	char *out[] = {text, expected};
	for (int i = 0; i < 2; i++)
		for (const char *c = both[i]; *c; c++) {
			size_t used = strlen(out[i]);
			if (*c == 'P' || *c == 'M')
				snprintf(out[i] + used, sizeof(text) - used, "%s",
				         *c == 'P' ? become.nonce : become.mark);
			else
				snprintf(out[i] + used, sizeof(text) - used, "%c", *c);
		}
	for (size_t at = 0, size = strlen(text); at < size; at += piece) {
		size_t part = size - at < piece ? size - at : piece;
		size_t used = become_feed(&become, text + at, part);
		strncat(rest, text + at + used, part - used);
	}
	become_reason(&become, reason, sizeof(reason));
	assert_int_equal(become.state, table[row].state);
	assert_string_equal(rest, expected);
	assert_string_equal(reason, table[row].reason);
}

static void words(void **state)
{
	(void)state;
	for (size_t row = 0; row < sizeof(table) / sizeof(table[0]); row++)
		for (size_t piece = 1; piece < 80; piece++)
			feed_in_pieces(row, piece);
}

static void second_prompt_is_a_refusal(void **state)
{
	(void)state;
	struct become become;
	assert_int_equal(become_init(&become, NULL), 0);
	become_feed(&become, become.nonce, strlen(become.nonce));
	assert_int_equal(become.state, BECOME_ASKED);
	become.state = BECOME_SENT;
	become_feed(&become, "Sorry, try again.\n", 18);
	assert_int_equal(become.state, BECOME_SENT);
	become_feed(&become, become.nonce, strlen(become.nonce));
	assert_int_equal(become.state, BECOME_REFUSED);
}

/* A flood keeps its beginning and its end, and nothing grows. */
static void flood(void **state)
{
	(void)state;
	struct become become;
	char reason[200];
	assert_int_equal(become_init(&become, NULL), 0);
	for (int i = 0; i < 100000; i++)
		become_feed(&become, "gpufleet-p-\377", 12);
	become_feed(&become, "\nthe reason\n", 12);
	become_feed(&become, become.nonce, strlen(become.nonce));
	become_reason(&become, reason, sizeof(reason));
	assert_string_equal(reason, "the reason");
	assert_int_equal(become.state, BECOME_ASKED);
}

static void words_differ_each_time(void **state)
{
	(void)state;
	struct become a, b;
	assert_int_equal(become_init(&a, NULL), 0);
	assert_int_equal(become_init(&b, NULL), 0);
	assert_string_not_equal(a.nonce, b.nonce);
	assert_string_not_equal(a.nonce + 11, a.mark + 11);
	char *line = become_command(&a, "sh -c 'x'", false);
	char expected[200];
	snprintf(expected, sizeof(expected), "sudo -k -S -p %s sh -c 'x'", a.nonce);
	assert_string_equal(line, expected);
	free(line);
	line = become_command(&a, "echo 'it is'", true);
	assert_null(strstr(line, a.mark));
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(words),
	    cmocka_unit_test(second_prompt_is_a_refusal),
	    cmocka_unit_test(flood),
	    cmocka_unit_test(words_differ_each_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
