/* The script that runs in the initramfs, run here by sh (and busybox, when there is one), and the
 * hook. */
#include "node-agent/tasks/bind_driver.h"
#include "tests/unit/task_host.h"

static const char stage[] = "{\"name\":\"host\",\"tasks\":[{\"type\":\"bind\",\"name\":\"b\"},"
                            "{\"type\":\"initramfs\",\"name\":\"i\"}]}";

static void apply(struct task_host *host, const char *operation)
{
	struct gf_err err;
	bool changed, reboot;

	if (host_apply(host, operation, stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
}

/* Forgets the drivers, as a boot does, and runs the script of the image. */
static void boot(const struct task_host *host, const char *shell)
{
	host_shell(host,
	           "rm -rf ../image; mkdir ../image; tar -C ../image -xf boot/initrd.img-*; "
	           "rm -f sys/bus/pci/devices/*/driver; "
	           "for d in sys/bus/pci/devices/*; do echo '(null)' >$d/driver_override; done; "
	           ": >../control/programs.log; "
	           "GPUFLEET_SYSROOT=$PWD timeout 20 %s ../image/scripts/init-top/gpufleet-bind",
	           shell);
}

static void check_shell(struct task_host *host, const char *shell)
{
	boot(host, shell);
	assert_string_equal(
	    host_output(host, "cat sys/bus/pci/devices/0000:01:00.[01]/driver_override"),
	    "vfio-pci\nvfio-pci\n");
	assert_string_equal(
	    host_output(host, "cat sys/bus/pci/devices/0000:0[02]:*/driver_override"),
	    "(null)\n(null)\n(null)\n");
	assert_int_equal(atoi(host_output(host, "wc -l <../control/programs.log")),
	                 1); /* modprobe */
	/* The simulated modprobe binds nothing here: a probe is asked for. */
	assert_string_equal(host_output(host, "cat sys/bus/pci/drivers_probe"), "0000:01:00.1\n");
	assert_string_equal(host_output(host, "sh ../image/scripts/init-top/gpufleet-bind prereqs"),
	                    "\n");
}

static void test_script(void **state)
{
	struct task_host *host = *state;

	host_want(host, "0000:01:00.0 0000:01:00.1");
	apply(host, "one");
	check_shell(host, "sh");
	if (system("command -v busybox >/dev/null 2>&1") == 0)
		check_shell(host, "busybox sh");
	assert_string_equal(
	    host_output(host, "stat -c %a etc/initramfs-tools/scripts/init-top/gpufleet-bind "
	                      "etc/initramfs-tools/hooks/gpufleet-bind"),
	    "755\n755\n");
	assert_non_null(strstr(host_output(host, "grep -o 'gpufleet-bind\\|udev' "
	                                         "../image/scripts/init-top/ORDER"),
	                       "gpufleet-bind\nudev\n"));
}

static void test_renumbered_is_left_alone(void **state)
{
	struct task_host *host = *state;

	host_want(host, "0000:01:00.0 0000:01:00.1");
	apply(host, "one");
	/* Now a network card sits there, and another maker's board, and nothing at all. */
	host_shell(host, "echo 0x8086 >sys/bus/pci/devices/0000:01:00.0/vendor; "
	                 "echo 0x1043 >sys/bus/pci/devices/0000:01:00.1/subsystem_vendor");
	boot(host, "sh");
	assert_string_equal(
	    host_output(host, "cat sys/bus/pci/devices/*/driver_override | sort -u"), "(null)\n");
	assert_string_equal(host_output(host, "cat ../control/programs.log"), "");
	host_shell(host, "rm -rf sys/bus/pci/devices/0000:01:00.0");
	boot(host, "sh");
}

static void test_held_by_builtin(void **state)
{
	struct task_host *host = *state;

	host_want(host, "0000:01:00.1");
	apply(host, "one");
	boot(host, "sh");
	/* A driver in the kernel itself was first: it is asked to let go. */
	host_shell(host,
	           ": >sys/bus/pci/drivers_probe; : >sys/bus/pci/drivers/snd_hda_intel/unbind; "
	           "ln -s ../../drivers/snd_hda_intel sys/bus/pci/devices/0000:01:00.1/driver; "
	           "GPUFLEET_SYSROOT=$PWD timeout 20 sh ../image/scripts/init-top/gpufleet-bind");
	assert_string_equal(host_output(host, "cat sys/bus/pci/drivers/snd_hda_intel/unbind"),
	                    "0000:01:00.1\n");
}

static void test_released(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;

	host_want(host, "0000:01:00.0 0000:01:00.1");
	apply(host, "one");
	host_want(host, "");
	apply(host, "two");
	assert_string_equal(host_output(host, "find etc -name '*gpufleet*'"), "etc/gpufleet\n");
	host_shell(host, "! tar -tf boot/initrd.img-* | grep gpufleet");
	/* Newest first gives the first state back, by way of the second. */
	assert_int_equal(host_undo(host, "two", false, &changed, &reboot, &err), 0);
	host_shell(host, "test -e etc/gpufleet/bind.conf");
	assert_int_equal(host_undo(host, "one", false, &changed, &reboot, &err), 0);
	assert_string_equal(host_output(host, "find etc -name '*gpufleet*'"), "");
	host_shell(host, "! tar -tf boot/initrd.img-* | grep gpufleet");
}

static void test_order_wrong(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;

	host_want(host, "0000:01:00.0");
	host_shell(
	    host, "mv usr/share/initramfs-tools/scripts/init-top/udev "
	          "usr/share/initramfs-tools/scripts/init-top/all_udev; "
	          "ln -s all_udev usr/share/initramfs-tools/scripts/init-top/udev; "
	          "sed -i 's/^\\(\\t*for name in \\)\\$list; do/\\1udev $(echo \"$list\" | grep -v "
	          "udev); do/' usr/sbin/mkinitramfs");
	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), -1);
	assert_non_null(strstr(err.msg, "runs udev before gpufleet-bind"));
}

static void test_not_initramfs_tools(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;

	host_want(host, "0000:01:00.0");
	json_object_set_new(json_object_get(host->facts, "host"), "initramfs",
	                    json_string("mkinitcpio"));
	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	assert_non_null(strstr(err.msg, "makes its initramfs with mkinitcpio"));
}

static bool loads(const struct task_host *host)
{
	char why[BIND_DRIVER_WHY];

	return bind_driver_loads(&host->root, "vfio-pci", why);
}

static void expect_blocked(struct task_host *host, const char *saying)
{
	struct gf_err err;
	bool changed, reboot;

	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	if (!strstr(err.msg, saying))
		fail_msg("it says: %s", err.msg);
	assert_false(changed);
}

/* What keeps the driver from being loaded is found before anything is changed. */
static void test_driver_forbidden(void **state)
{
	static const char *const lines[] = {
	    "install vfio-pci /bin/false", "install vfio_pci /usr/bin/true",
	    "\tinstall\tvfio :", "install vfio_pci_core /bin/false # hardening"};
	struct task_host *host = *state;

	host_want(host, "0000:01:00.0");
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		host_shell(host, "printf '# CIS\\n%%b\\n' '%s' >etc/modprobe.d/hardening.conf",
		           lines[i]);
		expect_blocked(host, "/etc/modprobe.d/hardening.conf line 2 keeps vfio-pci from "
		                     "being loaded (install vfio");
	}
}

/* None of these keeps a module from being loaded by its name. */
static void test_driver_not_forbidden(void **state)
{
	struct task_host *host = *state;

	host_want(host, "0000:01:00.0");
	host_shell(host, "printf '%%s\\n' 'blacklist vfio-pci' '#install vfio-pci /bin/false' "
	                 "'install vfio-pci /usr/local/sbin/override' 'install vfiox /bin/false' "
	                 "'install nouveau /bin/false' >etc/modprobe.d/a.conf; "
	                 "echo 'install vfio-pci /bin/false' >etc/modprobe.d/b.conf.disabled");
	apply(host, "one");
}

static void test_driver_missing(void **state)
{
	struct task_host *host = *state;

	host_want(host, "0000:01:00.0");
	host_shell(host, "sed -i '/vfio-pci.ko/d' lib/modules/*/modules.dep");
	expect_blocked(host, "no kernel on this host has the module vfio-pci");
	/* One kernel that has it built in is enough. */
	host_shell(host, "cp -a lib/modules/6.1* lib/modules/7.0 && echo "
	                 "kernel/drivers/vfio/pci/vfio-pci.ko >lib/modules/7.0/modules.builtin; "
	                 "sed -i 's,vfio-pci$,vfio-pci.ko,' lib/modules/7.0/modules.builtin");
	host_want(host, "0000:01:00.0");
	assert_true(loads(host));
	/* Lists that are not there prove nothing. */
	host_shell(host, "rm lib/modules/*/modules.builtin lib/modules/*/modules.dep");
	assert_true(loads(host));
}

static void test_malformed_wanted(void **state)
{
	static const char *const bad[] = {
	    "[{}]",
	    "[3]",
	    "[{\"address\":\"0000:01:00.0\",\"vendor\":\"10de\"}]",
	    "[{\"address\":\"../../etc\",\"vendor\":\"10de\",\"device\":\"1b06\"}]",
	    "[{\"address\":\"0000:01:00.9\",\"vendor\":\"10de\",\"device\":\"1b06\"}]",
	    "[{\"address\":\"0000:01:00.0\",\"vendor\":\"10DE\",\"device\":\"1b06\"}]"};
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_object_set_new(host->context, "wanted", json_loads(bad[i], 0, NULL));
		assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), -1);
		assert_int_equal(err.code, GF_E_PROTOCOL);
		assert_false(changed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
	    T(test_script),           T(test_renumbered_is_left_alone),
	    T(test_held_by_builtin),  T(test_released),
	    T(test_order_wrong),      T(test_not_initramfs_tools),
	    T(test_driver_forbidden), T(test_driver_not_forbidden),
	    T(test_driver_missing),   T(test_malformed_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
