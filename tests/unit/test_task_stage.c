/* The shipped playbook on a simulated host: plan, apply, again, verify, undo. */
#include "tests/unit/task_host.h"

static void test_whole_host(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	char *stage = shipped_stage("host"), *before = host_tree(host);

	host_want(host, "0000:01:00.0 0000:01:00.1");
	json_t *plan = host_plan(host, stage);
	assert_true(json_is_true(json_object_get(plan, "changed")));
	assert_true(json_is_true(json_object_get(plan, "reboot")));
	json_decref(plan);
	char *planned = host_tree(host);
	assert_string_equal(before, planned); /* a plan changes nothing */
	free(planned);

	if (host_apply(host, "one", stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(changed && reboot);
	assert_non_null(
	    strstr(host_output(host, "cat boot/grub/grub.cfg"), "quiet intel_iommu=on iommu=pt\n"));
	assert_non_null(strstr(host_output(host, "cat etc/gpufleet/bind.conf"),
	                       "\n0000:01:00.0 10de 1b06 1462 3609 vfio-pci\n"));
	assert_null(strstr(host_output(host, "cat etc/gpufleet/bind.conf"), "0000:02:00.0"));
	/* The twin keeps nouveau, so it is not blacklisted; nor are the services stopped. */
	assert_string_equal(host_output(host, "ls etc/modprobe.d | grep gpufleet"), "");
	assert_string_equal(host_output(host, "cat ../control/units/nvidia-persistenced.service"),
	                    "enabled active\n");

	/* Booted: nothing is to be done any more, and no program runs but the looking. */
	host_shell(
	    host, "sed -n 's/^.linux.\\([^ ]* \\)/BOOT_IMAGE=\\1/p' boot/grub/grub.cfg | head -n 1 "
	          ">proc/cmdline; : >../control/programs.log");
	if (host_apply(host, "two", stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_false(changed);
	assert_false(reboot);
	assert_false(plan_changes(host, stage));
	assert_string_equal(host_output(host, "cat ../control/programs.log"), "");

	assert_int_equal(host_undo(host, "two", false, &changed, &reboot, &err), 0);
	assert_false(changed);
	if (host_undo(host, "one", false, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(changed && reboot);
	char *after = host_tree(host);
	assert_string_equal(before, after);
	assert_int_equal(host_undo(host, "one", false, &changed, &reboot, &err), 0);
	assert_false(changed || reboot);
	free(after);
	free(before);
	free(stage);
}

static void test_every_card_wanted(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	char *stage = shipped_stage("host"), *before = host_tree(host);

	host_want(host, "0000:01:00.0 0000:01:00.1 0000:02:00.0 0000:02:00.1");
	if (host_apply(host, "one", stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	const char *list = host_output(host, "cat etc/modprobe.d/gpufleet-competing-drivers.conf");
	assert_non_null(strstr(list, "\nblacklist nouveau\n"));
	assert_null(strstr(list, "snd_hda_intel"));
	assert_string_equal(host_output(host, "cat ../control/units/nvidia-persistenced.service"),
	                    "disabled inactive\n");
	assert_int_equal(host_undo(host, "one", false, &changed, &reboot, &err), 0);
	host_shell(host,
	           "echo enabled active >../control/units/nvidia-persistenced.service.want; "
	           "read -r e a <../control/units/nvidia-persistenced.service; test $e = enabled; "
	           "mv ../control/units/nvidia-persistenced.service.want "
	           "../control/units/nvidia-persistenced.service");
	char *after = host_tree(host);
	assert_string_equal(before, after);
	free(after);
	free(before);
	free(stage);
}

static void test_nothing_wanted(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	char *stage = shipped_stage("host");

	assert_false(plan_changes(host, stage));
	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), 0);
	assert_false(changed || reboot);
	free(stage);
}

static void test_exchanged_card_blocks(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	char *stage = shipped_stage("host"), *before = host_tree(host);

	host_want(host, "0000:01:00.0 0000:01:00.1");
	host_shell(host, "echo 0x1c82 >sys/bus/pci/devices/0000:01:00.0/device");
	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	assert_non_null(strstr(err.msg, "0000:01:00.0 has device 0x1c82 where 1b06 was expected"));
	assert_false(changed || reboot);
	char *after = host_tree(host);
	assert_string_equal(before, after); /* blocked is untouched */
	assert_int_equal(json_array_size(host->events), 1);
	free(after);
	free(before);
	free(stage);
}

static void test_image_missing_content(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	char *stage = shipped_stage("host");

	host_want(host, "0000:01:00.0 0000:01:00.1");
	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), 0);
	/* Somebody builds the image without the hook: the next look finds out. */
	host_shell(host, "mv etc/initramfs-tools/hooks/gpufleet-bind ../hook; "
	                 "GPUFLEET_SYSROOT=$PWD usr/sbin/update-initramfs -u -k all >/dev/null; "
	                 "mv ../hook etc/initramfs-tools/hooks/gpufleet-bind");
	assert_true(plan_changes(host, stage));
	if (host_apply(host, "two", stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(changed && reboot);

	/* A hook that fails to do its work is found before anything reboots. */
	host_shell(
	    host,
	    "printf '#!/bin/sh\\n[ \"$1\" != prereqs ] || exit 0\\nrm -f "
	    "$DESTDIR/etc/gpufleet/bind.conf\\n' "
	    ">etc/initramfs-tools/hooks/zz-breaks; chmod 755 etc/initramfs-tools/hooks/zz-breaks; "
	    "GPUFLEET_SYSROOT=$PWD usr/sbin/update-initramfs -u -k all >/dev/null");
	assert_int_equal(host_apply(host, "three", stage, &changed, &reboot, &err), -1);
	assert_non_null(strstr(err.msg, "/etc/gpufleet/bind.conf is not in it"));
	free(stage);
}

static void test_verify_drift(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	char *text = shipped_stage("host");
	json_t *stage = json_loads(text, 0, NULL);

	host_want(host, "0000:01:00.0 0000:01:00.1");
	assert_int_equal(host_apply(host, "one", text, &changed, &reboot, &err), 0);
	json_t *drift = stage_verify(&host->ctx, stage, &err);
	char *dump = json_dumps(drift, 0);
	assert_non_null(strstr(dump, "intel_iommu=on is not in effect on the running kernel"));
	assert_non_null(strstr(dump, "nouveau → vfio-pci"));
	free(dump);
	json_decref(drift);
	json_decref(stage);
	free(text);
}

static void test_undo_conflict(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	char *stage = shipped_stage("host"), *before = host_tree(host);

	host_want(host, "0000:01:00.0 0000:01:00.1");
	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), 0);
	host_shell(host, "echo '# mine' >>etc/default/grub.d/zz-gpufleet.cfg");
	assert_int_equal(host_undo(host, "one", false, &changed, &reboot, &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	assert_non_null(
	    strstr(err.msg, "/etc/default/grub.d/zz-gpufleet.cfg was changed by someone else"));
	assert_false(changed);
	assert_int_equal(access(root_path(&host->root, "/etc/gpufleet/bind.conf").text, F_OK), 0);
	assert_int_equal(host_undo(host, "one", true, &changed, &reboot, &err), 0);
	char *after = host_tree(host);
	assert_string_equal(before, after);
	free(after);
	free(before);
	free(stage);
}

/* Every file that is in the way is named at once; of very many, as many as have room. */
static void test_undo_conflicts(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	json_t *tasks = json_array();
	char path[200], *stage;

	for (int i = 1; i <= 9; i++) {
		snprintf(path, sizeof(path), "/etc/file-%d-with-a-name-of-some-length", i);
		json_array_append_new(tasks, json_pack("{ss ss ss ss}", "type", "file", "name",
		                                       path, "path", path, "content", "1"));
	}
	json_t *whole = json_pack("{ss so}", "name", "files", "tasks", tasks);
	stage = json_dumps(whole, 0);
	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), 0);
	host_shell(host, "for i in 2 4; do echo 2 >etc/file-$i-with-a-name-of-some-length; done");
	assert_int_equal(host_undo(host, "one", false, &changed, &reboot, &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	assert_string_equal(err.msg,
	                    "2 files were changed by someone else since "
	                    "(/etc/file-2-with-a-name-of-some-length, "
	                    "/etc/file-4-with-a-name-of-some-length): keep what you need of them, "
	                    "then undo with --force");
	host_shell(host, "for i in 1 2 3 4 5 6 7 8 9; do echo 2 "
	                 ">etc/file-$i-with-a-name-of-some-length; done");
	assert_int_equal(host_undo(host, "one", false, &changed, &reboot, &err), -1);
	assert_non_null(strstr(err.msg, "9 files were changed"));
	assert_non_null(strstr(err.msg, "/etc/file-8-with-a-name-of-some-length and 1 more): "));
	assert_false(changed);
	assert_int_equal(host_undo(host, "one", true, &changed, &reboot, &err), 0);
	host_shell(host, "! ls etc/file-*");
	free(stage);
	json_decref(whole);
}

/* An operation that failed half-way, mended by a second one: both undone leave no trace in the
 * image. */
static void test_undo_of_half_and_rest(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed, reboot;
	char *stage = shipped_stage("host"), *before = host_tree(host);

	host_want(host, "0000:01:00.0 0000:01:00.1 0000:02:00.0 0000:02:00.1");
	host_shell(host, "mkdir -p ../control/fault; mv usr/sbin/update-grub ../; "
	                 "printf '#!/bin/sh\nexit 1\n' >usr/sbin/update-grub; chmod 755 "
	                 "usr/sbin/update-grub");
	assert_int_equal(host_apply(host, "one", stage, &changed, &reboot, &err), -1);
	assert_true(changed);
	host_shell(host, "mv ../update-grub usr/sbin/");
	if (host_apply(host, "two", stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_true(changed && reboot);
	assert_int_equal(host_undo(host, "two", false, &changed, &reboot, &err), 0);
	assert_int_equal(host_undo(host, "one", false, &changed, &reboot, &err), 0);
	host_shell(host, "! tar -tf boot/initrd.img-* | grep gpufleet; "
	                 "echo enabled active >../control/units/nvidia-persistenced.service");
	char *after = host_tree(host);
	assert_string_equal(before, after);
	free(after);
	free(before);
	free(stage);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, host_setup, host_teardown)
	    T(test_whole_host),
	    T(test_every_card_wanted),
	    T(test_nothing_wanted),
	    T(test_exchanged_card_blocks),
	    T(test_image_missing_content),
	    T(test_verify_drift),
	    T(test_undo_conflict),
	    T(test_undo_conflicts),
	    T(test_undo_of_half_and_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
