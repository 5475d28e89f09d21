/* file_edit.c: see file_edit.h. Happy path of a change: read, keep the bytes, record the intent,
 * write beside, rename. A crash anywhere leaves either the old or the new file, and undo knows
 * both. */
#include "node-agent/tasks/file_edit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "node-agent/tasks/backup.h"
#include "node-agent/file_place.h"
#include "node-agent/wire/json_text.h"
#include "node-agent/wire/sha256.h"

void file_state_free(struct file_state *state)
{
	free(state->data);
	state->data = NULL;
}

static int state_fill(int fd, const char *path, struct file_state *state, struct gf_err *err)
{
	if (fstat(fd, &state->st) != 0)
		return gf_err_errno(err, GF_E_IO, "cannot read %s", path);
	if (!S_ISREG(state->st.st_mode))
		return gf_err_set(err, GF_E_TASK,
		                  "%s is not a regular file: move it out of the way", path);
	if (state->st.st_size < 0 || (size_t)state->st.st_size > FILE_EDIT_LIMIT)
		return gf_err_set(err, GF_E_TASK, "%s is too large to edit", path);
	ssize_t n = fgetxattr(fd, "security.selinux", state->label, sizeof(state->label) - 1);
	state->label[n > 0 ? n : 0] = '\0';
	state->data = malloc((size_t)state->st.st_size + 1);
	if (!state->data)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	while (state->size < (size_t)state->st.st_size) {
		n = read(fd, state->data + state->size, (size_t)state->st.st_size - state->size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			gf_err_errno(err, GF_E_IO, "cannot read %s", path);
			file_state_free(state);
			return -1;
		}
		if (n == 0)
			break;
		state->size += (size_t)n;
	}
	state->data[state->size] = '\0';
	return 0;
}

/* Reads NAME in DIR; *fd stays open (or -1 when absent). */
static int state_read(int dir, const char *name, const char *path, struct file_state *state,
                      int *fd, struct gf_err *err)
{
	memset(state, 0, sizeof(*state));
	*fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (*fd < 0 && errno == ENOENT) {
		state->absent = true;
		return 0;
	}
	if (*fd < 0 && errno == ELOOP)
		return gf_err_set(
		    err, GF_E_TASK,
		    "%s is a symbolic link, which is not followed: replace it by a file", path);
	if (*fd < 0)
		return gf_err_errno(err, GF_E_IO, "cannot read %s", path);
	if (state_fill(*fd, path, state, err) != 0) {
		close(*fd);
		*fd = -1;
		return -1;
	}
	return 0;
}

int file_edit_read(const struct root *root, const char *path, struct file_state *state,
                   struct gf_err *err)
{
	const char *name;
	struct gf_err local;
	int fd = -1, dir = file_place_parent(root, path, &name, &local);

	memset(state, 0, sizeof(*state));
	if (dir < 0 && errno == ENOENT) {
		state->absent = true;
		return 0;
	}
	if (dir < 0) {
		if (err)
			*err = local;
		return -1;
	}
	int result = state_read(dir, name, path, state, &fd, err);
	if (fd >= 0)
		close(fd);
	close(dir);
	return result;
}

static bool state_differs(const struct file_state *now, const struct file_want *want)
{
	if (!want->data || now->absent)
		return now->absent != !want->data;
	return now->size != want->size || memcmp(now->data, want->data, want->size) != 0 ||
	       (want->mode && (now->st.st_mode & 07777) != want->mode) ||
	       (want->own && (now->st.st_uid != want->uid || now->st.st_gid != want->gid));
}

int file_edit_differs(const struct root *root, const struct file_want *want, struct gf_err *err)
{
	struct file_state now;

	if (file_edit_read(root, want->path, &now, err) != 0)
		return -1;
	bool differs = state_differs(&now, want);
	file_state_free(&now);
	return differs;
}

/* Makes the directories above PATH that are missing, each recorded before. */
static int parents_make(const struct root *root, const char *operation_dir, const char *path,
                        struct gf_err *err)
{
	char part[PATH_MAX];
	const char *name;

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		if ((size_t)snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path) >=
		    sizeof(part))
			return gf_err_set(err, GF_E_TASK, "the path %s is too long", path);
		int dir = file_place_parent(root, part, &name, err);
		if (dir < 0)
			return -1;
		struct stat st;
		int result = 0;
		if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT) {
			result = backup_record(
			    operation_dir, json_pack("{ssss}", "kind", "directory", "path", part),
			    err);
			if (result == 0 && mkdirat(dir, name, 0755) != 0 && errno != EEXIST)
				result = gf_err_errno(err, GF_E_IO, "cannot make the directory %s",
				                      part);
			if (result == 0) /* whatever the agent's umask is */
				result = fchmodat(dir, name, 0755, 0);
			if (result == 0)
				fsync(dir);
		}
		close(dir);
		if (result != 0)
			return -1;
	}
	return 0;
}

static int state_record(const char *operation_dir, const char *kind, const struct file_want *want,
                        const struct file_state *now, json_t *attributes, struct gf_err *err)
{
	char before[SHA256_HEX_SIZE] = "", after[SHA256_HEX_SIZE] = "", kept[32] = "";

	if (want->data)
		sha256_hex(want->data, want->size, after);
	if (!now->absent) {
		sha256_hex(now->data, now->size, before);
		if (backup_keep(operation_dir, now->data, now->size, kept, err) != 0)
			return -1;
	}
	json_t *record =
	    json_pack("{ss ss sb ss ss ss}", "kind", kind, "path", want->path, "absent",
	              now->absent, "data", kept, "before", before, "after", after);
	if (record && !now->absent) {
		json_object_set_new(record, "mode", json_integer(now->st.st_mode & 07777));
		json_object_set_new(record, "uid", json_integer(now->st.st_uid));
		json_object_set_new(record, "gid", json_integer(now->st.st_gid));
		json_object_set_new(record, "mtime", json_integer(now->st.st_mtim.tv_sec));
		json_object_set_new(record, "mtime_ns", json_integer(now->st.st_mtim.tv_nsec));
		json_object_set_new(record, "label", json_string(now->label));
		json_object_set(record, "attributes", attributes);
	}
	return backup_record(operation_dir, record, err);
}

static int file_remove(int dir, const char *name, const char *path, struct gf_err *err)
{
	if (unlinkat(dir, name, 0) != 0 && errno != ENOENT)
		return file_place_error(path, err);
	fsync(dir);
	return 0;
}

/* OPERATION_DIR NULL: not recorded. */
static int file_change(int dir, const char *name, const char *operation_dir,
                       const struct file_want *want, bool *changed, struct gf_err *err)
{
	struct file_state now;
	json_t *attributes = NULL;
	int fd = -1, result = -1;

	if (state_read(dir, name, want->path, &now, &fd, err) != 0)
		return -1;
	if (!state_differs(&now, want)) {
		result = 0;
		goto done;
	}
	attributes = now.absent ? NULL : file_place_attributes(fd);
	if (operation_dir && state_record(operation_dir, "file", want, &now, attributes, err) != 0)
		goto done;
	if (want->data) {
		struct file_place_meta meta = {
		    .mode = want->mode, .attributes = attributes, .label = now.label};
		if (!meta.mode)
			meta.mode = now.absent ? 0644 : now.st.st_mode & 07777;
		meta.uid = want->own ? want->uid : now.absent ? geteuid() : now.st.st_uid;
		meta.gid = want->own ? want->gid : now.absent ? getegid() : now.st.st_gid;
		result =
		    file_place_write(dir, name, want->path, want->data, want->size, &meta, err);
	} else {
		result = file_remove(dir, name, want->path, err);
	}
	if (result == 0)
		*changed = true;
done:
	json_decref(attributes);
	if (fd >= 0)
		close(fd);
	file_state_free(&now);
	return result;
}

int file_edit_apply(const struct root *root, const char *operation_dir,
                    const struct file_want *want, bool *changed, struct gf_err *err)
{
	const char *name;
	int differs = file_edit_differs(root, want, err);

	if (differs <= 0)
		return differs;
	if (!operation_dir)
		return gf_err_set(err, GF_E_INTERNAL, "no operation to record the change in");
	if (want->data && parents_make(root, operation_dir, want->path, err) != 0)
		return -1;
	int dir = file_place_parent(root, want->path, &name, err);
	if (dir < 0)
		return -1;
	int result = file_change(dir, name, operation_dir, want, changed, err);
	close(dir);
	return result;
}

int file_edit_put(const struct root *root, const struct file_want *want, bool *changed,
                  struct gf_err *err)
{
	const char *name;
	int dir = file_place_parent(root, want->path, &name, err);

	if (dir < 0)
		return -1;
	int result = file_change(dir, name, NULL, want, changed, err);
	close(dir);
	return result;
}

int file_edit_keep(const struct root *root, const char *operation_dir, const char *path,
                   struct gf_err *err)
{
	const char *name;
	struct file_state now;
	struct file_want want = {.path = path};
	int fd = -1, dir = file_place_parent(root, path, &name, err);

	if (dir < 0)
		return errno == ENOENT ? 0 : -1;
	int result = state_read(dir, name, path, &now, &fd, err);
	if (result == 0) {
		json_t *attributes = fd >= 0 ? file_place_attributes(fd) : NULL;
		result = state_record(operation_dir, "made", &want, &now, attributes, err);
		json_decref(attributes);
		file_state_free(&now);
	}
	if (fd >= 0)
		close(fd);
	close(dir);
	return result;
}

int file_edit_kept(const struct root *root, const char *operation_dir, const char *path,
                   struct gf_err *err)
{
	struct file_state now;
	char hash[SHA256_HEX_SIZE] = "";

	if (file_edit_read(root, path, &now, err) != 0)
		return -1;
	if (!now.absent)
		sha256_hex(now.data, now.size, hash);
	file_state_free(&now);
	return backup_record(
	    operation_dir, json_pack("{ss ss ss}", "kind", "made-now", "path", path, "after", hash),
	    err);
}

static json_int_t record_number(const json_t *record, const char *key)
{
	return json_integer_value(json_object_get(record, key));
}

static bool state_is_former(const struct file_state *now, const json_t *record)
{
	char hash[SHA256_HEX_SIZE] = "";

	if (now->absent || json_is_true(json_object_get(record, "absent")))
		return now->absent && json_is_true(json_object_get(record, "absent"));
	sha256_hex(now->data, now->size, hash);
	return strcmp(hash, json_text(record, "before")) == 0 &&
	       (now->st.st_mode & 07777) == (mode_t)record_number(record, "mode") &&
	       now->st.st_uid == (uid_t)record_number(record, "uid") &&
	       now->st.st_gid == (gid_t)record_number(record, "gid");
}

int file_edit_undo_check(const struct root *root, const json_t *record, struct gf_err *err)
{
	const char *path = json_text(record, "path");
	struct file_state now;
	char hash[SHA256_HEX_SIZE] = "";

	if (file_edit_read(root, path, &now, err) != 0)
		return -1;
	if (!now.absent)
		sha256_hex(now.data, now.size, hash);
	bool former = state_is_former(&now, record);
	/* The same bytes with the old mode or the new: ours either way. */
	bool ours = strcmp(hash, json_text(record, "after")) == 0 ||
	            (!now.absent && strcmp(hash, json_text(record, "before")) == 0);
	file_state_free(&now);
	if (former)
		return 0;
	if (!ours)
		return gf_err_set(err, GF_E_BLOCKED,
		                  "%s was changed by someone else since: keep what you need of it, "
		                  "then undo with --force",
		                  path);
	return 1;
}

int file_edit_undo(const struct root *root, const char *operation_dir, const json_t *record,
                   struct gf_err *err)
{
	const char *name, *path = json_text(record, "path");
	int result = -1, dir = file_place_parent(root, path, &name, err);

	if (dir < 0)
		return json_is_true(json_object_get(record, "absent")) && errno == ENOENT ? 0 : -1;
	if (json_is_true(json_object_get(record, "absent"))) {
		result = file_remove(dir, name, path, err);
		close(dir);
		return result;
	}
	size_t size = 0;
	char *data = backup_data(operation_dir, json_text(record, "data"), &size, err);
	char hash[SHA256_HEX_SIZE];
	if (data) {
		sha256_hex(data, size, hash);
		if (strcmp(hash, json_text(record, "before")) != 0)
			gf_err_set(err, GF_E_IO,
			           "the backup of %s in %s is damaged: it was not put back", path,
			           operation_dir);
		else
			result = 0;
	}
	if (result == 0) {
		struct timespec mtime = {.tv_sec = (time_t)record_number(record, "mtime"),
		                         .tv_nsec = (long)record_number(record, "mtime_ns")};
		struct file_place_meta meta = {.mode = (mode_t)record_number(record, "mode"),
		                               .uid = (uid_t)record_number(record, "uid"),
		                               .gid = (gid_t)record_number(record, "gid"),
		                               .label = json_text(record, "label"),
		                               .mtime = &mtime,
		                               .attributes = json_object_get(record, "attributes")};
		result = file_place_write(dir, name, path, data, size, &meta, err);
	}
	free(data);
	close(dir);
	return result;
}

void file_edit_undo_directory(const struct root *root, const json_t *record)
{
	const char *name;
	int dir = file_place_parent(root, json_text(record, "path"), &name, NULL);

	if (dir >= 0) {
		unlinkat(dir, name, AT_REMOVEDIR); /* not empty: someone else uses it now */
		close(dir);
	}
}
