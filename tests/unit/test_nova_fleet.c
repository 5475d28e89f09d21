/* What is known of the whole fleet: models, types, who reports, who was never scanned. */
#include "tests/unit/nova.h"

#define HOSTS                                                                                      \
	"\"groups\": {\"c\": {\"hosts\": [\"gpu[01-03]\"]}, \"x\": {\"role\": \"control\", "       \
	"\"hosts\": [\"ctl1\"]}}"

static json_t *reporting(const char *devices, const char *value)
{
	json_t *options = json_object(), *services = json_array();

	if (value)
		nova_value(options, "pci.report_in_placement", json_string(value));
	json_array_append_new(services, nova_service("nova-compute", options));
	return nova_document(devices, nova_part("26.2.1", services));
}

static void add(struct nova_fleet *fleet, const char *name, json_t *facts)
{
	assert_int_equal(
	    nova_fleet_put(fleet, inventory_host_find(fleet->inventory, name), facts, NULL), 0);
	json_decref(facts);
}

static void test_models(void **state)
{
	struct inventory *inventory = nova_inventory(
	    HOSTS ", \"gpus\": [{\"alias\": \"a\", \"class\": \"0302\"}, {\"alias\": \"b\", "
	          "\"vendor\": \"10de\", \"device\": \"1b06\"}]");
	struct nova_fleet *fleet = nova_fleet_new(inventory, NULL);
	const struct nova_fleet_alias *alias;
	char names[64];

	(void)state;
	assert_int_equal(nova_fleet_unscanned(fleet, names, sizeof(names)), 3);
	assert_string_equal(names, "gpu[01-03]");
	add(fleet, "gpu01",
	    reporting("0000:01:00.0 10de:20b0 0302 sriov=16; 0000:02:00.0 10de:20b0 0302 sriov=16; "
	              "0000:03:00.0 10de:1b06 0300; 0000:03:00.1 10de:10ef 0403",
	              "true"));
	add(fleet, "gpu02", reporting("0000:01:00.0 10de:20b0 0302 sriov=0", NULL));
	add(fleet, "gpu03", NULL);
	add(fleet, "ctl1", NULL);
	alias = nova_fleet_alias_find(fleet, "a");
	assert_int_equal(alias->count, 2);
	assert_string_equal(alias->models[0].type, "type-PF");
	assert_int_equal(alias->models[0].count, 2);
	assert_string_equal(alias->models[0].host, "gpu01");
	assert_string_equal(alias->models[1].type, "type-PCI");
	assert_string_equal(alias->models[1].host, "gpu02");
	alias = nova_fleet_alias_find(fleet, "b");
	assert_int_equal(alias->count, 1);
	assert_string_equal(alias->models[0].device, "1b06");
	assert_null(nova_fleet_alias_find(fleet, "c"));
	assert_int_equal(nova_fleet_unscanned(fleet, names, sizeof(names)), 1);
	assert_string_equal(names, "gpu03");
	assert_int_equal(nova_fleet_not_reporting(fleet, names, sizeof(names)), 1);
	assert_string_equal(names, "gpu02");
	/* Newer facts: the firmware of gpu02 was changed, and gpu01 lost a card. */
	add(fleet, "gpu02", reporting("0000:01:00.0 10de:20b0 0302 sriov=16", "on"));
	add(fleet, "gpu01", reporting("0000:01:00.0 10de:20b0 0302 sriov=16", "true"));
	add(fleet, "gpu03", reporting("0000:01:00.0 10de:1b06 0300", "1"));
	alias = nova_fleet_alias_find(fleet, "a");
	assert_int_equal(alias->count, 1);
	assert_string_equal(alias->models[0].type, "type-PF");
	assert_int_equal(alias->models[0].count, 2);
	alias = nova_fleet_alias_find(fleet, "b");
	assert_int_equal(alias->models[0].count, 1);
	assert_string_equal(alias->models[0].host, "gpu03");
	assert_int_equal(nova_fleet_unscanned(fleet, names, sizeof(names)), 0);
	assert_int_equal(nova_fleet_not_reporting(fleet, names, sizeof(names)), 0);
	assert_string_equal(names, "");
	/* The same again changes nothing. */
	add(fleet, "gpu03", reporting("0000:01:00.0 10de:1b06 0300", "1"));
	assert_int_equal(nova_fleet_alias_find(fleet, "b")->models[0].count, 1);
	add(fleet, "gpu03", NULL);
	assert_int_equal(nova_fleet_alias_find(fleet, "b")->count, 0);
	nova_fleet_free(fleet);
	inventory_free(inventory);
}

static void test_malformed(void **state)
{
	struct inventory *inventory = nova_inventory(HOSTS);
	struct nova_fleet *fleet = nova_fleet_new(inventory, NULL);
	char names[64];

	(void)state;
	add(fleet, "gpu01", json_pack("{s:i}", "facts", 1));
	add(fleet, "gpu02", nova_document("", json_pack("[]")));
	assert_int_equal(nova_fleet_unscanned(fleet, names, sizeof(names)), 2);
	assert_string_equal(names, "gpu[01,03]");
	/* It was seen, and has nothing to report. */
	assert_int_equal(nova_fleet_not_reporting(fleet, names, sizeof(names)), 0);
	nova_fleet_free(fleet);
	inventory_free(inventory);
}

static void test_differing(void **state)
{
	static const struct {
		const char *own, *wanted;
	} rows[] = {
	    {"", NULL},
	    {", \"managed\": true", NULL}, /* of a device, not of the alias */
	    {", \"numa_policy\": \"legacy\"", "numa_policy"},
	    {", \"resource_class\": \"X\"", "resource_class"},
	    {", \"traits\": [\"X\"]", "traits"},
	    {", \"live_migratable\": true", "live_migratable"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[1024];
		struct inventory *inventory;
		struct nova_fleet *fleet;

		snprintf(text, sizeof(text),
		         HOSTS ", \"gpus\": [{\"alias\": \"a\", \"class\": \"0302\"}], \"hosts\": "
		               "{\"gpu02\": {\"gpus\": [{\"alias\": \"a\", \"class\": "
		               "\"0300\"%s}]}}",
		         rows[i].own);
		inventory = nova_inventory(text);
		fleet = nova_fleet_new(inventory, NULL);
		if (rows[i].wanted)
			assert_string_equal(nova_fleet_alias_find(fleet, "a")->differs,
			                    rows[i].wanted);
		else
			assert_null(nova_fleet_alias_find(fleet, "a")->differs);
		nova_fleet_free(fleet);
		inventory_free(inventory);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_models),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_differing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
