/* test_ini_text.c: one file's text: what oslo.config takes and refuses, where things stand, and
 * whose they are. That the values are oslo.config's is what tests/ini compares. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node-agent/ini/ini_text.h"

#define TEXT(text) (text), sizeof(text) - 1

static void read_ok(struct ini_text *ini, const char *text, size_t size)
{
	struct gf_err err = {0};

	if (ini_text_parse(ini, text, size, &err) != 0)
		fail_msg("line %u: %s", ini->fault_line, err.msg);
}

static void test_refused(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t size;
		unsigned line;
		const char *message;
	} cases[] = {
	    {TEXT("a = 1\n"), 1, "section must be started before assignment"},
	    {TEXT("\n[x]\n  a\n"), 3, "unexpected continuation line"},
	    {TEXT("[x]\na = {\n}\n"), 3, "no ':' or '=' found in assignment"},
	    {TEXT("[x]\na = 1\n\n b\n"), 4, "unexpected continuation line"},
	    {TEXT("[x]\na = 1\n# c\n b\n"), 4, "unexpected continuation line"},
	    {TEXT("[x]\r= 1\r"), 2, "key cannot be empty"},
	    {TEXT("[]\n"), 1, "empty section name"},
	    {TEXT("[x] # c\n"), 1, "invalid section (must end with ])"},
	    {TEXT("\xef\xbb\xbf[x]\n"), 1, "no ':' or '=' found in assignment"},
	    {TEXT("[x]\r\na = \xff\r\n"), 2, "not UTF-8"},
	    {TEXT("nonsense\n\xff"), 2, "not UTF-8"}, /* decoding comes first */
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ini_text ini;
		struct gf_err err = {0};
		assert_int_equal(ini_text_parse(&ini, cases[i].text, cases[i].size, &err), -1);
		assert_int_equal(err.code, GF_E_INPUT);
		assert_string_equal(err.msg, cases[i].message);
		assert_int_equal(ini.fault_line, cases[i].line);
		ini_text_free(&ini);
	}
}

static void test_values(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t size;
		const char *name, *value;
		size_t value_size;
	} cases[] = {
	    {TEXT("[x]\na = b: c\n"), "a", TEXT("b: c")},
	    {TEXT("[x]\na: b = c"), "a", TEXT("b = c")},
	    {TEXT("[x]\n\"a b\"\t=\t'c' \r\n"), "\"a b\"", TEXT("c")},
	    {TEXT("[x]\na = \"\n"), "a", TEXT("")},
	    {TEXT("[x]\na = 'b\"\n"), "a", TEXT("'b\"")},
	    {TEXT("[x]\na =\n b # c\r\n\t; d \n"), "a", TEXT("\nb # c\n; d")},
	    {TEXT("[x]\na = \xc2\xa0 b\xe3\x80\x80\n"), "a", TEXT("b")},
	    {TEXT("[x]\na = b\0c\n"), "a", TEXT("b\0c")},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct ini_text ini;
		read_ok(&ini, cases[i].text, cases[i].size);
		assert_int_equal(ini.entry_count, 1);
		assert_string_equal(ini.entries[0].name.data, cases[i].name);
		assert_int_equal(ini.entries[0].value.size, cases[i].value_size);
		assert_memory_equal(ini.entries[0].value.data, cases[i].value,
		                    cases[i].value_size + 1);
		ini_text_free(&ini);
	}
}

static void test_places(void **state)
{
	(void)state;
	static const char text[] = "# c\r\n[x]\r\na = 1\r\n  2\r\n\r\nb = 3";
	struct ini_text ini;

	read_ok(&ini, text, strlen(text));
	assert_int_equal(ini.section_count, 1);
	assert_int_equal(ini.sections[0].place.line, 2);
	assert_int_equal(ini.sections[0].place.start, 5);
	assert_int_equal(ini.sections[0].place.end, 10);
	assert_int_equal(ini.entry_count, 2);
	assert_int_equal(ini.entries[0].place.line, 3);
	assert_int_equal(ini.entries[0].place.start, 10);
	assert_int_equal(ini.entries[0].place.end, 22);
	assert_int_equal(ini.entries[1].place.line, 6);
	assert_int_equal(ini.entries[1].place.end, strlen(text));
	ini_text_free(&ini);
}

/* The state of the one entry of TEMPLATE, with HASH for every HHHHHHHH. */
static void state_is(const char *template, const char *hash, enum ini_state state, size_t strays)
{
	char text[256];
	struct ini_text ini;

	snprintf(text, sizeof(text), "%s", template);
	for (char *at = text; (at = strstr(at, "HHHHHHHH"));)
		memcpy(at, hash, strlen(hash));
	read_ok(&ini, text, strlen(text));
	assert_int_equal(ini.entry_count, 1);
	assert_int_equal(ini.entries[0].state, state);
	assert_int_equal(ini.stray_count, strays);
	ini_text_free(&ini);
}

static void test_marks(void **state)
{
	(void)state;
	char hash[INI_HASH_SIZE];
	const struct py_str x = {"x", 1}, a = {"a", 1}, one = {"1", 1};

	ini_mark_hash(x, a, one, hash);
	state_is("[x]\n# gpufleet: added HHHHHHHH\na = 1\n", hash, INI_OURS, 0);
	state_is("[X]\r\n# gpufleet: added HHHHHHHH\r\na=1 \r\n", hash, INI_OURS, 0);
	/* Moved to another section, changed, gone on, put elsewhere: not ours any more. */
	state_is("[y]\n# gpufleet: added HHHHHHHH\na = 1\n", hash, INI_FOREIGN, 1);
	state_is("[x]\n# gpufleet: added HHHHHHHH\na = 2\n", hash, INI_FOREIGN, 1);
	state_is("[x]\n# gpufleet: added HHHHHHHH\na = 1\n 2\n", hash, INI_FOREIGN, 1);
	state_is("[x]\n# gpufleet: added HHHHHHHH\n\na = 1\n", hash, INI_FOREIGN, 1);
	state_is("[x]\n# gpufleet: added HHHHHHHH\n# gpufleet: added HHHHHHHH\na = 1\n", hash,
	         INI_OURS, 1);
	state_is("[x]\na = 1\n# gpufleet: added HHHHHHHH\n", hash, INI_FOREIGN, 1);
	state_is("[x]\n# gpufleet: took out: a = 1\n# gpufleet: took out:  2\n", hash, INI_OUT, 0);
	/* What could not come back is a comment like any. */
	state_is("# gpufleet: took out: a = 1\n[x]\na = 1\n", hash, INI_FOREIGN, 0);
	state_is("[x]\na = 1\n# gpufleet: took out:  2\n", hash, INI_FOREIGN, 0);
	state_is("[x]\na = 1\n# gpufleet: took out: [y]\n# gpufleet: took out: = 1\n", hash,
	         INI_FOREIGN, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_values),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_marks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
