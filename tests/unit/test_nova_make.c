/* The values that gpufleet writes: device_spec of a host and alias of a fleet, release by release.
 */
#include "tests/unit/nova.h"

#include "controller/nova/nova_make.h"

#define HOSTS "\"groups\": {\"c\": {\"hosts\": [\"gpu01\", \"gpu02\"]}}"
#define MODEL "\"vendor\": \"10de\", \"device\": \"1b06\""

static struct nova_target target_of(int release)
{
	return (struct nova_target){.release = release, .said = "the inventory says"};
}

/* The values, one a line, or the message of the refusal. */
static void expect_specs(const char *gpus, const char *devices, const struct nova_target *target,
                         const char *wanted)
{
	char text[1024], got[2048] = "";
	struct inventory *inventory;
	json_t *document = nova_document(devices, NULL), *values = json_array(), *value;
	struct host_facts facts;
	struct selection selection;
	struct gf_err err = {0};
	size_t i;

	snprintf(text, sizeof(text), HOSTS ", \"hosts\": {\"gpu01\": {\"gpus\": [%s]}}", gpus);
	inventory = nova_inventory(text);
	assert_int_equal(host_facts_parse(document, &facts, NULL), 0);
	assert_int_equal(
	    selection_from_facts(&facts, inventory_host_find(inventory, "gpu01"), &selection, NULL),
	    0);
	if (nova_make_specs(&facts, &selection, NULL, target, values, &err) < 0)
		snprintf(got, sizeof(got), "%s", err.msg);
	else
		json_array_foreach(values, i, value)
		    snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? "\n" : "",
		             json_string_value(value));
	assert_string_equal(got, wanted);
	json_decref(values);
	selection_free(&selection);
	host_facts_free(&facts);
	inventory_free(inventory);
	json_decref(document);
}

static void specs(const char *gpus, const char *devices, int release, const char *wanted)
{
	struct nova_target target = target_of(release);

	expect_specs(gpus, devices, &target, wanted);
}

#define TWO                                                                                        \
	"0000:01:00.0 10de:1b06 0300; 0000:01:00.1 10de:10ef 0403; 0000:02:00.0 10de:1b06 0300;"   \
	"0000:02:00.1 10de:10ef 0403; 0000:03:00.0 8086:1533 0200"
#define BY_MODEL "{\"vendor_id\":\"10de\",\"product_id\":\"1b06\"}"
#define BY_ADDRESS(address)                                                                        \
	"{\"vendor_id\":\"10de\",\"product_id\":\"1b06\",\"address\":\"" address "\"}"

static void test_specs(void **state)
{
	(void)state;
	specs("{\"alias\": \"a\", " MODEL "}", TWO, 16, BY_MODEL);
	/* The twin stays with the host: by address. */
	specs("{\"alias\": \"a\", " MODEL ", \"except\": [\"0000:02:00.0\"]}", TWO, 26,
	      BY_ADDRESS("0000:01:00.0"));
	/* Two aliases, one model, equal tags. */
	specs("{\"alias\": \"a\", \"address\": \"0000:01:00.0\"}, {\"alias\": \"b\", " MODEL "}",
	      TWO, 26, BY_MODEL);
	/* … and with other tags. */
	specs("{\"alias\": \"a\", \"address\": \"0000:01:00.0\", \"resource_class\": \"X\"}, "
	      "{\"alias\": \"b\", " MODEL "}",
	      TWO, 26,
	      "{\"vendor_id\":\"10de\",\"product_id\":\"1b06\",\"address\":\"0000:01:00.0\","
	      "\"resource_class\":\"X\"}\n" BY_ADDRESS("0000:02:00.0"));
	/* Siblings are bound, never offered, even where one has the ids of the card. */
	specs("{\"alias\": \"a\", " MODEL ", \"class\": \"0300\"}",
	      "0000:01:00.0 10de:1b06 0300; 0000:01:00.1 10de:1b06 0403", 26,
	      BY_ADDRESS("0000:01:00.0"));
	specs("{\"alias\": \"a\", " MODEL "}", "0000:03:00.0 8086:1533 0200", 26, "");
}

static void test_specs_tags(void **state)
{
	struct nova_target target = target_of(32);

	(void)state;
	target.report = true;
	expect_specs("{\"alias\": \"a\", " MODEL
	             ", \"resource_class\": \"CUSTOM_GPU\", \"traits\": "
	             "[\"CUSTOM_A\", \"CUSTOM_B\"], \"managed\": false, \"live_migratable\": true, "
	             "\"one_time_use\": true}",
	             TWO, &target,
	             "{\"vendor_id\":\"10de\",\"product_id\":\"1b06\",\"resource_class\":"
	             "\"CUSTOM_GPU\",\"traits\":\"CUSTOM_A,CUSTOM_B\",\"managed\":\"no\","
	             "\"live_migratable\":\"yes\",\"one_time_use\":\"yes\"}");
	specs("{\"alias\": \"a\", " MODEL ", \"one_time_use\": true}", TWO, 32,
	      "one_time_use needs report_in_placement: set it in the inventory's \"nova\"");
	specs("{\"alias\": \"a\", " MODEL ", \"one_time_use\": false}", TWO, 31,
	      "one_time_use needs Nova 32 (2025.2 Flamingo); the inventory says 31 (2025.1 Epoxy)");
	specs("{\"alias\": \"a\", " MODEL ", \"managed\": true}", TWO, 30,
	      "managed needs Nova 31 (2025.1 Epoxy); the inventory says 30 (2024.2 Dalmatian)");
	specs("{\"alias\": \"a\", " MODEL ", \"live_migratable\": true}", TWO, 29,
	      "live_migratable needs Nova 31 (2025.1 Epoxy); the inventory says 29 (2024.1 "
	      "Caracal)");
	specs("{\"alias\": \"a\", " MODEL ", \"resource_class\": \"X\"}", TWO, 25,
	      "resource_class needs Nova 26 (Zed); the inventory says 25 (Yoga)");
	specs("{\"alias\": \"a\", " MODEL ", \"traits\": [\"X\"]}", TWO, 25,
	      "traits needs Nova 26 (Zed); the inventory says 25 (Yoga)");
}

static void test_specs_refused(void **state)
{
	(void)state;
	specs("{\"alias\": \"a\", " MODEL "}", "10000:01:00.0 10de:1b06 0300", 26,
	      "10000:01:00.0 can't be offered: Nova ignores devices whose PCI domain has more than "
	      "four digits");
	/* Named by address, a physical function brings its virtual ones. */
	specs(
	    "{\"alias\": \"a\", \"address\": \"0000:01:00.0\"}",
	    "0000:01:00.0 10de:20b0 0302 sriov=16/1; 0000:01:00.4 10de:20b0 0302 "
	    "of=0000:01:00.0",
	    26,
	    "device_spec {\"vendor_id\":\"10de\",\"product_id\":\"20b0\",\"address\":\"0000:01:00."
	    "0\"} would offer 0000:01:00.4 (10de:20b0), too, a virtual function of it: write 0 to "
	    "its sriov_numvfs");
}

/* The entries of alias "a" for two hosts' devices, or the refusal. */
static void expect_alias(const char *gpus, const char *gpu01, const char *gpu02,
                         const struct nova_target *target, const char *wanted)
{
	char text[1024], got[2048] = "";
	struct inventory *inventory;
	struct nova_fleet *fleet;
	json_t *values = json_array(), *value;
	json_t *first = nova_document(gpu01, NULL), *second = nova_document(gpu02, NULL);
	struct gf_err err = {0};
	size_t i;

	snprintf(text, sizeof(text), HOSTS ", \"gpus\": [%s]", gpus);
	inventory = nova_inventory(text);
	fleet = nova_fleet_new(inventory, NULL);
	nova_fleet_put(fleet, inventory_host_find(inventory, "gpu01"), first, NULL);
	nova_fleet_put(fleet, inventory_host_find(inventory, "gpu02"), second, NULL);
	if (nova_make_alias(fleet, nova_fleet_alias_find(fleet, "a"), target, values, &err) < 0)
		snprintf(got, sizeof(got), "%s", err.msg);
	else
		json_array_foreach(values, i, value)
		    snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? "\n" : "",
		             json_string_value(value));
	assert_string_equal(got, wanted);
	json_decref(first);
	json_decref(second);
	json_decref(values);
	nova_fleet_free(fleet);
	inventory_free(inventory);
}

static void alias(const char *gpus, const char *gpu01, const char *gpu02, int release,
                  bool placement, const char *wanted)
{
	struct nova_target target = target_of(release);

	target.placement = placement;
	expect_alias(gpus, gpu01, gpu02, &target, wanted);
}

#define PCI "0000:01:00.0 10de:1b06 0300"
#define PF  "0000:01:00.0 10de:20b0 0302 sriov=16"
#define A(extra)                                                                                   \
	"{\"name\":\"a\",\"vendor_id\":\"10de\",\"product_id\":\"1b06\",\"device_type\":"          \
	"\"type-PCI\"" extra "}"

static void test_alias(void **state)
{
	(void)state;
	alias("{\"alias\": \"a\", " MODEL "}", PCI, PCI, 16, false, A(""));
	alias("{\"alias\": \"a\", \"class\": \"0302\"}", PF, PCI, 16, false,
	      "{\"name\":\"a\",\"vendor_id\":\"10de\",\"product_id\":\"20b0\",\"device_type\":"
	      "\"type-PF\"}");
	alias("{\"alias\": \"a\", " MODEL ", \"numa_policy\": \"preferred\"}", PCI, PCI, 17, false,
	      A(",\"numa_policy\":\"preferred\""));
	/* Several models: several entries, each with its type, and one numa_policy. */
	alias("{\"alias\": \"a\", \"vendor\": \"10de\", \"class\": \"0300\", \"numa_policy\": "
	      "\"legacy\"}",
	      PCI, "0000:01:00.0 10de:1b80 0300", 26, false,
	      A(",\"numa_policy\":\"legacy\"") "\n"
	                                       "{\"name\":\"a\",\"vendor_id\":\"10de\",\"product_"
	                                       "id\":\"1b80\",\"device_type\":"
	                                       "\"type-PCI\",\"numa_policy\":\"legacy\"}");
	/* What only Placement reads stays out until it is asked. */
	alias("{\"alias\": \"a\", " MODEL ", \"resource_class\": \"X\", \"traits\": [\"T\"]}", PCI,
	      PCI, 27, false, A(""));
	alias("{\"alias\": \"a\", " MODEL
	      ", \"resource_class\": \"X\", \"traits\": [\"T\", \"U\"]}",
	      PCI, PCI, 27, true, A(",\"resource_class\":\"X\",\"traits\":\"T,U\""));
	alias("{\"alias\": \"a\", " MODEL ", \"live_migratable\": false}", PCI, PCI, 31, false,
	      A(",\"live_migratable\":\"no\""));
	/* One entry for several models: by the class of resource that they share. */
	alias("{\"alias\": \"a\", \"class\": \"0300\", \"resource_class\": \"X\"}", PCI,
	      "0000:01:00.0 10de:1b80 0300", 27, true,
	      "{\"name\":\"a\",\"device_type\":\"type-PCI\",\"resource_class\":\"X\"}");
	alias("{\"alias\": \"a\", " MODEL "}", "", "", 26, false, "");
}

static void test_alias_refused(void **state)
{
	(void)state;
	alias("{\"alias\": \"a\", " MODEL "}", "0000:01:00.0 10de:1b06 0300 sriov=8", PCI, 26,
	      false,
	      "alias a would need type-PF on gpu01 (10de:1b06 has SR-IOV there) and type-PCI on "
	      "gpu02 "
	      "(10de:1b06): Nova takes one type an alias; give one of them an alias of its own, or "
	      "switch SR-IOV on or off in the firmware of all");
	alias("{\"alias\": \"a\", \"vendor\": \"10de\", \"subsystem\": \"1462:3609\"}", "", "", 26,
	      false, "");
	alias("{\"alias\": \"a\", " MODEL ", \"numa_policy\": \"socket\"}", PCI, PCI, 22, false,
	      "numa_policy \"socket\" needs Nova 23 (Wallaby); the inventory says 22 (Victoria)");
	alias("{\"alias\": \"a\", " MODEL ", \"numa_policy\": \"legacy\"}", PCI, PCI, 16, false,
	      "numa_policy \"legacy\" needs Nova 17 (Queens); the inventory says 16 (Pike)");
	alias("{\"alias\": \"a\", " MODEL ", \"live_migratable\": true}", PCI, PCI, 30, false,
	      "live_migratable needs Nova 31 (2025.1 Epoxy); the inventory says 30 (2024.2 "
	      "Dalmatian)");
	alias(
	    "{\"alias\": \"a\", " MODEL ", \"except\": [\"0000:02:00.0\"]}, {\"alias\": \"b\", "
	    "\"vendor\": \"10de\", \"class\": \"0300\"}",
	    PCI, "0000:02:00.0 10de:1b06 0300", 26, false,
	    "aliases a and b are the same to Nova, which knows a device by vendor and product only "
	    "(10de:1b06 on gpu01 and on gpu02): use one alias, or two values of resource_class and "
	    "pci_in_placement (Nova 27)");
	alias(
	    "{\"alias\": \"a\", \"class\": \"0300\"}", PCI, "0000:01:00.0 10de:1b80 0300", 27, true,
	    "alias a has several models (10de:1b06, 10de:1b80), which pci_in_placement allows only "
	    "with a resource_class that they share");
}

#define TRAITS(a, b)                                                                               \
	"{\"alias\": \"a\", " MODEL ", \"except\": [\"0000:02:00.0\"], \"traits\": [" a            \
	"]}, {\"alias\": \"b\", \"vendor\": \"10de\", \"class\": \"0300\", \"traits\": [" b "]}"
#define SAME                                                                                       \
	"aliases a and b are the same to Nova, which knows a device by vendor and product only "   \
	"(10de:1b06 on gpu01 and on gpu02): use one alias, or two values of resource_class and "   \
	"pci_in_placement (Nova 27)"

/* Placement tells two aliases of one model apart. */
static void test_alias_shared(void **state)
{
	static const char gpus[] =
	    "{\"alias\": \"a\", " MODEL ", \"except\": [\"0000:02:00.0\"], \"resource_class\": "
	    "\"X\"}, {\"alias\": \"b\", \"vendor\": \"10de\", \"class\": \"0300\", "
	    "\"resource_class\": \"Y\"}";

	(void)state;
	alias(gpus, PCI, "0000:02:00.0 10de:1b06 0300", 27, true, A(",\"resource_class\":\"X\""));
	/* A request names what a device must have: each needs a trait that the other lacks. */
	alias(TRAITS("\"BIG\"", "\"FAST\""), PCI, "0000:02:00.0 10de:1b06 0300", 27, true,
	      A(",\"traits\":\"BIG\""));
	alias(TRAITS("\"BIG\"", "\"BIG\", \"FAST\""), PCI, "0000:02:00.0 10de:1b06 0300", 27, true,
	      SAME);
	alias(TRAITS("\"BIG\", \"FAST\"", "\"FAST\", \"BIG\""), PCI, "0000:02:00.0 10de:1b06 0300",
	      27, true, SAME);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_specs),         cmocka_unit_test(test_specs_tags),
	    cmocka_unit_test(test_specs_refused), cmocka_unit_test(test_alias),
	    cmocka_unit_test(test_alias_refused), cmocka_unit_test(test_alias_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
