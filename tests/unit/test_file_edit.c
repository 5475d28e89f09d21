/* Files written atomically, backed up and put back, and what must not go wrong. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
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

/* Kernels before 5.6, and valgrind, have no openat2: then directories behind links are refused. */
static bool links_are_followed(void)
{
	struct open_how how = {.flags = O_RDONLY | O_CLOEXEC};
	int fd = (int)syscall(SYS_openat2, AT_FDCWD, "/", &how, sizeof(how));

	if (fd >= 0)
		close(fd);
	return fd >= 0;
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
	int behind = links_are_followed() ? 0 : -1; /* and stays inside the root */
	assert_int_equal(write_text(host, "/etc/up/outside", "x", &changed, &err), behind);
	assert_int_equal(write_text(host, "/etc/inside/f", "x", &changed, &err), behind);
	assert_string_equal(
	    host_output(host, "cat ../outside; cat outside real/f 2>/dev/null; true"),
	    behind == 0 ? "outside\nxx" : "outside\n");
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

/* An access list in the kernel's form: owner rw, user 12345 rw, group r, mask rw, others none. */
static const unsigned char access_list[] = {
    2, 0,    0,    0,    1,    0,    6,    0, 0xff, 0xff, 0xff, 0xff, 2,    0,    6,
    0, 0x39, 0x30, 0,    0,    4,    0,    4, 0,    0xff, 0xff, 0xff, 0xff, 0x10, 0,
    6, 0,    0xff, 0xff, 0xff, 0xff, 0x20, 0, 0,    0,    0xff, 0xff, 0xff, 0xff};

/* The mode that was asked for counts, whatever the file's access list said. */
static void test_access_list(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed = false;
	unsigned char value[64];
	char path[PATH_MAX];
	struct file_want want = {.path = "/etc/f", .data = "new\n", .size = 4, .mode = 0600};

	snprintf(path, sizeof(path), "%s", root_path(&host->root, "/etc/f").text);
	if (setxattr(path, "system.posix_acl_access", access_list, sizeof(access_list), 0) != 0)
		skip(); /* this file system has no access lists */
	char *before = strdup(host_output(host, "stat -c %a etc/f"));
	assert_int_equal(file_edit_apply(&host->root, host->operation, &want, &changed, &err), 0);
	assert_true(changed);
	assert_string_equal(host_output(host, "stat -c %a etc/f"), "600\n");
	assert_int_equal(file_edit_differs(&host->root, &want, &err), 0);
	assert_int_equal(undo(host, &err), 0);
	assert_string_equal(host_output(host, "stat -c %a etc/f"), before);
	assert_int_equal(getxattr(path, "system.posix_acl_access", value, sizeof(value)),
	                 sizeof(access_list));
	assert_memory_equal(value, access_list, sizeof(access_list));
	free(before);
}

/* A file that was taken away comes back with what it had beside its bytes. */
static void test_removed_attributes(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;
	unsigned char value[64];
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", root_path(&host->root, "/etc/f").text);
	if (setxattr(path, "system.posix_acl_access", access_list, sizeof(access_list), 0) != 0 ||
	    setxattr(path, "trusted.test", "a\0b", 3, 0) != 0)
		skip(); /* this file system has no access lists, or we are not root */
	assert_int_equal(write_text(host, "/etc/f", NULL, &changed, &err), 0);
	assert_int_equal(undo(host, &err), 0);
	assert_int_equal(getxattr(path, "trusted.test", value, sizeof(value)), 3);
	assert_memory_equal(value, "a\0b", 3);
	assert_int_equal(getxattr(path, "system.posix_acl_access", value, sizeof(value)),
	                 sizeof(access_list));
	assert_memory_equal(value, access_list, sizeof(access_list));
}

/* The label is kept by a change and put back by an undo, also after the file was taken away. */
static void test_selinux_label(void **state)
{
	static const char label[] = "system_u:object_r:etc_runtime_t:s0";
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;
	char value[256], path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", root_path(&host->root, "/etc/f").text);
	if (setxattr(path, "security.selinux", label, sizeof(label), 0) != 0)
		skip(); /* only root may, and only where the file system has such attributes */
	assert_int_equal(write_text(host, "/etc/f", "new\n", &changed, &err), 0);
	assert_int_equal(getxattr(path, "security.selinux", value, sizeof(value)), sizeof(label));
	assert_string_equal(value, label);
	assert_int_equal(removexattr(path, "security.selinux"), 0);
	assert_int_equal(undo(host, &err), 0);
	assert_int_equal(getxattr(path, "security.selinux", value, sizeof(value)), sizeof(label));
	assert_string_equal(value, label);
	assert_int_equal(write_text(host, "/etc/f", NULL, &changed, &err), 0);
	assert_int_equal(undo(host, &err), 0);
	assert_int_equal(getxattr(path, "security.selinux", value, sizeof(value)), sizeof(label));
	assert_string_equal(value, label);
}

/* Another name of the same file is not ours: it keeps its bytes. */
static void test_hard_link(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;

	host_shell(host, "ln etc/f other");
	assert_int_equal(write_text(host, "/etc/f", "new\n", &changed, &err), 0);
	assert_string_equal(host_output(host, "cat etc/f other"), "new\nformer\n");
	assert_int_equal(undo(host, &err), 0);
	assert_string_equal(host_output(host, "cat etc/f other"), "former\nformer\n");
}

static void test_immutable(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;
	int flags = FS_IMMUTABLE_FL, none = 0;
	int fd = open(root_path(&host->root, "/etc/f").text, O_RDONLY | O_CLOEXEC);

	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) != 0) {
		close(fd);
		skip(); /* only root may, and not every file system knows it */
	}
	int written = write_text(host, "/etc/f", "new\n", &changed, &err);
	struct gf_err removing;
	int removed = write_text(host, "/etc/f", NULL, &changed, &removing);
	char *left = strdup(host_output(host, "ls -A etc; cat etc/f"));
	ioctl(fd, FS_IOC_SETFLAGS, &none);
	close(fd);
	assert_int_equal(written, -1);
	assert_non_null(strstr(err.msg, "may be immutable: see lsattr"));
	assert_int_equal(removed, -1);
	assert_non_null(strstr(removing.msg, "may be immutable: see lsattr"));
	assert_string_equal(left, "f\nformer\n");
	free(left);
}

/* A record that a power cut or a full disk cut short is no part of the next one. */
static void test_torn_index(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	bool changed;

	assert_int_equal(write_text(host, "/etc/f", "new\n", &changed, &err), 0);
	host_shell(host, "printf '{\"kind\":\"fi' >>../op/backup/index.jsonl");
	assert_int_equal(write_text(host, "/etc/f", "newer\n", &changed, &err), 0);
	json_t *records = backup_read(host->operation, &err);
	assert_int_equal(json_array_size(records), 2);
	json_decref(records);
	assert_int_equal(undo(host, &err), 0);
	assert_string_equal(host_output(host, "cat etc/f"), "former\n");
}

/* The index has no room: the record is left out as a whole. */
static void test_no_space_for_record(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	static char text[12000];

	if (geteuid() != 0 || mount("gpufleet-test", host->operation, "tmpfs", 0, "size=8k") != 0)
		skip();
	memset(text, 'x', sizeof(text) - 1);
	int first =
	    backup_record(host->operation, json_pack("{ssss}", "kind", "a", "text", "b"), &err);
	int second =
	    backup_record(host->operation, json_pack("{ssss}", "kind", "a", "text", text), &err);
	json_t *records = NULL;
	int third =
	    backup_record(host->operation, json_pack("{ssss}", "kind", "c", "text", "d"), &err);
	records = backup_read(host->operation, &err);
	umount(host->operation);
	assert_int_equal(first, 0);
	assert_int_equal(second, -1);
	assert_int_equal(third, 0);
	assert_int_equal(json_array_size(records), 2);
	json_decref(records);
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
	int mounted = mount("none", path, "none", MS_REMOUNT | MS_RDONLY, NULL);
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
	    T(test_replace_and_undo), T(test_create_and_remove),   T(test_links),
	    T(test_conflict),         T(test_recorded_only),       T(test_damaged_backup),
	    T(test_attributes),       T(test_access_list),         T(test_removed_attributes),
	    T(test_selinux_label),    T(test_hard_link),           T(test_immutable),
	    T(test_torn_index),       T(test_no_space_for_record), T(test_no_space),
	    T(test_read_only),        T(test_no_space_for_backup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
