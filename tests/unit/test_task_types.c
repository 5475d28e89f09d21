/* Each task type by itself: what it makes of its parameters, twice, and back. */
#include "tests/unit/task_host.h"

#define STAGE(task) "{\"name\":\"s\",\"reboot\":\"if-changed\",\"tasks\":[" task "]}"

/* Applies, expects a change; applies again, expects none; undoes, expects the first tree. */
static void twice_and_back(struct task_host *host, const char *stage, const char *look,
                           const char *expected)
{
	struct gf_err err;
	bool changed, reboot;
	char *before = host_tree(host);

	assert_true(plan_changes(host, stage));
	if (host_apply(host, "one", stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(changed);
	assert_string_equal(host_output(host, look), expected);
	assert_false(plan_changes(host, stage));
	assert_int_equal(host_apply(host, "two", stage, &changed, &reboot, &err), 0);
	assert_false(changed);
	if (host_undo(host, "one", false, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(changed);
	char *after = host_tree(host);
	assert_string_equal(before, after);
	free(after);
	free(before);
}

static void expect_error(struct task_host *host, const char *stage, enum gf_code code,
                         const char *message)
{
	struct gf_err err;
	bool changed, reboot;
	char *before = host_tree(host);

	assert_int_equal(host_apply(host, "bad", stage, &changed, &reboot, &err), -1);
	if (!strstr(err.msg, message))
		fail_msg("\"%s\" is not in: %s", message, err.msg);
	assert_int_equal(err.code, code);
	assert_false(changed);
	char *after = host_tree(host);
	assert_string_equal(before, after);
	free(after);
	free(before);
}

static void test_load_modules(void **state)
{
	twice_and_back(*state,
	               STAGE("{\"type\":\"load_modules\",\"name\":\"VFIO, all of it!\",\"modules\":"
	                     "[\"vfio\",\"vfio_pci\"]}"),
	               "grep -v '#' etc/modules-load.d/gpufleet-vfio-all-of-it.conf",
	               "vfio\nvfio_pci\n");
	expect_error(*state,
	             STAGE("{\"type\":\"load_modules\",\"name\":\"x\",\"modules\":[\"a b\"]}"),
	             GF_E_TASK, "not of the right form");
	expect_error(*state, STAGE("{\"type\":\"load_modules\",\"name\":\"x\",\"modules\":[3]}"),
	             GF_E_TASK, "not of the right form");
}

static void test_modprobe(void **state)
{
	twice_and_back(*state,
	               STAGE("{\"type\":\"modprobe\",\"name\":\"order\",\"lines\":"
	                     "[\"softdep nouveau pre: vfio-pci\"]}"),
	               "grep -v '#' etc/modprobe.d/gpufleet-order.conf",
	               "softdep nouveau pre: vfio-pci\n");
	expect_error(
	    *state,
	    STAGE("{\"type\":\"modprobe\",\"name\":\"x\",\"lines\":[\"options a\\ninstall b\"]}"),
	    GF_E_TASK, "not of the right form");
	/* A backslash at its end would make the next line a part of it. */
	expect_error(*state,
	             STAGE("{\"type\":\"modprobe\",\"name\":\"x\",\"lines\":"
	                   "[\"options a b=1 \\\\\",\"blacklist c\"]}"),
	             GF_E_TASK, "not of the right form");
}

static void test_blacklist(void **state)
{
	struct task_host *host = *state;

	host_want(host, "0000:01:00.0 0000:01:00.1 0000:02:00.0 0000:02:00.1");
	twice_and_back(host, STAGE("{\"type\":\"blacklist\",\"name\":\"b\"}"),
	               "grep -v '#' etc/modprobe.d/gpufleet-b.conf", "blacklist nouveau\n");
	twice_and_back(
	    host,
	    STAGE("{\"type\":\"blacklist\",\"name\":\"b\",\"modules\":[\"nvme\",\"nvidiafb\","
	          "\"xhci-pci\",\"snd-hda-intel\",\"nouveau\"]}"),
	    "grep -v '#' etc/modprobe.d/gpufleet-b.conf",
	    "blacklist nouveau\nblacklist nvidiafb\n");
	host_want(host, "0000:01:00.0 0000:01:00.1");
	assert_false(plan_changes(host, STAGE("{\"type\":\"blacklist\",\"name\":\"b\"}")));
}

static void test_file(void **state)
{
	struct task_host *host = *state;

	twice_and_back(
	    host,
	    STAGE("{\"type\":\"file\",\"name\":\"f\",\"path\":\"/etc/new/place/f\",\"content\":"
	          "\"a\\nb\\n\",\"mode\":\"0600\"}"),
	    "stat -c %a etc/new/place/f; cat etc/new/place/f", "600\na\nb\n");
	/* Only the mode differs. */
	host_shell(host, "printf x >etc/m; chmod 644 etc/m");
	twice_and_back(
	    host,
	    STAGE("{\"type\":\"file\",\"name\":\"f\",\"path\":\"/etc/m\",\"content\":\"x\","
	          "\"mode\":\"0640\"}"),
	    "stat -c %a etc/m", "640\n");
	expect_error(
	    host,
	    STAGE("{\"type\":\"file\",\"name\":\"f\",\"path\":\"/etc/m\",\"content\":\"x\","
	          "\"mode\":\"rw\"}"),
	    GF_E_TASK, "is not a mode");
	expect_error(
	    host,
	    STAGE("{\"type\":\"file\",\"name\":\"f\",\"path\":\"/etc/m\",\"content\":\"x\","
	          "\"owner\":\"nobody-such\"}"),
	    GF_E_BLOCKED, "the host has no user \"nobody-such\"");
	if (geteuid() != 0)
		return;
	host_shell(host,
	           "echo 'root:x:0:0::/:/bin/sh' >etc/passwd; echo 'nova:x:123:45::/:/bin/sh' "
	           ">>etc/passwd; printf 'root:x:0:\\nkvm:x:99:\\n' >etc/group");
	twice_and_back(
	    host,
	    STAGE("{\"type\":\"file\",\"name\":\"f\",\"path\":\"/etc/m\",\"content\":\"x\","
	          "\"owner\":\"nova:kvm\"}"),
	    "stat -c %u:%g etc/m", "123:99\n");
}

static void test_service(void **state)
{
	twice_and_back(
	    *state,
	    STAGE("{\"type\":\"service\",\"name\":\"s\",\"unit\":\"other\",\"enabled\":true}"),
	    "cat ../control/units/other.service", "enabled inactive\n");
	expect_error(
	    *state,
	    STAGE("{\"type\":\"service\",\"name\":\"s\",\"unit\":\"absent\",\"enabled\":true}"),
	    GF_E_BLOCKED, "the host has no unit absent.service");
	expect_error(*state, STAGE("{\"type\":\"service\",\"name\":\"s\",\"unit\":\"--force\"}"),
	             GF_E_TASK, "not a unit's name");
}

/* All units of a vendor are looked at by one process; one that was stopped with another is left. */
static void test_vendor_services(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	static const char stage[] =
	    STAGE("{\"type\":\"vendor_services\",\"name\":\"v\",\"vendor\":\"10de\",\"services\":["
	          "\"absent\",\"nvidia-persistenced\",\"other\",\"part\",\"fixed.socket\"]}");

	host_want(host, "0000:01:00.0 0000:01:00.1 0000:02:00.0 0000:02:00.1");
	host_shell(host, "echo static active >../control/units/fixed.socket; "
	                 "echo disabled active >../control/units/part.service; "
	                 "mv usr/bin/systemctl usr/bin/systemctl.sim; "
	                 "printf '#!/bin/sh\necho \"$*\" >>$GPUFLEET_SYSROOT/../control/calls\n"
	                 "[ \"$1 $2\" != \"stop nvidia-persistenced.service\" ] || "
	                 "echo disabled inactive >$GPUFLEET_SYSROOT/../control/units/part.service\n"
	                 "exec $GPUFLEET_SYSROOT/usr/bin/systemctl.sim \"$@\"\n' "
	                 ">usr/bin/systemctl; chmod 755 usr/bin/systemctl");
	assert_true(plan_changes(host, stage));
	assert_string_equal(host_output(host, "wc -l <../control/calls"), "1\n");
	if (host_apply(host, "one", stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(changed);
	assert_string_equal(
	    host_output(host, "grep -v ^show ../control/calls"),
	    "disable nvidia-persistenced.service\nstop nvidia-persistenced.service\n"
	    "mask fixed.socket\nstop fixed.socket\n");
	host_shell(host, "rm ../control/calls");
	assert_false(plan_changes(host, stage));
	assert_string_equal(
	    host_output(host, "cat ../control/calls"),
	    "show --property=LoadState,ActiveState,UnitFileState absent.service "
	    "nvidia-persistenced.service other.service part.service fixed.socket\n");
	/* Who tells of fewer units is not believed. */
	host_shell(host, "printf '#!/bin/sh\necho LoadState=loaded\n' >usr/bin/systemctl");
	expect_error(host, stage, GF_E_TASK, "did not tell of 5 units");
}

static void test_command(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	static const char stage[] =
	    STAGE("{\"type\":\"command\",\"name\":\"c\",\"argv\":[\"mark\",\"a b\"],"
	          "\"creates\":\"/var/marked\",\"timeout\":5}");

	expect_error(host, stage, GF_E_TASK, "mark");
	host_shell(
	    host,
	    "printf '#!/bin/sh\\necho \"$1\" >$GPUFLEET_SYSROOT/var/marked\\n' >usr/bin/mark; "
	    "chmod 755 usr/bin/mark");
	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), 0);
	assert_true(changed);
	assert_string_equal(host_output(host, "cat var/marked"), "a b\n");
	assert_false(plan_changes(host, stage));
	host_shell(host, "rm var/marked; printf '#!/bin/sh\\nexit 3\\n' >usr/bin/mark");
	expect_error(host, stage, GF_E_TASK, "");
	expect_error(host, STAGE("{\"type\":\"command\",\"name\":\"c\",\"argv\":[]}"), GF_E_TASK,
	             "a command needs `argv`");
}

static void test_kernel_args(void **state)
{
	struct task_host *host = *state;
	static const char stage[] =
	    STAGE("{\"type\":\"kernel_args\",\"name\":\"a\",\"add\":[\"intel_iommu=on\",\"quiet\"],"
	          "\"remove\":[\"nomodeset\",\"video=\"]},"
	          "{\"type\":\"kernel_args\",\"name\":\"amd\",\"add\":[\"amd=1\"],\"when\":{\"cpu_"
	          "vendor\":"
	          "\"amd\"}},"
	          "{\"type\":\"kernel_args\",\"name\":\"b\",\"add\":[\"iommu=pt\"]}");
	static const char look[] = "sed -n '/^\tlinux/{s/.* ro *//p;q}' boot/grub/grub.cfg";

	twice_and_back(host, stage, look, "quiet intel_iommu=on iommu=pt\n");
	/* Another file, read after the main one, gives other arguments: they stay, or go. */
	host_shell(host,
	           "echo 'GRUB_CMDLINE_LINUX_DEFAULT=\"$GRUB_CMDLINE_LINUX_DEFAULT nomodeset "
	           "video=efifb:off  console=ttyS0 iommu=pt\"' >etc/default/grub.d/50-curtin.cfg; "
	           "GPUFLEET_SYSROOT=$PWD usr/sbin/update-grub 2>/dev/null");
	twice_and_back(host, stage, look, "quiet console=ttyS0 iommu=pt intel_iommu=on\n");
	/* The inventory's own arguments; its `remove` wins over what the playbook adds. */
	json_object_set_new(host->context, "kernel_args",
	                    json_pack("{s[s] s[s]}", "add", "pci=noaer", "remove", "iommu=pt"));
	twice_and_back(host, stage, look, "quiet console=ttyS0 intel_iommu=on pci=noaer\n");
}

static void test_kernel_args_present(void **state)
{
	struct task_host *host = *state;

	host_shell(host,
	           "sed -i 's/\"quiet\"/\"quiet iommu=pt intel_iommu=on\"/' etc/default/grub; "
	           "GPUFLEET_SYSROOT=$PWD usr/sbin/update-grub 2>/dev/null; "
	           "echo 'quiet iommu=pt intel_iommu=on' >proc/cmdline");
	assert_false(plan_changes(host, STAGE("{\"type\":\"kernel_args\",\"name\":\"a\",\"add\":["
	                                      "\"intel_iommu=on\",\"iommu=pt\"]}")));
}

static bool plan_reboots(struct task_host *host, const char *stage)
{
	json_t *plan = host_plan(host, stage);
	bool reboot = json_is_true(json_object_get(plan, "reboot"));

	json_decref(plan);
	return reboot;
}

/* The default entry has the argument since before the boot, which has come up without it: some
 * other entry was booted, unless a power cut let GRUB read what was there before. */
static void test_kernel_args_not_booted(void **state)
{
	static const char stage[] =
	    STAGE("{\"type\":\"kernel_args\",\"name\":\"a\",\"add\":[\"iommu=pt\"]}");
	struct task_host *host = *state;
	bool changed, reboot;
	struct gf_err err;

	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), 0);
	assert_true(plan_reboots(host, stage));
	host_shell(host, "touch -d @1000000000 boot/grub/grub.cfg; "
	                 "printf 'cpu 0\\nbtime 1500000000\\n' >proc/stat");
	assert_false(plan_reboots(host, stage));
	host->ctx.restarted = true;
	assert_true(plan_reboots(host, stage));
}

static void test_kernel_args_stages(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	static const char one[] =
	    "{\"name\":\"one\",\"tasks\":[{\"type\":\"kernel_args\",\"name\":\"a\","
	    "\"add\":[\"a=1\"]}]}";
	static const char two[] =
	    "{\"name\":\"two\",\"tasks\":[{\"type\":\"kernel_args\",\"name\":\"b\","
	    "\"add\":[\"b=2\"]}]}";
	char *before = host_tree(host);

	assert_int_equal(host_apply(host, "1", one, &changed, &reboot, &err), 0);
	assert_int_equal(host_apply(host, "2", two, &changed, &reboot, &err), 0);
	assert_non_null(strstr(host_output(host, "cat boot/grub/grub.cfg"), "quiet a=1 b=2\n"));
	assert_false(plan_changes(host, one));
	assert_false(plan_changes(host, two));
	/* Not booted yet: the stage asks for the reboot, though it has nothing to change. */
	assert_int_equal(host_apply(host, "3", one, &changed, &reboot, &err), 0);
	assert_true(!changed && reboot);
	assert_int_equal(host_undo(host, "2", false, &changed, &reboot, &err), 0);
	assert_non_null(strstr(host_output(host, "cat boot/grub/grub.cfg"), "quiet a=1\n"));
	assert_int_equal(host_undo(host, "1", false, &changed, &reboot, &err), 0);
	char *after = host_tree(host);
	assert_string_equal(before, after);
	free(after);
	free(before);
}

static void test_kernel_args_bad(void **state)
{
	struct task_host *host = *state;

	expect_error(host,
	             STAGE("{\"type\":\"kernel_args\",\"name\":\"a\",\"add\":[\"a' ; reboot\"]}"),
	             GF_E_TASK, "cannot be a kernel argument");
	json_object_set_new(json_object_get(host->facts, "host"), "boot_loader",
	                    json_string("lilo"));
	expect_error(host, STAGE("{\"type\":\"kernel_args\",\"name\":\"a\",\"add\":[\"a\"]}"),
	             GF_E_BLOCKED, "no way to set this host's kernel arguments (lilo)");
}

/* Something later overrides the command line: found before a reboot. */
static void test_kernel_args_overridden(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;

	host_shell(host, "echo 'GRUB_CMDLINE_LINUX_DEFAULT=mine' >etc/default/grub.d/zzz.cfg");
	assert_int_equal(
	    host_apply(host, "one",
	               STAGE("{\"type\":\"kernel_args\",\"name\":\"a\",\"add\":[\"a=1\"]}"),
	               &changed, &reboot, &err),
	    -1);
	assert_non_null(
	    strstr(err.msg, "update-grub ran, but a=1 of /boot/grub/grub.cfg is not as wanted"));
}

static void test_assert(void **state)
{
	struct task_host *host = *state;
	json_t *facts = json_object_get(host->facts, "host");

	host_want(host, "0000:01:00.0");
	assert_false(plan_changes(
	    host, STAGE("{\"type\":\"assert\",\"name\":\"a\",\"check\":\"iommu.tables\"}")));
	json_object_set_new(facts, "iommu", json_pack("{s[]}", "tables"));
	json_object_set_new(facts, "cpu_virtualization", json_false());
	expect_error(host, STAGE("{\"type\":\"assert\",\"name\":\"a\",\"check\":\"iommu.tables\"}"),
	             GF_E_BLOCKED, "enable VT-d or AMD-Vi");
	expect_error(host,
	             STAGE("{\"type\":\"assert\",\"name\":\"a\",\"check\":\"cpu.virtualization\"}"),
	             GF_E_BLOCKED, "enable VT-x or AMD-V");
	expect_error(host,
	             STAGE("{\"type\":\"assert\",\"name\":\"a\",\"check\":\"devices.driver\"}"),
	             GF_E_TASK, "0000:01:00.0 is on nouveau instead of vfio-pci");
	expect_error(host, STAGE("{\"type\":\"assert\",\"name\":\"a\",\"check\":\"moon.phase\"}"),
	             GF_E_TASK, "there is no check \"moon.phase\"");
	json_object_set_new(facts, "cpu_virtualization",
	                    json_null()); /* unknown is not held against it */
	assert_false(plan_changes(
	    host, STAGE("{\"type\":\"assert\",\"name\":\"a\",\"check\":\"cpu.virtualization\"}")));
}

static void test_unbind(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	static const char stage[] = STAGE("{\"type\":\"unbind\",\"name\":\"u\",\"timeout\":1}");

	host_want(host, "0000:01:00.0");
	host_shell(host, ": >sys/bus/pci/drivers/nouveau/unbind");
	assert_true(plan_changes(host, stage));
	/* The simulated kernel does nothing: the link is read again and says so. */
	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), -1);
	assert_non_null(
	    strstr(err.msg, "0000:01:00.0 is on nouveau after it was given to vfio-pci"));
	assert_string_equal(host_output(host, "cat sys/bus/pci/drivers/nouveau/unbind "
	                                      "sys/bus/pci/devices/0000:01:00.0/driver_override "
	                                      "sys/bus/pci/drivers_probe"),
	                    "0000:01:00.0vfio-pci0000:01:00.0");
	/* One that never returns: a pipe that nobody reads. */
	host_shell(
	    host,
	    "rm sys/bus/pci/drivers/nouveau/unbind; mkfifo sys/bus/pci/drivers/nouveau/unbind");
	assert_int_equal(host_apply(host, "two", stage, &changed, &reboot, &err), -1);
	assert_non_null(
	    strstr(err.msg, "taking 0000:01:00.0 from nouveau hung for 1 s and was left behind"));
	/* One that a guest uses is never touched. */
	json_object_set_new(json_object_get(host->facts, "host"), "guests",
	                    json_pack("[{s[s]}]", "devices", "0000:01:00.0"));
	expect_error(host, stage, GF_E_BLOCKED, "belongs to a running guest");
	host_shell(
	    host,
	    "mkdir -p sys/bus/pci/drivers/vfio-pci; rm sys/bus/pci/devices/0000:01:00.0/driver; "
	    "ln -s ../../drivers/vfio-pci sys/bus/pci/devices/0000:01:00.0/driver");
	assert_int_equal(host_apply(host, "three", stage, &changed, &reboot, &err), 0);
	assert_false(changed);
}

static void test_stage_rules(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	static const char never[] =
	    "{\"name\":\"s\",\"tasks\":[{\"type\":\"file\",\"path\":\"/etc/n\","
	    "\"content\":\"1\"}]}";
	static const char explicit[] =
	    "{\"name\":\"s\",\"tasks\":[{\"type\":\"file\",\"path\":\"/etc/e\","
	    "\"content\":\"1\"},{\"type\":\"reboot\",\"name\":\"now\"}]}";

	assert_int_equal(host_apply(host, "1", never, &changed, &reboot, &err), 0);
	assert_true(changed && !reboot);
	assert_int_equal(host_apply(host, "2", explicit, &changed, &reboot, &err), 0);
	assert_true(changed && reboot);
	assert_int_equal(host_apply(host, "3", explicit, &changed, &reboot, &err), 0);
	assert_false(changed || reboot);
	assert_int_equal(host_apply(host, "4",
	                            "{\"name\":\"s\",\"reboot\":\"always\",\"tasks\":[]}", &changed,
	                            &reboot, &err),
	                 0);
	assert_true(!changed && reboot);
	expect_error(host, STAGE("{\"type\":\"teleport\",\"name\":\"t\"}"), GF_E_TASK,
	             "this agent has no task type \"teleport\"");
	assert_int_equal(host_apply(host, "5", "{\"name\":\"s\"}", &changed, &reboot, &err), -1);
	/* A later task that is blocked keeps the earlier ones from changing anything. */
	expect_error(
	    host,
	    STAGE("{\"type\":\"file\",\"path\":\"/etc/z\",\"content\":\"1\"},"
	          "{\"type\":\"service\",\"name\":\"s\",\"unit\":\"absent\",\"enabled\":true}"),
	    GF_E_BLOCKED, "no unit absent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
	    T(test_load_modules),
	    T(test_modprobe),
	    T(test_blacklist),
	    T(test_file),
	    T(test_service),
	    T(test_vendor_services),
	    T(test_command),
	    T(test_kernel_args),
	    T(test_kernel_args_present),
	    T(test_kernel_args_not_booted),
	    T(test_kernel_args_stages),
	    T(test_kernel_args_bad),
	    T(test_kernel_args_overridden),
	    T(test_assert),
	    T(test_unbind),
	    T(test_stage_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
