/* Positions of keys and values, suggestions, and bounds on what is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "inventory/json_source.h"
#include "inventory/suggest.h"

static struct json_source *parsed(const char *text)
{
	struct gf_err err = {0};
	struct json_source *source = json_source_parse("f.json", text, strlen(text), &err);
	if (!source)
		fail_msg("%s", err.msg);
	return source;
}

static void assert_place(const struct json_source *source, const char *pointer, enum json_part part,
                         unsigned line, unsigned column)
{
	struct json_place place = json_source_pointer(source, pointer, part);
	if (place.line != line || place.column != column)
		fail_msg("%s: %u:%u, not %u:%u", pointer, place.line, place.column, line, column);
}

static void places(void **state)
{
	(void)state;
	struct json_source *source = parsed("{\n"
	                                    "  \"groups\": {\"rack1\": {\"hosts\": [\"a\",\n"
	                                    "    \"b\"]}},\n"
	                                    "  \"\xc3\xa4\xc3\xb6\": 1, \"a/b~c\": 2,\r\n"
	                                    "\t\"t\": [[], {\"x\": null}]\n"
	                                    "}\n");
	assert_place(source, "", JSON_VALUE, 1, 1);
	assert_place(source, "/groups", JSON_KEY, 2, 3);
	assert_place(source, "/groups", JSON_VALUE, 2, 13);
	assert_place(source, "/groups/rack1/hosts/0", JSON_VALUE, 2, 34);
	assert_place(source, "/groups/rack1/hosts/1", JSON_VALUE, 3, 5);
	assert_place(source, "/groups/rack1/hosts/1", JSON_KEY, 3, 5);
	assert_place(source, "/\xc3\xa4\xc3\xb6", JSON_VALUE, 4, 9); /* columns count characters */
	assert_place(source, "/a~1b~0c", JSON_KEY, 4, 12);
	assert_place(source, "/t/1/x", JSON_VALUE, 5, 18);
	assert_place(source, "/groups/none/x", JSON_VALUE, 2, 13); /* the nearest that there is */

	struct json_path t = {.key = "t"}, one = {.parent = &t, .index = 1};
	struct json_path x = {.parent = &one, .key = "x"}, y = {.parent = &one, .key = "y"};
	struct json_place place = json_source_place(source, &x, JSON_KEY);
	assert_int_equal(place.line, 5);
	assert_int_equal(place.column, 13);
	place = json_source_place(source, &y, JSON_KEY);
	assert_int_equal(place.column, 12);
	struct gf_err err;
	assert_int_equal(json_source_error(source, &x, JSON_VALUE, &err, "%s is wrong", "it"), -1);
	assert_string_equal(err.msg, "f.json:5:18: it is wrong");
	json_source_free(source);
}

static void byte_order_mark(void **state)
{
	(void)state;
	struct json_source *source = parsed("\xef\xbb\xbf{\"a\": 1}");
	assert_int_equal(json_integer_value(json_object_get(json_source_root(source), "a")), 1);
	json_source_free(source);
}

static void digest(void **state)
{
	(void)state;
	struct json_source *source = parsed("{}");
	assert_string_equal(json_source_sha256(source),
	                    "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
	json_source_free(source);
}

static void refused(const char *text, size_t length, const char *message)
{
	struct gf_err err = {0};
	struct json_source *source = json_source_parse("f.json", text, length, &err);
	assert_null(source);
	assert_string_equal(err.msg, message);
	assert_null(json_source_parse("f.json", text, length, NULL));
}

/* A number of many megabytes, a file of as many values, and a larger file: quick, and no memory. */
static void bounded(void **state)
{
	size_t size = 4u << 20;
	char *text = malloc(size);
	(void)state;
	assert_non_null(text);
	memset(text, '7', size);
	refused(text, size, "f.json:1:1: a number of 4194304 digits is too large");
	text[0] = '[';
	text[1] = '1';
	for (size_t i = 2; i < size; i++)
		text[i] = i % 2 ? '1' : ',';
	refused(text, size, "f.json:1:2000000: the file holds more than 1000000 values");
	memset(text, '[', size);
	refused(text, size, "f.json:1:65: nested more than 64 levels deep");
	memset(text, '"', 1);
	refused(text, 2, "f.json:1:1: this string is never closed: a '\"' is missing");
	free(text);
}

static void large_file(void **state)
{
	char name[] = "/tmp/gpufleet-large-XXXXXX", message[128];
	(void)state;
	int fd = mkstemp(name);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)1 << 30), 0); /* a sparse gigabyte */
	close(fd);
	struct gf_err err = {0};
	assert_null(json_source_read(name, &err));
	snprintf(message, sizeof(message), "%s:1:1: the file is larger than 64 MiB", name);
	assert_string_equal(err.msg, message);
	unlink(name);
}

static void unreadable(void **state)
{
	struct gf_err err = {0};
	(void)state;
	assert_null(json_source_read("/nonexistent/x.json", &err));
	assert_string_equal(err.msg,
	                    "/nonexistent/x.json: cannot open it: No such file or directory");
	assert_null(json_source_read("/", &err));
	assert_string_equal(err.msg, "/: cannot read it: Is a directory");
}

static void shows(void **state)
{
	char shown[JSON_SHOW_SIZE], text[200];
	(void)state;
	assert_string_equal(json_show("a\x1b[31m\x7f\xc2\x9b"
	                              "b\xc3\xa4",
	                              shown),
	                    "a?[31m??b\xc3\xa4");
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(strlen(json_show(text, shown)), JSON_SHOW_SIZE - 1);
	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa4", 2);
	text[sizeof(text) - 2] = '\0';
	json_show(text, shown);
	assert_string_equal(shown + strlen(shown) - 5, "\xc3\xa4...");
}

static void suggests(void **state)
{
	static const char *const keys[] = {"user", "port", "identity_file", "host_keys",
	                                   "max_failures"};
	(void)state;
	assert_string_equal(suggest_nearest("usr", keys, 5), "user");
	assert_string_equal(suggest_nearest("prot", keys, 5), "port");
	assert_string_equal(suggest_nearest("PORT", keys, 5), "port");
	assert_string_equal(suggest_nearest("identity-file", keys, 5), "identity_file");
	assert_string_equal(suggest_nearest("identityfile", keys, 5), "identity_file");
	assert_string_equal(suggest_nearest("max_failure", keys, 5), "max_failures");
	assert_null(suggest_nearest("zzz", keys, 5));
	assert_null(suggest_nearest("", keys, 5));
	assert_null(suggest_nearest("port", keys, 0));
}

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment by its definition. */
static unsigned edits(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned d[12][12];
	for (size_t i = 0; i <= n; i++)
		for (size_t j = 0; j <= m; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			d[i][j] = smaller(smaller(d[i - 1][j], d[i][j - 1]) + 1,
			                  d[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = smaller(d[i][j], d[i - 2][j - 2] + 1);
		}
	return d[n][m];
}

static void random_word(char *word, unsigned *seed)
{
	size_t length = 1 + (size_t)rand_r(seed) % 10;
	for (size_t i = 0; i < length; i++)
		word[i] = (char)('a' + rand_r(seed) % 3);
	word[length] = '\0';
}

/* Giving up early on what is too far away changes no answer: of those near enough, the first of the
 * nearest. */
static void suggests_the_nearest(void **state)
{
	unsigned seed = 1;
	(void)state;
	for (int round = 0; round < 20000; round++) {
		char word[12], keys[4][12];
		const char *candidates[4], *wanted = NULL;
		unsigned best = 99;
		random_word(word, &seed);
		for (size_t i = 0; i < 4; i++) {
			random_word(keys[i], &seed);
			candidates[i] = keys[i];
			size_t n = strlen(word), m = strlen(keys[i]);
			size_t shorter = n < m ? n : m, longer = n < m ? m : n;
			bool begins = shorter >= 3 && !strncmp(word, keys[i], shorter);
			unsigned d = edits(word, keys[i]);
			if (d < best && d <= (begins ? longer : longer / 3 + (shorter > 1))) {
				best = d;
				wanted = keys[i];
			}
		}
		assert_ptr_equal(suggest_nearest(word, candidates, 4), wanted);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(places),
	    cmocka_unit_test(byte_order_mark),
	    cmocka_unit_test(digest),
	    cmocka_unit_test(bounded),
	    cmocka_unit_test(large_file),
	    cmocka_unit_test(unreadable),
	    cmocka_unit_test(shows),
	    cmocka_unit_test(suggests),
	    cmocka_unit_test(suggests_the_nearest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
