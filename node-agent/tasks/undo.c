/* undo.c: puts back what an operation recorded. Happy path: no file was changed by someone else
 * since, so files go back newest first, then boot files are made again from them, then it is marked
 * done. Stopped anywhere, it is simply done again: what is as it was before is passed over. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "node-agent/boot/boot_loader.h"
#include "node-agent/boot/initramfs_tool.h"
#include "node-agent/tasks/backup.h"
#include "node-agent/ini/ini_edit.h"
#include "node-agent/tasks/file_edit.h"
#include "node-agent/tasks/nova_task.h"
#include "node-agent/tasks/task.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"
#include "node-agent/wire/json_text.h"

static bool is_kind(const json_t *record, const char *kind)
{
	return strcmp(json_text(record, "kind"), kind) == 0;
}

/* Is there a later record of the same file? Then the earlier one is compared with the later's work.
 */
static bool is_newest(const json_t *records, size_t index)
{
	const char *path = json_text(json_array_get(records, index), "path");

	for (size_t i = index + 1; i < json_array_size(records); i++) {
		const json_t *other = json_array_get(records, i);
		if (is_kind(other, "file") && strcmp(json_text(other, "path"), path) == 0)
			return false;
	}
	return true;
}

/* Was the file edited line by line? Then ours can be taken out of what others made of it since. */
static bool is_ini(const json_t *records, const char *path)
{
	size_t i;
	const json_t *record;

	json_array_foreach(records, i, record)
	{
		if (is_kind(record, "ini") && strcmp(json_text(record, "path"), path) == 0)
			return true;
	}
	return false;
}

/* Files that somebody else changed since. */
struct conflicts {
	size_t count, named;
	char names[320]; /* as many as have room, with commas */
};

static void conflict_add(struct conflicts *conflicts, const char *path)
{
	size_t used = strlen(conflicts->names);

	conflicts->count++;
	/* None is named after one that has no room: what is left is counted. */
	if (conflicts->named + 1 != conflicts->count ||
	    used + strlen(path) + sizeof(", ") > sizeof(conflicts->names))
		return;
	snprintf(conflicts->names + used, sizeof(conflicts->names) - used, "%s%s", used ? ", " : "",
	         path);
	conflicts->named++;
}

/* ERR says it of one file, the first. */
static int conflicts_tell(const struct conflicts *conflicts, struct gf_err *err)
{
	char more[48] = "";

	if (conflicts->count < 2)
		return conflicts->count ? -1 : 0;
	if (conflicts->named < conflicts->count)
		snprintf(more, sizeof(more), "%s%zu more", conflicts->named ? " and " : "",
		         conflicts->count - conflicts->named);
	return gf_err_set(err, GF_E_BLOCKED,
	                  "%zu files were changed by someone else since (%s%s): keep what you need "
	                  "of them, then undo with --force",
	                  conflicts->count, conflicts->names, more);
}

/* All of them, as each that is missed costs another run. */
static int conflicts_find(const struct root *root, const json_t *records, struct gf_err *err)
{
	struct conflicts conflicts = {0};
	struct gf_err found;
	size_t i;
	const json_t *record;

	json_array_foreach(records, i, record)
	{
		if (is_kind(record, "file") && is_newest(records, i) &&
		    !is_ini(records, json_text(record, "path")) &&
		    file_edit_undo_check(root, record, &found) < 0) {
			if (err && (!conflicts.count || found.code != GF_E_BLOCKED))
				*err = found;
			if (found.code != GF_E_BLOCKED)
				return -1;
			conflict_add(&conflicts, json_text(record, "path"));
		}
	}
	return conflicts_tell(&conflicts, err);
}

struct undo {
	struct task_context *ctx;
	const char *operation_dir;
	const json_t *records;
	const struct boot_loader *loader; /* NULL: none that is known */
	const struct initramfs_tool *tool;
	json_t *add, *remove; /* kernel arguments to bring back and to take away again */
	json_t *restarts;     /* records of services to restart */
	json_t *made;         /* records of files that are back, newest first */
	bool force, changed, reboot, grub, initramfs;
};

static bool needs_reboot(const char *path)
{
	return strncmp(path, "/etc/modprobe.d/", 16) == 0 ||
	       strncmp(path, "/etc/modules-load.d/", 20) == 0;
}

/* A file that goes into the boot files makes them stale, also when the operation was stopped before
 * it built them itself. Recorded first, so that an undo that is stopped and repeated builds them,
 * too. */
static int boot_files_note(struct undo *undo, const char *path, struct gf_err *err)
{
	bool *stale = initramfs_tool_takes(path) && undo->tool                ? &undo->initramfs
	              : undo->loader && boot_loader_reads(undo->loader, path) ? &undo->grub
	                                                                      : NULL;

	if (!stale || *stale)
		return 0;
	*stale = true;
	return backup_record(
	    undo->operation_dir,
	    json_pack("{ssss}", "kind", "run", "what", stale == &undo->grub ? "grub" : "initramfs"),
	    err);
}

/* Others changed the file since: only our lines go, and what we took out comes back. */
static int undo_ini(struct undo *undo, const char *path, struct gf_err *err)
{
	struct file_state now;
	struct file_want want = {.path = path};
	char *text = NULL;

	if (file_edit_read(undo->ctx->root, path, &now, err) != 0)
		return -1;
	int result = now.absent ? 0 : ini_unedit(now.data, now.size, &text, &want.size, err);
	want.data = text;
	if (result == 0 && text)
		result = file_edit_put(undo->ctx->root, &want, &undo->changed, err);
	if (result != 0)
		gf_err_wrap(err,
		            "%s was changed by someone else since, and gpufleet's lines in it "
		            "cannot be taken out",
		            path);
	free(text);
	file_state_free(&now);
	return result;
}

static int undo_file(struct undo *undo, const json_t *record, struct gf_err *err)
{
	const struct root *root = undo->ctx->root;
	struct gf_err conflict;
	int todo = file_edit_undo_check(root, record, &conflict);

	if (todo < 0 && is_ini(undo->records, json_text(record, "path"))) {
		int failed = undo_ini(undo, json_text(record, "path"), &conflict);
		if (failed == 0)
			return 0;
	}
	if (todo < 0 && !undo->force) {
		if (err)
			*err = conflict;
		return -1;
	}
	if (todo == 0)
		return 0;
	if (boot_files_note(undo, json_text(record, "path"), err) != 0)
		return -1;
	if (file_edit_undo(root, undo->operation_dir, record, err) != 0)
		return -1;
	undo->changed = true;
	undo->reboot |= needs_reboot(json_text(record, "path"));
	return 0;
}

/* What a program made of a file: put back when nobody else changed it since, and left alone
 * otherwise: the boot loader's program takes the arguments out of it then. */
static int undo_made(struct undo *undo, const json_t *records, size_t index, struct gf_err *err)
{
	const json_t *record = json_array_get(records, index);
	const char *path = json_text(record, "path");
	json_t *made = json_deep_copy(record);
	bool complete = false;

	for (size_t i = index + 1; i < json_array_size(records) && !complete; i++) {
		const json_t *later = json_array_get(records, i);
		if (strcmp(json_text(later, "path"), path) != 0)
			continue;
		if (!is_kind(later, "made-now"))
			break;
		complete = true;
		json_object_set(made, "after", json_object_get(later, "after"));
	}
	/* Cut off while the program ran: nobody else can have changed it meanwhile. */
	int todo = complete ? file_edit_undo_check(undo->ctx->root, made, NULL) : 1;
	int result = 0;
	if (todo > 0) {
		result = file_edit_undo(undo->ctx->root, undo->operation_dir, made, err);
		undo->changed = true;
	}
	if (todo >= 0)
		json_array_append(undo->made, made);
	json_decref(made);
	return result;
}

static void undo_arguments(struct undo *undo, const json_t *record)
{
	json_array_extend(undo->remove, json_object_get(record, "add"));
	json_array_extend(undo->add, json_object_get(record, "remove"));
}

static int undo_record(struct undo *undo, const json_t *record, struct gf_err *err)
{
	if (is_kind(record, "file"))
		return undo_file(undo, record, err);
	if (is_kind(record, "directory"))
		file_edit_undo_directory(undo->ctx->root, record);
	if (is_kind(record, "driver"))
		undo->changed = undo->reboot = true;
	if (is_kind(record, "run")) {
		undo->grub |= strcmp(json_text(record, "what"), "grub") == 0;
		undo->initramfs |= strcmp(json_text(record, "what"), "initramfs") == 0;
	}
	if (is_kind(record, "arguments"))
		undo_arguments(undo, record);
	if (is_kind(record, "restart")) /* of an undo that was stopped */
		json_array_append(undo->restarts, (json_t *)(uintptr_t)record);
	if (is_kind(record, "unit")) {
		int result = service_undo(undo->ctx->root, record, err);
		if (result < 0)
			return -1;
		undo->changed |= result > 0;
		undo->reboot |= result > 0;
	}
	return 0;
}

static void undo_emit(const struct undo *undo, const char *message)
{
	if (!undo->ctx->emit)
		return;
	json_t *event = json_pack("{ss ss ss ss s[]}", "task", "undo", "type", "undo", "status",
	                          undo->changed ? "changed" : "ok", "message", message, "changes");
	if (event)
		undo->ctx->emit(undo->ctx->emit_ctx, event);
	json_decref(event);
}

/* The program works on what could not be put back (GRUB's environment, entries that are new), and
 * may touch again what was. */
static int loader_undo(struct undo *undo, struct gf_err *err)
{
	size_t i;
	const json_t *made;

	if (undo->loader->update(undo->ctx->root, undo->add, undo->remove, err) != 0)
		return -1;
	json_array_foreach(undo->made, i, made)
	{
		if (file_edit_undo(undo->ctx->root, undo->operation_dir, made, err) != 0)
			return -1;
	}
	return 0;
}

static int boot_files_build(struct undo *undo, struct gf_err *err)
{
	if ((undo->grub && !undo->loader) || (undo->initramfs && !undo->tool))
		return gf_err_set(
		    err, GF_E_TASK,
		    "the files are back, but the program that makes boot files of them is "
		    "gone from this host: make the %s again by hand",
		    undo->initramfs && !undo->tool ? "initramfs" : "boot menu");
	if (undo->grub && loader_undo(undo, err) != 0)
		return -1;
	return undo->initramfs ? initramfs_update(undo->ctx->root, undo->tool, err) : 0;
}

static bool is_service(const json_t *record, const char *kind, const char *name)
{
	return is_kind(record, kind) && strcmp(json_text(record, "service"), name) == 0;
}

/* A service that has read what is about to be put back must be restarted afterwards: recorded
 * first, so that an undo that is stopped and repeated knows. One that was not restarted since the
 * change never saw it. */
static int services_note(struct undo *undo, struct gf_err *err)
{
	size_t i, j;
	const json_t *record;

	json_array_foreach(undo->records, i, record)
	{
		const char *name = json_text(record, "service");
		bool known = false;
		if (!is_kind(record, "nova"))
			continue;
		for (j = 0; j < json_array_size(undo->records); j++) {
			const json_t *other = json_array_get(undo->records, j);
			known |= is_service(other, "restart", name) ||
			         (j < i && is_service(other, "nova", name));
		}
		if (known || !nova_service_current(undo->ctx->root, name))
			continue;
		json_t *restart = json_pack("{ss ss}", "kind", "restart", "service", name);
		json_array_append(undo->restarts, restart);
		if (backup_record(undo->operation_dir, restart, err) != 0)
			return -1;
	}
	return 0;
}

static int services_undo(struct undo *undo, struct gf_err *err)
{
	size_t i;
	const json_t *record;

	json_array_foreach(undo->restarts, i, record)
	{
		char message[160];
		const char *name = json_text(record, "service");
		int result = nova_service_undo(undo->ctx->root, name, err);
		if (result < 0)
			return -1;
		if (result == 0)
			continue;
		undo->changed = true;
		snprintf(message, sizeof(message), "%.100s was restarted and is healthy", name);
		undo_emit(undo, message);
	}
	return 0;
}

static int undo_records(struct undo *undo, const json_t *records, struct gf_err *err)
{
	if (services_note(undo, err) != 0)
		return -1;
	for (size_t i = json_array_size(records); i-- > 0;) {
		const json_t *record = json_array_get(records, i);
		if (is_kind(record, "made") ? undo_made(undo, records, i, err)
		                            : undo_record(undo, record, err))
			return -1;
	}
	undo_emit(undo, "files and services are as they were before");
	if (boot_files_build(undo, err) != 0)
		return -1;
	if (undo->grub || undo->initramfs) {
		undo->changed = undo->reboot = true;
		undo_emit(undo, "boot files were made again");
	}
	if (services_undo(undo, err) != 0)
		return -1;
	return backup_record(undo->operation_dir, json_pack("{ss}", "kind", "undone"), err);
}

int stage_undo(struct task_context *ctx, const char *operation_dir, bool force, bool *changed,
               bool *reboot, struct gf_err *err)
{
	struct undo undo = {.ctx = ctx,
	                    .operation_dir = operation_dir,
	                    .loader = boot_loader_detect(ctx->root),
	                    .tool = initramfs_tool_detect(ctx->root),
	                    .add = json_array(),
	                    .remove = json_array(),
	                    .restarts = json_array(),
	                    .made = json_array(),
	                    .force = force};
	json_t *records = backup_read(operation_dir, err);
	int result = 0;

	*changed = *reboot = false;
	if (!records)
		return -1;
	size_t count = json_array_size(records);
	bool done = count == 0 || is_kind(json_array_get(records, count - 1), "undone");
	undo.records = records;
	if (!done && !force)
		result = conflicts_find(ctx->root, records, err);
	if (!done && result == 0)
		result = undo_records(&undo, records, err);
	*changed = undo.changed;
	*reboot = undo.reboot;
	json_decref(undo.add);
	json_decref(undo.remove);
	json_decref(undo.restarts);
	json_decref(undo.made);
	json_decref(records);
	return result;
}
