/* test_json_out.c: what json_out writes is what jansson writes, byte for byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/report/json_out.h"

static char *written(const json_t *value, bool compact)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct json_out *json = json_out_new(out);

	assert_non_null(json);
	json_out_value(json, value, compact, 0);
	json_out_free(json);
	fclose(out);
	return text;
}

static void expect_same(const json_t *value)
{
	for (int compact = 0; compact < 2; compact++) {
		char *wanted = json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII |
		                                     (compact ? JSON_COMPACT : JSON_INDENT(2)));
		char *got = written(value, compact);

		assert_string_equal(got, wanted);
		free(wanted);
		free(got);
	}
}

static void test_values(void **state)
{
	static const char *const texts[] = {
	    "null",
	    "true",
	    "false",
	    "0",
	    "-9223372036854775808",
	    "1.5",
	    "\"\"",
	    "[]",
	    "{}",
	    "[[],{},[[]],{\"a\":{}}]",
	    "{\"b\":1,\"a\":[1,2,{\"c\":null}],\"\":\"x\"}",
	    "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\"",
	    "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x92\xa5 \xf4\x8f\xbf\xbf \xc2\x80\"",
	    "{\"k\xc3\xa9y\\n\":\"\\uffff\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *value = json_loads(texts[i], JSON_DECODE_ANY, NULL);

		assert_non_null(value);
		expect_same(value);
		json_decref(value);
	}
}

/* Deeper than the line of blanks is long. */
static void test_depth(void **state)
{
	json_t *value = json_integer(1);

	(void)state;
	for (int i = 0; i < 60; i++)
		value = i % 2 ? json_pack("[o]", value) : json_pack("{so}", "k", value);
	expect_same(value);
	json_decref(value);
}

/* Longer than the buffer, at once and in pieces. */
static void test_length(void **state)
{
	json_t *value = json_array();
	char *text = malloc(1 << 20);

	(void)state;
	memset(text, 'x', (1 << 20) - 1);
	text[(1 << 20) - 1] = '\0';
	json_array_append_new(value, json_string(text));
	for (int i = 0; i < 100000; i++)
		json_array_append_new(value, json_integer(i));
	expect_same(value);
	json_decref(value);
	free(text);
}

/* Values that stand in several places, on several lines' depths, are written out in each. */
static void test_shared(void **state)
{
	json_t *value = json_array(), *small[100], *large = json_object();

	(void)state;
	for (int i = 0; i < 500; i++)
		json_object_set_new(large, (char[]){(char)('a' + i % 26), (char)('a' + i / 26), 0},
		                    json_string("a text"));
	for (int i = 0; i < 100; i++)
		small[i] = json_pack("{s:i, s:[i, {}], s:O}", "n", i, "list", i,
		                     i % 10 ? "none" : "large", i % 10 ? json_null() : large);
	for (int i = 0; i < 2000; i++) {
		json_t *one = small[i % 100];

		json_array_append_new(value, i % 3 == 0   ? json_incref(one)
		                             : i % 3 == 1 ? json_pack("[O, {s:O}]", one, "k", one)
		                                          : json_pack("{s:[O]}", "", one));
	}
	expect_same(value);
	for (int i = 0; i < 100; i++)
		json_decref(small[i]);
	json_decref(large);
	expect_same(value);
	json_decref(value);
}

/* What is freed while the rest is written leaves its place to another value. */
static void test_freed_between(void **state)
{
	json_t *values[64];
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct json_out *json = json_out_new(out);

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 64; i++) {
			values[i] = json_pack("{s:i}", "n", 2 * i + round);
			json_incref(values[i]);
		}
		for (int i = 0; i < 64; i++)
			json_out_value(json, values[i], true, 0);
		for (int i = 0; i < 64; i++) {
			json_decref(values[i]);
			json_decref(values[i]);
		}
	}
	json_out_free(json);
	fclose(out);
	assert_non_null(strstr(text, "{\"n\":127}"));
	assert_non_null(strstr(text, "{\"n\":126}"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_values),        cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_length),        cmocka_unit_test(test_shared),
	    cmocka_unit_test(test_freed_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
