/* The shipped playbook on written layouts of distributions that Debian cannot stand in for: what
 * the next boot is given, what goes into the initramfs, and all back byte for byte. */
#include "tests/unit/task_host.h"

#include "node-agent/boot/boot_loader.h"
#include "node-agent/boot/initramfs_tool.h"
#include "node-agent/facts/facts.h"

static int layout_setup(void **state, const char *name)
{
	char script[128];
	struct task_host *host;

	snprintf(script, sizeof(script), "unit/layout_host.sh . %s", name);
	if (host_setup_by(state, script) != 0)
		return -1;
	host = *state;
	/* What the agent itself finds out about such a host. */
	json_t *own = json_object_get(host->facts, "host"), *found = host_facts(&host->root);
	static const char *const keys[] = {"boot_loader", "boot_tool", "initramfs", "distribution"};
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		json_object_set(own, keys[i], json_object_get(found, keys[i]));
	json_decref(found);
	json_t *device = json_array_get(json_object_get(host->facts, "pci"), 0);
	json_object_set_new(host->facts, "pci", json_pack("[O]", device));
	return 0;
}

#define LAYOUT(id, name)                                                                           \
	static int id##_setup(void **state)                                                        \
	{                                                                                          \
		return layout_setup(state, name);                                                  \
	}
LAYOUT(rocky9, "rocky-9")
LAYOUT(rocky8, "rocky-8")
LAYOUT(suse, "opensuse-leap-15")
LAYOUT(maas, "ubuntu-22.04-maas")
LAYOUT(systemd, "debian-12-systemd-boot")
LAYOUT(cloudimg, "ubuntu-22.04-cloudimg")

static const char *fact(const struct task_host *host, const char *key)
{
	const char *text =
	    json_string_value(json_object_get(json_object_get(host->facts, "host"), key));

	return text ? text : "";
}

static void expect_facts(const struct task_host *host, const char *loader, const char *tool,
                         const char *initramfs)
{
	assert_string_equal(fact(host, "boot_loader"), loader);
	assert_string_equal(fact(host, "boot_tool"), tool);
	assert_string_equal(fact(host, "initramfs"), initramfs);
}

/* All files that are not logs or images of an initramfs. */
static char *layout_tree(const struct task_host *host)
{
	return strdup(host_output(
	    host,
	    "find etc boot $(ls -d efi/loader 2>/dev/null) $(ls -d usr/lib 2>/dev/null) \\( -name "
	    "'init*' -prune \\) -o -type f -printf '%p %M\\n' | "
	    "sort; find etc boot $(ls -d efi/loader 2>/dev/null) $(ls -d usr/lib 2>/dev/null) \\( "
	    "-name 'init*' -prune \\) -o -type f -print0 | sort "
	    "-z | xargs -0 sha256sum"));
}

static char *next_arguments(const struct task_host *host)
{
	const char *source;
	char *next = boot_loader_find(fact(host, "boot_tool"))->next(&host->root, &source);

	assert_non_null(next);
	return next;
}

static void expect_next(const struct task_host *host, const char *expected)
{
	char *next = next_arguments(host);

	assert_string_equal(next, expected);
	free(next);
}

/* The next boot: its arguments become the running ones. */
static void boot(const struct task_host *host)
{
	char *next = next_arguments(host);
	FILE *file = fopen(root_path(&host->root, "/proc/cmdline").text, "w");

	assert_non_null(file);
	fprintf(file, "BOOT_IMAGE=x%s\n", next);
	fclose(file);
	free(next);
}

static void expect_images(const struct task_host *host, int right, const char *because)
{
	const struct initramfs_tool *tool = initramfs_tool_find(fact(host, "initramfs"));
	json_t *images = initramfs_images(&host->root, tool), *none = json_array(), *image;
	size_t i;

	assert_true(json_array_size(images) > 0);
	json_array_foreach(images, i, image)
	{
		struct gf_err err = {.code = GF_OK};
		char why[300] = "";
		int found = initramfs_inspect(&host->root, tool,
		                              json_string_value(json_object_get(image, "path")),
		                              none, why, sizeof(why), &err);
		if (found < 0)
			fail_msg("%s", err.msg);
		assert_int_equal(found, right);
		assert_string_equal(why, because);
	}
	json_decref(none);
	json_decref(images);
}

/* Plan, apply, boot, again, verify; the arguments afterwards are BEFORE's and AFTER. */
static char *whole_host(struct task_host *host, char **stage, const char *expected)
{
	struct gf_err err;
	bool changed, reboot;
	char *before = layout_tree(host);

	*stage = shipped_stage("host");
	boot(host);
	host_want(host, "0000:01:00.0");
	assert_true(plan_changes(host, *stage));
	char *planned = layout_tree(host);
	assert_string_equal(before, planned);
	free(planned);
	if (host_apply(host, "one", *stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(changed && reboot);
	expect_next(host, expected);
	expect_images(host, 1, "");
	boot(host);
	host_shell(host, ": >../control/programs.log");
	if (host_apply(host, "two", *stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_false(changed || reboot);
	assert_string_equal(host_output(host, "cat ../control/programs.log"), "");
	assert_string_equal(host_output(host, "cat etc/modules-load.d/gpufleet-vfio-modules.conf "
	                                      "| grep -v '^#'"),
	                    "vfio\nvfio_iommu_type1\nvfio_pci\n");
	return before;
}

static void undo_all(struct task_host *host, char *before, char *stage)
{
	struct gf_err err;
	bool changed, reboot;

	if (host_undo(host, "one", false, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(changed && reboot);
	char *after = layout_tree(host);
	assert_string_equal(before, after);
	free(after);
	free(before);
	free(stage);
}

#define ROCKY9                                                                                     \
	" root=/dev/mapper/rl-root ro crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M "               \
	"resume=/dev/mapper/rl-swap rd.lvm.lv=rl/root rd.lvm.lv=rl/swap console=tty0 "             \
	"console=ttyS0,115200n8 "
#define TUNED "nohz=on nohz_full=2-7 rcu_nocbs=2-7 tuned.non_isolcpus=00000003 "

static void test_grubby(void **state)
{
	struct task_host *host = *state;
	char *stage;

	expect_facts(host, "grub", "grubby", "dracut");
	expect_next(host, ROCKY9 TUNED);
	char *before = whole_host(host, &stage, ROCKY9 TUNED "intel_iommu=on iommu=pt ");
	/* The older kernel's own argument stays; so do tuned's, as a variable; and all have ours.
	 */
	assert_string_equal(
	    host_output(host,
	                "grep -l 'nosmt $tuned_params intel_iommu=on iommu=pt$' "
	                "boot/loader/entries/*362* | wc -l; "
	                "grep -c '[$]tuned_params' boot/loader/entries/*427*; "
	                "grep -h '^options.*intel_iommu=on iommu=pt$' boot/loader/entries/* | "
	                "wc -l"),
	    "1\n1\n3\n");
	/* What the next kernel gets. */
	assert_non_null(strstr(host_output(host, "cat etc/kernel/cmdline"),
	                       "console=tty0 console=ttyS0,115200n8 intel_iommu=on iommu=pt\n"));
	assert_non_null(
	    strstr(host_output(host, "cat etc/tuned/bootcmdline"), "TUNED_BOOT_CMDLINE=\"nohz=on"));
	undo_all(host, before, stage);
}

/* GRUB's default may be an entry's id, its title or its place; else the newest kernel is first. */
static void test_default_entry(void **state)
{
	struct task_host *host = *state;
	static const char *const older[] = {
	    "6f1d0b7e3c2a4e58b9d0c1a2f3e4d5c6-5.14.0-362.8.1.el9_3.x86_64",
	    "Rocky Linux (5.14.0-362.8.1.el9_3.x86_64) 9.3 (Blue Onyx)", "1"};
	static const char *const newest[] = {"0", "an entry that is gone", ""};

	for (size_t i = 0; i < 3; i++) {
		host_shell(host, "sed -i 's/^saved_entry=.*/saved_entry=%s/' boot/grub2/grubenv",
		           older[i]);
		expect_next(host, ROCKY9 "nosmt " TUNED);
		host_shell(host, "sed -i 's/^saved_entry=.*/saved_entry=%s/' boot/grub2/grubenv",
		           newest[i]);
		expect_next(host, ROCKY9 TUNED);
	}
	/* By numbers, not by letters: 1000 is newer than 427, a release candidate is older. */
	host_shell(host, "cd boot/loader/entries; sed 's/tty0/tty7/' *427* "
	                 ">6f1d0b7e3c2a4e58b9d0c1a2f3e4d5c6-5.14.0-1000.el9.x86_64.conf; "
	                 "sed 's/tty0/tty8/' *427* "
	                 ">6f1d0b7e3c2a4e58b9d0c1a2f3e4d5c6-5.14.0-1000~rc1.el9.x86_64.conf");
	char *next = next_arguments(host);
	assert_non_null(strstr(next, "tty7"));
	free(next);
}

/* Between apply and undo a kernel came and one went; tuned has another profile. */
static void test_grubby_other_kernels(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	char *stage;
	char *before = whole_host(host, &stage, ROCKY9 TUNED "intel_iommu=on iommu=pt ");

	host_shell(host, "cd boot/loader/entries; rm *362*; "
	                 "sed 's/427/503/g' *427*.conf >6f1d-5.14.0-503.el9_5.x86_64.conf");
	if (host_undo(host, "one", false, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_string_equal(host_output(host, "grep -c iommu= boot/loader/entries/*; ls "
	                                      "boot/loader/entries | wc -l"),
	                    "boot/loader/entries/6f1d-5.14.0-503.el9_5.x86_64.conf:0\n"
	                    "boot/loader/entries/6f1d0b7e3c2a4e58b9d0c1a2f3e4d5c6-0-rescue.conf:0\n"
	                    "boot/loader/entries/6f1d0b7e3c2a4e58b9d0c1a2f3e4d5c6-5.14.0-427.13.1."
	                    "el9_4.x86_64.conf:0\n3\n");
	assert_null(strstr(host_output(host, "cat etc/kernel/cmdline etc/default/grub"), "iommu="));
	expect_next(host, ROCKY9 TUNED);
	free(before);
	free(stage);
}

/* Something that is set by tuned cannot be taken away by grubby: found before a reboot. */
static void test_grubby_tuned_has_it(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;

	boot(host);
	assert_int_equal(host_apply(host, "one",
	                            "{\"name\":\"s\",\"tasks\":[{\"type\":\"kernel_args\",\"name\":"
	                            "\"a\",\"remove\":[\"nohz=on\"]}]}",
	                            &changed, &reboot, &err),
	                 -1);
	assert_non_null(strstr(err.msg, "grubby ran, but nohz=on of /boot/loader/entries/"));
	assert_non_null(strstr(err.msg, "$tuned_params of tuned's active profile"));
	/* A token that tuned gives counts, and is not added again. */
	assert_false(plan_changes(host, "{\"name\":\"s\",\"tasks\":[{\"type\":\"kernel_args\","
	                                "\"name\":\"a\",\"add\":[\"nohz=on\"]}]}"));
}

/* The arguments of all entries are one variable of GRUB's. */
static void test_grubby_kernelopts(void **state)
{
	struct task_host *host = *state;
	char *stage;
	static const char line[] = " root=/dev/mapper/rl-root ro crashkernel=auto "
	                           "resume=/dev/mapper/rl-swap rd.lvm.lv=rl/root rd.lvm.lv=rl/swap "
	                           "rhgb quiet ";

	expect_facts(host, "grub", "grubby", "dracut");
	expect_next(host, line);
	host_shell(host, "grep -v '^kernelopts\\|^##' boot/grub2/grubenv >../environment");
	char expected[512];
	snprintf(expected, sizeof(expected), "%sintel_iommu=on iommu=pt ", line);
	/* grubenv holds GRUB's own state, too: it comes back by its meaning, not its bytes. */
	host_shell(host, "mv boot/grub2/grubenv boot/grub2/initenv; ln -s initenv "
	                 "boot/grub2/grubenv");
	char *before = whole_host(host, &stage, expected);
	assert_string_equal(host_output(host, "grep -h ^options boot/loader/entries/*"),
	                    "options $kernelopts\noptions $kernelopts $tuned_params\n");
	undo_all(host, before, stage);
	expect_next(host, line);
	host_shell(host, "grep -v '^kernelopts\\|^##' boot/grub2/grubenv | diff - ../environment");
}

/* No grubby there: /etc/default/grub and grub2-mkconfig, which writes entries anew. */
static void test_mkconfig_bls(void **state)
{
	struct task_host *host = *state;
	char *stage;

	host_shell(host, "rm usr/sbin/grubby; cp %s/tests/sim/programs/grub2-mkconfig usr/sbin/",
	           TEST_SOURCE_DIR);
	json_object_set_new(json_object_get(host->facts, "host"), "boot_tool",
	                    json_string("grub2-mkconfig-bls"));
	char *before = whole_host(host, &stage, ROCKY9 TUNED "intel_iommu=on iommu=pt ");
	assert_string_equal(host_output(host,
	                                "grep -h '[$]tuned_params' boot/loader/entries/* | wc "
	                                "-l; grep -c nosmt boot/loader/entries/*362*; "
	                                "grep -c 'BEGIN gpufleet' etc/default/grub"),
	                    "2\n1\n1\n");
	/* grub.cfg is generated anew each time. */
	host_shell(host, "cp boot/grub2/grub.cfg ../made");
	free(before);
	before = strdup("");
	struct gf_err err;
	bool changed, reboot;
	if (host_undo(host, "one", false, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	expect_next(host, ROCKY9 TUNED);
	assert_string_equal(host_output(host, "grep -rl 'iommu=\\|gpufleet' etc boot/loader"), "");
	free(before);
	free(stage);
}

static void test_suse(void **state)
{
	struct task_host *host = *state;
	char *stage;
#define SUSE                                                                                       \
	"root=UUID=2f5f8a6e-0b5d-4f4a-9a52-5f0a3f0d5e11 ${extra_cmdline} splash=silent "           \
	"mitigations=auto quiet security=apparmor "

	expect_facts(host, "grub", "grub2-mkconfig", "dracut");
	expect_next(host, " " SUSE);
	host_shell(host, "echo UUID=2f5f8a6e-0b5d-4f4a-9a52-5f0a3f0d5e11 >../control/root-device; "
	                 "GPUFLEET_SYSROOT=$PWD usr/sbin/grub2-mkconfig -o boot/grub2/grub.cfg "
	                 "2>/dev/null");
	char *before = whole_host(host, &stage, " " SUSE "intel_iommu=on iommu=pt ");
	host_shell(host, "tail -n 1 etc/default/grub | grep -qx '# END gpufleet'");
	undo_all(host, before, stage);
	expect_next(host, " " SUSE);
}

/* What MAAS or a cloud image left there is read before our drop-in, which appends to it. Ubuntu's
 * GRUB ends the line with a variable of its own. */
static void test_ubuntu(struct task_host *host, const char *theirs)
{
	char *stage, next[300];
	static const char root[] = " root=UUID=2f5f8a6e-0b5d-4f4a-9a52-5f0a3f0d5e11 ro ";

	expect_facts(host, "grub", "update-grub", "initramfs-tools");
	snprintf(next, sizeof(next), "%s%s $vt_handoff ", root, theirs);
	expect_next(host, next);
	snprintf(next, sizeof(next), "%s%s intel_iommu=on iommu=pt $vt_handoff ", root, theirs);
	char *before = whole_host(host, &stage, next);
	undo_all(host, before, stage);
}

static void test_maas(void **state)
{
	test_ubuntu(*state, "console=ttyS1,115200n8 net.ifnames=0");
}

static void test_cloudimg(void **state)
{
	test_ubuntu(*state, "console=tty1 console=ttyS0");
}

/* systemd-boot boots copies, of the initramfs too: those are looked at. */
static void test_kernel_install(void **state)
{
	struct task_host *host = *state;
	char *stage;
#define SYSTEMD " root=UUID=2f5f8a6e-0b5d-4f4a-9a52-5f0a3f0d5e11 ro quiet "
#define MACHINE "systemd.machine_id=6f1d0b7e3c2a4e58b9d0c1a2f3e4d5c6 "

	expect_facts(host, "systemd-boot", "kernel-install", "dracut");
	expect_next(host, SYSTEMD MACHINE);
	char *before = whole_host(host, &stage, SYSTEMD MACHINE "intel_iommu=on iommu=pt ");
	assert_string_equal(host_output(host, "cat etc/kernel/cmdline"),
	                    "root=UUID=2f5f8a6e-0b5d-4f4a-9a52-5f0a3f0d5e11 ro quiet "
	                    "intel_iommu=on iommu=pt\n");
	host_shell(host, "cmp boot/initrd.img-* efi/*/*/initrd.img-*");
	undo_all(host, before, stage);
	expect_next(host, SYSTEMD MACHINE);
	host_shell(host, "cmp boot/initrd.img-* efi/*/*/initrd.img-*");
}

/* The hook runs the script as dracut does, by sourcing it; a renumbered device is left alone. */
static void test_dracut_hook(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	char *stage = shipped_stage("host");

	host_want(host, "0000:01:00.0");
	if (host_apply(host, "one", stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	host_shell(host, "mkdir ../image; tar -C ../image -xf boot/initramfs-*427*.img; "
	                 "ln -s $PWD/sys ../image/sys; rm sys/bus/pci/devices/*/driver; "
	                 ": >sys/bus/pci/devices/0000:01:00.0/driver_override; "
	                 "cd ../image; GPUFLEET_SYSROOT=$PWD sh -ec 'for hook in "
	                 "usr/lib/dracut/hooks/pre-udev/*.sh; do . ./$hook; done; echo alive' "
	                 ">../said");
	assert_string_equal(
	    host_output(host, "cat ../said sys/bus/pci/devices/0000:01:00.0/driver_override"),
	    "alive\nvfio-pci\n");
	host_shell(host, "! ls ../image/etc/modprobe.d | grep -v gpufleet | grep -q nothing; "
	                 "ls ../image/usr/lib/modules/*/kernel/drivers/vfio/pci/vfio-pci.ko.xz");
	/* Somebody's own build without our module is found. */
	host_shell(host, "mv etc/dracut.conf.d/90-gpufleet.conf ..; for v in lib/modules/*; do "
	                 "GPUFLEET_SYSROOT=$PWD usr/sbin/dracut --force "
	                 "$PWD/boot/initramfs-${v##*/}.img ${v##*/}; done; "
	                 "mv ../90-gpufleet.conf etc/dracut.conf.d/");
	expect_images(host, 0, "/etc/gpufleet/bind.conf is not in it");
	assert_true(plan_changes(host, stage));
	free(stage);
}

static void expect_blocked(struct task_host *host, const char *because);

/* A cloud image that tries to boot without an initramfs first. */
static void test_cloudimg_no_initramfs(void **state)
{
	struct task_host *host = *state;

	host_shell(host, "echo 'GRUB_FORCE_PARTUUID=2f5f8a6e-0b5d-4f4a-9a52-5f0a3f0d5e11' "
	                 ">etc/default/grub.d/40-force-partuuid.cfg; "
	                 "GPUFLEET_SYSROOT=$PWD usr/sbin/update-grub 2>/dev/null");
	expect_blocked(host, "tries to boot without its initramfs first");
	host_shell(host, "rm etc/default/grub.d/40-force-partuuid.cfg; "
	                 "GPUFLEET_SYSROOT=$PWD usr/sbin/update-grub 2>/dev/null");
	test_cloudimg(state);
}

static void expect_blocked(struct task_host *host, const char *because)
{
	struct gf_err err;
	bool changed, reboot;
	char *stage = shipped_stage("host");

	host_want(host, "0000:01:00.0");
	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	if (!strstr(err.msg, because))
		fail_msg("\"%s\" does not say \"%s\"", err.msg, because);
	assert_false(changed || reboot);
	free(stage);
}

static void test_unknown(void **state)
{
	struct task_host *host = *state;

	host_shell(host, "mkdir -p run; : >run/ostree-booted");
	expect_blocked(host, "rpm-ostree kargs");
	host_shell(host, "rm run/ostree-booted usr/sbin/grubby");
	expect_blocked(host, "none of update-grub, grubby, grub2-mkconfig");
	host_shell(host, "rm -r etc/default/grub boot/grub2; : >boot/loader/loader.conf");
	expect_blocked(host, "systemd-boot");
}

static void test_unknown_initramfs(void **state)
{
	struct task_host *host = *state;

	host_shell(host, "rm usr/sbin/dracut");
	json_object_set_new(json_object_get(host->facts, "host"), "initramfs", json_null());
	expect_blocked(host, "initramfs-tools and dracut");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f, layout) cmocka_unit_test_setup_teardown(f, layout##_setup, host_teardown)
	    T(test_grubby, rocky9),
	    T(test_default_entry, rocky9),
	    T(test_grubby_other_kernels, rocky9),
	    T(test_grubby_tuned_has_it, rocky9),
	    T(test_grubby_kernelopts, rocky8),
	    T(test_mkconfig_bls, rocky9),
	    T(test_suse, suse),
	    T(test_maas, maas),
	    T(test_cloudimg, cloudimg),
	    T(test_cloudimg_no_initramfs, cloudimg),
	    T(test_kernel_install, systemd),
	    T(test_dracut_hook, rocky9),
	    T(test_unknown, rocky9),
	    T(test_unknown_initramfs, rocky9),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
