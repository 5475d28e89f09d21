/* test_oslo_config.c: one option's value from several files. That the values are oslo.config's is
 * what tests/ini compares; here is what it does not have: places, whose an entry is, what cannot be
 * known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node-agent/ini/oslo_config.h"

static const struct oslo_name former[] = {
    {"pci", "passthrough_whitelist"}, {"DEFAULT", "pci_passthrough_whitelist"}, {NULL, NULL}};
static const char *const spec_default[] = {NULL};
static const struct oslo_option spec = {.section = "pci",
                                        .name = "device_spec",
                                        .kind = OSLO_MULTI,
                                        .deprecated = former,
                                        .defaults = spec_default};
static const char *const path_default[] = {"/var/lib/nova", NULL};
static const struct oslo_option known[] = {
    {.section = "DEFAULT", .name = "state_path", .defaults = path_default}};

static struct oslo_config *config_of(const char *const texts[], const char *const environment[])
{
	struct gf_err err = {0};
	struct oslo_config *config = oslo_config_new(known, 1, environment, &err);
	char path[] = "1.conf";

	assert_non_null(config);
	for (; *texts; texts++, path[0]++)
		assert_int_equal(oslo_config_add(config, path, *texts, strlen(*texts), NULL, &err),
		                 0);
	return config;
}

static void test_entries(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    "[pci]\ndevice_spec = a\npassthrough_whitelist = b\n",
	    "[PCI]\n# gpufleet: took out: device_spec = c\ndevice_spec = $state_path\n", NULL};
	static const struct {
		const char *file, *section, *name, *raw, *value;
		unsigned line;
	} want[] = {{"1.conf", "pci", "passthrough_whitelist", "b", "b", 3},
	            {"1.conf", "pci", "device_spec", "a", "a", 2},
	            {"2.conf", "PCI", "device_spec", "$state_path", "/var/lib/nova", 3}};
	struct oslo_config *config = config_of(texts, NULL);
	struct oslo_value value;

	assert_int_equal(oslo_config_get(config, &spec, &value, NULL), 0);
	assert_int_equal(value.source, OSLO_FILE);
	assert_int_equal(value.count, 3);
	assert_int_equal(value.entry_count, 3);
	for (size_t i = 0; i < 3; i++) {
		assert_string_equal(value.values[i].data, want[i].value);
		assert_string_equal(value.entries[i].file, want[i].file);
		assert_string_equal(value.entries[i].section, want[i].section);
		assert_string_equal(value.entries[i].name, want[i].name);
		assert_string_equal(value.entries[i].raw.data, want[i].raw);
		assert_string_equal(value.entries[i].value.data, want[i].value);
		assert_int_equal(value.entries[i].line, want[i].line);
		assert_true(value.entries[i].effective);
		assert_false(value.entries[i].ours);
	}
	oslo_value_free(&value);
	oslo_config_free(config);
}

static void test_winner(void **state)
{
	(void)state;
	static const char *const texts[] = {"[x]\nnew = 1\nnew = 2\nold = 3\n", "[x]\nold = 4\n",
	                                    NULL};
	static const struct oslo_name old[] = {{NULL, "old"}, {NULL, NULL}};
	static const struct oslo_option option = {.section = "x", .name = "new", .deprecated = old};
	struct oslo_config *config = config_of(texts, NULL);
	struct oslo_value value;

	assert_int_equal(oslo_config_get(config, &option, &value, NULL), 0);
	assert_int_equal(value.count, 1);
	assert_string_equal(value.values[0].data, "4");
	assert_int_equal(value.entry_count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(value.entries[i].effective,
		                 strcmp(value.entries[i].raw.data, "4") == 0);
	oslo_value_free(&value);
	oslo_config_free(config);
}

static void test_not_known(void **state)
{
	(void)state;
	static const char *const texts[] = {
	    "[x]\na = $nowhere/$state_path\nb = maybe\nc = $c\nd = $other\nother = 5\n", NULL};
	static const struct {
		const char *name;
		enum oslo_kind kind;
		const char *value, *unresolved, *invalid;
	} cases[] = {
	    {"a", OSLO_STRING, "$nowhere//var/lib/nova", "nowhere", NULL},
	    {"b", OSLO_BOOL, NULL, NULL, "unexpected boolean value maybe"},
	    {"c", OSLO_STRING, "$c", "c", NULL},
	    {"d", OSLO_STRING, "5", NULL, NULL},
	    {"none", OSLO_STRING, NULL, NULL, NULL},
	};
	struct oslo_config *config = config_of(texts, NULL);

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct oslo_option option = {
		    .section = "x", .name = cases[i].name, .kind = cases[i].kind};
		struct oslo_value value;
		assert_int_equal(oslo_config_get(config, &option, &value, NULL), 0);
		assert_int_equal(value.count, cases[i].value != NULL);
		if (cases[i].value)
			assert_string_equal(value.values[0].data, cases[i].value);
		assert_int_equal(value.unresolved != NULL, cases[i].unresolved != NULL);
		if (value.unresolved)
			assert_string_equal(value.unresolved, cases[i].unresolved);
		assert_int_equal(value.invalid != NULL, cases[i].invalid != NULL);
		if (value.invalid)
			assert_string_equal(value.invalid, cases[i].invalid);
		oslo_value_free(&value);
	}
	oslo_config_free(config);
}

static void test_environment(void **state)
{
	(void)state;
	static const char *const texts[] = {"[pci]\ndevice_spec = a\n", NULL};
	static const char *const environment[] = {"PATH=/", "OS_PCI__DEVICE_SPEC={}", NULL};
	struct oslo_config *config = config_of(texts, environment);
	struct oslo_value value;

	assert_int_equal(oslo_config_get(config, &spec, &value, NULL), 0);
	assert_int_equal(value.source, OSLO_ENVIRONMENT);
	assert_int_equal(value.count, 2);
	assert_string_equal(value.values[0].data, "{");
	assert_int_equal(value.entry_count, 1);
	assert_false(value.entries[0].effective);
	oslo_value_free(&value);
	oslo_config_free(config);
}

/* Values that double with each reference must not take the machine's memory or time. */
static void test_growth(void **state)
{
	(void)state;
	char text[4096] = "[x]\na0 = $a1$a1\n", line[64];
	struct oslo_value value;
	struct gf_err err = {0};
	const struct oslo_option option = {.section = "x", .name = "a0"};

	for (int i = 1; i < 40; i++) {
		snprintf(line, sizeof(line), "a%d = $a%d$a%d\n", i, i + 1, i + 1);
		strcat(text, line);
	}
	strcat(text, "a40 = x\n");
	const char *const texts[] = {text, NULL};
	struct oslo_config *config = config_of(texts, NULL);
	assert_int_equal(oslo_config_get(config, &option, &value, &err), 0);
	assert_non_null(value.unresolved);
	oslo_value_free(&value);
	oslo_config_free(config);
}

static void test_refused(void **state)
{
	(void)state;
	struct oslo_config *config = oslo_config_new(NULL, 0, NULL, NULL);
	struct oslo_value value;
	struct gf_err err = {0};
	unsigned line = 0;

	assert_int_equal(oslo_config_add(config, "x.conf", "[pci\n", 5, &line, &err), -1);
	assert_int_equal(line, 1);
	assert_string_equal(err.msg, "invalid section (must end with ])");
	assert_int_equal(oslo_config_get(config, &spec, &value, &err), 0);
	assert_int_equal(value.source, OSLO_DEFAULT);
	assert_int_equal(value.count, 0);
	oslo_value_free(&value);
	oslo_config_free(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_entries),   cmocka_unit_test(test_winner),
	    cmocka_unit_test(test_not_known), cmocka_unit_test(test_environment),
	    cmocka_unit_test(test_growth),    cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
