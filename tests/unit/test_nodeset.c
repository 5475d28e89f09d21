/* Node sets: expansion, errors and their places, folding back, natural order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "inventory/nodeset.h"

static struct string_list rack1;

static int group(void *ctx, const char *name, const struct string_list **names, struct gf_err *err)
{
	(void)ctx;
	if (strcmp(name, "rack1"))
		return gf_err_set(err, GF_E_INPUT, "there is no group \"%s\"", name);
	*names = &rack1;
	return 0;
}

/* What TEXT stands for, joined by blanks. */
static char *expanded(const char *text)
{
	struct string_list names;
	struct gf_err err = {0};
	if (nodeset_expand(text, group, NULL, &names, &err) < 0)
		return strdup(err.msg);
	size_t size = 1;
	for (size_t i = 0; i < names.count; i++)
		size += strlen(names.items[i]) + 1;
	char *joined = calloc(1, size);
	assert_non_null(joined);
	for (size_t i = 0; i < names.count; i++) {
		strcat(joined, i ? " " : "");
		strcat(joined, names.items[i]);
	}
	string_list_free(&names);
	return joined;
}

static void expands(void **state)
{
	static const struct {
		const char *text, *result;
	} rows[] = {
	    {"gpu01", "gpu01"},
	    {"gpu[1-3]", "gpu1 gpu2 gpu3"},
	    {"gpu[08-11]", "gpu08 gpu09 gpu10 gpu11"},
	    {"gpu[098-101]", "gpu098 gpu099 gpu100 gpu101"},
	    {"gpu[01,3,5-6]", "gpu01 gpu3 gpu5 gpu6"},
	    {"gpu[1-2].rack[3-4]", "gpu1.rack3 gpu1.rack4 gpu2.rack3 gpu2.rack4"},
	    {"a, b\tc,,a", "a b c"},
	    {"@rack1", "gpu01 gpu02 gpu03"},
	    {"@rack1,!gpu02", "gpu01 gpu03"},
	    {"!gpu02,@rack1", "gpu01 gpu03"},
	    {"x[1-2],!@rack1,gpu01", "x1 x2"},
	    {"", ""},
	    {"a-b.c_d", "a-b.c_d"},
	    {"[1-2]", "1 2"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *result = expanded(rows[i].text);
		assert_string_equal(result, rows[i].result);
		free(result);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *text, *message;
	} rows[] = {
	    {"gpu[", "character 5: a number is missing here"},
	    {"gpu[1", "character 4: the brackets are never closed"},
	    {"gpu[1;2]", "character 6: expected ',', '-' or ']'"},
	    {"gpu]", "character 4: ']' cannot stand in a host name"},
	    {"gpu[]", "character 4: the brackets are empty"},
	    {"gpu[2-1]", "character 5: the range runs backwards"},
	    {"gpu[1-010]", "character 5: the two ends"},
	    {"a,-oProxyCommand=x", "character 3: a host name cannot begin with '-'"},
	    {".a", "character 1: a host name cannot begin with '.'"},
	    {"a b;c", "character 4: ';' cannot stand"},
	    {"a\x01", "character 2: byte 0x01 cannot stand"},
	    {"\xc3\xa4", "character 1: byte 0xc3 cannot stand"},
	    {"!", "character 1: a name is missing after '!'"},
	    {"@", "character 1: a group's name is missing"},
	    {"@rack2", "character 1: there is no group \"rack2\""},
	    {"a[1-100001]", "character 3: the range stands for more than 100000 hosts"},
	    {"a[1-60000],b[1-60000]", "character 12: the node set stands for more"},
	    {"a[1-400][1-400]", "character 1: the name stands for more than 100000 hosts"},
	    {"a[1-2][1-2][1-2][1-2][1-2][1-2][1-2][1-2][1-2][1-2][1-2][1-2][1-2][1-2][1-2][1-2][1-"
	     "2]",
	     "character 77: too many brackets"},
	    {"a[1-999999999999999]", "character 3: the range stands for more"},
	    {"a[1-9999999999999999]", "character 5: a number in brackets may have at most 15"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *result = expanded(rows[i].text);
		if (strncmp(result, rows[i].message, strlen(rows[i].message)))
			fail_msg("%s: %s", rows[i].text, result);
		free(result);
	}
}

static void long_names(void **state)
{
	char name[400];
	(void)state;
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	char *result = expanded(name);
	assert_string_equal(result, "character 1: a host name may have at most 253 characters");
	free(result);
}

static void no_groups(void **state)
{
	struct string_list names;
	struct gf_err err;
	(void)state;
	assert_int_equal(nodeset_expand("@rack1", NULL, NULL, &names, &err), -1);
	assert_string_equal(err.msg, "character 1: no groups are known here");
	assert_int_equal(nodeset_expand("@rack1", NULL, NULL, &names, NULL), -1);
}

static void largest(void **state)
{
	struct string_list names;
	struct gf_err err;
	(void)state;
	assert_int_equal(nodeset_expand("gpu[000001-100000]", NULL, NULL, &names, &err), 0);
	assert_int_equal(names.count, NODESET_MAX);
	char *folded = nodeset_fold((const char *const *)names.items, names.count);
	assert_string_equal(folded, "gpu[000001-100000]");
	free(folded);
	string_list_free(&names);
}

static void folds(void **state)
{
	static const char *const rows[] = {
	    "",
	    "gpu01",
	    "gpu[01-02]",
	    "gpu[01-16,20].rack[1-4]",
	    "ctl1,gpu[01-02]",
	    "gpu[01-06,08-16]",
	    "n[098-102]",
	    "n[98-102]",
	    "a[1,01,001,2-3]",
	    "ctl[1-2,10],g[08-101]",
	    "host",
	    "a1b1,a2b2",
	    "a[11-12]b",
	    "12345678901234567890",
	    "a[1-2].b[1-2].c[1-2].d[1-2].e1",
	    "x[1,3]b[1-2],x2b1", /* joined from neighbours that are none in natural order */
	};
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct string_list names, again;
		struct gf_err err;
		assert_int_equal(nodeset_expand(rows[i], NULL, NULL, &names, &err), 0);
		char *folded = nodeset_fold((const char *const *)names.items, names.count);
		assert_non_null(folded);
		/* Whatever its form, it stands for the same names. */
		assert_int_equal(nodeset_expand(folded, NULL, NULL, &again, &err), 0);
		assert_int_equal(again.count, names.count);
		for (size_t j = 0; j < names.count; j++) {
			size_t k = 0;
			while (k < again.count && strcmp(names.items[j], again.items[k]))
				k++;
			assert_true(k < again.count);
		}
		if (!strpbrk(rows[i], ",") || rows[i][0] != 'a')
			assert_string_equal(folded, rows[i]);
		free(folded);
		string_list_free(&names);
		string_list_free(&again);
	}
}

/* However many ranges a set folds to, it can be expanded again. */
static void many_ranges(void **state)
{
	struct string_list names, again;
	struct gf_err err;
	(void)state;
	assert_int_equal(nodeset_expand("a[0-999]0", NULL, NULL, &names, &err), 0);
	char *folded = nodeset_fold((const char *const *)names.items, names.count);
	assert_int_equal(nodeset_expand(folded, NULL, NULL, &again, &err), 0);
	assert_int_equal(again.count, 1000);
	free(folded);
	string_list_free(&names);
	string_list_free(&again);
}

static void fold_drops_repeats(void **state)
{
	const char *const names[] = {"b", "a2", "a1", "b", "a2"};
	(void)state;
	char *folded = nodeset_fold(names, 5);
	assert_string_equal(folded, "a[1-2],b");
	free(folded);
}

static void natural_order(void **state)
{
	static const char *const sorted[] = {
	    "a",    "a1",   "a01",   "a2",   "a10",
	    "a10b", "b1c2", "b1c10", "b2c1", "gpu99999999999999999999"};
	(void)state;
	for (size_t i = 0; i < 10; i++)
		for (size_t j = 0; j < 10; j++) {
			/* a1 and a01 are equal numbers; the strings decide. */
			int order = nodeset_compare(sorted[i], sorted[j]);
			if ((i == 1 && j == 2) || (i == 2 && j == 1)) {
				assert_int_not_equal(order, 0);
				continue;
			}
			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(expands),
	    cmocka_unit_test(refuses),
	    cmocka_unit_test(long_names),
	    cmocka_unit_test(no_groups),
	    cmocka_unit_test(largest),
	    cmocka_unit_test(folds),
	    cmocka_unit_test(fold_drops_repeats),
	    cmocka_unit_test(many_ranges),
	    cmocka_unit_test(natural_order),
	};
	string_list_append(&rack1, "gpu01");
	string_list_append(&rack1, "gpu02");
	string_list_append(&rack1, "gpu03");
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	string_list_free(&rack1);
	return failed;
}
