/* test_readiness.c: exact verdicts and reasons for whole hosts, and what keeps a host from being
 * touched. */
#include "tests/unit/verdicts.h"

/* WANTED: the addresses that stay, or (with a code) the message's beginning. */
static void expect_preconditions(json_t *facts, const struct inventory_host *host,
                                 const char *expected, bool ok)
{
	struct gf_err err = {.code = GF_OK};
	json_t *wanted = NULL, *device;
	char got[256] = "";
	size_t i;
	int rc = readiness_preconditions(host, facts, &wanted, &err);

	if (!ok) {
		assert_int_equal(rc, -1);
		assert_int_equal(err.code, GF_E_BLOCKED);
		assert_null(wanted);
		if (!strstr(err.msg, expected))
			fail_msg("\"%s\" is not in \"%s\"", expected, err.msg);
		json_decref(facts);
		return;
	}
	if (rc != 0)
		fail_msg("%s", err.msg);
	json_array_foreach(wanted, i, device)
	{
		strcat(got, i ? " " : "");
		strcat(got, json_string_value(json_object_get(device, "address")) + 5);
	}
	assert_string_equal(got, expected);
	json_decref(wanted);
	json_decref(facts);
}

static void test_fixtures(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1), anyone = facts_host(NULL, 0);

	(void)state;
	expect_facts(facts_load("nvidia"), &host, CLEAN);
	expect_facts(facts_load("nvidia"), &anyone, CLEAN);
	expect_facts(facts_load("done"), &host, "ready: 01:00.0 ready; 01:00.1 ready");
	expect_facts(facts_load("in-use"), &host,
	             "in_use: 01:00.0 in_use device.in-use; 01:00.1 in_use device.in-use");
	expect_facts(
	    facts_load("no-iommu"), &host,
	    "blocked: 01:00.0 blocked iommu.tables iommu.groups iommu.interrupt-remapping "
	    "device.iommu-group device.driver device.siblings; 01:00.1 blocked iommu.tables "
	    "iommu.groups iommu.interrupt-remapping device.iommu-group device.driver");
	expect_facts(
	    facts_load("iommu-off"), &host,
	    "pending: 01:00.0 pending iommu.groups iommu.interrupt-remapping device.iommu-group "
	    "device.driver device.siblings; 01:00.1 pending iommu.groups "
	    "iommu.interrupt-remapping device.iommu-group device.driver");
	expect_facts(
	    facts_load("shared-group"), &host,
	    "blocked: 01:00.0 blocked device.group-viable device.driver device.siblings; 01:00.1 "
	    "blocked device.group-viable device.driver");
	expect_facts(facts_load("amd"), &anyone,
	             "pending: 0b:00.0 pending device.driver device.siblings; 0b:00.1 pending "
	             "device.driver; "
	             "0b:00.2 pending device.driver; 0b:00.3 pending device.driver");
	/* The inventory wants another model. */
	expect_facts(facts_load("amd"), &host, "blocked:");
	host.role = ROLE_CONTROL;
	expect_facts(facts_load("amd"), &host, "ignored:");
}

static void test_twin(void **state)
{
	char address[] = "0000:02:00.0", *items[] = {address};
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	expect_result(facts_load("twin"), &host, "device.twin", GPU,
	              "pass: no other 10de:1b06 stays with the host");
	gpu.except = (struct string_list){items, 1};
	expect_facts(facts_load("twin"), &host, CLEAN);
	expect_result(facts_load("twin"), &host, "device.twin", GPU,
	              "warn: 0000:02:00.0 has the ids 10de:1b06, too");
	/* Somebody's ids= have taken it. */
	expect_result(with_device("twin", address, "driver", json_string("vfio-pci")), &host,
	              "device.twin", GPU,
	              "warn: 0000:02:00.0 has the ids 10de:1b06, too, and driver vfio-pci");
}

static void test_host_checks(void **state)
{
	char token[] = "intremap=off", *removed[] = {token};
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	expect_facts(with_host("done", "cpu_virtualization", json_false()), &host,
	             BLOCKED_BY("cpu.virtualization"));
	expect_facts(
	    with_host("done", "cpu_virtualization", json_null()), &host,
	    "unknown: 01:00.0 unknown cpu.virtualization; 01:00.1 unknown cpu.virtualization");
	expect_facts(with_host("done", "arch", json_string("aarch64")), &host,
	             BLOCKED_BY("host.arch"));
	/* The IOMMU works without remapping: nothing of ours helps. Unless the command line says
	 * so. */
	expect_facts(with_iommu("done", "interrupt_remapping", json_false()), &host,
	             BLOCKED_BY("iommu.interrupt-remapping"));
	json_t *facts = with_iommu("done", "interrupt_remapping", json_false());
	json_object_set_new(json_object_get(facts, "host"), "cmdline",
	                    json_string("quiet intremap=off"));
	json_incref(facts);
	expect_facts(facts, &host, BLOCKED_BY("iommu.interrupt-remapping"));
	host.kernel_args_remove = (struct string_list){removed, 1};
	expect_facts(facts, &host,
	             "pending: 01:00.0 pending iommu.interrupt-remapping; 01:00.1 pending "
	             "iommu.interrupt-remapping");
	facts = with_iommu("done", "interrupt_remapping", json_false());
	json_object_set_new(json_object_get(json_object_get(facts, "host"), "iommu"),
	                    "unsafe_interrupts", json_true());
	expect_facts(facts, &host, "ready: 01:00.0 ready; 01:00.1 ready");
	/* Effects decide: a promise on the command line is no group, and a missing table no fault
	 * where groups are. */
	facts = with_iommu("done", "groups", json_integer(0));
	json_object_set_new(json_object_get(facts, "host"), "cmdline",
	                    json_string("intel_iommu=on"));
	expect_facts(facts, &host,
	             "pending: 01:00.0 pending iommu.groups; 01:00.1 pending iommu.groups");
	expect_facts(with_iommu("done", "units", json_array()), &host,
	             "pending: 01:00.0 pending iommu.groups; 01:00.1 pending iommu.groups");
	expect_facts(with_iommu("done", "tables", json_array()), &host,
	             "ready: 01:00.0 ready; 01:00.1 ready");
	expect_result(
	    facts_load("iommu-off"), &host, "iommu.groups", NULL,
	    "fail: 0 IOMMU groups, 0 units in /sys/class/iommu; command line: intel_iommu=off");
	expect_result(facts_load("in-use"), &host, "host.guests", NULL,
	              "warn: 1 running, the first is instance-0000002a");
	expect_result(with_host("done", "lockdown", json_string("confidentiality")), &host,
	              "host.lockdown", NULL, "warn: confidentiality");
	expect_result(with_host("done", "secure_boot", json_true()), &host, "host.secure-boot",
	              NULL, "warn: Secure Boot is on");
}

static void test_device_checks(void **state)
{
	char required[] = "required";
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	expect_facts(
	    with_device("done", GPU, "reserved_regions", json_pack("[ss]", "msi", "direct")), &host,
	    "blocked: 01:00.0 blocked device.reserved-regions; 01:00.1 blocked device.siblings");
	expect_facts(
	    with_device("done", GPU, "reserved_regions", json_pack("[s]", "direct-relaxable")),
	    &host, "ready: 01:00.0 ready; 01:00.1 ready");
	expect_facts(with_device("done", GPU, "sriov", json_pack("{sisi}", "total", 16, "used", 2)),
	             &host,
	             "blocked: 01:00.0 blocked device.sriov; 01:00.1 blocked device.siblings");
	expect_result(
	    with_device("done", GPU, "sriov", json_pack("{sisi}", "total", 16, "used", 0)), &host,
	    "device.sriov", GPU,
	    "pass: 0 of 16 virtual functions enabled; Nova will see it as type-PF");
	expect_result(with_device("done", GPU, "physical_function", json_string("0000:00:1f.6")),
	              &host, "device.sriov", GPU,
	              "pass: a virtual function of 0000:00:1f.6; Nova will see it as type-VF");
	expect_facts(
	    with_device("done", GPU, "bars", json_pack("[{sisb}]", "index", 1, "assigned", 0)),
	    &host, "blocked: 01:00.0 blocked device.bars; 01:00.1 blocked device.siblings");
	expect_facts(
	    with_device("done", GPU, "bars", json_pack("[{sbsb}]", "assigned", 0, "io", 1)), &host,
	    "ready: 01:00.0 ready; 01:00.1 ready");
	expect_facts(with_device("done", AUDIO, "driver", json_string("snd_hda_intel")), &host,
	             "pending: 01:00.0 pending device.siblings; 01:00.1 pending device.driver");
	expect_result(with_device("done", GPU, "driver", json_string("pci-stub")), &host,
	              "device.driver", GPU, "fail: driver pci-stub");
	expect_facts(with_device("done", GPU, "driver", json_string("nvgrace-gpu-vfio-pci")), &host,
	             "ready: 01:00.0 ready; 01:00.1 ready");
	expect_facts(
	    with_device("done", GPU, "iommu_group", json_null()), &host,
	    "blocked: 01:00.0 blocked device.iommu-group; 01:00.1 blocked device.siblings");
	expect_result(with_device("done", GPU, "power_state", json_string("unknown")), &host,
	              "device.power", GPU, "unknown: power state unknown");
	expect_facts(with_device("done", GPU, "power_state", json_string("unknown")), &host,
	             "ready: 01:00.0 ready; 01:00.1 ready");
	expect_result(with_device("done", GPU, "power_state", json_string("D3cold")), &host,
	              "device.power", GPU, "fail: power state D3cold, runtime_status unknown");
	json_t *facts = with_device("done", GPU, "power_state", json_string("D3cold"));
	json_object_set_new(facts_device(facts, "pci", GPU), "runtime_status",
	                    json_string("suspended"));
	expect_result(json_incref(facts), &host, "device.power", GPU,
	              "warn: power state D3cold, runtime_status suspended");
	json_object_set_new(facts_device(facts, "pci", GPU), "d3cold_allowed", json_false());
	expect_facts(facts, &host,
	             "blocked: 01:00.0 blocked device.power; 01:00.1 blocked device.siblings");
	expect_result(with_device("done", GPU, "boot_vga", json_true()), &host,
	              "device.boot-console", GPU,
	              "warn: boot_vga is 1; 1 framebuffers, the first is astdrmfb");
	expect_result(facts_load("shared-group"), &host, "device.acs-path", GPU,
	              "warn: 0000:00:01.0 lacks the capability");
	expect_result(facts_load("shared-group"), &host, "device.group-viable", GPU,
	              "fail: group 1 also holds 0000:06:00.0 [8086:1533], driver igb; not in the "
	              "way: 0000:01:00.1 [10de:10ef], driver snd_hda_intel");
	expect_result(with_device("done", "0000:06:00.0", "class", json_string("0680")), &host,
	              "device.nvswitch", GPU, "pass: no NVSwitch on the host");
	gpu.numa_policy = required;
	expect_result(with_device("done", GPU, "numa_node", json_integer(-1)), &host, "device.numa",
	              GPU, "fail: numa_node is -1, numa_policy is required");
}

/* What an agent of now says of these hosts' hardware beside what is in the fixtures. */
static json_t *with_hardware(json_t *facts)
{
	json_t *device;
	size_t i;

	json_array_foreach(json_object_get(facts, "pci"), i, device)
	{
		const char *header = json_string_value(json_object_get(device, "header"));
		bool bridge = strcmp(header, "bridge") == 0;

		json_object_set_new(device, "pcie",
		                    json_pack("{s:s}", "type", bridge ? "root_port" : "endpoint"));
		json_object_set_new(device, "multifunction", json_boolean(!bridge));
	}
	return facts;
}

static void expect_predicted(json_t *facts, const struct inventory_host *host, const char *wanted)
{
	json_t *entry = readiness_evaluate(host, facts, true, NULL);
	json_t *group =
	    json_object_get(facts_device(entry, "devices", "0000:01:00.0"), "predicted_group");
	char *got = json_dumps(group, JSON_ENCODE_ANY | JSON_COMPACT);

	assert_string_equal(got ? got : "absent", wanted);
	free(got);
	json_decref(entry);
	json_decref(facts);
}

#define VIABLE "device.group-viable"

static void test_predicted_groups(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *facts = with_hardware(facts_load("iommu-off")), *path;

	(void)state;
	expect_predicted(json_incref(facts), &host, "[\"0000:01:00.0\",\"0000:01:00.1\"]");
	expect_result(json_incref(facts), &host, VIABLE, GPU,
	              "pass: predicted: will share its group with 0000:01:00.1; none of them "
	              "serves the host");
	expect_preconditions(json_incref(facts), &host, "01:00.0 01:00.1", true);
	/* With functions "primary" the other one stays, and can't. */
	gpu.functions = FUNCTIONS_PRIMARY;
	expect_preconditions(json_incref(facts), &host,
	                     "A function of the same card will share its IOMMU group", false);
	gpu.functions = FUNCTIONS_ALL;
	json_object_set_new(facts_device(facts, "pci", AUDIO), "acs", json_object());
	json_object_set_new(facts_device(facts, "pci", GPU), "acs", json_object());
	expect_result(json_incref(facts), &host, VIABLE, GPU,
	              "pass: predicted: will be alone in its group");

	/* The network card is behind the same port, which has no ACS: known before any reboot. */
	path = json_object_get(facts_device(facts, "pci", GPU), "path");
	json_object_set(facts_device(facts, "pci", "0000:06:00.0"), "path", path);
	json_object_set_new(facts_device(facts, "pci", "0000:00:01.0"), "acs", json_null());
	expect_result(json_incref(facts), &host, VIABLE, GPU,
	              "fail: predicted: will share its group with 0000:06:00.0 [8086:1533], driver "
	              "igb");
	expect_preconditions(json_incref(facts), &host, "will share its group with 0000:06:00.0",
	                     false);
	expect_predicted(json_incref(facts), &host,
	                 "[\"0000:00:01.0\",\"0000:01:00.0\",\"0000:01:00.1\",\"0000:06:00.0\"]");
	/* Without a driver of the host's it does no harm. */
	json_object_set_new(facts_device(facts, "pci", "0000:06:00.0"), "driver", json_null());
	expect_result(json_incref(facts), &host, VIABLE, GPU,
	              "pass: predicted: will share its group with 0000:00:01.0, 0000:01:00.1, "
	              "0000:06:00.0; none of them serves the host");
	/* Groups without a unit are those of the no-IOMMU mode: nobody goes by them. */
	json_object_set_new(facts_device(facts, "pci", GPU), "iommu_group", json_integer(1));
	json_object_set_new(json_object_get(json_object_get(facts, "host"), "iommu"), "groups",
	                    json_integer(1));
	expect_result(json_incref(facts), &host, VIABLE, GPU,
	              "pass: predicted: will share its group with 0000:00:01.0, 0000:01:00.1, "
	              "0000:06:00.0; none of them serves the host");
	json_decref(facts);

	/* Where it can't be told nothing is: an older agent, a bridge that could not be read, a
	 * kernel that is told otherwise. */
	expect_result(facts_load("iommu-off"), &host, VIABLE, GPU,
	              "unknown: no groups yet; what kind of PCI device 0000:00:01.0 is, or what is "
	              "above it, is not known");
	expect_predicted(facts_load("iommu-off"), &host, "null");
	facts = with_hardware(facts_load("iommu-off"));
	json_object_del(facts_device(facts, "pci", "0000:00:01.0"), "pcie");
	expect_result(facts, &host, VIABLE, GPU,
	              "unknown: no groups yet; what kind of PCI device 0000:00:01.0 is, or what is "
	              "above it, is not known");
	facts = with_hardware(facts_load("iommu-off"));
	json_object_set_new(json_object_get(facts, "host"), "cmdline",
	                    json_string("pci=disable_acs_redir=00:01.0"));
	expect_result(facts, &host, VIABLE, GPU,
	              "unknown: no groups yet; the command line holds disable_acs_redir=");
	/* Groups that are there need no prediction. */
	expect_predicted(with_hardware(facts_load("nvidia")), &host, "absent");
}

static void test_group_compared(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *facts = with_hardware(facts_load("done"));

	(void)state;
	expect_result(json_incref(facts), &host, "device.group-predicted", GPU,
	              "pass: group 1 is the one that the hardware gives reason to expect");
	json_object_set_new(facts_device(facts, "pci", AUDIO), "iommu_group", json_integer(9));
	expect_result(json_incref(facts), &host, "device.group-predicted", GPU,
	              "warn: group 1 does not hold 0000:01:00.1, as was to be expected");
	/* It is no reason against the card. */
	expect_facts(json_incref(facts), &host, "ready: 01:00.0 ready; 01:00.1 ready");
	json_object_set_new(facts_device(facts, "pci", AUDIO), "iommu_group", json_integer(1));
	json_object_set_new(facts_device(facts, "pci", "0000:00:01.0"), "iommu_group",
	                    json_integer(1));
	expect_result(facts, &host, "device.group-predicted", GPU,
	              "warn: group 1 also holds 0000:00:01.0, which was not to be expected");
	/* An older agent's facts. */
	facts = facts_load("done");
	json_object_del(facts_device(facts, "pci", GPU), "pcie");
	expect_result(facts, &host, "device.group-predicted", GPU, "absent");
	/* The groups of the no-IOMMU mode are no groups. */
	facts = with_hardware(with_iommu("done", "units", json_array()));
	expect_result(facts, &host, "device.group-predicted", GPU, "absent");
	expect_result(with_hardware(facts_load("iommu-off")), &host, "device.group-predicted", GPU,
	              "absent");
}

static void test_reset(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *facts = with_device("done", GPU, "reset_methods", json_array());

	(void)state;
	expect_result(facts, &host, "device.reset", GPU,
	              "pass: reset together with its whole slot, all of which goes to guests");
	facts = with_device("done", GPU, "reset_methods", json_array());
	json_object_set_new(facts_device(facts, "pci", GPU), "path", json_array());
	expect_facts(facts, &host,
	             "blocked: 01:00.0 blocked device.reset; 01:00.1 blocked device.siblings");
	facts = with_device("done", GPU, "reset_methods", json_null());
	json_object_set_new(facts_device(facts, "pci", GPU), "path", json_array());
	expect_result(facts, &host, "device.reset", GPU, "fail: no reset_method file");
	/* The kernel names methods for no device at all: an old one can't, a newer one found none.
	 */
	facts = with_device("done", GPU, "reset_methods", json_null());
	json_object_set_new(facts_device(facts, "pci", AUDIO), "reset_methods", json_null());
	for (size_t i = 0; i < 5; i++)
		json_object_set_new(json_array_get(json_object_get(facts, "pci"), i),
		                    "reset_methods", json_null());
	json_object_set_new(facts_device(facts, "pci", GPU), "path", json_array());
	expect_result(json_deep_copy(facts), &host, "device.reset", GPU,
	              "fail: no reset_method file");
	json_object_set_new(json_object_get(facts, "host"), "kernel",
	                    json_string("5.10.0-28-amd64"));
	expect_result(facts, &host, "device.reset", GPU, "unknown: no reset_method file");
	/* A reset of the slot would take along what stays with the host. */
	gpu.functions = FUNCTIONS_PRIMARY;
	expect_result(facts_load("done"), &host, "device.reset", GPU,
	              "fail: reset_method is bus; 0000:01:00.1 stays with the host");
	expect_result(with_device("done", GPU, "reset_methods", json_pack("[ss]", "flr", "bus")),
	              &host, "device.reset", GPU, "pass: reset methods: 2, the first is flr");
}

/* functions: "primary" with the audio function in the GPU's own group can't work, and the fix says
 * which key to change. */
static void test_own_function_in_group(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	gpu.functions = FUNCTIONS_PRIMARY;
	expect_facts(facts_load("nvidia"), &host,
	             "blocked: 01:00.0 blocked device.group-viable device.driver device.reset");
	expect_result(facts_load("nvidia"), &host, "device.group-viable", GPU,
	              "fail: group 1 also holds 0000:01:00.1 [10de:10ef], driver snd_hda_intel");
}

static void test_hostile_evidence(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	expect_result(with_device("nvidia", GPU, "driver", json_string("\033[2J\xc2\x9b\xc3\xa9x")),
	              &host, "device.driver", GPU, "fail: driver ?[2J????x");
}

static void test_never_reached(void **state)
{
	struct inventory_host host = facts_host(NULL, 0);
	json_t *entry = readiness_evaluate(&host, NULL, false, NULL);

	(void)state;
	assert_string_equal(json_string_value(json_object_get(entry, "verdict")), "unknown");
	assert_true(json_is_false(json_object_get(entry, "reachable")));
	assert_true(json_is_null(json_object_get(entry, "observed")));
	json_decref(entry);
}

static void test_preconditions(void **state)
{
	char class_code[] = "0200";
	struct inventory_gpu gpus[2] = {FACTS_GPU, FACTS_GPU};
	struct inventory_host host = facts_host(gpus, 1), anyone = facts_host(NULL, 0);
	json_t *facts;

	(void)state;
	expect_preconditions(facts_load("nvidia"), &host, "01:00.0 01:00.1", true);
	expect_preconditions(facts_load("done"), &host, "01:00.0 01:00.1", true);
	expect_preconditions(facts_load("iommu-off"), &host, "01:00.0 01:00.1", true);
	/* A guest's device stays in the set: else the next boot would give it back to the host. */
	expect_preconditions(facts_load("in-use"), &host, "01:00.0 01:00.1", true);
	expect_preconditions(facts_load("nvidia"), &anyone, "", true);
	expect_preconditions(facts_load("no-iommu"), &host, "Enable VT-d in the firmware setup",
	                     false);
	expect_preconditions(facts_load("shared-group"), &host, "0000:06:00.0", false);
	expect_preconditions(facts_load("amd"), &host, "host.gpus", false);
	expect_preconditions(with_host("nvidia", "cpu_virtualization", json_false()), &host, "VT-x",
	                     false);
	expect_preconditions(with_host("nvidia", "arch", json_string("riscv64")), &host, "riscv64",
	                     false);
	/* One card's neighbour serves the host: the other card goes on alone. */
	facts = with_device("twin", "0000:06:00.0", "iommu_group", json_integer(6));
	expect_preconditions(facts, &host, "01:00.0 01:00.1", true);
	/* The blocked card stays with its driver, which takes the other card in its group along. */
	facts = with_device("twin", "0000:02:00.0", "sriov",
	                    json_pack("{sisi}", "total", 4, "used", 4));
	json_object_set_new(facts_device(facts, "pci", "0000:01:00.1"), "iommu_group",
	                    json_integer(6));
	json_object_set_new(facts_device(facts, "pci", "0000:01:00.0"), "iommu_group",
	                    json_integer(6));
	expect_preconditions(facts, &host, "device.group-viable", false);
	/* Somebody selects the network card. */
	host.gpus.count = 2;
	gpus[1].vendor = gpus[1].device = NULL;
	gpus[1].class_code = class_code;
	expect_preconditions(facts_load("nvidia"), &host, "0000:06:00.0: The inventory selects",
	                     false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_fixtures),
	    cmocka_unit_test(test_twin),
	    cmocka_unit_test(test_host_checks),
	    cmocka_unit_test(test_device_checks),
	    cmocka_unit_test(test_predicted_groups),
	    cmocka_unit_test(test_group_compared),
	    cmocka_unit_test(test_reset),
	    cmocka_unit_test(test_own_function_in_group),
	    cmocka_unit_test(test_hostile_evidence),
	    cmocka_unit_test(test_never_reached),
	    cmocka_unit_test(test_preconditions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
