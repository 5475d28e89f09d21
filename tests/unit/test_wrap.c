/* test_wrap.c: lines that fit a terminal, and commands that are the same to a shell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/terminal/wrap.h"

#define TEN "123456789 "

static char *wrapped(const char *text)
{
	char *result = NULL;
	size_t size;
	FILE *out = open_memstream(&result, &size);

	wrap_text(text, strlen(text), out);
	fclose(out);
	return result;
}

static void expect(const char *text, const char *wanted)
{
	char *got = wrapped(text);

	assert_string_equal(got, wanted);
	free(got);
}

static void test_lines(void **state)
{
	(void)state;
	expect("", "");
	expect("\n", "\n");
	expect("short\n\n  lines\n", "short\n\n  lines\n");
	expect("without an end", "without an end\n");
	/* Just 80 columns, and one more. */
	expect(TEN TEN TEN TEN TEN TEN TEN "1234567890\n",
	       TEN TEN TEN TEN TEN TEN TEN "1234567890\n");
	expect(TEN TEN TEN TEN TEN TEN TEN "1234567 xxx\n",
	       TEN TEN TEN TEN TEN TEN TEN "1234567\n  xxx\n");
	/* A blank at the edge is dropped with the line's end. */
	expect(TEN TEN TEN TEN TEN TEN TEN "1234567890 xxx\n",
	       TEN TEN TEN TEN TEN TEN TEN "1234567890\n  xxx\n");
	/* Two columns more than the line; below the text of a label. */
	expect("   " TEN TEN TEN TEN TEN TEN TEN "1234567890\n",
	       "   " TEN TEN TEN TEN TEN TEN "123456789\n     1234567890\n");
	expect("  fix:  " TEN TEN TEN TEN TEN TEN TEN TEN "\n",
	       "  fix:  " TEN TEN TEN TEN TEN TEN "123456789\n        " TEN "\n");
}

static void test_words(void **state)
{
	char name[201];

	(void)state;
	memset(name, 'x', 200);
	name[200] = '\0';
	expect(name,
	       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
	       "  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n"
	       "  xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
	/* A node set is broken after a comma. */
	expect("READY  gpu[0001-0010,0012-0020,0022-0030,0032-0040,0042-0050,0052-0060,0062-0070,"
	       "0072]  (71 hosts)\n",
	       "READY  gpu[0001-0010,0012-0020,0022-0030,0032-0040,0042-0050,0052-0060,\n"
	       "  0062-0070,0072]  (71 hosts)\n");
}

static void test_columns(void **state)
{
	(void)state;
	/* Bytes are not columns, colors have none, and some characters have two. */
	expect("caf\xc3\xa9 " TEN TEN TEN TEN TEN TEN TEN "12345\n",
	       "caf\xc3\xa9 " TEN TEN TEN TEN TEN TEN TEN "12345\n");
	expect("\033[31mBLOCK\033[0m" TEN TEN TEN TEN TEN TEN TEN "12345\n",
	       "\033[31mBLOCK\033[0m" TEN TEN TEN TEN TEN TEN TEN "12345\n");
	expect("\xe5\xad\x97\xe5\xad\x97 " TEN TEN TEN TEN TEN TEN TEN "12345\n",
	       "\xe5\xad\x97\xe5\xad\x97 " TEN TEN TEN TEN TEN TEN TEN "12345\n");
	expect("\xe5\xad\x97\xe5\xad\x97 " TEN TEN TEN TEN TEN TEN TEN "123456\n",
	       "\xe5\xad\x97\xe5\xad\x97 " TEN TEN TEN TEN TEN TEN "123456789\n  123456\n");
}

/* What a shell makes of COMMAND: its words, a line each. */
static char *words_of(const char *command)
{
	static char words[65536];
	char path[] = "/tmp/test_wrap.XXXXXX", line[128];
	int fd = mkstemp(path);
	FILE *file = fdopen(fd, "w"), *out;
	size_t length;

	fprintf(file, "gpufleet() { printf '%%s\\n' \"$@\"; }\n%s", command);
	fclose(file);
	snprintf(line, sizeof(line), "sh %s", path);
	out = popen(line, "r");
	length = fread(words, 1, sizeof(words) - 1, out);
	words[length] = '\0';
	assert_int_equal(pclose(out), 0);
	remove(path);
	return words;
}

static void test_commands(void **state)
{
	char command[4096] =
	    "    gpufleet plan /srv/fleets/a-long-name-of-a-folder/another-one/fleet.json "
	    "--limit 'gpu[",
	     *result, wanted[8192];

	(void)state;
	for (int i = 1; i < 200; i += 2)
		sprintf(command + strlen(command), "%04d,", i);
	strcpy(command + strlen(command),
	       "0999]' --state a-word-that-is-far-too-long-for-any-line-"
	       "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n");
	result = wrapped(command);
	for (const char *at = result; *at; at = strchr(at, '\n') + 1)
		assert_true(strchr(at, '\n') - at <= WRAP_COLUMNS);
	strcpy(wanted, words_of(command));
	assert_string_equal(words_of(result), wanted);
	free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lines),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_columns),
	    cmocka_unit_test(test_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
