/* test_what_if.c: what --what-if takes, what it says of mistakes, and what it answers. */
#include "tests/unit/report_fleet.h"

#include "controller/capacity/capacity_what_if.h"

static void expect_error(const struct fleet *fleet, const char *text, const char *message)
{
	struct capacity_what_if what_if = {0};
	struct gf_err err = {.code = GF_OK};

	assert_int_equal(capacity_what_if_add(&what_if, text, &fleet->inventory, &err), -1);
	assert_int_equal(err.code, GF_E_USAGE);
	expect_text(err.msg, message);
	capacity_what_if_free(&what_if);
}

static void test_mistakes(void **state)
{
	static const char *const cases[][2] = {
	    {"", "write fix=CHECK, or flavor=NAME,vcpus=8,ram=32768,gpus=ALIAS:2"},
	    {"iommu.tables", "write fix=CHECK"},
	    {"fix=iommu.table", "there is no such check; did you mean iommu.tables?"},
	    {"fix=", "there is no such check"},
	    {"fix=nova.alias", "change no verdict"},
	    {"flavor=", "a name comes first"},
	    {"flavor=a b,vcpus=1", "a name comes first"},
	    {"flavor=x", "vcpus is missing"},
	    {"flavor=x,vcpus=1", "ram is missing"},
	    {"flavor=x,vcpus=0,ram=1", "vcpus=0 is not a number"},
	    {"flavor=x,vcpus=99999999999,ram=1", "is not a number"},
	    {"flavor=x,vcpus=1,ram=4T", "ram=4T is not a number of MiB, or one with G for GiB"},
	    {"flavor=x,vcpus", "\"vcpus\" is not KEY=VALUE"},
	    {"flavor=x,cpus=4", "there is no \"cpus\"; it has vcpus, ram, gpus, disk and numa"},
	    {"flavor=x,vcpus=1,ram=1,numa=2", "numa=2 is not 0 or 1"},
	    {"flavor=x,vcpus=1,ram=1,gpus=nvidia1081", "did you mean nvidia1080?"},
	    {"flavor=x,vcpus=1,ram=1,gpus=nvidia1080:0", "from 1 to 1024: gpus=nvidia1080:2"},
	    {"flavor=x,gpus=nvidia1080,gpus=nvidia1080:2", "names the alias nvidia1080 twice"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_error(*state, cases[i][0], cases[i][1]);
}

static json_t *asked(const struct fleet *fleet, const char *const *texts)
{
	struct capacity_what_if what_if = {0};
	json_t *report = fleet_report(fleet);

	for (; *texts; texts++)
		assert_int_equal(capacity_what_if_add(&what_if, *texts, &fleet->inventory, NULL),
		                 0);
	assert_int_equal(
	    report_what_if(report, &fleet->inventory, fleet->entries, FLEET_HOSTS, &what_if, NULL),
	    0);
	capacity_what_if_free(&what_if);
	return report;
}

/* "ready pending blocked in_use of the first alias; NAME now/later…" */
static void expect_answer(const json_t *report, const char *when, const char *wanted)
{
	const json_t *capacity = json_object_get(json_object_get(report, "what_if"), when);
	const json_t *alias = json_array_get(json_object_get(capacity, "aliases"), 0), *flavor;
	char got[512];
	size_t i;

	snprintf(got, sizeof(got), "%lld %lld %lld %lld",
	         (long long)json_integer_value(json_object_get(alias, "ready")),
	         (long long)json_integer_value(json_object_get(alias, "pending")),
	         (long long)json_integer_value(json_object_get(alias, "blocked")),
	         (long long)json_integer_value(json_object_get(alias, "in_use")));
	json_array_foreach(json_object_get(capacity, "flavors"), i, flavor)
	    snprintf(got + strlen(got), sizeof(got) - strlen(got), "; %s %lld/%lld",
	             json_string_value(json_object_get(flavor, "flavor")),
	             (long long)json_integer_value(json_object_get(flavor, "fits_now")),
	             (long long)json_integer_value(json_object_get(flavor, "fits_when_ready")));
	assert_string_equal(got, wanted);
}

static void test_fixes(void **state)
{
	const struct fleet *fleet = *state;
	static const char *const one[] = {"fix=device.group-viable", NULL},
	                         *const two[] = {"fix=device.in-use", "fix=device.driver",
	                                         "fix=device.siblings", NULL};
	json_t *report = asked(fleet, one);

	/* The card that shares its group has the host's driver yet. */
	expect_answer(report, "now", "2 1 1 1; gpu.1 2/3; gpu.2 0/0; gpu.mixed 0/0; plain 0/0");
	expect_answer(report, "then", "2 2 0 1; gpu.1 2/4; gpu.2 0/0; gpu.mixed 0/0; plain 0/0");
	assert_int_equal(
	    json_integer_value(json_object_get(json_object_get(report, "what_if"), "gpus_changed")),
	    1);
	/* What is there otherwise is as without the question. */
	json_object_del(report, "what_if");
	json_t *plain = fleet_report(fleet);
	assert_true(json_equal(plain, report));
	json_decref(plain);
	json_decref(report);
	report = asked(fleet, two);
	expect_answer(report, "then", "4 0 1 0; gpu.1 4/4; gpu.2 0/0; gpu.mixed 0/0; plain 0/0");
	json_decref(report);
}

static void test_flavors(void **state)
{
	static const char *const texts[] = {
	    "flavor=big,vcpus=8,ram=32G,gpus=nvidia1080:2,disk=10,numa=1",
	    "flavor=gpu.2,vcpus=1,ram=1024,gpus=nvidia1080", NULL};
	static const char *const parts[] = {
	    "\nWhat if\n",
	    "  flavor=big,vcpus=8,ram=32G,gpus=nvidia1080:2,disk=10,numa=1\n",
	    "  flavor                           fits now       when ready\n",
	    "  gpu.1                                   2                3\n",
	    "  big                                     0                0\n",
	    "  gpu.2                              0 -> 2           0 -> 3\n",
	    NULL};
	json_t *report = asked(*state, texts);
	char *text = NULL;
	const char *at;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	expect_answer(report, "now",
	              "2 1 1 1; gpu.1 2/3; gpu.2 0/0; gpu.mixed 0/0; plain 0/0; big 0/0");
	expect_answer(report, "then",
	              "2 1 1 1; gpu.1 2/3; gpu.mixed 0/0; plain 0/0; big 0/0; gpu.2 2/3");
	assert_int_equal(report_text(report, NULL, out, false, NULL), 0);
	fclose(out);
	at = text;
	assert_non_null(at);
	for (size_t i = 0; at && parts[i]; i++) {
		at = strstr(at, parts[i]);
		if (!at)
			fail_msg("\"%s\" is missing or too early in:\n%s", parts[i], text);
	}
	/* The tables fit a terminal. */
	if (!at)
		return;
	*strstr(text, "\nNext\n") = '\0';
	at = strstr(text, "\nCapacity\n");
	assert_non_null(at);
	for (; *at; at += strcspn(at, "\n") + !!strchr(at, '\n')) {
		if (strcspn(at, "\n") > 80)
			fail_msg("longer than 80: %s", at);
	}
	free(text);
	json_decref(report);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_mistakes, fleet_setup, fleet_teardown),
	    cmocka_unit_test_setup_teardown(test_fixes, fleet_setup, fleet_teardown),
	    cmocka_unit_test_setup_teardown(test_flavors, fleet_setup, fleet_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
