/* test_report.c: the fleet's report: shape, totals, capacity, and what an operator reads. */
#include "tests/unit/facts.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/report/pci_names.h"
#include "controller/report/report.h"

#define HOSTS 8

static char names[HOSTS][8];
static const char *const fixtures[HOSTS] = {"done",         "done",     "nvidia", "iommu-off",
                                            "shared-group", "no-iommu", "in-use", NULL};

struct fleet {
	struct inventory inventory;
	struct inventory_gpu gpu;
	struct inventory_flavor_gpu flavor_gpu;
	struct inventory_flavor flavor;
	struct inventory_host hosts[HOSTS];
	struct report_host entries[HOSTS];
	json_t *facts[HOSTS];
	size_t count;
};

static char fleet_name[] = "prod-a", flavor_name[] = "gpu.1";

static int setup(void **state)
{
	struct fleet *fleet = calloc(1, sizeof(*fleet));

	fleet->gpu = (struct inventory_gpu)FACTS_GPU;
	fleet->flavor_gpu = (struct inventory_flavor_gpu){facts_alias, 1};
	fleet->flavor = (struct inventory_flavor){
	    .name = flavor_name, .gpus = &fleet->flavor_gpu, .gpu_count = 1};
	for (size_t i = 0; i < HOSTS; i++) {
		snprintf(names[i], sizeof(names[i]), "gpu%02zu", i + 1);
		fleet->hosts[i] = facts_host(&fleet->gpu, 1);
		fleet->hosts[i].name = names[i];
		fleet->facts[i] = fixtures[i] ? facts_load(fixtures[i]) : NULL;
		fleet->entries[i] =
		    (struct report_host){&fleet->hosts[i], fleet->facts[i], fixtures[i] != NULL};
	}
	fleet->inventory = (struct inventory){
	    .fleet = fleet_name,
	    .hosts = fleet->hosts,
	    .host_count = HOSTS,
	    .gpus = {&fleet->gpu, 1, true},
	    .flavors = &fleet->flavor,
	    .flavor_count = 1,
	};
	*state = fleet;
	return 0;
}

static int teardown(void **state)
{
	struct fleet *fleet = *state;

	for (size_t i = 0; i < HOSTS; i++)
		json_decref(fleet->facts[i]);
	free(fleet);
	return 0;
}

static json_t *build(const struct fleet *fleet)
{
	json_t *report =
	    report_build(&fleet->inventory, fleet->entries, HOSTS, "2026-01-02T03:04:05Z", NULL);

	assert_non_null(report);
	return report;
}

static void expect_json(const json_t *value, const char *wanted)
{
	char *got = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY);

	assert_string_equal(got, wanted);
	free(got);
}

static void test_totals_and_capacity(void **state)
{
	json_t *report = build(*state);

	expect_json(json_object_get(report, "totals"),
	            "{\"hosts\":8,\"gpus\":14,\"ready\":2,\"pending\":2,\"blocked\":2,\"in_use\":1,"
	            "\"ignored\":7,"
	            "\"unknown\":0}");
	expect_json(
	    json_object_get(report, "capacity"),
	    "{\"aliases\":[{\"alias\":\"nvidia1080\",\"total\":7,\"ready\":2,\"in_use\":1,"
	    "\"pending\":2,\"blocked\":2,\"unknown\":0,\"blocked_by\":"
	    "[{\"check\":\"iommu.tables\",\"gpus\":1},"
	    "{\"check\":\"device.group-viable\",\"gpus\":1}],"
	    "\"domains\":[{\"domain\":null,\"total\":7,\"ready\":2,\"in_use\":1,"
	    "\"pending\":2,\"blocked\":2,\"unknown\":0,\"blocked_by\":"
	    "[{\"check\":\"iommu.tables\",\"gpus\":1},"
	    "{\"check\":\"device.group-viable\",\"gpus\":1}]}],"
	    "\"numa_nodes\":[{\"node\":0,\"total\":7,\"ready\":2,\"in_use\":1,"
	    "\"pending\":2,\"blocked\":2,\"unknown\":0,\"blocked_by\":"
	    "[{\"check\":\"iommu.tables\",\"gpus\":1},"
	    "{\"check\":\"device.group-viable\",\"gpus\":1}]}]}],"
	    "\"flavors\":[{\"flavor\":\"gpu.1\",\"fits_now\":2,\"fits_when_ready\":4,"
	    "\"at_least\":false,\"numa\":false,"
	    "\"limits\":[{\"limit\":\"gpus\",\"hosts\":4,\"guests\":0}],"
	    "\"unknown_hosts\":4,\"assumed_hosts\":0}],"
	    "\"blockers\":[{\"check\":\"device.group-viable\",\"cause\":\"The IOMMU group "
	    "holds another device that serves the host.\",\"fix\":\"Move the card to a slot "
	    "of its own (a port with ACS), enable ACS in the firmware, or give up the other "
	    "device: name it under `gpus` too, or take its driver away.\",\"gpus\":1,"
	    "\"gpus_alone\":1,\"hosts\":\"gpu05\",\"host_count\":1},"
	    "{\"check\":\"iommu.tables\",\"cause\":\"The firmware offers no IOMMU: it is "
	    "switched off there, or the board has none.\",\"fix\":\"Enable VT-d in the "
	    "firmware setup, then run `gpufleet scan` again.\",\"gpus\":1,\"gpus_alone\":1,"
	    "\"hosts\":\"gpu06\",\"host_count\":1}]}");
	assert_string_equal(json_string_value(json_object_get(report, "fleet")), "prod-a");
	assert_string_equal(json_string_value(json_object_get(report, "generated")),
	                    "2026-01-02T03:04:05Z");
	json_decref(report);
}

/* Two GPUs a guest, one a host: none fits, however many hosts there are. */
static void test_flavors_count_by_host(void **state)
{
	struct fleet *fleet = *state;
	json_t *report, *flavor;

	fleet->flavor_gpu.count = 2;
	report = build(fleet);
	flavor = json_array_get(json_object_get(json_object_get(report, "capacity"), "flavors"), 0);
	expect_json(json_object_get(flavor, "fits_now"), "0");
	expect_json(json_object_get(flavor, "fits_when_ready"), "0");
	json_decref(report);
	fleet->flavor_gpu.count = 1;
}

static void test_shape(void **state)
{
	static const char *const device_keys[] = {"address",   "vendor",  "device",  "name",
	                                          "class",     "primary", "driver",  "iommu_group",
	                                          "numa_node", "alias",   "verdict", "reasons"};
	static const char *const check_keys[] = {"id",       "device", "status",
	                                         "evidence", "cause",  "fix"};
	json_t *report = build(*state), *host, *device, *check;
	size_t i, k;

	json_array_foreach(json_object_get(report, "hosts"), i, host)
	{
		assert_int_equal(json_object_size(host), 7);
		assert_non_null(json_object_get(host, "domain"));
		json_array_foreach(json_object_get(host, "devices"), k, device)
		{
			/* One more where the group is only predicted. */
			assert_int_equal(json_object_size(device),
			                 json_object_get(device, "predicted_group") ? 13 : 12);
			for (size_t n = 0; n < 12; n++)
				assert_non_null(json_object_get(device, device_keys[n]));
		}
		json_array_foreach(json_object_get(host, "checks"), k, check)
		{
			assert_int_equal(json_object_size(check),
			                 json_object_get(check, "verdict") ? 7 : 6);
			for (size_t n = 0; n < 6; n++)
				assert_non_null(json_object_get(check, check_keys[n]));
		}
	}
	json_decref(report);
}

static void test_malformed_host_is_one_line(void **state)
{
	struct fleet *fleet = *state;
	json_t *nonsense = json_pack("{si}", "facts", 1), *report, *host;

	fleet->entries[0].facts = nonsense;
	report = build(fleet);
	host = json_array_get(json_object_get(report, "hosts"), 0);
	assert_string_equal(json_string_value(json_object_get(host, "verdict")), "unknown");
	expect_json(json_object_get(json_array_get(json_object_get(host, "checks"), 0), "status"),
	            "\"fail\"");
	assert_int_equal(json_array_size(json_object_get(report, "hosts")), HOSTS);
	fleet->entries[0].facts = fleet->facts[0];
	json_decref(report);
	json_decref(nonsense);
}

static char *as_text(const json_t *report, bool color)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_text(report, "fleet.json", out, color, NULL), 0);
	fclose(out);
	return text;
}

/* Every run of blanks and line breaks is one blank: where lines are broken is another test's. */
static char *flatten(const char *text)
{
	char *flat = malloc(strlen(text) + 1), *to = flat;

	for (; *text; text++) {
		bool blank = *text == ' ' || *text == '\n';

		if (!blank || to == flat || to[-1] != ' ')
			*to++ = blank ? ' ' : *text;
	}
	*to = '\0';
	return flat;
}

/* In this order, one after the other. */
static void expect_in_order(const char *text, const char *const *parts)
{
	char *flat = flatten(text), *at = flat;
	const char *missing = NULL;

	for (; !missing && *parts; parts++) {
		char *part = flatten(*parts);

		at = strstr(at, part);
		missing = at ? NULL : *parts;
		free(part);
	}
	free(flat);
	if (missing)
		fail_msg("\"%s\" is missing or too early in:\n%s", missing, text);
}

/* What a host calls its driver may be anything, also what a terminal would act on. */
static void test_terminal_escapes(void **state)
{
	struct fleet *fleet = *state;
	json_t *device;
	size_t i;

	json_array_foreach(json_object_get(fleet->facts[4], "pci"), i, device)
	{
		const char *driver = json_string_value(json_object_get(device, "driver"));
		if (driver && strcmp(driver, "igb") == 0)
			json_object_set_new(device, "driver",
			                    json_string("i\033[2Jg\xc2\x9b"
			                                "b"));
	}
	json_t *report = build(fleet);
	char *text = as_text(report, false);
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "\xc2\x9b"));
	free(text);
	/* Wherever in the report it would stand. */
	json_object_set_new(report, "generated", json_string("\033[2J\xc2\x9b"));
	text = as_text(report, false);
	assert_non_null(strstr(text, "Fleet prod-a, \\x1b[2J\\xc2\\x9b\n"));
	free(text);
	json_decref(report);
}

static void test_text(void **state)
{
	static const char aliases_table[] =
	    "  alias                     total  ready   in use  pending  blocked  unknown\n"
	    "  nvidia1080                    7      2        1        2        2        0\n"
	    "    blocked by iommu.tables (1), device.group-viable (1)\n";
	static const char flavors_table[] =
	    "  flavor                    fits now  when ready  the next is kept out by\n"
	    "  gpu.1                            2           4  GPUs on 4 hosts\n"
	    "    on 4 hosts processors or memory are not known: GPUs alone count\n";
	static const char blockers_table[] = "What blocks the most\n"
	                                     "      1 GPU  device.group-viable, 1 by nothing else\n"
	                                     "             on: gpu05\n";
	static const char *const parts[] = {
	    "Fleet prod-a, 2026-01-02T03:04:05Z\n",
	    "8 hosts, 14 GPUs: 2 ready, 2 pending, 2 blocked, 1 in use, 7 ignored, 0 unknown\n",
	    "BLOCKED  gpu05  (1 host, 1 GPU)",
	    "device.group-viable: ",
	    "seen: gpu05 0000:01:00.0: group 1 also holds 0000:06:00.0 [8086:1533], driver igb;",
	    "not in the way: ",
	    "fix:  Move the card",
	    "BLOCKED  gpu06",
	    "fix:  Enable VT-d in the firmware setup",
	    "UNKNOWN  gpu08",
	    "The host was never reached.",
	    "PENDING  gpu03",
	    "device.driver: ",
	    "PENDING  gpu04",
	    "command line: intel_iommu=off",
	    "IN USE  gpu07",
	    "instance-0000002a",
	    "READY  gpu[01-02]  (2 hosts, 2 GPUs)",
	    "Not reached when last tried, and judged by what was seen before: gpu02\n",
	    "Warnings\n",
	    "host.guests: ",
	    "Capacity",
	    aliases_table,
	    flavors_table,
	    blockers_table,
	    "Next\n",
	    "gpufleet plan fleet.json --limit 'gpu[03-04]'",
	    "gpufleet scan fleet.json --limit 'gpu08'",
	    "gpufleet scan fleet.json --limit 'gpu[05-06]'",
	    NULL,
	};
	struct fleet *fleet = *state;
	json_t *report;
	char *text;

	fleet->entries[1].reachable = false;
	report = build(fleet);
	text = as_text(report, false);
	expect_in_order(text, parts);
	assert_null(strchr(text, '\033'));
	if (getenv("SHOW_REPORT"))
		puts(text);
	free(text);
	text = as_text(report, true);
	assert_non_null(strstr(text, "\033[31mBLOCKED\033[0m"));
	free(text);
	json_decref(report);
}

/* Hosts without anything to look at are one line, without reasons. */
static void test_text_of_ignored(void **state)
{
	struct fleet *fleet = *state;
	json_t *report;
	char *text;

	for (size_t i = 0; i < HOSTS; i++)
		fleet->hosts[i].role = ROLE_CONTROL;
	fleet->facts[7] = facts_load("amd");
	fleet->entries[7].facts = fleet->facts[7];
	report = build(fleet);
	text = as_text(report, false);
	assert_non_null(
	    strstr(text, "IGNORED  gpu08  (1 host, 0 GPUs)\n  nothing on it is looked at"));
	free(text);
	json_decref(report);
}

/* What Nova makes of a ready host, and of a control host that has no GPU. */
static void test_text_of_nova(void **state)
{
	struct fleet *fleet = *state;
	json_t *report, *former = fleet->facts[0], *second = fleet->facts[1];
	char *text;
	static const char *const parts[] = {
	    "READY",
	    "nova.config: Nova offers devices that the inventory does not want",
	    "seen: gpu01: offered: 0000:01:00.1 (/etc/nova/nova-compute.conf:3)",
	    "fix:  Correct or remove the entry at that line",
	    "IGNORED",
	    "nova.filter: A filter is listed that this Nova has no more",
	    "seen: gpu02: /etc/nova/nova.conf:20: RetryFilter, gone since Nova 22 (Victoria)",
	    NULL};

	fleet->facts[0] = facts_load("nova");
	fleet->entries[0].facts = fleet->facts[0];
	fleet->facts[1] = facts_load("nova");
	json_object_set_new(fleet->facts[1], "pci", json_array());
	fleet->entries[1].facts = fleet->facts[1];
	fleet->hosts[0].role = ROLE_COMPUTE;
	fleet->hosts[1].role = ROLE_CONTROL;
	report = build(fleet);
	/* Nova changes no verdict. */
	assert_string_equal(json_string_value(json_object_get(
	                        json_array_get(json_object_get(report, "hosts"), 0), "verdict")),
	                    "ready");
	text = as_text(report, false);
	expect_in_order(text, parts);
	free(text);
	json_decref(report);
	json_decref(former);
	json_decref(second);
}

static void test_json(void **state)
{
	json_t *report = build(*state), *back;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_json(report, true, out, NULL), 0);
	fclose(out);
	assert_ptr_equal(strchr(text, '\n'), text + size - 1);
	back = json_loads(text, 0, NULL);
	assert_true(json_equal(back, report));
	json_decref(back);
	json_decref(report);
	free(text);
}

static void test_gpus_block(void **state)
{
	static const char *const parts[] = {
	    "7 x ",
	    "[10de:1b06] on gpu[01-07]\n",
	    "  \"gpus\": [\n    {\"alias\": \"nvidia1080\", \"vendor\": \"10de\", \"device\": "
	    "\"1b06\", "
	    "\"functions\": \"all\"}\n  ],\n",
	    NULL,
	};
	struct fleet *fleet = *state;
	char *text = NULL;
	json_t *block;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_gpus_block(&fleet->inventory, fleet->entries, HOSTS, out, NULL), 0);
	fclose(out);
	expect_in_order(text, parts);
	/* What is to be pasted is JSON. */
	*strstr(text, "  \"gpus\"") = '{';
	strcpy(strrchr(text, ']'), "]}");
	block = json_loads(strchr(text, '{'), 0, NULL);
	assert_int_equal(json_array_size(json_object_get(block, "gpus")), 1);
	json_decref(block);
	free(text);
}

static int write_some(void *ctx, FILE *out, struct gf_err *err)
{
	fputs("new\n", out);
	return ctx ? gf_err_set(err, GF_E_IO, "no") : 0;
}

static void test_file_is_old_or_new(void **state)
{
	char folder[] = "/tmp/test_report.XXXXXX", path[64], line[16];
	struct gf_err err;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/report", folder);
	file = fopen(path, "w");
	fputs("old\n", file);
	fclose(file);
	chmod(path, 0640);
	assert_int_equal(report_file_write(path, 0, write_some, path, &err), -1);
	file = fopen(path, "r");
	assert_string_equal(fgets(line, sizeof(line), file), "old\n");
	fclose(file);
	assert_int_equal(report_file_write(path, 0, write_some, NULL, &err), 0);
	file = fopen(path, "r");
	assert_string_equal(fgets(line, sizeof(line), file), "new\n");
	fclose(file);
	unlink(path);
	/* No temporary file was left. */
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(report_file_write(path, 0, write_some, NULL, &err), -1);
	assert_int_equal(err.code, GF_E_INPUT);
}

static void test_pci_names(void **state)
{
	struct pci_names *list;
	char folder[] = "/tmp/test_report.XXXXXX", path[64], name[64];
	FILE *file;

	(void)state;
	list = pci_names_open("/nonexistent/pci.ids");
	assert_string_equal(pci_names_device(list, "10de", "1b06", name, sizeof(name)),
	                    "10de:1b06");
	pci_names_close(list);
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pci.ids", folder);
	file = fopen(path, "w");
	fputs("10de  NVIDIA Corporation\n\t1b06  GP102 [GeForce GTX 1080 Ti]\n", file);
	fclose(file);
	list = pci_names_open(path);
	assert_string_equal(pci_names_device(list, "10de", "1b06", name, sizeof(name)),
	                    "NVIDIA Corporation GP102 [GeForce GTX 1080 Ti]");
	assert_string_equal(pci_names_device(list, "ffff", "0001", name, sizeof(name)),
	                    "ffff:0001");
	assert_string_equal(pci_names_device(list, "10de", "1b06", name, 12), "NVIDIA C...");
	pci_names_close(list);
	/* A list that is no list costs the names, not the program. */
	file = fopen(path, "w");
	fputs("\tgarbage\n10dg\n", file);
	fclose(file);
	list = pci_names_open(path);
	assert_string_equal(pci_names_device(list, "10de", "1b06", name, sizeof(name)),
	                    "10de:1b06");
	assert_string_equal(pci_names_device(list, "10de", "1b06", name, sizeof(name)),
	                    "10de:1b06");
	pci_names_close(list);
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_totals_and_capacity),
	    cmocka_unit_test(test_flavors_count_by_host),
	    cmocka_unit_test(test_shape),
	    cmocka_unit_test(test_malformed_host_is_one_line),
	    cmocka_unit_test(test_text),
	    cmocka_unit_test(test_terminal_escapes),
	    cmocka_unit_test(test_json),
	    cmocka_unit_test(test_gpus_block),
	    cmocka_unit_test(test_file_is_old_or_new),
	    cmocka_unit_test(test_pci_names),
	    cmocka_unit_test(test_text_of_ignored),
	    cmocka_unit_test(test_text_of_nova),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
