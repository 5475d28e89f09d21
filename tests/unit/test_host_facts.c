/* test_host_facts.c: facts of a made-up host: Intel, Debian, guests. And of one where nothing can
 * be read. */
#include "tests/unit/agent_root.h"

#include "node-agent/facts/facts.h"

static json_t *fact(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);
	assert_non_null(value);
	return json_incref(value);
}

static void test_host(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	agent_root_file(root, "/proc/sys/kernel/hostname", "gpu01\n");
	agent_root_file(root, "/proc/sys/kernel/osrelease", "6.1.0-1-amd64\n");
	agent_root_file(root, "/proc/sys/kernel/random/boot_id", "b00-1d\n");
	agent_root_file(root, "/proc/sys/kernel/tainted", "4097\n");
	agent_root_file(root, "/proc/cmdline", "root=/dev/sda1 intel_iommu=on\n");
	agent_root_file(root, "/proc/meminfo", "MemTotal:       16384 kB\nMemFree: 1 kB\n");
	agent_root_file(root, "/proc/cpuinfo",
	                "processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vmx sse\n\n"
	                "processor\t: 1\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vmx sse\n");
	agent_root_file(root, "/etc/os-release",
	                "NAME=x\nVERSION_ID=\"12\"\nID=debian\nPRETTY_NAME='Debian 12'");
	agent_root_file(root, "/etc/default/grub", "");
	agent_root_script(root, "/usr/sbin/update-initramfs", "#!/bin/sh\n");
	agent_root_script(root, "/usr/sbin/mkinitramfs", "#!/bin/sh\n");
	agent_root_script(root, "/usr/sbin/update-grub", "#!/bin/sh\n");
	agent_root_file(root, "/sys/kernel/security/lockdown",
	                "none [integrity] confidentiality\n");
	agent_root_bytes(
	    root, "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c",
	    "\6\0\0\0\1", 5);
	agent_root_file(root, "/sys/firmware/acpi/tables/DMAR", "");
	agent_root_dirs(root, "/sys/class/iommu/dmar0");
	agent_root_dirs(root, "/sys/kernel/iommu_groups/0");
	agent_root_dirs(root, "/sys/kernel/iommu_groups/1");
	agent_root_file(root, "/proc/interrupts", "  25:  0  IR-PCI-MSI 1-edge eth0\n");
	agent_root_file(root, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
	                "N\n");
	agent_root_file(root, "/proc/modules",
	                "vfio_pci 16384 0 - Live 0x0\nvfio 1 1 - Live 0x0\n");
	agent_root_file(root, "/lib/modules/6.1.0-1-amd64/modules.builtin",
	                "kernel/drivers/vfio/vfio-iommu.ko\nkernel/x.ko\n");
	agent_root_file(root, "/proc/fb", "0 EFI VGA\n");
	agent_root_file(root, "/lib/systemd/system/nova-compute.service", "");
	agent_root_file(root, "/etc/systemd/system/libvirtd.service", "");
	agent_root_dirs(root, "/run/systemd/system");
	agent_root_script(
	    root, "/usr/bin/systemctl",
	    "#!/bin/sh\n[ \"$*\" = 'is-active nova-compute.service libvirtd.service' ] || "
	    "exit 1\necho active\necho inactive\nexit 3\n");
	json_t *host = host_facts(root);
	assert_json(fact(host, "hostname"), "'gpu01'");
	assert_json(fact(host, "boot_id"), "'b00-1d'");
	assert_json(fact(host, "kernel"), "'6.1.0-1-amd64'");
	assert_json(fact(host, "cmdline"), "'root=/dev/sda1 intel_iommu=on'");
	assert_json(fact(host, "cpu_vendor"), "'intel'");
	assert_json(fact(host, "cpu_virtualization"), "true");
	assert_json(fact(host, "cpus"), "2");
	assert_json(fact(host, "memory_kb"), "16384");
	assert_json(fact(host, "distribution"),
	            "{'id':'debian','version':'12','name':'Debian 12'}");
	assert_json(fact(host, "boot_loader"), "'grub'");
	assert_json(fact(host, "boot_tool"), "'update-grub'");
	assert_json(fact(host, "initramfs"), "'initramfs-tools'");
	assert_json(fact(host, "secure_boot"), "true");
	assert_json(fact(host, "lockdown"), "'integrity'");
	assert_json(fact(host, "taint"), "4097");
	assert_json(fact(host, "iommu"),
	            "{'tables':['DMAR'],'units':['dmar0'],'groups':2,'interrupt_remapping':true,"
	            "'unsafe_interrupts':false}");
	assert_json(fact(host, "modules"),
	            "{'loaded':['vfio_pci','vfio'],'builtin':['vfio_iommu','x']}");
	assert_json(fact(host, "framebuffers"), "['EFI VGA']");
	assert_json(fact(host, "guests"), "[]");
	assert_json(fact(host, "services"), "[{'name':'nova-compute.service','state':'active'},"
	                                    "{'name':'libvirtd.service','state':'inactive'}]");
	json_decref(host);
}

static void test_nothing(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	json_t *host = host_facts(root);
	static const char *const unknown[] = {
	    "hostname",          "boot_id",   "kernel",   "cmdline",     "cpus",  "memory_kb",
	    "boot_loader",       "initramfs", "lockdown", "secure_boot", "taint", "guests",
	    "cpu_virtualization"};
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_json(fact(host, unknown[i]), "null");
	assert_json(fact(host, "cpu_vendor"), "'other'");
	json_decref(host);
}

#define ARGS(text) text, sizeof(text) - 1

static void test_guests(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	agent_root_bytes(
	    root, "/proc/100/cmdline",
	    ARGS("/usr/bin/qemu-system-x86_64\0-name\0guest=instance-1,debug-threads=on\0"
	         "-device\0vfio-pci,host=0000:01:00.0,id=a\0-device\0"
	         "{\"driver\":\"vfio-pci\",\"host\":\"0000:01:00.1\"}\0-device\0"
	         "virtio-net-pci,host=0000:09:00.0\0-device\0vfio-pci,host=02:00.0\0"
	         "-device\0vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:03:00.0\0-device\0{bad\0"
	         "-device\0vfio-pci,host=nonsense\0-m\0size=4194304k,slots=16\0-smp\0"
	         "4,maxcpus=8,sockets=8\0-object\0"
	         "{\"qom-type\":\"memory-backend-ram\",\"host-nodes\":[1]}\0-device\0"));
	agent_root_link(root, "/proc/100/fd/7", "/dev/vfio/8");
	agent_root_link(root, "/proc/100/fd/8", "/dev/vfio/vfio");
	agent_root_dirs(root, "/sys/kernel/iommu_groups/8/devices/0000:04:00.0");
	agent_root_dirs(root, "/sys/kernel/iommu_groups/8/devices/0000:00:01.0");
	agent_root_link(root, "/sys/bus/pci/devices/0000:04:00.0/driver", "../drivers/vfio-pci");
	agent_root_link(root, "/sys/bus/pci/devices/0000:00:01.0/driver", "../drivers/pcieport");
	agent_root_bytes(root, "/proc/200/cmdline", ARGS("/usr/sbin/dpdk\0-x\0"));
	agent_root_file(root, "/proc/200/comm", "dpdk\n");
	agent_root_link(root, "/proc/200/fd/3", "/dev/vfio/9");
	agent_root_bytes(root, "/proc/300/cmdline", ARGS("grep\0qemu-system-x86_64\0"));
	agent_root_file(root, "/proc/400/cmdline", "");
	agent_root_file(root, "/run/libvirt/qemu/web.xml",
	                "<domstatus state='running' pid='400'>\n<domain type='kvm' id='1'>"
	                "<memory unit='KiB'>2097152</memory><vcpu placement='static' "
	                "current='2'>6</vcpu>\n");
	agent_root_file(root, "/run/libvirt/qemu/gone.xml",
	                "<domstatus state='running' pid='77'>\n");
	agent_root_file(root, "/run/libvirt/qemu/seen.xml",
	                "<domstatus state='running' pid='100'>\n");
	agent_root_file(root, "/run/libvirt/qemu/notes.txt", "<domstatus pid='400'>\n");
	assert_json(guest_facts(root, NULL),
	            "[{'pid':100,'name':'instance-1','source':'qemu','devices':['0000:01:00.0',"
	            "'0000:01:00.1','0000:02:00.0','0000:03:00.0','0000:04:00.0'],"
	            "'vcpus':4,'memory_mb':4096,'numa_nodes':[1]},"
	            "{'pid':200,'name':'dpdk','source':'vfio','devices':[]},"
	            "{'pid':400,'name':'web','source':'libvirt','devices':[],'vcpus':2,"
	            "'memory_mb':2048,'numa_nodes':[]}]");
}

static void test_guest_sizes(void **state)
{
	static const struct {
		const char *option, *value, *size;
	} cases[] = {
	    {"-smp", "8", "{'vcpus':8,'memory_mb':null,'numa_nodes':[]}"},
	    {"--smp", "cpus=3,maxcpus=4", "{'vcpus':3,'memory_mb':null,'numa_nodes':[]}"},
	    {"-smp", "maxcpus=4", "{'vcpus':4,'memory_mb':null,'numa_nodes':[]}"},
	    {"-smp", "sockets=2,cores=3", "{'vcpus':6,'memory_mb':null,'numa_nodes':[]}"},
	    {"-smp", "sockets=65536,cores=65536",
	     "{'vcpus':null,'memory_mb':null,'numa_nodes':[]}"},
	    {"-smp", "99999999999999999999", "{'vcpus':null,'memory_mb':null,'numa_nodes':[]}"},
	    {"-smp", "8x", "{'vcpus':null,'memory_mb':null,'numa_nodes':[]}"},
	    {"-smp", "-1", "{'vcpus':null,'memory_mb':null,'numa_nodes':[]}"},
	    {"-m", "512", "{'vcpus':null,'memory_mb':512,'numa_nodes':[]}"},
	    {"-m", "3G,slots=2", "{'vcpus':null,'memory_mb':3072,'numa_nodes':[]}"},
	    {"-m", "1T", "{'vcpus':null,'memory_mb':1048576,'numa_nodes':[]}"},
	    {"-m", "size=1025k", "{'vcpus':null,'memory_mb':2,'numa_nodes':[]}"},
	    {"-m", "999999999999T", "{'vcpus':null,'memory_mb':null,'numa_nodes':[]}"},
	    {"-m", "4Q", "{'vcpus':null,'memory_mb':null,'numa_nodes':[]}"},
	    {"-object", "memory-backend-file,size=1G,host-nodes=0-1,policy=bind",
	     "{'vcpus':null,'memory_mb':null,'numa_nodes':[0,1]}"},
	    {"-object", "memory-backend-ram,host-nodes=9-1",
	     "{'vcpus':null,'memory_mb':null,'numa_nodes':[]}"},
	    {"-object", "{\"qom-type\":\"secret\",\"host-nodes\":[1]}",
	     "{'vcpus':null,'memory_mb':null,'numa_nodes':[]}"},
	    {"-object", "{broken", "{'vcpus':null,'memory_mb':null,'numa_nodes':[]}"},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct guest_size size = {-1, -1, NULL};
		json_t *guest = json_object();
		guest_size_option(&size, cases[i].option, cases[i].value);
		guest_size_take(&size, guest);
		assert_json(guest, cases[i].size);
	}
}

static void test_numa(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	char path[80];
	assert_json(numa_facts(root), "null");
	agent_root_file(root, "/sys/devices/system/node/node0/cpulist", "0-1,4\n");
	agent_root_file(root, "/sys/devices/system/node/node0/meminfo",
	                "Node 0 MemTotal:       32768 kB\nNode 0 MemFree: 1 kB\n");
	agent_root_file(
	    root, "/sys/devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "16\n");
	agent_root_file(root, "/sys/devices/system/node/node10/cpulist", "2-3\n");
	agent_root_file(root, "/sys/devices/system/node/node2/cpulist", "\n");
	agent_root_file(root, "/sys/devices/system/node/node2/meminfo", "nonsense\n");
	agent_root_file(root, "/sys/devices/system/node/online", "0,10\n");
	agent_root_file(root, "/sys/devices/system/node/nodex/cpulist", "1\n");
	for (int cpu = 0; cpu < 5; cpu++) {
		snprintf(path, sizeof(path),
		         "/sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
		/* Two sockets in node 10. */
		agent_root_file(root, path, cpu == 3 ? "1\n" : "0\n");
	}
	assert_json(numa_facts(root),
	            "[{'node':0,'cpus':'0-1,4','memory_kb':32768,'socket':0,"
	            "'huge_pages':[{'size_kb':2048,'total':16}]},"
	            "{'node':2,'cpus':'','memory_kb':null,'socket':null,'huge_pages':null},"
	            "{'node':10,'cpus':'2-3','memory_kb':null,'socket':null,'huge_pages':null}]");
}

static void test_document(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	agent_root_file(root, "/proc/sys/kernel/osrelease", "../../etc\n");
	json_t *facts = facts_collect(root, NULL);
	assert_json(fact(facts, "facts"), "1");
	assert_json(fact(facts, "pci"), "[]");
	json_decref(facts);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, agent_root_setup, agent_root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_host),   TEST(test_nothing),
	                                   TEST(test_guests), TEST(test_guest_sizes),
	                                   TEST(test_numa),   TEST(test_document)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
