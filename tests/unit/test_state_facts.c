/* test_state_facts.c: facts of the kernel's state on a made-up host: vfio as a module, built in or
 * missing; what waits for a reboot; who has a card open. */
#include "tests/unit/agent_root.h"

#include <sys/time.h>

#include "node-agent/facts/facts.h"

#define KERNEL  "6.1.0-18-amd64"
#define MODULES "/lib/modules/" KERNEL

static void assert_vfio(const struct root *root, const char *key, const char *expected)
{
	json_t *vfio = vfio_facts(root, KERNEL);
	json_t *value = json_incref(json_object_get(vfio, key));
	json_decref(vfio);
	assert_non_null(value);
	assert_json(value, expected);
}

static void test_vfio_nothing(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	json_t *vfio = vfio_facts(root, KERNEL);
	assert_json(vfio,
	            "{'pci':null,'type1':null,'dma_entry_limit':null,'disable_idle_d3':null}");
}

static void test_vfio_module(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	agent_root_file(root, MODULES "/modules.dep",
	                "kernel/drivers/vfio/pci/vfio-pci-core.ko.xz:\n"
	                "kernel/drivers/vfio/pci/vfio-pci.ko.xz: kernel/drivers/vfio/vfio.ko.xz\n");
	agent_root_file(root, MODULES "/modules.builtin",
	                "kernel/drivers/vfio/vfio_iommu_type1.ko\n");
	/* The list has it, the file is gone. */
	assert_vfio(root, "pci", "'absent'");
	agent_root_file(root, MODULES "/kernel/drivers/vfio/pci/vfio-pci.ko.xz", "");
	assert_vfio(root, "pci", "'module'");
	assert_vfio(root, "type1", "'builtin'");
	agent_root_dirs(root, "/sys/bus/pci/drivers/vfio-pci");
	agent_root_file(root, "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit",
	                "4294967295\n");
	agent_root_file(root, "/sys/module/vfio_pci/parameters/disable_idle_d3", "Y\n");
	assert_vfio(root, "pci", "'registered'");
	assert_vfio(root, "type1", "'registered'");
	assert_vfio(root, "dma_entry_limit", "2147483647");
	assert_vfio(root, "disable_idle_d3", "true");
}

static void test_vfio_other_kernel(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	agent_root_file(root, MODULES "/modules.dep", "kernel/net/x.ko:\n");
	agent_root_file(root, "/lib/modules/6.1.0-30-amd64/modules.dep",
	                "kernel/drivers/vfio/pci/vfio-pci.ko:\n");
	agent_root_file(root, "/lib/modules/6.1.0-30-amd64/kernel/drivers/vfio/pci/vfio-pci.ko",
	                "");
	assert_vfio(root, "pci", "'other'");
	assert_vfio(root, "type1", "'absent'");
	/* iommufd's containers need no type1. */
	agent_root_dirs(root, "/sys/class/vfio-dev");
	assert_vfio(root, "type1", "'iommufd'");
}

static void set_time(const struct root *root, const char *path, long seconds)
{
	const struct timeval times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
	assert_int_equal(utimes(root_path(root, path).text, times), 0);
}

static void file_of(const struct root *root, const char *path, long seconds)
{
	agent_root_file(root, path, "x\n");
	set_time(root, path, seconds);
}

static void test_reboot(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	assert_json(reboot_facts(root, KERNEL), "null"); /* the boot's time is not known */
	agent_root_file(root, "/proc/stat", "cpu  1 2 3\nbtime 1000000\nprocesses 7\n");
	agent_root_file(root, MODULES "/modules.dep", "");
	agent_root_file(root, "/lib/modules/6.1.0-9-amd64/modules.dep", "");
	agent_root_file(root, "/lib/modules/6.9.0-1-cloud/modules.dep", "");
	file_of(root, "/etc/modprobe.d/old.conf", 999999);
	file_of(root, "/etc/modprobe.d/same.conf", 1000000);
	file_of(root, "/etc/modprobe.d/readme.txt", 1000009);
	assert_json(reboot_facts(root, KERNEL), "[]");
	file_of(root, "/etc/modprobe.d/new.conf", 1000005);
	file_of(root, "/etc/default/grub", 1000005);
	agent_root_file(root, "/run/reboot-required", "");
	agent_root_file(root, "/lib/modules/6.1.0-22-amd64/modules.dep", "");
	assert_json(reboot_facts(root, KERNEL),
	            "['/etc/default/grub is newer than the boot',"
	            "'/etc/modprobe.d/new.conf is newer than the boot',"
	            "'6.1.0-22-amd64 is installed, the running kernel is 6.1.0-18-amd64',"
	            "'/run/reboot-required is there: a package asks for a reboot']");
	json_t *gone = reboot_facts(root, "6.1.0-23-amd64");
	assert_json(json_incref(json_array_get(gone, 2)),
	            "'/lib/modules/6.1.0-23-amd64 is gone: the running kernel can load no more "
	            "modules'");
	json_decref(gone);
}

/* What the commit of a proven trial writes is what runs already. */
static void test_reboot_commit(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	static const char place[] = "/var/lib/gpufleet/operations/commit-1";
	char path[128];
	agent_root_file(root, "/proc/stat", "cpu 1\nbtime 1000000\n");
	file_of(root, "/boot/grub/grub.cfg", 1000020);
	snprintf(path, sizeof(path), "%s/result.json", place);
	file_of(root, path, 1000030);
	snprintf(path, sizeof(path), "%s/request.json", place);
	agent_root_file(root, path, "{\"request\":{\"request\":\"apply\"}}");
	set_time(root, path, 1000010);
	json_t *reasons = reboot_facts(root, KERNEL);
	assert_int_equal(json_array_size(reasons), 1);
	json_decref(reasons);
	agent_root_file(root, path, "{\"request\":{\"request\":\"commit\"}}");
	set_time(root, path, 1000010);
	assert_json(reboot_facts(root, KERNEL), "[]");
	file_of(root, "/boot/grub/grub.cfg", 1000031);
	reasons = reboot_facts(root, KERNEL);
	assert_int_equal(json_array_size(reasons), 1);
	json_decref(reasons);
}

static json_t *holders(const struct root *root)
{
	struct holders *list = holders_open(root);
	json_decref(guest_facts(root, list));
	return holders_close(list);
}

static void test_holders(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	agent_root_dirs(root, "/proc");
	assert_json(holders(root), "[]");
	agent_root_file(root, "/proc/driver/nvidia/gpus/0000:01:00.0/information",
	                "Model: \t\t A100\nDevice Minor: \t 3\n");
	agent_root_link(root, "/sys/class/drm/renderD128/device", "../../../0000:02:00.0");
	agent_root_file(root, "/proc/812/cmdline", "nvidia-persistenced");
	agent_root_file(root, "/proc/812/comm", "nvidia-persiste\n");
	agent_root_link(root, "/proc/812/fd/3", "/dev/nvidiactl");
	agent_root_link(root, "/proc/812/fd/4", "/dev/nvidia3");
	agent_root_link(root, "/proc/812/fd/5", "/dev/nvidia3");
	agent_root_link(root, "/proc/812/fd/6", "/dev/nvidia4");
	agent_root_file(root, "/proc/900/cmdline", "Xorg");
	agent_root_file(root, "/proc/900/comm", "Xorg\n");
	agent_root_link(root, "/proc/900/fd/9", "/dev/dri/renderD128");
	agent_root_link(root, "/proc/900/fd/10", "/dev/dri/../../etc/passwd");
	assert_json(holders(root),
	            "[{'pid':812,'name':'nvidia-persiste','node':'/dev/nvidia3','devices':"
	            "['0000:01:00.0']},"
	            "{'pid':900,'name':'Xorg','node':'/dev/dri/renderD128','devices':"
	            "['0000:02:00.0']}]");
}

/* A guest by its open device of iommufd, without a word in its arguments. */
static void test_guest_by_cdev(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	agent_root_bytes(root, "/proc/100/cmdline", "/usr/bin/qemu-system-x86_64\0-M\0q35", 35);
	agent_root_link(root, "/proc/100/fd/7", "/dev/vfio/devices/vfio3");
	agent_root_link(root, "/sys/class/vfio-dev/vfio3/device", "../../../0000:01:00.0");
	json_t *guests = guest_facts(root, NULL);
	json_t *devices = json_object_get(json_array_get(guests, 0), "devices");
	assert_json(json_incref(devices), "['0000:01:00.0']");
	json_decref(guests);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, agent_root_setup, agent_root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_vfio_nothing),      TEST(test_vfio_module),
	                                   TEST(test_vfio_other_kernel), TEST(test_reboot),
	                                   TEST(test_reboot_commit),     TEST(test_holders),
	                                   TEST(test_guest_by_cdev)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
