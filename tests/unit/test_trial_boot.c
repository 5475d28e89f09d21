/* Which hosts can try a boot change once, and what is put into their custom.cfg: on the written
 * layouts of distributions. */
#include "tests/unit/task_host.h"

#include "node-agent/trial/trial_boot.h"

static struct agent agent_of(const struct task_host *host)
{
	struct agent agent = {.root = host->root};

	snprintf(agent.state, sizeof(agent.state), "/var/lib/gpufleet");
	snprintf(agent.program, sizeof(agent.program), "%s/usr/sbin/dracut", host->root.path);
	return agent;
}

static int layout_setup(void **state, const char *name)
{
	char script[128];

	snprintf(script, sizeof(script), "unit/layout_host.sh . %s", name);
	if (host_setup_by(state, script) != 0)
		return -1;
	host_shell(*state, "mkdir -p run/systemd/system");
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
LAYOUT(systemd, "debian-12-systemd-boot")

static void expect_possible(const struct task_host *host)
{
	struct agent agent = agent_of(host);
	char why[256] = "";

	if (!trial_possible(&agent, why, sizeof(why)))
		fail_msg("%s", why);
}

static void expect_not(const struct task_host *host, const char *because)
{
	struct agent agent = agent_of(host);
	char why[256] = "";

	assert_false(trial_possible(&agent, why, sizeof(why)));
	if (!strstr(why, because))
		fail_msg("\"%s\" does not say \"%s\"", why, because);
}

/* The trial of one more argument and one less, with an image of its own. */
static void arm(const struct task_host *host, const char *gone)
{
	json_t *add = json_pack("[s]", "iommu=pt"), *remove = json_pack("[s]", gone);
	struct gf_err err = {.code = GF_OK};

	if (trial_boot_arm(&host->root, "R-1", add, remove, TRIAL_IMAGE, &err) != 0)
		fail_msg("%s", err.msg);
	json_decref(add);
	json_decref(remove);
}

static void clear(const struct task_host *host)
{
	json_t *marker = json_pack("{sb}", "custom_absent", 1);
	struct gf_err err = {.code = GF_OK};

	if (trial_boot_clear(&host->root, marker, &err) != 0)
		fail_msg("%s", err.msg);
	json_decref(marker);
}

/* GRUB's own parser must take what is written. Debian packages it (grub-common). */
static void parse(const struct task_host *host, const char *path)
{
	char command[300];

	snprintf(command, sizeof(command), "grub-script-check %s 2>&1; echo $?", path);
	assert_string_equal(host_output(host, command), "0\n");
}

static void custom_is(const struct task_host *host, const char *path, const char *expected)
{
	char command[300];

	snprintf(command, sizeof(command), "sed -n '/^menuentry/,/^}/p' %s", path);
	assert_string_equal(host_output(host, command), expected);
}

#define ENTRY_BEGIN                                                                                \
	"menuentry 'gpufleet trial of R-1' --id gpufleet-trial --unrestricted {\n\tload_video\n"   \
	"\tset gfxpayload=keep\n\tinsmod gzio\n"
#define ENTRY_END                                                                                  \
	"iommu=pt gpufleet.op=R-1 rd.shell=0 rd.emergency=reboot panic=30\n"                       \
	"\tinitrd ($root)/gpufleet-trial.img $tuned_initrd\n}\n"

static void rocky9_is_tried(void **state)
{
	struct task_host *host = *state;
	char *before = strdup(host_output(host, "sha256sum boot/loader/entries/*"));

	expect_possible(host);
	arm(host, "console=tty0");
	custom_is(host, "boot/grub2/custom.cfg",
	          ENTRY_BEGIN "\tlinux ($root)/vmlinuz-5.14.0-427.13.1.el9_4.x86_64 "
	                      "root=/dev/mapper/rl-root ro "
	                      "crashkernel=1G-4G:192M,4G-64G:256M,64G-:512M "
	                      "resume=/dev/mapper/rl-swap rd.lvm.lv=rl/root rd.lvm.lv=rl/swap "
	                      "console=ttyS0,115200n8 $tuned_params " ENTRY_END);
	assert_string_equal(host_output(host, "grep -ao 'next_entry=.*' boot/grub2/grubenv"),
	                    "next_entry=gpufleet-trial\n");
	clear(host);
	assert_string_equal(host_output(host, "grep -ac next_entry= boot/grub2/grubenv; ls "
	                                      "boot/grub2"),
	                    "0\ngrub.cfg\ngrubenv\n");
	assert_string_equal(before, host_output(host, "sha256sum boot/loader/entries/*"));
	free(before);
}

/* The arguments of all entries are one variable there: it is written out, so that one can go. */
static void rocky8_is_tried(void **state)
{
	struct task_host *host = *state;

	expect_possible(host);
	arm(host, "rhgb");
	custom_is(host, "boot/grub2/custom.cfg",
	          ENTRY_BEGIN "\tlinux ($root)/vmlinuz-4.18.0-513.5.1.el8_9.x86_64 "
	                      "root=/dev/mapper/rl-root ro crashkernel=auto "
	                      "resume=/dev/mapper/rl-swap rd.lvm.lv=rl/root rd.lvm.lv=rl/swap "
	                      "quiet $tuned_params " ENTRY_END);
	clear(host);
}

/* Red Hat 8 with UEFI has grub.cfg and grubenv on the EFI partition, and a link to the latter. */
static void rocky8_is_tried_with_uefi(void **state)
{
	struct task_host *host = *state;

	host_shell(host, "d=boot/efi/EFI/rocky; mkdir -p $d sys/firmware/efi; "
	                 "mv boot/grub2/grub.cfg boot/grub2/grubenv $d/; "
	                 "ln -s ../boot/efi/EFI/rocky/grub.cfg etc/grub2-efi.cfg; "
	                 "ln -s ../efi/EFI/rocky/grubenv boot/grub2/grubenv");
	expect_possible(host);
	arm(host, "rhgb");
	assert_string_equal(host_output(host, "ls boot/grub2 boot/efi/EFI/rocky; grep -ac "
	                                      "next_entry=gpufleet boot/efi/EFI/rocky/grubenv"),
	                    "boot/efi/EFI/rocky:\ncustom.cfg\ngrub.cfg\ngrubenv\n\n"
	                    "boot/grub2:\ngrubenv\n1\n");
	clear(host);
	assert_string_equal(host_output(host, "ls boot/efi/EFI/rocky; grep -ac next_entry= "
	                                      "boot/efi/EFI/rocky/grubenv"),
	                    "grub.cfg\ngrubenv\n0\n");
	/* What grub2-reboot writes to is not what GRUB reads. */
	host_shell(host, "cp --remove-destination boot/efi/EFI/rocky/grubenv boot/grub2/grubenv");
	expect_not(host, "grub2-reboot writes to /boot/grub2/grubenv");
}

static void suse_is_tried(void **state)
{
	struct task_host *host = *state;

	expect_possible(host);
	arm(host, "quiet");
	custom_is(host, "boot/grub2/custom.cfg",
	          "menuentry 'gpufleet trial of R-1' --id gpufleet-trial {\n\tload_video\n"
	          "\tsearch --no-floppy --fs-uuid --set=root 2f5f8a6e-0b5d-4f4a-9a52-5f0a3f0d5e11\n"
	          "\tlinux /boot/vmlinuz-5.14.21-150500.55.39-default "
	          "root=UUID=2f5f8a6e-0b5d-4f4a-9a52-5f0a3f0d5e11 ${extra_cmdline} splash=silent "
	          "mitigations=auto security=apparmor iommu=pt gpufleet.op=R-1 rd.shell=0 "
	          "rd.emergency=reboot panic=30\n"
	          "\tinitrd /boot/gpufleet-trial.img\n}\n");
	clear(host);
	host_shell(host, "echo btrfs >../control/grub-fs");
	expect_not(host, "grubenv lies on btrfs, where GRUB cannot forget a one-time entry");
}

/* An argument that tuned gives stays, whatever is asked: found before anything is chosen. */
static void tuned_s_argument_is_not_taken(void **state)
{
	struct task_host *host = *state;
	json_t *add = json_array(), *remove = json_pack("[s]", "nohz=on");
	struct gf_err err = {.code = GF_OK};

	assert_int_equal(trial_boot_arm(&host->root, "R-1", add, remove, "", &err), -1);
	assert_non_null(strstr(err.msg, "nohz=on cannot be taken off the boot entry"));
	assert_string_equal(host_output(host, "ls boot/grub2; grep -c next_entry= "
	                                      "boot/grub2/grubenv"),
	                    "grub.cfg\ngrubenv\n0\n");
	json_decref(add);
	json_decref(remove);
}

static void where_it_is_not_possible(void **state)
{
	struct task_host *host = *state;

	host_shell(host, "echo diskfilter lvm >../control/grub-abstraction");
	expect_not(host, "grubenv lies on LVM");
	host_shell(host, "rm ../control/grub-abstraction; mv boot/grub2/grubenv boot/grub2/real; "
	                 "ln -s real boot/grub2/grubenv");
	expect_not(host, "/boot/grub2/grubenv is not a file that GRUB reads and writes itself");
	/* Of an image for both kinds of firmware: read from one place, cleared in another. */
	host_shell(host, "mv boot/grub2/real boot/grub2/grubenv; cp boot/grub2/grub.cfg ..; "
	                 "sed -i 's|load_env -f .*|load_env -f (hd0,gpt15)/efi/rocky/grubenv|' "
	                 "boot/grub2/grub.cfg");
	expect_not(host, "/boot/grub2/grubenv is not a file that GRUB reads and writes itself");
	host_shell(host, "grep -v custom.cfg ../grub.cfg >boot/grub2/grub.cfg");
	expect_not(host, "knows no one-time entries or no custom.cfg");
	host_shell(
	    host,
	    "cp ../grub.cfg boot/grub2/; sed -i 's/^saved_entry=.*/saved_entry=uefi-firmware/' "
	    "boot/grub2/grubenv");
	expect_not(host, "which entry GRUB boots by default can't be told");
	host_shell(host, "rm usr/sbin/grub2-reboot");
	expect_not(host, "it does not boot with GRUB, or lacks grub-reboot");
}

static void systemd_boot_is_not(void **state)
{
	expect_not(*state, "it does not boot with GRUB");
}

static void grub_takes_what_is_written(void **state)
{
	struct task_host *host = *state;

	if (system("command -v grub-script-check >/dev/null") != 0) {
		print_message("grub-script-check (grub-common) is not installed\n");
		skip();
	}
	parse(host, "boot/grub2/grub.cfg");
	arm(host, "quiet");
	parse(host, "boot/grub2/custom.cfg");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f, layout) cmocka_unit_test_setup_teardown(f, layout##_setup, host_teardown)
	    T(rocky9_is_tried, rocky9),
	    T(rocky8_is_tried, rocky8),
	    T(rocky8_is_tried_with_uefi, rocky8),
	    T(suse_is_tried, suse),
	    T(tuned_s_argument_is_not_taken, rocky9),
	    T(where_it_is_not_possible, rocky9),
	    T(systemd_boot_is_not, systemd),
	    T(grub_takes_what_is_written, rocky9),
	    T(grub_takes_what_is_written, rocky8),
	    T(grub_takes_what_is_written, suse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
