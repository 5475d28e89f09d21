/* test_selection.c: which devices of a host an inventory wants. */
#include "tests/unit/facts.h"

#include <stdlib.h>

#include "controller/readiness/selection.h"

/* "01:00.0=P 01:00.1=s 05:00.0=-": primary, sibling, ignored; domains are left out. */
static void expect(const char *fixture, const struct inventory_host *host, const char *wanted)
{
	json_t *facts = facts_load(fixture);
	struct selection selection;
	char got[512] = "";

	assert_int_equal(selection_compute(facts, host, &selection, NULL), 0);
	for (size_t i = 0; i < selection.count; i++) {
		const struct selection_device *item = &selection.items[i];
		size_t used = strlen(got);

		snprintf(got + used, sizeof(got) - used, "%s%s=%s", i ? " " : "", item->address + 5,
		         item->ignored ? (item->primary ? "-" : "~") : (item->primary ? "P" : "s"));
	}
	assert_string_equal(got, wanted);
	selection_free(&selection);
	json_decref(facts);
}

static void test_by_model(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	expect("nvidia", &host, "01:00.0=P 01:00.1=s 05:00.0=-");
	expect("amd", &host, "0b:00.0=- 0b:00.1=~ 0b:00.2=~ 0b:00.3=~");
}

static void test_no_gpus_looks_at_all_but_the_boards_display(void **state)
{
	struct inventory_host host = facts_host(NULL, 0);

	(void)state;
	expect("nvidia", &host, "01:00.0=P 01:00.1=s 05:00.0=-");
	expect("amd", &host, "0b:00.0=P 0b:00.1=s 0b:00.2=s 0b:00.3=s");
}

static void test_primary_leaves_siblings(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	gpu.functions = FUNCTIONS_PRIMARY;
	expect("nvidia", &host, "01:00.0=P 01:00.1=~ 05:00.0=-");
}

static void test_except(void **state)
{
	char address[] = "0000:02:00.0", *items[] = {address};
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	gpu.except = (struct string_list){items, 1};
	expect("twin", &host, "01:00.0=P 01:00.1=s 02:00.0=- 02:00.1=~ 05:00.0=-");
}

static void test_by_address_class_subsystem(void **state)
{
	char address[] = "0000:02:00.0", class_code[] = "0300", subsystem[] = "1462:3609",
	     other[] = "1462:0000";
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	gpu.vendor = gpu.device = NULL;
	gpu.address = address;
	expect("twin", &host, "01:00.0=- 01:00.1=~ 02:00.0=P 02:00.1=s 05:00.0=-");
	gpu.address = NULL;
	gpu.vendor = facts_vendor;
	gpu.class_code = class_code;
	expect("nvidia", &host, "01:00.0=P 01:00.1=s 05:00.0=-");
	/* The subsystem is also the audio function's: that one is still only a sibling. */
	gpu.class_code = NULL;
	gpu.subsystem = subsystem;
	expect("nvidia", &host, "01:00.0=P 01:00.1=s 05:00.0=-");
	gpu.subsystem = other;
	expect("nvidia", &host, "01:00.0=- 01:00.1=~ 05:00.0=-");
}

static void test_first_entry_wins(void **state)
{
	char alias[] = "second";
	struct inventory_gpu gpus[2] = {FACTS_GPU, FACTS_GPU};
	struct inventory_host host = facts_host(gpus, 2);
	json_t *facts = facts_load("nvidia");
	struct selection selection;

	(void)state;
	gpus[1].alias = alias;
	assert_int_equal(selection_compute(facts, &host, &selection, NULL), 0);
	assert_string_equal(selection.items[0].alias, "nvidia1080");
	assert_string_equal(selection.items[1].card, "0000:01:00.0");
	selection_free(&selection);
	json_decref(facts);
}

static void test_wanted(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1), nobody = facts_host(NULL, 0);
	json_t *facts = facts_load("nvidia"), *wanted;
	struct selection selection;
	char *text;

	(void)state;
	assert_int_equal(selection_compute(facts, &host, &selection, NULL), 0);
	wanted = selection_wanted(&selection, &host);
	text = json_dumps(wanted, JSON_COMPACT | JSON_PRESERVE_ORDER);
	assert_string_equal(text,
	                    "[{\"address\":\"0000:01:00.0\",\"vendor\":\"10de\",\"device\":"
	                    "\"1b06\",\"subsystem_vendor\":\"1462\","
	                    "\"subsystem_device\":\"3609\",\"class\":\"0300\",\"primary\":true},"
	                    "{\"address\":\"0000:01:00.1\",\"vendor\":\"10de\",\"device\":\"10ef\","
	                    "\"subsystem_vendor\":\"1462\","
	                    "\"subsystem_device\":\"3609\",\"class\":\"0403\",\"primary\":false}]");
	free(text);
	json_decref(wanted);
	wanted = selection_wanted(&selection, &nobody);
	assert_int_equal(json_array_size(wanted), 0);
	json_decref(wanted);
	selection_free(&selection);
	json_decref(facts);
}

/* A consumer link may lead to another slot, but never to a device that isn't part of a card. */
static void test_sibling_links(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *facts = facts_load("twin");
	json_t *card = facts_device(facts, "pci", "0000:01:00.0");
	struct selection selection;

	(void)state;
	json_object_set_new(card, "siblings",
	                    json_pack("[sss]", "0000:01:00.1", "0000:06:00.0", "0000:99:00.0"));
	assert_int_equal(selection_compute(facts, &host, &selection, NULL), 0);
	assert_null(selection_find(&selection, "0000:06:00.0"));
	assert_non_null(selection_find(&selection, "0000:01:00.1"));
	selection_free(&selection);
	json_decref(facts);
}

static void expect_malformed(json_t *facts, const char *what)
{
	struct inventory_host host = facts_host(NULL, 0);
	struct gf_err err = {.code = GF_OK};
	struct selection selection;

	if (selection_compute(facts, &host, &selection, &err) == 0)
		fail_msg("accepted: %s", what);
	assert_int_equal(err.code, GF_E_PROTOCOL);
	json_decref(facts);
}

static void test_hostile_shapes(void **state)
{
	static const char *const documents[] = {
	    "[]",
	    "{}",
	    "{\"facts\":2,\"host\":{},\"pci\":[]}",
	    "{\"facts\":\"1\",\"host\":{},\"pci\":[]}",
	    "{\"facts\":1,\"host\":[],\"pci\":[]}",
	    "{\"facts\":1,\"observed\":\"=NOW()\",\"host\":{},\"pci\":[]}",
	    "{\"facts\":1,\"observed\":\"2026-01-01T00:00:00\",\"host\":{},\"pci\":[]}",
	    "{\"facts\":1,\"observed\":\"2026-01-01T00:00:00.Z\",\"host\":{},\"pci\":[]}",
	    "{\"facts\":1,\"observed\":\"2026-01-01T00:00:00Z \",\"host\":{},\"pci\":[]}",
	    "{\"facts\":1,\"host\":{},\"pci\":{}}",
	    "{\"facts\":1,\"host\":{},\"pci\":[1]}",
	    "{\"facts\":1,\"host\":{},\"pci\":[{}]}",
	    "{\"facts\":1,\"host\":{\"arch\":1},\"pci\":[]}",
	    "{\"facts\":1,\"host\":{\"iommu\":[]},\"pci\":[]}",
	    "{\"facts\":1,\"host\":{\"iommu\":{\"groups\":-7}},\"pci\":[]}",
	    "{\"facts\":1,\"host\":{\"iommu\":{\"groups\":99999999999}},\"pci\":[]}",
	    "{\"facts\":1,\"host\":{\"iommu\":{\"tables\":[1]}},\"pci\":[]}",
	    "{\"facts\":1,\"host\":{\"guests\":[{\"devices\":[{}]}]},\"pci\":[]}",
	    "{\"facts\":1,\"host\":{\"guests\":\"none\"},\"pci\":[]}",
	};
	static const struct {
		const char *key, *value;
	} devices[] = {
	    {"address", "\"../../etc/passwd\""},
	    {"address", "\"0000:01:00.8\""},
	    {"address", "\"0000:02:00.0\""},
	    {"address", "null"},
	    {"vendor", "\"10DE\""},
	    {"vendor", "\"10de \""},
	    {"class", "null"},
	    {"driver", "[]"},
	    {"iommu_group", "\"8\""},
	    {"bars", "[1]"},
	    {"bars", "[{\"assigned\":1}]"},
	    {"sriov", "[]"},
	    {"sriov", "{\"used\":\"1\"}"},
	    {"reset_methods", "\"flr\""},
	    {"path", "[null]"},
	    {"siblings", "{}"},
	    {"boot_vga", "1"},
	    {"subsystem_vendor", "\"\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(documents) / sizeof(documents[0]); i++)
		expect_malformed(json_loads(documents[i], 0, NULL), documents[i]);
	for (size_t i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		json_t *facts = facts_load("twin");

		json_object_set_new(facts_device(facts, "pci", "0000:01:00.0"), devices[i].key,
		                    json_loads(devices[i].value, JSON_DECODE_ANY, NULL));
		expect_malformed(facts, devices[i].key);
	}
}

static void test_too_much(void **state)
{
	json_t *facts = facts_load("nvidia"), *pci = json_array(), *list = json_array();

	(void)state;
	for (unsigned i = 0; i < 300; i++) {
		json_t *device = json_deep_copy(facts_device(facts, "pci", "0000:01:00.0"));

		json_object_set_new(device, "address",
		                    json_sprintf("0000:%02x:%02x.0", i / 32, i % 32));
		json_array_append_new(pci, device);
		json_array_append_new(list, json_string("0000:00:00.0"));
	}
	json_object_set_new(facts, "pci", pci);
	expect_malformed(facts, "300 GPUs");
	facts = facts_load("nvidia");
	json_object_set_new(facts_device(facts, "pci", "0000:01:00.0"), "siblings", list);
	expect_malformed(facts, "300 siblings");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_by_model),
	    cmocka_unit_test(test_no_gpus_looks_at_all_but_the_boards_display),
	    cmocka_unit_test(test_primary_leaves_siblings),
	    cmocka_unit_test(test_except),
	    cmocka_unit_test(test_by_address_class_subsystem),
	    cmocka_unit_test(test_first_entry_wins),
	    cmocka_unit_test(test_wanted),
	    cmocka_unit_test(test_sibling_links),
	    cmocka_unit_test(test_hostile_shapes),
	    cmocka_unit_test(test_too_much),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
