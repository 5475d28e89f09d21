/* test_readiness_fixed.c: what would be if a check's fix were made, and what each check alone makes
 * of a device. */
#include "tests/unit/facts.h"

#include <stdlib.h>

#include "controller/readiness/readiness.h"

#define GPU "0000:01:00.0"

/* The verdict of the GPU when FIXED is done (NULL: nothing), and its reasons. */
static void expect_after(json_t *facts, const char *fixed, const char *wanted)
{
	struct inventory_gpu gpus[] = {FACTS_GPU};
	struct inventory_host host = facts_host(gpus, 1);
	char name[64], got[256];
	char *names[] = {name};
	struct string_list list = {names, fixed ? 1 : 0};
	const json_t *device, *reason;
	json_t *entry;
	size_t i;

	snprintf(name, sizeof(name), "%s", fixed ? fixed : "");
	entry = readiness_evaluate_fixed(&host, facts, true, &list, NULL);
	assert_non_null(entry);
	device = facts_device(entry, "devices", GPU);
	snprintf(got, sizeof(got), "%s", json_string_value(json_object_get(device, "verdict")));
	json_array_foreach(json_object_get(device, "reasons"), i, reason) snprintf(
	    got + strlen(got), sizeof(got) - strlen(got), " %s", json_string_value(reason));
	assert_string_equal(got, wanted);
	if (!fixed) {
		json_t *plain = readiness_evaluate(&host, facts, true, NULL);

		assert_true(json_equal(plain, entry));
		json_decref(plain);
	}
	json_decref(entry);
}

static void test_fixed(void **state)
{
	json_t *facts = facts_load("no-iommu");

	(void)state;
	/* Once the firmware has the tables, the rest is for apply. */
	expect_after(facts, NULL,
	             "blocked iommu.tables iommu.groups iommu.interrupt-remapping "
	             "device.iommu-group device.driver device.siblings");
	expect_after(facts, "iommu.tables",
	             "pending iommu.groups iommu.interrupt-remapping device.iommu-group "
	             "device.driver device.siblings");
	json_decref(facts);
	facts = facts_load("in-use");
	expect_after(facts, "device.in-use", "ready");
	json_decref(facts);
	/* What is blocked by two things stays blocked by the other one. */
	facts = facts_load("done");
	json_object_set_new(
	    json_array_get(json_object_get(facts_device(facts, "pci", GPU), "bars"), 0), "assigned",
	    json_false());
	expect_after(facts, NULL, "blocked device.bars");
	expect_after(facts, "device.bars", "ready");
	expect_after(facts, "device.reset", "blocked device.bars");
	/* A card follows its blocked function, and comes back with it. */
	json_object_set_new(facts_device(facts, "pci", GPU), "bars", json_array());
	json_object_set_new(
	    json_array_get(json_object_get(facts_device(facts, "pci", "0000:01:00.1"), "bars"), 0),
	    "assigned", json_false());
	expect_after(facts, NULL, "blocked device.siblings");
	expect_after(facts, "device.bars", "ready");
	json_decref(facts);
}

static void test_verdict_of_a_check(void **state)
{
	struct inventory_gpu gpus[] = {FACTS_GPU};
	struct inventory_host host = facts_host(gpus, 1);
	json_t *facts = facts_load("no-iommu"), *check;
	json_t *entry = readiness_evaluate(&host, facts, true, NULL);
	char got[1024] = "";
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(entry, "checks"), i, check)
	{
		const char *device = json_string_value(json_object_get(check, "device"));
		const char *verdict = json_string_value(json_object_get(check, "verdict"));

		if (verdict && (!device || strcmp(device, GPU) == 0))
			snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s %s; ",
			         json_string_value(json_object_get(check, "id")), verdict);
	}
	assert_string_equal(got, "iommu.tables blocked; iommu.groups pending; "
	                         "iommu.interrupt-remapping pending; device.iommu-group pending; "
	                         "device.group-viable unknown; device.driver pending; "
	                         "device.siblings pending; device.reserved-regions unknown; ");
	json_decref(entry);
	json_decref(facts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fixed),
	    cmocka_unit_test(test_verdict_of_a_check),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
