/* The table of Nova's rules, key by key and release by release, and the exact refusals. */
#include "tests/unit/nova.h"

#include "controller/nova/nova_rules.h"

/* The releases that take each, as research and Nova's release notes have them. */
static const struct {
	enum nova_rule_id id;
	int first, last;
} rows[] = {
    {NOVA_RULE_ALIAS, 16, 32},
    {NOVA_RULE_DEVICE_SPEC, 26, 32},
    {NOVA_RULE_PASSTHROUGH_WHITELIST, 16, 32},
    {NOVA_RULE_REPORT_IN_PLACEMENT, 26, 32},
    {NOVA_RULE_ENABLED_FILTERS, 16, 32},
    {NOVA_RULE_AVAILABLE_FILTERS, 16, 32},
    {NOVA_RULE_DEFAULT_FILTERS, 16, 23},
    {NOVA_RULE_PCI_IN_PLACEMENT, 27, 32},
    {NOVA_RULE_ALIAS_NUMA_POLICY, 17, 32},
    {NOVA_RULE_ALIAS_NUMA_SOCKET, 23, 32},
    {NOVA_RULE_ALIAS_RESOURCE_CLASS, 27, 32},
    {NOVA_RULE_ALIAS_TRAITS, 27, 32},
    {NOVA_RULE_ALIAS_LIVE_MIGRATABLE, 31, 32},
    {NOVA_RULE_ALIAS_IDS_REQUIRED, 31, 32},
    {NOVA_RULE_SPEC_REMOTE_MANAGED, 25, 32},
    {NOVA_RULE_SPEC_RESOURCE_CLASS, 26, 32},
    {NOVA_RULE_SPEC_TRAITS, 26, 32},
    {NOVA_RULE_SPEC_MANAGED, 31, 32},
    {NOVA_RULE_SPEC_LIVE_MIGRATABLE, 31, 32},
    {NOVA_RULE_SPEC_ONE_TIME_USE, 32, 32},
    {NOVA_RULE_HIDE_IMAGE_PROPERTY, 16, 32},
    {NOVA_RULE_HIDE_FLAVOR_OLD, 18, 21},
    {NOVA_RULE_HIDE_FLAVOR, 22, 32},
    {NOVA_RULE_FLAVOR_NUMA_POLICY, 21, 32},
    {NOVA_RULE_FLAVOR_NUMA_SOCKET, 23, 32},
    {NOVA_RULE_MAXPHYSADDR, 29, 32},
};

static void test_releases(void **state)
{
	(void)state;
	assert_int_equal(sizeof(rows) / sizeof(rows[0]), NOVA_RULE_COUNT);
	for (size_t i = 0; i < NOVA_RULE_COUNT; i++) {
		assert_int_equal(nova_rule(rows[i].id)->id, rows[i].id);
		assert_non_null(nova_rule(rows[i].id)->source);
		for (int release = NOVA_RELEASE_FIRST; release <= NOVA_RELEASE_LAST; release++) {
			bool holds = release >= rows[i].first && release <= rows[i].last;

			if (nova_rule_holds(rows[i].id, release) != holds)
				fail_msg("rule %zu at %d", i, release);
		}
	}
}

static void test_refusals(void **state)
{
	struct gf_err err = {0};

	(void)state;
	assert_int_equal(nova_rule_require(NOVA_RULE_ALIAS_NUMA_SOCKET, 23, "x", "y", &err), 0);
	assert_int_equal(err.code, GF_OK);
	assert_int_equal(nova_rule_require(NOVA_RULE_ALIAS_NUMA_SOCKET, 22,
	                                   "numa_policy \"socket\"", "the inventory says", &err),
	                 -1);
	assert_string_equal(err.msg, "numa_policy \"socket\" needs Nova 23 (Wallaby); the "
	                             "inventory says 22 (Victoria)");
	assert_int_equal(err.code, GF_E_BLOCKED);
	assert_int_equal(nova_rule_require(NOVA_RULE_HIDE_FLAVOR_OLD, 22, "hide_hypervisor_id",
	                                   "the host has", &err),
	                 -1);
	assert_string_equal(err.msg, "hide_hypervisor_id is known up to Nova 21 (Ussuri); the host "
	                             "has 22 (Victoria)");
}

static void test_names(void **state)
{
	(void)state;
	for (int release = NOVA_RELEASE_FIRST; release <= NOVA_RELEASE_LAST; release++)
		assert_string_equal(nova_rule_device_spec_name(release),
		                    release < 26 ? "passthrough_whitelist" : "device_spec");
	assert_string_equal(nova_rule(NOVA_RULE_DEVICE_SPEC)->deprecated[0],
	                    "pci.passthrough_whitelist");
	assert_string_equal(nova_rule(NOVA_RULE_DEVICE_SPEC)->deprecated[1],
	                    "DEFAULT.pci_passthrough_whitelist");
	assert_null(nova_rule(NOVA_RULE_DEVICE_SPEC)->deprecated[2]);
}

static void test_keys(void **state)
{
	static const struct {
		const char *key;
		int spec, alias; /* the first release that knows it; 0: none does */
	} keys[] = {
	    {"vendor_id", 16, 16},     {"product_id", 16, 16},      {"address", 16, 0},
	    {"devname", 16, 0},        {"physical_network", 16, 0}, {"trusted", 16, 0},
	    {"remote_managed", 25, 0}, {"resource_class", 26, 27},  {"traits", 26, 27},
	    {"managed", 31, 0},        {"live_migratable", 31, 31}, {"one_time_use", 32, 0},
	    {"name", 0, 16},           {"device_type", 0, 16},      {"capability_type", 0, 16},
	    {"numa_policy", 0, 17},    {"venodr_id", 0, 0},         {"class", 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		for (int release = NOVA_RELEASE_FIRST; release <= NOVA_RELEASE_LAST; release++) {
			bool spec = keys[i].spec && release >= keys[i].spec;
			bool alias = keys[i].alias && release >= keys[i].alias;

			if (nova_rule_knows_spec_key(keys[i].key, release) != spec ||
			    nova_rule_knows_alias_key(keys[i].key, release) != alias)
				fail_msg("%s at %d", keys[i].key, release);
		}
	}
}

static void test_numa(void **state)
{
	(void)state;
	for (int release = NOVA_RELEASE_FIRST; release <= NOVA_RELEASE_LAST; release++) {
		assert_int_equal(nova_rule_knows_numa_policy("required", release), release >= 17);
		assert_int_equal(nova_rule_knows_numa_policy("legacy", release), release >= 17);
		assert_int_equal(nova_rule_knows_numa_policy("preferred", release), release >= 17);
		assert_int_equal(nova_rule_knows_numa_policy("socket", release), release >= 23);
		assert_false(nova_rule_knows_numa_policy("strict", release));
		assert_int_equal(nova_rule_knows_flavor_numa_policy("required", release),
		                 release >= 21);
		assert_int_equal(nova_rule_knows_flavor_numa_policy("legacy", release),
		                 release >= 21);
		assert_int_equal(nova_rule_knows_flavor_numa_policy("preferred", release),
		                 release >= 21);
		assert_int_equal(nova_rule_knows_flavor_numa_policy("socket", release),
		                 release >= 23);
		assert_false(nova_rule_knows_flavor_numa_policy("strict", release));
	}
}

static void test_filters(void **state)
{
	(void)state;
	for (int release = NOVA_RELEASE_FIRST; release <= NOVA_RELEASE_LAST; release++) {
		const char *const *filter = nova_rule_filters_default(release);
		size_t count = 0;

		assert_string_equal(filter[0], release < 20   ? "RetryFilter"
		                               : release < 24 ? "AvailabilityZoneFilter"
		                                              : "ComputeFilter");
		for (; *filter; filter++, count++) {
			assert_string_not_equal(*filter, "PciPassthroughFilter");
			/* A default filter is there. */
			assert_int_equal(nova_rule_filter_gone(*filter, release), 0);
		}
		assert_int_equal(count, release < 20 ? 7 : release < 24 ? 6 : 5);
		assert_int_equal(nova_rule_filter_gone("RetryFilter", release),
		                 release < 22 ? 0 : 22);
		assert_int_equal(nova_rule_filter_gone("CoreFilter", release),
		                 release < 22 ? 0 : 22);
		assert_int_equal(nova_rule_filter_gone("RamFilter", release),
		                 release < 22 ? 0 : 22);
		assert_int_equal(nova_rule_filter_gone("DiskFilter", release),
		                 release < 22 ? 0 : 22);
		assert_int_equal(nova_rule_filter_gone("AvailabilityZoneFilter", release),
		                 release < 28 ? 0 : 28);
		assert_int_equal(nova_rule_filter_gone("NUMATopologyFilter", release), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_releases), cmocka_unit_test(test_refusals),
	    cmocka_unit_test(test_names),    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_numa),     cmocka_unit_test(test_filters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
