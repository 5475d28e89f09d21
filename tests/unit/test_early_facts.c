/* test_early_facts.c: what binds devices at the next boot, from an image and from a host's files.
 * The image is a directory's tar; the program that unpacks it counts how often it ran. */
#include "tests/unit/agent_root.h"

#include "node-agent/boot/bind_scripts.h"
#include "node-agent/facts/early_binding.h"
#include "node-agent/facts/facts.h"

#define KERNEL "6.1.0-18-amd64"
#define IMAGE  "/boot/initrd.img-" KERNEL
#define LIST   "# head\n0000:01:00.0 10de 1b06 1462 3609 vfio-pci\n"

/* A host with initramfs-tools, whose unmkinitramfs unpacks a tar. */
static void make_host(const struct root *root)
{
	agent_root_script(root, "/usr/sbin/update-initramfs", "#!/bin/sh\n");
	agent_root_script(root, "/usr/sbin/mkinitramfs", "#!/bin/sh\n");
	agent_root_script(root, "/usr/bin/unmkinitramfs",
	                  "#!/bin/sh\necho x >>\"$GPUFLEET_SYSROOT/unpacked\"\n"
	                  "exec tar -C \"$2\" -xf \"$1\"\n");
	agent_root_dirs(root, "/var/tmp");
	agent_root_dirs(root, "/var/lib/gpufleet");
	agent_root_file(root, "/proc/cmdline", "quiet\n");
}

/* Packs what lies below /image. */
static void make_image(const struct root *root)
{
	char command[3 * PATH_MAX];
	agent_root_dirs(root, "/boot");
	snprintf(command, sizeof(command), "tar -C '%s/image' -cf '%s" IMAGE "' .", root->path,
	         root->path);
	assert_int_equal(system(command), 0);
}

/* gpufleet's parts of an image of initramfs-tools. */
static void make_ours(const struct root *root)
{
	agent_root_file(root, "/image/etc/gpufleet/bind.conf", LIST);
	agent_root_script(root, "/image/scripts/init-top/gpufleet-bind", bind_script);
	agent_root_script(root, "/image/scripts/init-top/udev", "#!/bin/sh\n");
	agent_root_file(root, "/image/scripts/init-top/ORDER",
	                "/scripts/init-top/gpufleet-bind \"$@\"\n[ -e /conf/param.conf ] && . "
	                "/conf/param.conf\n/scripts/init-top/udev \"$@\"\n");
	agent_root_file(root, "/image/usr/lib/modules/" KERNEL "/vfio-pci.ko.xz", "");
}

static json_t *early(const struct root *root, const char *key)
{
	json_t *facts = early_facts(root, KERNEL);
	json_t *value = json_incref(json_object_get(facts, key));
	json_decref(facts);
	assert_non_null(value);
	return value;
}

static void test_no_tool(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	assert_json(early_facts(root, KERNEL),
	            "{'image':null,'state':'unreadable','list':[],'lines':[]}");
	make_host(root);
	assert_json(early_facts(root, KERNEL),
	            "{'image':null,'state':'none','list':[],'lines':[]}");
	agent_root_file(root, IMAGE, "no tar");
	assert_json(early(root, "state"), "'unreadable'");
}

static void test_ours(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	make_host(root);
	make_ours(root);
	make_image(root);
	assert_json(early_facts(root, KERNEL),
	            "{'image':'" IMAGE "','state':'looked','list':"
	            "['0000:01:00.0 10de 1b06 1462 3609 vfio-pci'],'lines':[]}");
}

/* A list that nothing reads, reads too late, or whose driver is not there, binds nothing. */
static void test_ours_without_effect(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	make_host(root);
	make_ours(root);
	assert_int_equal(
	    unlink(root_path(root, "/image/usr/lib/modules/" KERNEL "/vfio-pci.ko.xz").text), 0);
	make_image(root);
	assert_json(early(root, "list"), "[]");
	agent_root_file(root, "/lib/modules/" KERNEL "/modules.builtin",
	                "kernel/drivers/vfio/pci/vfio-pci.ko\n");
	assert_int_equal(unlink(root_path(root, IMAGE_SEEN).text), 0);
	json_t *list = early(root, "list");
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
	agent_root_file(root, "/image/scripts/init-top/ORDER",
	                "/scripts/init-top/udev \"$@\"\n/scripts/init-top/gpufleet-bind \"$@\"\n");
	make_image(root);
	assert_json(early(root, "list"), "[]");
}

/* The image is unpacked once, until it is another. */
static void test_seen(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	make_host(root);
	make_ours(root);
	make_image(root);
	json_t *first = early_facts(root, KERNEL), *second = early_facts(root, KERNEL);
	assert_true(json_equal(first, second));
	char *count = root_read_file(root, "/unpacked", 64, NULL, NULL);
	assert_string_equal(count, "x\n");
	free(count);
	agent_root_file(root, "/image/conf/modules", "vfio-pci ids=10de:1b06\n");
	make_image(root);
	json_decref(second);
	second = early_facts(root, KERNEL);
	assert_false(json_equal(first, second));
	json_decref(first);
	json_decref(second);
	/* A file that is no such memory is no harm. */
	agent_root_file(root, IMAGE_SEEN, "{\"mark\": 7");
	assert_json(early(root, "state"), "'looked'");
	assert_int_equal(rmdir(root_path(root, "/var/tmp").text), 0); /* nothing is left there */
}

static void test_others(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	make_host(root);
	agent_root_dirs(root, "/image/scripts");
	agent_root_file(
	    root, "/image/etc/modprobe.d/vfio.conf",
	    "# options vfio-pci ids=1:1\n  options vfio-pci ids=10de:1b06\nalias x y\n");
	make_image(root);
	agent_root_file(root, "/etc/driverctl.d/pci-0000:02:00.0", "vfio-pci\n");
	agent_root_file(root, "/etc/modules", "vfio-pci\n");
	agent_root_file(root, "/etc/modprobe.d/gpufleet-host.conf",
	                "softdep nouveau pre: vfio-pci\n");
	agent_root_file(root, "/etc/udev/rules.d/10-gpu.rules",
	                "ATTR{driver_override}=\"vfio-pci\"\n");
	assert_json(early(root, "lines"),
	            "[{'where':'" IMAGE ": /etc/modprobe.d/vfio.conf','line':'options vfio-pci "
	            "ids=10de:1b06'},"
	            "{'where':'/etc/udev/rules.d/10-gpu.rules','line':'ATTR{driver_override}="
	            "\\\"vfio-pci\\\"'},"
	            "{'where':'/etc/driverctl.d/pci-0000:02:00.0','line':'vfio-pci'},"
	            "{'where':'/etc/modules','line':'vfio-pci'}]");
}

static void test_trial_image(void **state)
{
	const struct root *root = &((struct agent *)*state)->root;
	make_host(root);
	make_ours(root);
	make_image(root);
	assert_int_equal(
	    rename(root_path(root, IMAGE).text, root_path(root, "/boot/gpufleet-trial.img").text),
	    0);
	agent_root_file(root, IMAGE, "no tar");
	agent_root_file(root, "/proc/cmdline", "quiet gpufleet.op=abc\n");
	assert_json(early(root, "image"), "'/boot/gpufleet-trial.img'");
	json_t *list = early(root, "list");
	assert_int_equal(json_array_size(list), 1);
	json_decref(list);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, agent_root_setup, agent_root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_no_tool), TEST(test_ours),   TEST(test_ours_without_effect),
	    TEST(test_seen),    TEST(test_others), TEST(test_trial_image)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
