/* Names, versions and image tags of Nova's releases. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inventory/nova_release.h"

static void test_names(void **state)
{
	static const struct {
		const char *text;
		int number;
	} rows[] = {
	    {"pike", 16},     {"queens", 17},   {"rocky", 18},   {"stein", 19},   {"train", 20},
	    {"ussuri", 21},   {"victoria", 22}, {"wallaby", 23}, {"xena", 24},    {"yoga", 25},
	    {"zed", 26},      {"antelope", 27}, {"bobcat", 28},  {"caracal", 29}, {"dalmatian", 30},
	    {"epoxy", 31},    {"flamingo", 32}, {"2023.1", 27},  {"2023.2", 28},  {"2024.1", 29},
	    {"2024.2", 30},   {"2025.1", 31},   {"2025.2", 32},  {"16", 16},      {"32", 32},
	    {"26.2.1", 26},   {"ocata", -1},    {"Zed", -1},     {"15", -1},      {"33", -1},
	    {"2026.1", -1},   {"2023.3", -1},   {"2023", -1},    {"26.", -1},     {"26..1", -1},
	    {"26.2.1-1", -1}, {"", -1},         {"zed ", -1},    {"1", -1},       {"026", -1},
	    {"26x", -1},      {"2:26.2.1", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct gf_err err = {0};
		int number = nova_release_parse(rows[i].text, &err);

		if (number != rows[i].number)
			fail_msg("\"%s\": %d", rows[i].text, number);
		assert_int_equal(err.code, number < 0 ? GF_E_INPUT : GF_OK);
	}
}

static void test_versions(void **state)
{
	static const struct {
		const char *text;
		int number;
	} rows[] = {
	    {"2:26.2.1-1~deb12u5", 26},
	    {"26.2.1", 26},
	    {"1:27.1.0-1.el9s", 27},
	    {"3:29.0.1-0ubuntu1.3", 29},
	    {"2:16.1.8-0ubuntu1~cloud0", 16},
	    {"32.0.0", 32},
	    {"33.0.0", -1},
	    {"15.1.5", -1},
	    {"27.0.0.0rc1", 27},
	    {"quay.io/openstack.kolla/nova-compute:2023.1-ubuntu-jammy", 27},
	    {"quay.io/openstack.kolla/nova-compute:zed-rocky-9", 26},
	    {"192.0.2.1:5000/kolla/ubuntu-source-nova-compute:wallaby", 23},
	    {"192.0.2.1:5000/kolla/nova-compute", -1},
	    {"kolla/nova-compute:stable-zed", 26},
	    {"nova-compute:2025.1-debian-bookworm@sha256:0123456789abcdef", 31},
	    {"2024.2", 30},
	    {"2024.2.20250101", 30},
	    {"zed", 26},
	    {"master-ubuntu-jammy", -1},
	    {"latest", -1},
	    {"", -1},
	    {":", -1},
	    {NULL, -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int number = nova_release_from_version(rows[i].text);

		if (number != rows[i].number)
			fail_msg("\"%s\": %d", rows[i].text ? rows[i].text : "NULL", number);
	}
}

static void test_shown(void **state)
{
	char buffer[NOVA_RELEASE_SHOW_SIZE];

	(void)state;
	assert_string_equal(nova_release_show(22, buffer), "22 (Victoria)");
	assert_string_equal(nova_release_show(27, buffer), "27 (2023.1 Antelope)");
	assert_string_equal(nova_release_name(15), "?");
	assert_string_equal(nova_release_name(33), "?");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_names),
	    cmocka_unit_test(test_versions),
	    cmocka_unit_test(test_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
