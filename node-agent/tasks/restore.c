/* restore.c: see restore.h. */
#include "node-agent/tasks/restore.h"

#include <stdio.h>
#include <string.h>

#include "node-agent/tasks/backup.h"
#include "node-agent/tasks/file_edit.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"
#include "node-agent/wire/json_text.h"

#define START_TIMEOUT 60

static bool is_kind(const json_t *record, const char *kind)
{
	return strcmp(json_text(record, "kind"), kind) == 0;
}

/* Only the newest record of a file says how it should be now. */
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

int restore_check(const struct root *root, const char *operation_dir, struct gf_err *err)
{
	json_t *records = backup_read(operation_dir, err);
	int failed = records ? 0 : -1;

	for (size_t i = 0; !failed && i < json_array_size(records); i++) {
		const json_t *record = json_array_get(records, i);
		if (is_kind(record, "file") && is_newest(records, i) &&
		    file_edit_undo_check(root, record, err) < 0)
			failed = -1;
	}
	json_decref(records);
	return failed;
}

static void left_add(char *left, size_t size, const char *path)
{
	size_t used = strlen(left);

	if (!strstr(left, path))
		snprintf(left + used, size - used, "%s%s", used ? ", " : "", path);
}

int restore_files(const struct root *root, const char *operation_dir, bool *changed, char *left,
                  size_t size, struct gf_err *err)
{
	json_t *records = backup_read(operation_dir, err);
	int failed = records ? 0 : -1;

	*left = '\0';
	for (size_t i = json_array_size(records); !failed && i-- > 0;) {
		const json_t *record = json_array_get(records, i);
		if (is_kind(record, "directory"))
			file_edit_undo_directory(root, record);
		if (!is_kind(record, "file") || strstr(left, json_text(record, "path")))
			continue;
		int todo = file_edit_undo_check(root, record, NULL);
		if (todo < 0)
			left_add(left, size, json_text(record, "path"));
		else if (todo > 0)
			failed = file_edit_undo(root, operation_dir, record, err);
		*changed |= todo > 0;
	}
	json_decref(records);
	return failed;
}

static int unit_start(const struct root *root, const char *unit, struct gf_err *err)
{
	struct root_output output;
	const char *const argv[] = {"systemctl", "--no-block", "start", unit, NULL};
	int failed = root_run_ok(root, argv, START_TIMEOUT, &output, err);

	root_output_free(&output);
	return failed;
}

int restore_units(const struct root *root, const char *operation_dir, struct gf_err *err)
{
	json_t *records = backup_read(operation_dir, err);
	int failed = records ? 0 : -1;

	for (size_t i = json_array_size(records); !failed && i-- > 0;) {
		const json_t *record = json_array_get(records, i);
		if (!is_kind(record, "unit"))
			continue;
		failed = service_undo(root, record, err) < 0 ? -1 : 0;
		if (!failed && json_is_true(json_object_get(record, "active")))
			failed = unit_start(root, json_text(record, "unit"), err);
	}
	json_decref(records);
	return failed;
}

int restore_finish(const char *operation_dir, struct gf_err *err)
{
	return backup_record(operation_dir, json_pack("{ss}", "kind", "undone"), err);
}
