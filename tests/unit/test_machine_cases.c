/* test_machine_cases.c: the facts of virtual machines that show one property each
 * (tests/unit/cases, recorded by tests/vm/cases.sh): the verdicts are those that
 * tests/vm/cases.json expects.
 */
#include "tests/unit/check_cases.h"

static json_t *machines;

/* The inventory that names this machine alone. */
static struct inventory *inventory_of(const json_t *machine)
{
	struct gf_err err = {.code = GF_OK};
	json_t *document = json_pack(
	    "{s:i, s:s, s:{s:{s:[O]}}, s:O}", "version", 1, "fleet", "cases", "groups", "machines",
	    "hosts", json_object_get(machine, "name"), "gpus", json_object_get(machine, "gpus"));
	char *text = json_dumps(document, 0);
	struct inventory *inventory = inventory_parse("cases.json", text, strlen(text), &err);

	if (!inventory)
		fail_msg("%s", err.msg);
	free(text);
	json_decref(document);
	return inventory;
}

static json_t *facts_of(const json_t *machine, bool probed)
{
	char path[128];
	json_t *facts, *device;
	size_t i;

	snprintf(path, sizeof(path), "tests/unit/cases/%s.json", json_text(machine, "name"));
	facts = cases_load(path);
	json_array_foreach(json_object_get(facts, "pci"), i, device)
	{
		if (!probed)
			json_object_del(device, "probe");
	}
	return facts;
}

/* What a scan leads to; with PROBED, one with --probe. */
static void expect_verdict(const json_t *machine, bool probed)
{
	const char *card = json_string_value(json_array_get(json_object_get(machine, "wanted"), 0));
	struct inventory *inventory = inventory_of(machine);
	json_t *facts = facts_of(machine, probed);
	json_t *entry = readiness_evaluate(&inventory->hosts[0], facts, true, NULL);
	const json_t *device, *reasons;
	char *got, *wanted;

	assert_non_null(entry);
	device = facts_device(entry, "devices", card);
	reasons = json_object_get(device, "reasons");
	got = json_dumps(reasons, 0);
	wanted = json_dumps(json_object_get(machine, "reasons"), 0);
	if (strcmp(json_text(device, "verdict"), json_text(machine, "expect")) != 0 ||
	    (!probed && strcmp(got, wanted) != 0))
		fail_msg("%s%s: %s %s, not %s %s", json_text(machine, "name"),
		         probed ? " (probed)" : "", json_text(device, "verdict"), got,
		         json_text(machine, "expect"), wanted);
	free(got);
	free(wanted);
	json_decref(entry);
	json_decref(facts);
	inventory_free(inventory);
}

static void test_verdicts(void **state)
{
	const json_t *machine;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(machines, "cases"), i, machine)
	{
		expect_verdict(machine, false);
		expect_verdict(machine, true);
	}
	assert_true(i > 20);
}

/* Nova's type of the card, where the case names it. */
static void test_nova_type(void **state)
{
	const json_t *machine, *check;
	size_t i, k, found = 0;

	(void)state;
	json_array_foreach(json_object_get(machines, "cases"), i, machine)
	{
		const char *type = json_string_value(json_object_get(machine, "nova"));
		const char *card =
		    json_string_value(json_array_get(json_object_get(machine, "wanted"), 0));
		struct inventory *inventory;
		json_t *facts, *entry;

		if (!type)
			continue;
		inventory = inventory_of(machine);
		facts = facts_of(machine, false);
		entry = readiness_evaluate(&inventory->hosts[0], facts, true, NULL);
		json_array_foreach(json_object_get(entry, "checks"), k, check)
		{
			if (strcmp(json_text(check, "id"), "device.sriov") != 0 ||
			    strcmp(json_text(check, "device"), card) != 0)
				continue;
			assert_non_null(strstr(json_text(check, "evidence"), type));
			found++;
		}
		json_decref(entry);
		json_decref(facts);
		inventory_free(inventory);
	}
	assert_int_equal(found, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_verdicts),
	    cmocka_unit_test(test_nova_type),
	};
	int failed;

	machines = cases_load("tests/vm/cases.json");
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(machines);
	return failed;
}
