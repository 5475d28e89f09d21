/* test_json_share.c: documents that share their equal parts are the documents that jansson loads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/store/json_share.h"

static const char *const fixtures[] = {"done",     "nvidia", "shared-group", "in-use",
                                       "no-iommu", "amd",    "twin",         "nova"};

#define FIXTURES (sizeof(fixtures) / sizeof(fixtures[0]))

static json_t *facts_load(const char *name)
{
	char path[512];
	json_t *facts;

	snprintf(path, sizeof(path), "%s/tests/unit/facts/%s.json", TEST_SOURCE_DIR, name);
	facts = json_load_file(path, 0, NULL);
	assert_non_null(facts);
	return facts;
}

/* TEXT is taken or refused as jansson does, twice, and is the same. */
static void expect_same(struct json_share *share, const char *text, size_t length)
{
	json_t *wanted = json_loadb(text, length, JSON_DECODE_ANY, NULL);

	for (int i = 0; i < 2; i++) {
		json_t *got = json_share_load(share, text, length, JSON_DECODE_ANY);

		if (!!got != !!wanted || (got && !json_equal(got, wanted)))
			fail_msg("%s: %.*s", got ? "taken, or another" : "refused", (int)length,
			         text);
		json_decref(got);
	}
	json_decref(wanted);
}

static void test_texts(void **state)
{
	static const char *const texts[] = {
	    "",
	    " ",
	    "1",
	    "-1",
	    "01",
	    "-0",
	    "1.5e3",
	    "999999999999999999",
	    "9999999999999999999",
	    "123456789012345678901234567890",
	    "nul",
	    "null",
	    "nulls",
	    "true false",
	    "\"",
	    "\"a",
	    "\"\\\"\"",
	    "\"\\u0000\"",
	    "\"\\ud800\"",
	    "\"\xff\"",
	    "\"caf\xc3\xa9\"",
	    "\"a\tb\"",
	    "[",
	    "]",
	    "[}",
	    "{]",
	    "[1,]",
	    "[,1]",
	    "[1 2]",
	    "{\"a\"}",
	    "{\"a\":}",
	    "{\"a\":1,}",
	    "{a:1}",
	    "{\"a\":1 \"b\":2}",
	    "{\"a\":1,\"a\":2}",
	    "{\"\":1}",
	    "{\"\\u0061\":1}",
	    "{\"\xff\":1}",
	    " { \"a\" : [ 1 , 2 ] , \"b\" : { } } ",
	    "[]]",
	    "[[1,2,3,4,5,6,7,8,9,10,11],[1,2,3,4,5,6,7,8,9,10,11]]",
	    "[[1,2,3,4,5,6,7,8,9,10,1],[[1,2,3,4,5,6,7,8,9,10,1]],[1,2,3,4,5,6,7,8,9,10,12]]",
	    "{\"0123456789012345678901234567890123456789012345678901234567890123456789\":1}",
	    "{\"a\":\"one two three four five\",\"b\":[\"one two three four five\"}]",
	};
	struct json_share *share = json_share_new(0);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		expect_same(share, texts[i], strlen(texts[i]));
	expect_same(share, "[1\0,2]", 6);
	json_share_free(share);
}

static void test_depth(void **state)
{
	static const int depths[] = {31, 32, 33, 2047, 2048, 2049, 5000};
	struct json_share *share = json_share_new(0);
	char *text = malloc(2 * 5000 + 1);

	(void)state;
	for (size_t i = 0; i < sizeof(depths) / sizeof(depths[0]); i++) {
		memset(text, '[', (size_t)depths[i]);
		memset(text + depths[i], ']', (size_t)depths[i]);
		expect_same(share, text, 2 * (size_t)depths[i]);
	}
	free(text);
	json_share_free(share);
}

/* Equal devices are one value, and outlive what loaded them. */
static void test_shares(void **state)
{
	struct json_share *share = json_share_new(0);
	json_t *facts = facts_load("twin"), *first, *second;
	char *text = json_dumps(facts, JSON_COMPACT);

	(void)state;
	first = json_share_load(share, text, strlen(text), JSON_DECODE_ANY);
	json_object_set_new(json_object_get(facts, "host"), "hostname", json_string("another"));
	free(text);
	text = json_dumps(facts, JSON_COMPACT);
	second = json_share_load(share, text, strlen(text), JSON_DECODE_ANY);
	json_share_free(share);
	assert_ptr_not_equal(first, second);
	assert_true(json_array_size(json_object_get(first, "pci")) > 0);
	for (size_t i = 0; i < json_array_size(json_object_get(first, "pci")); i++)
		assert_ptr_equal(json_array_get(json_object_get(first, "pci"), i),
		                 json_array_get(json_object_get(second, "pci"), i));
	assert_true(json_equal(second, facts));
	json_decref(first);
	json_decref(second);
	json_decref(facts);
	free(text);
}

/* With a bound: what came once is not kept, what came again is, until the room is used up. */
static void test_bound(void **state)
{
	static const char often[] = "[{\"address\":\"0000:01:00.0\"}]";
	struct json_share *share = json_share_new(90);
	json_t *former = NULL;
	char text[80];

	(void)state;
	for (int i = 0; i < 4; i++) {
		json_t *got = json_share_load(share, often, strlen(often), 0);

		assert_int_equal(i >= 2, json_array_get(got, 0) == json_array_get(former, 0));
		json_decref(former);
		former = got;
	}
	json_decref(former);
	for (int i = 0; i < 8; i++) {
		json_t *got[3];

		snprintf(text, sizeof(text), "[{\"serial\":\"00-11-22-33-44-55-66-%02d\"}]", i);
		for (int k = 0; k < 3; k++)
			got[k] = json_share_load(share, text, strlen(text), 0);
		/* 26 bytes are taken, and each of these takes 36. */
		assert_int_equal(json_array_get(got[1], 0) == json_array_get(got[2], 0), i == 0);
		for (int k = 0; k < 3; k++)
			json_decref(got[k]);
	}
	json_share_free(share);
}

/* What jansson refuses with those flags is refused, in what is shared, too. */
static void test_flags(void **state)
{
	static const char twice[] = "{\"a\":{\"name\":1,\"name\":2,\"other\":3333333}}";
	struct json_share *share = json_share_new(0);

	(void)state;
	for (int i = 0; i < 3; i++) {
		expect_same(share, twice, strlen(twice));
		assert_null(json_share_load(share, twice, strlen(twice), JSON_REJECT_DUPLICATES));
	}
	assert_null(json_share_load(share, "1", 1, 0));
	json_share_free(share);
}

/* Facts with bytes changed, removed and doubled, all in one table. */
static void test_broken_facts(void **state)
{
	struct json_share *share = json_share_new(0);
	unsigned random = 12345;

	(void)state;
	for (size_t i = 0; i < FIXTURES; i++) {
		json_t *facts = facts_load(fixtures[i]);
		char *text = json_dumps(facts, i % 2 ? JSON_COMPACT : JSON_INDENT(1)), *copy;
		size_t length = strlen(text);

		expect_same(share, text, length);
		copy = malloc(length + 1);
		for (int round = 0; round < 300; round++) {
			static const char bytes[] = "[]{}\",:\\ 01-a\n\xff";
			size_t at, cut;

			random = random * 1103515245 + 12345;
			at = (random >> 8) % length;
			cut = round % 3 == 0 ? 0 : round % 3 == 1 ? 1 : (random >> 4) % 8;
			memcpy(copy, text, length + 1);
			if (cut && at + cut < length)
				memmove(copy + at, copy + at + cut, length - at - cut + 1);
			else
				copy[at] = bytes[(random >> 3) % (sizeof(bytes) - 1)];
			expect_same(share, copy, strlen(copy));
		}
		free(copy);
		free(text);
		json_decref(facts);
	}
	json_share_free(share);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_texts),  cmocka_unit_test(test_depth),
	    cmocka_unit_test(test_shares), cmocka_unit_test(test_bound),
	    cmocka_unit_test(test_flags),  cmocka_unit_test(test_broken_facts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
