/* test_checks.c: what single checks say: of what binds a device at the next boot, of twins,
 * pretended isolation, NVSwitch, the kernel's state, the console and a probe. */
#include "tests/unit/verdicts.h"

static json_t *with_lines(const char *fixture, json_t *list, json_t *lines)
{
	json_t *facts = facts_load(fixture);
	json_t *early = json_object_get(json_object_get(facts, "host"), "early_binding");

	json_object_set_new(early, "list", list);
	json_object_set_new(early, "lines", lines);
	return facts;
}

static json_t *line(const char *where, const char *text)
{
	return json_pack("[{ssss}]", "where", where, "line", text);
}

#define IMAGE "/boot/initrd.img-6.1.0-18-amd64"

/* Whatever binds it at the next boot is good enough; nothing is not. */
static void test_early_binding(void **state)
{
	static const struct {
		const char *where, *text, *result;
	} cases[] = {
	    {"/etc/modprobe.d/vfio.conf", "options vfio-pci ids=1002:744c,10DE:1B06",
	     "pass: /etc/modprobe.d/vfio.conf: ids= has 10de:1b06"},
	    {IMAGE ": /conf/modules", "vfio_pci ids=10de:1b06:1462:3609",
	     "pass: " IMAGE ": /conf/modules: ids= has 10de:1b06"},
	    {"/etc/driverctl.d/0000:01:00.0", "vfio-pci",
	     "pass: /etc/driverctl.d/0000:01:00.0: vfio-pci"},
	    {"/etc/driverctl.d/pci-0000:01:00.0", "vfio-pci",
	     "pass: /etc/driverctl.d/pci-0000:01:00.0: vfio-pci"},
	    {"/etc/rc.local", "echo 0000:01:00.0 >/sys/bus/pci/drivers/vfio-pci/bind",
	     "pass: /etc/rc.local: echo 0000:01:00.0 >/sys/bus/pci/drivers/vfio-pci/bind"},
	    {"/etc/modprobe.d/v.conf", "install vfio-pci /sbin/vfio-override.sh",
	     "warn: /etc/modprobe.d/v.conf: install vfio-pci /sbin/vfio-override.sh"},
	    {"/etc/driverctl.d/pci-0000:02:00.0", "vfio-pci",
	     "fail: " IMAGE ", modprobe.d, driverctl.d, udev's rules and the command line name "
	     "neither the device nor its ids"},
	    {"/etc/modprobe.d/v.conf", "options vfio-pci ids=10de:1b0",
	     "fail: " IMAGE ", modprobe.d, driverctl.d, udev's rules and the command line name "
	     "neither the device nor its ids"},
	};
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *facts;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		expect_result(with_lines("done", json_array(), line(cases[i].where, cases[i].text)),
		              &host, "device.early-binding", GPU, cases[i].result);
	expect_facts(with_lines("done", json_array(), json_array()), &host,
	             "pending: 01:00.0 pending device.early-binding; 01:00.1 pending "
	             "device.early-binding");
	facts = with_lines("done", json_array(), json_array());
	json_object_set_new(json_object_get(facts, "host"), "cmdline",
	                    json_string("quiet vfio-pci.ids=10de:1b06,10de:10ef"));
	expect_facts(facts, &host, "ready: 01:00.0 ready; 01:00.1 ready");
	facts = with_lines("done", json_array(), json_array());
	json_object_set_new(json_object_get(json_object_get(facts, "host"), "early_binding"),
	                    "state", json_string("unreadable"));
	expect_facts(facts, &host,
	             "unknown: 01:00.0 unknown device.early-binding; 01:00.1 unknown "
	             "device.early-binding");
	/* Another card's line of gpufleet's own list is no help. */
	expect_result(with_lines("done",
	                         json_pack("[s]", "0000:02:00.0 10de 1b06 1462 3609 "
	                                          "vfio-pci"),
	                         json_array()),
	              &host, "device.early-binding", AUDIO,
	              "fail: " IMAGE ", modprobe.d, driverctl.d, udev's rules and the command "
	              "line name neither the device nor its ids");
	/* Where vfio-pci does not have it yet, device.driver says all. */
	expect_result(facts_load("nvidia"), &host, "device.early-binding", GPU, "absent");
}

static void test_twin_by_ids(void **state)
{
	char address[] = "0000:02:00.0", *items[] = {address};
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *facts = with_device("twin", address, "driver", json_string("vfio-pci"));
	json_t *early = json_object_get(json_object_get(facts, "host"), "early_binding");

	(void)state;
	gpu.except = (struct string_list){items, 1};
	json_object_set_new(early, "lines",
	                    line("/etc/modprobe.d/v.conf", "options vfio-pci ids=10de:1b06"));
	expect_result(facts, &host, "device.twin", GPU,
	              "fail: 0000:02:00.0 has the ids 10de:1b06, too, and driver vfio-pci; "
	              "/etc/modprobe.d/v.conf: ids=");
}

static void test_override(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *facts = with_host("done", "cmdline", json_string("pcie_acs_override=downstream"));

	(void)state;
	/* Nothing is pretended where every bridge has ACS. */
	expect_result(json_incref(facts), &host, "device.acs-path", GPU,
	              "warn: /proc/cmdline holds pcie_acs_override; all 1 bridges above have ACS");
	json_object_set_new(facts_device(facts, "pci", "0000:00:01.0"), "acs", json_null());
	expect_facts(facts, &host,
	             "blocked: 01:00.0 blocked device.acs-path; 01:00.1 blocked device.acs-path");
}

static void test_nvswitch(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *facts = with_device("done", "0000:06:00.0", "class", json_string("0680"));
	json_t *nvswitch = facts_device(facts, "pci", "0000:06:00.0");

	(void)state;
	json_object_set_new(nvswitch, "vendor", json_string("10de"));
	json_object_set_new(nvswitch, "device", json_string("22a3"));
	json_object_set_new(nvswitch, "driver", json_null());
	expect_facts(json_incref(facts), &host,
	             "blocked: 01:00.0 blocked device.nvswitch; 01:00.1 blocked device.siblings");
	json_object_set_new(
	    json_object_get(facts, "host"), "services",
	    json_pack("[{ssss}]", "name", "nvidia-fabricmanager.service", "state", "active"));
	expect_result(
	    json_incref(facts), &host, "device.nvswitch", GPU,
	    "warn: 1 NVSwitch devices on the host; nvidia-fabricmanager.service is active");
	json_object_set_new(nvswitch, "driver", json_string("vfio-pci"));
	expect_result(facts, &host, "device.nvswitch", GPU,
	              "warn: 1 NVSwitch devices on the host, all of them on vfio-pci");
}

static void test_state(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *facts = facts_load("done");
	json_t *vfio = json_object_get(json_object_get(facts, "host"), "vfio");

	(void)state;
	expect_result(with_host("done", "taint", json_integer(4097)), &host, "host.taint", NULL,
	              "warn: /proc/sys/kernel/tainted is 4097: P a proprietary module, O a module "
	              "from out of tree");
	expect_facts(with_host("done", "taint", json_integer(128 + 512)), &host,
	             BLOCKED_BY("host.taint"));
	expect_result(
	    with_host("done", "pending_reboot", json_pack("[sssss]", "a", "b", "c", "d", "e")),
	    &host, "host.pending-reboot", NULL, "warn: a; b; c; d; and 1 more");
	expect_result(with_host("nvidia", "holders",
	                        json_pack("[{sisssss[s]}]", "pid", 812, "name", "dcgm", "node",
	                                  "/dev/nvidia0", "devices", GPU)),
	              &host, "device.holders", GPU,
	              "fail: open in /proc/PID/fd: dcgm (pid 812, /dev/nvidia0)");
	json_object_set_new(vfio, "pci", json_string("other"));
	expect_facts(json_incref(facts), &host,
	             "pending: 01:00.0 pending host.vfio; 01:00.1 pending host.vfio");
	json_object_set_new(vfio, "pci", json_string("builtin"));
	json_object_set_new(vfio, "dma_entry_limit", json_integer(512));
	expect_result(facts, &host, "host.dma-limit", NULL,
	              "warn: /sys/module/vfio_iommu_type1/parameters/dma_entry_limit is 512");
	expect_result(with_device("done", GPU, "vfio_driver", json_string("nvgrace_gpu_vfio_pci")),
	              &host, "device.driver", GPU,
	              "pass: driver vfio-pci; modules.alias has a variant for it, "
	              "nvgrace_gpu_vfio_pci");
}

static void test_console(void **state)
{
	char argument[] = "initcall_blacklist=sysfb_init", *added[] = {argument};
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	json_t *facts = with_device("done", GPU, "console_memory", json_pack("[s]", "BOOTFB"));

	(void)state;
	expect_facts(
	    json_incref(facts), &host,
	    "blocked: 01:00.0 blocked device.boot-console; 01:00.1 blocked device.siblings");
	host.kernel_args_add = (struct string_list){added, 1};
	expect_facts(json_incref(facts), &host,
	             "pending: 01:00.0 pending device.boot-console; 01:00.1 ready");
	json_object_set_new(json_object_get(facts, "host"), "cmdline", json_string(argument));
	expect_facts(
	    facts, &host,
	    "blocked: 01:00.0 blocked device.boot-console; 01:00.1 blocked device.siblings");
	/* A host's own driver lets go of it when it is taken away. */
	facts = with_device("nvidia", GPU, "console_memory", json_pack("[s]", "BOOTFB"));
	expect_facts(facts, &host, CLEAN);
}

static void test_probe(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	expect_result(facts_load("done"), &host, "device.probe", GPU, "absent");
	expect_facts(with_device("done", GPU, "probe",
	                         json_pack("{ssssss}", "result", "skipped", "step", "", "message",
	                                   "in use")),
	             &host, "ready: 01:00.0 ready; 01:00.1 ready");
	expect_facts(with_device("done", GPU, "probe",
	                         json_pack("{ssssss}", "result", "hung", "step", "VFIO_SET_IOMMU",
	                                   "message", "no answer within 10 s")),
	             &host,
	             "blocked: 01:00.0 blocked device.probe; 01:00.1 blocked device.siblings");
}

/* What could not be seen of one function, or is still to be done, holds for the card. */
static void test_card_is_one(void **state)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);

	(void)state;
	expect_facts(with_device("done", AUDIO, "reserved_regions", json_null()), &host,
	             "unknown: 01:00.0 unknown device.siblings; 01:00.1 unknown "
	             "device.reserved-regions");
	expect_facts(with_lines("done",
	                        json_pack("[s]", "0000:01:00.0 10de 1b06 1462 3609 vfio-pci"),
	                        json_array()),
	             &host,
	             "pending: 01:00.0 pending device.siblings; 01:00.1 pending "
	             "device.early-binding");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_early_binding), cmocka_unit_test(test_twin_by_ids),
	    cmocka_unit_test(test_override),      cmocka_unit_test(test_nvswitch),
	    cmocka_unit_test(test_state),         cmocka_unit_test(test_console),
	    cmocka_unit_test(test_probe),         cmocka_unit_test(test_card_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
