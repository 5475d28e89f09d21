/* Unified diffs, some of them put through patch(1). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "node-agent/tasks/diff.h"

static char *diff(const char *before, const char *after)
{
	return diff_unified("/f", before, before ? strlen(before) : 0, after,
	                    after ? strlen(after) : 0);
}

static void test_table(void **state)
{
	static const struct {
		const char *before, *after, *diff;
	} cases[] = {
	    {"a\n", "a\n", ""},
	    {NULL, NULL, ""},
	    {NULL, "a\nb\n", "--- /dev/null\n+++ b/f\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
	    {"a\n", NULL, "--- a/f\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"},
	    {"a\nb\nc\n", "a\nx\nc\n", "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
	    {"a", "a\n", "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n"},
	    {"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n", "0\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n13\n",
	     "--- a/f\n+++ b/f\n@@ -1,4 +1,4 @@\n-1\n+0\n 2\n 3\n 4\n@@ -9,4 +9,4 @@\n 9\n 10\n "
	     "11\n-12\n"
	     "+13\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = diff(cases[i].before, cases[i].after);
		assert_string_equal(text, cases[i].diff);
		free(text);
	}
	char *text = diff_unified("/f", "a\0b", 3, "c", 1);
	assert_string_equal(text, "Binary files differ: /f\n");
	free(text);
}

static void test_too_long(void **state)
{
	char *big = malloc(200001);

	(void)state;
	for (size_t i = 0; i < 200000; i += 2)
		memcpy(big + i, "x\n", 2);
	big[200000] = '\0';
	char *text = diff("a\n", big);
	assert_non_null(strstr(text, "too long to show"));
	free(text);
	free(big);
}

/* A nova.conf has ten thousand lines, of which a few change, far from one another. */
static void test_long_file(void **state)
{
	char *before = NULL, *after = NULL;
	size_t before_size, after_size;
	FILE *out[2] = {open_memstream(&before, &before_size), open_memstream(&after, &after_size)};

	(void)state;
	for (int line = 0; line < 10000; line++) {
		fprintf(out[0], "# line %d\n", line);
		if (line == 9000)
			fprintf(out[1], "new\n");
		if (line != 50)
			fprintf(out[1], "# line %d\n", line);
	}
	fclose(out[0]);
	fclose(out[1]);
	char *text = diff(before, after);
	assert_string_equal(text, "--- a/f\n+++ b/f\n@@ -48,7 +48,6 @@\n # line 47\n # line 48\n"
	                          " # line 49\n-# line 50\n # line 51\n # line 52\n # line 53\n"
	                          "@@ -8998,6 +8997,7 @@\n # line 8997\n # line 8998\n"
	                          " # line 8999\n+new\n # line 9000\n # line 9001\n"
	                          " # line 9002\n");
	free(text);
	free(before);
	free(after);
}

/* Random texts: patch(1) must make the second of the first. */
static void test_patch(void **state)
{
	char dir[256], command[1024];
	const char *tmp = getenv("TMPDIR");
	uint32_t seed = 7;

	(void)state;
	if (system("command -v patch >/dev/null 2>&1") != 0)
		skip();
	snprintf(dir, sizeof(dir), "%s/gpufleet-diff-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(dir));
	for (int round = 0; round < 40; round++) {
		char texts[2][200] = {"", ""};
		for (int side = 0; side < 2; side++) {
			for (int line = 0; line < 24; line++) {
				seed = seed * 1664525 + 1013904223;
				if (seed >> 30)
					snprintf(texts[side] + strlen(texts[side]), 8, "%c\n",
					         side && seed >> 29 == 7 ? 'X' : 'a' + line % 5);
			}
		}
		char *text = diff(texts[0], texts[1]);
		const char *const names[] = {"f", "want", "d"};
		const char *const contents[] = {texts[0], texts[1], text};
		for (int i = 0; i < 3; i++) {
			snprintf(command, sizeof(command), "%s/%s", dir, names[i]);
			FILE *out = fopen(command, "w");
			fputs(contents[i], out);
			fclose(out);
		}
		snprintf(command, sizeof(command),
		         "cd %s && { [ ! -s d ] || patch -s f <d; } && cmp f want", dir);
		assert_int_equal(system(command), 0);
		free(text);
	}
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	assert_int_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_table), cmocka_unit_test(test_too_long),
	    cmocka_unit_test(test_long_file), cmocka_unit_test(test_patch)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
