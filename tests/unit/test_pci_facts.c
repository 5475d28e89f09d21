/* test_pci_facts.c: PCI facts of a made-up /sys: a card behind a root port, and devices that cannot
 * be read. */
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/agent_root.h"

#include "node-agent/facts/facts.h"

#define PORT         "/sys/devices/pci0000:00/0000:00:01.0"
#define CARD         PORT "/0000:01:00.0"
#define AUDIO        PORT "/0000:01:00.1"
#define NIC          "/sys/devices/pci0000:00/0000:00:03.0"
#define NIC_FUNCTION "/sys/devices/pci0000:00/0000:00:03.1"
#define CONFIG       4096

static void put16(unsigned char *config, size_t at, unsigned value)
{
	config[at] = (unsigned char)value;
	config[at + 1] = (unsigned char)(value >> 8);
}

static void put32(unsigned char *config, size_t at, uint32_t value)
{
	put16(config, at, value & 0xffff);
	put16(config, at + 2, value >> 16);
}

/* A PCI Express function's configuration space, without extended capabilities so far. */
static void config_express(unsigned char *config, unsigned header)
{
	memset(config, 0, CONFIG);
	put16(config, 0x00, 0x10de);
	put16(config, 0x06, 0x0010); /* it has a capability list */
	config[0x0e] = (unsigned char)header;
	config[0x34] = 0x40;
	config[0x40] = 0x10; /* PCI Express */
	put16(config, 0x42, 0x0002);
}

static void extended(unsigned char *config, size_t at, unsigned id, size_t next)
{
	put32(config, at, id | 1U << 16 | (uint32_t)next << 20);
}

static void device(const struct root *root, const char *path, const char *vendor, const char *dev,
                   const char *class)
{
	char name[PATH_MAX], target[PATH_MAX];
	const char *address = strrchr(path, '/') + 1;
	const struct {
		const char *file, *text;
	} files[] = {{"vendor", vendor},
	             {"device", dev},
	             {"class", class},
	             {"subsystem_vendor", "0x1462\n"},
	             {"subsystem_device", "0x3609\n"},
	             {"revision", "0xa1\n"},
	             {"irq", "11\n"},
	             {"driver_override", "(null)\n"},
	             {"numa_node", "-1\n"},
	             {"power_state", "D0\n"},
	             {"resource", "0x00000000f6000000 0x00000000f6ffffff 0x0000000000040200\n"
	                          "0x0000000000000000 0x000000000fffffff 0x000000002014220c\n"
	                          "0x0000000000000000 0x0000000000000000 0x0000000000000000\n"
	                          "0x000000000000e000 0x000000000000e07f 0x0000000000040101\n"}};
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(name, sizeof(name), "%s/%s", path, files[i].file);
		agent_root_file(root, name, files[i].text);
	}
	snprintf(name, sizeof(name), "/sys/bus/pci/devices/%s", address);
	snprintf(target, sizeof(target), "../../..%s", path + strlen("/sys"));
	agent_root_link(root, name, target);
}

static void make_card(const struct root *root)
{
	unsigned char config[CONFIG];
	device(root, PORT, "0x8086\n", "0x1901\n", "0x060400\n");
	config_express(config, 1);
	put16(config, 0x42, 0x0042);        /* a root port */
	extended(config, 0x100, 0x000d, 0); /* ACS */
	put16(config, 0x104, 0x001f);
	put16(config, 0x106, 0x001d);
	agent_root_bytes(root, PORT "/config", config, CONFIG);

	device(root, CARD, "0x10de\n", "0x1b06\n", "0x030000\n");
	config_express(config, 0x80);
	extended(config, 0x100, 0x0003, 0x140); /* serial number */
	put32(config, 0x104, 0x44556677);
	put32(config, 0x108, 0x00112233);
	extended(config, 0x140, 0x0010, 0x200); /* SR-IOV */
	put16(config, 0x140 + 0x0e, 16);
	put16(config, 0x140 + 0x10, 2);
	extended(config, 0x200, 0x0015, 0); /* resizable BAR */
	put32(config, 0x204, 0x3f00);       /* 16 to 512 MiB */
	put32(config, 0x208, 1 | 1 << 5 | 8 << 8);
	agent_root_bytes(root, CARD "/config", config, CONFIG);
	agent_root_file(root, CARD "/boot_vga", "1\n");
	agent_root_file(root, CARD "/reset_method", "flr bus\n");
	agent_root_file(root, CARD "/d3cold_allowed", "1\n");
	agent_root_file(root, CARD "/power/runtime_status", "suspended\n");
	agent_root_file(root, CARD "/modalias",
	                "pci:v000010DEd00001B06sv00001462sd00003609bc03sc00i00\n");
	agent_root_link(root, CARD "/driver", "../../../../bus/pci/drivers/nouveau");
	agent_root_link(root, CARD "/iommu_group", "../../../../kernel/iommu_groups/8");
	agent_root_link(root, CARD "/consumer:pci:0000:01:00.1", "../../nowhere");
	agent_root_link(root, CARD "/consumer:pci:nonsense", "../../nowhere");
	agent_root_file(root, "/sys/kernel/iommu_groups/8/reserved_regions",
	                "0x00000000000a0000 0x00000000000fffff direct\n"
	                "0x00000000fee00000 0x00000000feefffff msi\n"
	                "0x00000000001a0000 0x00000000001fffff direct\n");
	device(root, AUDIO, "0x10de\n", "0x10ef\n", "0x040300\n");
}

static json_t *pci(const struct root *root)
{
	struct module_index *modules = module_index_open(root, "6.1.0-test");
	json_t *devices = pci_facts(root, modules, NULL);
	module_index_free(modules);
	assert_non_null(devices);
	return devices;
}

static json_t *fact(json_t *devices, size_t index, const char *key)
{
	json_t *value = json_object_get(json_array_get(devices, index), key);
	assert_non_null(value);
	return json_incref(value);
}

static void test_card(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	make_card(root);
	agent_root_file(root, "/lib/modules/6.1.0-test/modules.alias",
	                "# comment\n"
	                "alias pci:v000010DEd*sv*sd*bc03sc*i* nouveau\n"
	                "alias pci:v000010DEd*sv*sd*bc03sc*i* nouveau\n"
	                "alias pci:v*d*sv*sd*bc03sc00i* any-vga\n"
	                "alias pci:v000010DEd000010EFsv*sd*bc04sc03i* snd_hda_intel\n"
	                "alias pci:v00008086d*sv*sd*bc*sc*i* other\n"
	                "alias vfio_pci:v*d*sv*sd*bc*sc*i* vfio_pci\n"
	                "alias vfio_pci:v000010DEd*sv*sd*bc*sc*i* nvgrace-gpu-vfio-pci\n"
	                "alias vfio_pci:v000015B3d0000101Esv*sd*bc*sc*i* mlx5_vfio_pci\n"
	                "alias usb:v10DE* usb\nalias\nalias pci:\n");
	static const char builtin[] =
	    "vga.license=GPL\0in-kernel.alias=pci:v*d*sv*sd*bc03sc*i*\0junk";
	agent_root_bytes(root, "/lib/modules/6.1.0-test/modules.builtin.modinfo", builtin,
	                 sizeof(builtin));
	json_t *devices = pci(root);
	assert_int_equal(json_array_size(devices), 3);
	assert_json(fact(devices, 1, "address"), "'0000:01:00.0'");
	assert_json(fact(devices, 1, "vendor"), "'10de'");
	assert_json(fact(devices, 1, "device"), "'1b06'");
	assert_json(fact(devices, 1, "subsystem_vendor"), "'1462'");
	assert_json(fact(devices, 1, "class"), "'0300'");
	assert_json(fact(devices, 1, "prog_if"), "'00'");
	assert_json(fact(devices, 1, "revision"), "'a1'");
	assert_json(fact(devices, 1, "header"), "'endpoint'");
	assert_json(fact(devices, 1, "driver"), "'nouveau'");
	assert_json(fact(devices, 1, "modules"), "['nouveau','any_vga','in_kernel']");
	assert_json(fact(devices, 1, "iommu_group"), "8");
	assert_json(fact(devices, 1, "reserved_regions"), "['direct','msi']");
	assert_json(fact(devices, 1, "numa_node"), "-1");
	assert_json(fact(devices, 1, "boot_vga"), "true");
	assert_json(fact(devices, 1, "bars"),
	            "[{'index':0,'size':16777216,'assigned':true,'prefetchable':false,'io':false},"
	            "{'index':1,'size':268435456,'assigned':false,'prefetchable':true,'io':false},"
	            "{'index':3,'size':128,'assigned':true,'prefetchable':false,'io':true}]");
	assert_json(fact(devices, 1, "resizable_bar"), "true");
	assert_json(fact(devices, 1, "resizable"),
	            "[{'index':1,'size':268435456,'largest':536870912}]");
	assert_json(fact(devices, 1, "vfio_driver"), "'nvgrace_gpu_vfio_pci'");
	assert_json(fact(devices, 1, "runtime_status"), "'suspended'");
	assert_json(fact(devices, 1, "acs"), "null");
	assert_json(fact(devices, 1, "sriov"), "{'total':16,'used':2}");
	assert_json(fact(devices, 1, "power_state"), "'D0'");
	assert_json(fact(devices, 1, "d3cold_allowed"), "true");
	assert_json(fact(devices, 1, "reset_methods"), "['flr','bus']");
	assert_json(fact(devices, 1, "serial"), "'00-11-22-33-44-55-66-77'");
	assert_json(fact(devices, 1, "path"), "['0000:00:01.0']");
	assert_json(fact(devices, 1, "siblings"), "['0000:01:00.1']");
	assert_json(fact(devices, 1, "multifunction"), "true");
	assert_json(fact(devices, 1, "pcie"), "{'type':'endpoint'}");
	assert_json(fact(devices, 0, "multifunction"), "false");
	assert_json(fact(devices, 0, "pcie"), "{'type':'root_port'}");
	assert_json(fact(devices, 0, "header"), "'bridge'");
	assert_json(fact(devices, 0, "acs"), "{'capable':31,'enabled':29}");
	assert_json(fact(devices, 0, "resizable_bar"), "false");
	assert_json(fact(devices, 0, "path"), "[]");
	json_decref(devices);
}

static void test_unreadable(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	unsigned char config[CONFIG];
	device(root, NIC, "0x10de\n", "0x1b06\n", "0x030000\n");
	static const struct {
		int fill;
		size_t size;
		bool express;
		const char *pcie; /* NULL: no key */
	} cases[] = {{0xff, CONFIG, false, NULL},
	             {0, 64, true, NULL},
	             {0, 256, true, "{'type':'endpoint'}"},
	             {0, 256, false, "null"},
	             {0, 0, false, NULL}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		memset(config, cases[i].fill, CONFIG);
		if (cases[i].express)
			config_express(config, 0);
		agent_root_bytes(root, NIC "/config", config, cases[i].size);
		json_t *devices = pci(root);
		assert_int_equal(json_array_size(devices), 1);
		assert_json(fact(devices, 0, "acs"), "null");
		assert_json(fact(devices, 0, "sriov"), "null");
		assert_json(fact(devices, 0, "serial"), "null");
		if (cases[i].pcie)
			assert_json(fact(devices, 0, "pcie"), cases[i].pcie);
		else
			assert_null(json_object_get(json_array_get(devices, 0), "pcie"));
		if ((cases[i].size == 256 && cases[i].express) || cases[i].fill)
			assert_json(fact(devices, 0, "resizable_bar"), "null");
		assert_json(fact(devices, 0, "header"), "'endpoint'");
		json_decref(devices);
	}
}

static void test_express_types(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	static const char *const types[16] = {"{'type':'endpoint'}",
	                                      "{'type':'legacy_endpoint'}",
	                                      "{'type':null}",
	                                      "{'type':null}",
	                                      "{'type':'root_port'}",
	                                      "{'type':'upstream'}",
	                                      "{'type':'downstream'}",
	                                      "{'type':'pcie_to_pci'}",
	                                      "{'type':'pci_to_pcie'}",
	                                      "{'type':'rc_endpoint'}",
	                                      "{'type':'rc_event_collector'}",
	                                      "{'type':null}",
	                                      "{'type':null}",
	                                      "{'type':null}",
	                                      "{'type':null}",
	                                      "{'type':null}"};
	unsigned char config[CONFIG];
	device(root, NIC, "0x8086\n", "0x1521\n", "0x020000\n");
	for (unsigned i = 0; i < 16; i++) {
		config_express(config, 0);
		put16(config, 0x42, i << 4 | 2);
		agent_root_bytes(root, NIC "/config", config, CONFIG);
		json_t *devices = pci(root);
		assert_json(fact(devices, 0, "pcie"), types[i]);
		json_decref(devices);
	}
}

/* Vendor and device of a virtual function read all ones; the kernel gives it its parent's. */
static void test_virtual_function(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	unsigned char config[CONFIG];
	device(root, NIC_FUNCTION, "0x8086\n", "0x1520\n", "0x020000\n");
	config_express(config, 0);
	put32(config, 0x00, UINT32_MAX);
	extended(config, 0x100, 0x000d, 0); /* ACS */
	agent_root_bytes(root, NIC_FUNCTION "/config", config, CONFIG);
	json_t *devices = pci(root);
	assert_json(fact(devices, 0, "pcie"), "{'type':'endpoint'}");
	assert_json(fact(devices, 0, "multifunction"), "false");
	assert_json(fact(devices, 0, "acs"), "{'capable':0,'enabled':0}");
	json_decref(devices);
}

static void test_circular(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	unsigned char config[CONFIG];
	device(root, NIC, "0x10de\n", "0x1b06\n", "0x030000\n");
	config_express(config, 0);
	config[0x41] = 0x40;
	extended(config, 0x100, 0x0003, 0x140);
	extended(config, 0x140, 0x0015, 0x100);
	agent_root_bytes(root, NIC "/config", config, CONFIG);
	json_t *devices = pci(root);
	assert_json(fact(devices, 0, "resizable_bar"), "true");
	assert_json(fact(devices, 0, "serial"), "null"); /* zero is no serial number */
	json_decref(devices);
}

/* Where a driver hangs in `unbind`, whoever reads these files hangs, too. Here they are FIFOs. */
static void test_locked_device(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	device(root, NIC, "0x8086\n", "0x1521\n", "0x020000\n");
	assert_int_equal(unlink(root_path(root, NIC "/driver_override").text), 0);
	assert_int_equal(mkfifo(root_path(root, NIC "/driver_override").text, 0600), 0);
	assert_int_equal(mkfifo(root_path(root, NIC "/sriov_numvfs").text, 0600), 0);
	agent_root_file(root, NIC "/sriov_totalvfs", "8\n");
	agent_root_link(root, NIC "/virtfn0", "../0000:00:03.1");
	device(root, NIC_FUNCTION, "0x8086\n", "0x1520\n", "0x020000\n");
	agent_root_link(root, NIC_FUNCTION "/physfn", "../0000:00:03.0");
	alarm(60);
	json_t *devices = pci(root);
	alarm(0);
	assert_int_equal(json_array_size(devices), 2);
	assert_json(fact(devices, 0, "sriov"), "{'total':8,'used':1}");
	assert_json(fact(devices, 0, "physical_function"), "null");
	assert_json(fact(devices, 1, "physical_function"), "'0000:00:03.0'");
	json_decref(devices);
}

/* The firmware's framebuffer in the card's memory; who may not see addresses sees zeros. */
static void test_console(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	make_card(root);
	json_t *devices = pci(root);
	assert_json(fact(devices, 1, "console_memory"), "null");
	json_decref(devices);
	agent_root_file(root, "/proc/iomem",
	                "00000000-00000000 : System RAM\n00000000-00000000 : PCI Bus\n"
	                "  00000000-00000000 : BOOTFB\n");
	devices = pci(root);
	assert_json(fact(devices, 1, "console_memory"), "null");
	json_decref(devices);
	agent_root_file(root, "/proc/iomem",
	                "00001000-0009fbff : System RAM\nf0000000-f7ffffff : PCI Bus 0000:01\n"
	                "  f6000000-f6ffffff : 0000:01:00.0\n    f6000000-f67fffff : BOOTFB\n"
	                "  f7000000-f70fffff : efifb\n");
	devices = pci(root);
	assert_json(fact(devices, 1, "console_memory"), "['BOOTFB']");
	json_decref(devices);
}

static void test_divided(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	make_card(root);
	json_t *devices = pci(root);
	assert_json(fact(devices, 1, "vgpu"), "null");
	json_decref(devices);
	agent_root_dirs(root, CARD "/mdev_supported_types/nvidia-63/devices");
	agent_root_dirs(root, CARD "/mdev_supported_types/nvidia-64/devices/83b8f4f2-509f");
	agent_root_file(root, AUDIO "/nvidia/creatable_vgpu_types",
	                "ID    : vGPU Name\n557   : NVIDIA A40-1B\n558   : NVIDIA A40-2B\n");
	agent_root_file(root, AUDIO "/nvidia/current_vgpu_type", "558\n");
	agent_root_file(root, "/proc/driver/nvidia/gpus/0000:00:01.0/information",
	                "Device Minor: 2\n");
	agent_root_dirs(root, "/proc/driver/nvidia/capabilities/gpu2/mig/gi1");
	agent_root_dirs(root, "/proc/driver/nvidia/capabilities/gpu2/mig/gi7");
	devices = pci(root);
	assert_json(fact(devices, 1, "vgpu"), "{'types':2,'instances':1,'mig':0}");
	assert_json(fact(devices, 2, "vgpu"), "{'types':2,'instances':1,'mig':0}");
	assert_json(fact(devices, 0, "vgpu"), "{'types':0,'instances':0,'mig':2}");
	json_decref(devices);
}

static void test_garbage(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	device(root, NIC, "nonsense\n", "0x1234567\n", "\n");
	agent_root_file(root, NIC "/resource", "1\n2 3\nx y z\n");
	agent_root_file(root, NIC "/numa_node", "many\n");
	agent_root_file(root, NIC "/boot_vga", "perhaps\n");
	agent_root_link(root, NIC "/iommu_group", "../../../../kernel/iommu_groups/8x");
	json_t *devices = pci(root);
	assert_int_equal(json_array_size(devices), 1);
	assert_json(fact(devices, 0, "vendor"), "null");
	assert_json(fact(devices, 0, "device"), "null");
	assert_json(fact(devices, 0, "class"), "null");
	assert_json(fact(devices, 0, "bars"), "[]");
	assert_json(fact(devices, 0, "numa_node"), "null");
	assert_json(fact(devices, 0, "boot_vga"), "null");
	assert_json(fact(devices, 0, "iommu_group"), "null");
	json_decref(devices);
}

static void test_no_pci(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	assert_json(pci(root), "[]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, agent_root_setup, agent_root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_card),          TEST(test_unreadable),
	                                   TEST(test_express_types), TEST(test_virtual_function),
	                                   TEST(test_circular),      TEST(test_locked_device),
	                                   TEST(test_garbage),       TEST(test_no_pci),
	                                   TEST(test_console),       TEST(test_divided)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
