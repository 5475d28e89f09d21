/* Files written atomically, backed up and put back, and what must not go wrong. */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/xattr.h>

#include "tests/unit/task_host.h"

#include "node-agent/tasks/backup.h"
#include "node-agent/tasks/file_edit.h"

static int setup(void **state)
{
	struct task_host *host = calloc(1, sizeof(*host));
	const char *tmp = getenv("TMPDIR");

	snprintf(host->dir, sizeof(host->dir), "%s/gpufleet-edit-XXXXXX", tmp ? tmp : "/tmp");
	assert_non_null(mkdtemp(host->dir));
	snprintf(host->root.path, sizeof(host->root.path), "%s/root", host->dir);
	snprintf(host->operation, sizeof(host->operation), "%s/op", host->dir);
	mkdir(host->root.path, 0755);
	mkdir(host->operation, 0700);
	host_shell(host,
	           "mkdir etc; echo former >etc/f; chmod 640 etc/f; touch -d @1000000000.25 etc/f");
	*state = host;
	return 0;
}

static int write_text(struct task_host *host, const char *path, const char *text, bool *changed,
                      struct gf_err *err)
{
	struct file_want want = {.path = path, .data = text, .size = text ? strlen(text) : 0};

	memset(err, 0, sizeof(*err));
	*changed = false;
	return file_edit_apply(&host->root, host->operation, &want, changed, err);
}

/* Undoes the newest record of PATH. */
static int undo(struct task_host *host, struct gf_err *err)
{
	json_t *records = backup_read(host->operation, err);
	int result = 0;

	assert_non_null(records);
	for (size_t i = json_array_size(records); i-- > 0 && result == 0;) {
		const json_t *record = json_array_get(records, i);
		if (strcmp(json_string_value(json_object_get(record, "kind")), "file") != 0) {
			file_edit_undo_directory(&host->root, record);
			continue;
		}
		int todo = file_edit_undo_check(&host->root, record, err);
		result =
		    todo <= 0 ? todo : file_edit_undo(&host->root, host->operation, record, err);
	}
	json_decref(records);
	return result;
}

static void test_replace_and_undo(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;
	char *before = strdup(host_output(host, "stat -c '%a %u %g %Y %y' etc/f; cat etc/f"));

	assert_int_equal(write_text(host, "/etc/f", "new\n", &changed, &err), 0);
	assert_true(changed);
	assert_string_equal(host_output(host, "stat -c %a etc/f; cat etc/f; ls -A etc"),
	                    "640\nnew\nf\n");
	assert_int_equal(write_text(host, "/etc/f", "new\n", &changed, &err), 0);
	assert_false(changed);
	assert_int_equal(undo(host, &err), 0);
	assert_string_equal(before, host_output(host, "stat -c '%a %u %g %Y %y' etc/f; cat etc/f"));
	assert_int_equal(undo(host, &err), 0); /* again: nothing to do */
	free(before);
}

static void test_create_and_remove(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;

	assert_int_equal(write_text(host, "/etc/a/b/c", "x", &changed, &err), 0);
	assert_string_equal(host_output(host, "stat -c %a etc/a etc/a/b etc/a/b/c"),
	                    "755\n755\n644\n");
	assert_int_equal(write_text(host, "/etc/f", NULL, &changed, &err), 0);
	assert_true(changed);
	assert_string_equal(host_output(host, "ls etc"), "a\n");
	assert_int_equal(undo(host, &err), 0);
	assert_string_equal(host_output(host, "ls etc; cat etc/f; stat -c %a etc/f"),
	                    "f\nformer\n640\n");
}

static void test_links(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;

	host_shell(host,
	           "echo outside >../outside; ln -s ../../outside etc/link; ln -s /../.. etc/up; "
	           "mkdir real; ln -s /real etc/inside");
	assert_int_equal(write_text(host, "/etc/link", "x", &changed, &err), -1);
	assert_non_null(strstr(err.msg, "symbolic link"));
	assert_int_equal(write_text(host, "/etc/../../outside", "x", &changed, &err), -1);
	assert_int_equal(write_text(host, "/etc/up/outside", "x", &changed, &err),
	                 0); /* stays inside */
	assert_int_equal(write_text(host, "/etc/inside/f", "x", &changed, &err), 0);
	assert_string_equal(host_output(host, "cat ../outside; cat outside; cat real/f"),
	                    "outside\nxx");
	assert_int_equal(write_text(host, "etc/f", "x", &changed, &err), -1);
	assert_int_equal(write_text(host, "/etc", "x", &changed, &err), -1);
	assert_int_equal(write_text(host, "/etc/", "x", &changed, &err), -1);
}

static void test_conflict(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;

	assert_int_equal(write_text(host, "/etc/f", "new\n", &changed, &err), 0);
	host_shell(host, "echo other >etc/f");
	assert_int_equal(undo(host, &err), -1);
	assert_non_null(strstr(err.msg, "/etc/f was changed by someone else since"));
	host_shell(host, "rm etc/f");
	assert_int_equal(undo(host, &err), -1);
}

/* Killed between the record and the change: undo finds the file as it was. */
static void test_recorded_only(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;

	assert_int_equal(write_text(host, "/etc/f", "new\n", &changed, &err), 0);
	host_shell(host, "echo former >etc/f; printf '{\"kind\":\"fi' >>../op/backup/index.jsonl");
	assert_int_equal(undo(host, &err), 0);
	assert_string_equal(host_output(host, "cat etc/f"), "former\n");
}

static void test_damaged_backup(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;

	assert_int_equal(write_text(host, "/etc/f", "new\n", &changed, &err), 0);
	host_shell(host, "echo bad >../op/backup/0001.data");
	assert_int_equal(undo(host, &err), -1);
	assert_non_null(strstr(err.msg, "is damaged"));
	assert_string_equal(host_output(host, "cat etc/f"), "new\n");
	host_shell(host, "echo nonsense >>../op/backup/index.jsonl");
	assert_null(backup_read(host->operation, &err));
}

static void test_attributes(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;
	char value[32], path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", root_path(&host->root, "/etc/f").text);
	if (setxattr(path, "trusted.test", "kept", 4, 0) != 0 &&
	    setxattr(path, "user.test", "kept", 4, 0) != 0)
		skip(); /* this file system has no extended attributes */
	assert_int_equal(write_text(host, "/etc/f", "new\n", &changed, &err), 0);
	assert_true(getxattr(path, "trusted.test", value, sizeof(value)) == 4 ||
	            getxattr(path, "user.test", value, sizeof(value)) == 4);
}

/* Mounts a small file system on etc; false (skip) where that is not allowed. */
static bool small_etc(struct task_host *host, const char *options)
{
	return geteuid() == 0 && mount("gpufleet-test", root_path(&host->root, "/etc").text,
	                               "tmpfs", 0, options) == 0;
}

static void test_no_space(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;
	static char big[256 << 10];

	if (!small_etc(host, "size=64k"))
		skip();
	memset(big, 'x', sizeof(big) - 1);
	host_shell(host, "echo former >etc/f");
	int result = write_text(host, "/etc/f", big, &changed, &err);
	char *left = strdup(host_output(host, "ls -A etc; cat etc/f"));
	umount(root_path(&host->root, "/etc").text);
	assert_int_equal(result, -1);
	assert_false(changed);
	assert_non_null(strstr(err.msg, "cannot write /etc/f: No space left on device"));
	assert_string_equal(left, "f\nformer\n");
	free(left);
}

static void test_read_only(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;

	if (!small_etc(host, "size=64k"))
		skip();
	host_shell(host, "echo former >etc/f");
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "%s", root_path(&host->root, "/etc").text);
	int mounted = mount(NULL, path, NULL, MS_REMOUNT | MS_RDONLY, NULL);
	int result = write_text(host, "/etc/f", "new\n", &changed, &err);
	umount(path);
	assert_int_equal(mounted, 0);
	assert_int_equal(result, -1);
	assert_non_null(
	    strstr(err.msg, "Read-only file system (nothing was changed; mount it read-write"));
}

/* No room for the backup: the file is not touched. */
static void test_no_space_for_backup(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;

	if (geteuid() != 0 || mount("gpufleet-test", host->operation, "tmpfs", 0, "size=16k") != 0)
		skip();
	host_shell(host, "head -c 100000 /dev/zero >etc/f");
	int result = write_text(host, "/etc/f", "new\n", &changed, &err);
	umount(host->operation);
	assert_int_equal(result, -1);
	assert_non_null(strstr(err.msg, "cannot keep a backup"));
	assert_int_equal(atoi(host_output(host, "stat -c %s etc/f")), 100000);
}

static int teardown(void **state)
{
	struct task_host *host = *state;
	char command[512];

	snprintf(command, sizeof(command), "rm -rf '%s'", host->dir);
	assert_int_equal(system(command), 0);
	free(host);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	    T(test_replace_and_undo),
	    T(test_create_and_remove),
	    T(test_links),
	    T(test_conflict),
	    T(test_recorded_only),
	    T(test_damaged_backup),
	    T(test_attributes),
	    T(test_no_space),
	    T(test_read_only),
	    T(test_no_space_for_backup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
