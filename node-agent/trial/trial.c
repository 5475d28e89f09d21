/* trial.c: see trial.h. The order of writes is the point of this file: whatever is cut off, the
 * host boots, and what is on the disk says how to go on.
 *
 * begin: marker, units, (files)       – a default boot undoes what is recorded, be it nothing
 * arm:   entry, sync, one-time choice – up to the choice the next boot is the default
 * restore: files, "undone", marker "reverted", then /boot and units: each may be repeated
 * commit: marker "committing"         – from here on everything goes forward only
 */
#include "node-agent/trial/trial.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node-agent/facts/facts.h"
#include "node-agent/operation/operation.h"
#include "node-agent/tasks/restore.h"
#include "node-agent/trial/trial_hold.h"
#include "node-agent/trial/trial_unit.h"

int trial_begin(struct trial *trial, const struct agent *agent, const char *operation_dir,
                const char *stage, struct gf_err *err)
{
	char boot_id[HOST_BOOT_ID_SIZE];
	const char *operation = strrchr(operation_dir, '/');
	const struct trial_grub *grub = trial_grub_find(&agent->root);

	memset(trial, 0, sizeof(*trial));
	trial->agent = agent;
	trial->lock = trial_lock(agent, err);
	if (trial->lock < 0)
		return -1;
	if (!grub || trial_kernel(&agent->root, trial->kernel, err) != 0)
		return -1;
	host_boot_id(&agent->root, boot_id);
	trial->add = json_array();
	trial->remove = json_array();
	json_t *held = trial_hold_units(&agent->root);
	json_t *directories = trial_units_directories(&agent->root);
	trial_hold_directories(&agent->root, held, directories);
	trial->marker = json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:o, s:o}", "operation",
	                          operation ? operation + 1 : "?", "stage", stage, "boot_id",
	                          boot_id, "state", "staged", "custom", grub->custom,
	                          "custom_absent", !root_exists(&agent->root, grub->custom),
	                          "directories", directories, "held", held);
	if (!trial->marker)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (trial_marker_write(agent, trial->marker, err) != 0 ||
	    trial_units_write(agent, err) != 0 || trial_hold_write(&agent->root, held, err) != 0)
		return -1;
	return 0;
}

void trial_arguments(struct trial *trial, const json_t *add, const json_t *remove)
{
	size_t i;
	json_t *item;

	json_array_foreach(add, i, item) json_array_append(trial->add, item);
	json_array_foreach(remove, i, item) json_array_append(trial->remove, item);
}

int trial_arm(struct trial *trial, const struct trial_terms *terms, struct gf_err *err)
{
	const struct root *root = &trial->agent->root;
	const char *operation = json_string_value(json_object_get(trial->marker, "operation"));

	if (trial->image)
		json_object_set_new(trial->marker, "image", json_string("/boot/" TRIAL_IMAGE));
	if (trial_confirm_arm(trial->agent, trial->marker, terms, err) != 0 ||
	    trial_marker_write(trial->agent, trial->marker, err) != 0)
		return -1;
	if (trial_boot_arm(root, operation, trial->add, trial->remove,
	                   trial->image ? TRIAL_IMAGE : "", err) != 0)
		return -1;
	trial->armed = true;
	return 0;
}

void trial_close(struct trial *trial)
{
	json_decref(trial->marker);
	json_decref(trial->add);
	json_decref(trial->remove);
	trial->marker = trial->add = trial->remove = NULL;
	if (trial->lock >= 0)
		close(trial->lock);
	trial->lock = -1;
}

/* One more event in the journal of an operation that has ended. */
static void journal_add(const struct agent *agent, const char *operation, const char *message)
{
	struct operation_journal journal;
	struct root_name path = operation_path(agent, operation, "events.jsonl");
	struct root none = {.path = ""};
	size_t size = 0;
	char *text = root_read_file(&none, path.text, (size_t)16 << 20, &size, NULL);

	if (journal_open(&journal, path.text, NULL) != 0) {
		free(text);
		return;
	}
	for (size_t i = 0; text && i < size; i++)
		journal.seq += text[i] == '\n';
	free(text);
	json_t *event = json_pack("{s:s, s:s, s:s, s:s, s:[]}", "task", "restore", "type", "trial",
	                          "status", "changed", "message", message, "changes");
	if (event)
		journal_append(&journal, event, NULL);
	json_decref(event);
	journal_close(&journal);
}

static int marker_set(const struct agent *agent, json_t *marker, const char *key, json_t *value,
                      struct gf_err *err)
{
	json_object_set_new(marker, key, value);
	return trial_marker_write(agent, marker, err);
}

/* Files, then the record that they are back. */
static int restore_early(const struct agent *agent, json_t *marker, const char *operation,
                         enum trial_restore_mode mode, struct gf_err *err)
{
	/* By mode: who puts the files back. */
	static const char *const names[] = {"gpufleet-restore", "gpufleet-restore-late",
	                                    "gpufleet-agent"};
	const char *why = mode == TRIAL_RESTORE_NOW ? "the trial was given up"
	                  : trial_confirm_expired(agent)
	                      ? "the trial boot was not confirmed in time"
	                      : "the trial boot did not come up";
	char left[256], message[512];
	bool changed = false;
	struct root_name dir = operation_path(agent, operation, "");
	json_t *by = json_pack("{s:s}", "operation", names[mode]);

	int failed = restore_files(&agent->root, dir.text, &changed, left, sizeof(left), err);
	snprintf(message, sizeof(message), "%s; the former files are back%s%s%s", why,
	         *left ? ", but " : "", left,
	         *left ? " was changed by somebody since and is left as it is" : "");
	failed = failed || restore_finish(dir.text, err) != 0 ||
	         journal_write_file(operation_path(agent, operation, "undone").text, by, err) != 0;
	json_decref(by);
	if (failed)
		return -1;
	journal_add(agent, operation, message);
	json_object_set_new(marker, "message", json_string(message));
	return marker_set(agent, marker, "state", json_string("reverted"), err);
}

static void units_remove(const struct agent *agent, const json_t *marker)
{
	trial_hold_remove(&agent->root, json_object_get(marker, "held"));
	trial_units_remove(&agent->root, json_object_get(marker, "directories"));
}

/* What needs /boot and a running systemd. */
static int restore_late(const struct agent *agent, json_t *marker, const char *operation,
                        struct gf_err *err)
{
	struct gf_err unit_err;
	struct root_name dir = operation_path(agent, operation, "");

	if (trial_boot_clear(&agent->root, marker, err) != 0)
		return -1;
	if (restore_units(&agent->root, dir.text, &unit_err) != 0)
		journal_add(agent, operation, unit_err.msg);
	units_remove(agent, marker);
	return marker_set(agent, marker, "cleaned", json_true(), err);
}

static int restore(const struct agent *agent, enum trial_restore_mode mode, struct gf_err *err)
{
	struct trial_status status;
	json_t *marker = trial_marker_read(agent);
	int failed = 0;

	trial_look(agent, &status);
	if (!marker || status.state == TRIAL_NONE || status.state == TRIAL_COMMITTING) {
		json_decref(marker);
		return 0;
	}
	bool now = mode == TRIAL_RESTORE_NOW;
	if (mode == TRIAL_RESTORE_EARLY && status.state == TRIAL_STAGED &&
	    status.boot == TRIAL_BOOT_TRIAL)
		trial_hold_begin(&agent->root);
	if (status.state == TRIAL_STAGED && (now || status.boot == TRIAL_BOOT_DEFAULT)) {
		failed = restore_early(agent, marker, status.operation, mode, err);
		if (!failed)
			status.state = TRIAL_REVERTED;
	}
	/* Early, /boot may not be mounted: the entry does no harm until the late unit runs. */
	if (!failed && status.state == TRIAL_REVERTED && mode != TRIAL_RESTORE_EARLY &&
	    !status.cleaned)
		failed = restore_late(agent, marker, status.operation, err);
	json_decref(marker);
	if (!failed && now)
		trial_marker_remove(agent);
	return failed;
}

int trial_restore(const struct agent *agent, enum trial_restore_mode mode, struct gf_err *err)
{
	struct trial_status status;

	trial_look(agent, &status);
	if (status.state == TRIAL_NONE)
		return 0;
	int lock = trial_lock(agent, err);
	if (lock < 0)
		return -1;
	int failed = restore(agent, mode, err);
	close(lock);
	return failed;
}

int trial_commit_begin(const struct agent *agent, const char *operation, const char *token,
                       struct gf_err *err)
{
	struct trial_status status;

	trial_look(agent, &status);
	if (status.state == TRIAL_NONE || strcmp(status.operation, operation) != 0)
		return gf_err_set(err, GF_E_BLOCKED, "nothing of operation %.64s is on trial here",
		                  operation);
	if (status.state == TRIAL_REVERTED ||
	    (status.state == TRIAL_STAGED && status.boot != TRIAL_BOOT_TRIAL))
		return gf_err_set(err, GF_E_BLOCKED,
		                  "this is not the trial boot of operation %.64s any more: run "
		                  "apply, which begins again",
		                  operation);
	json_t *marker = trial_marker_read(agent);
	int failed = marker && status.state == TRIAL_STAGED
	                 ? trial_confirm_take(agent, marker, token, err)
	                 : 0;
	if (!failed)
		failed = marker ? marker_set(agent, marker, "state", json_string("committing"), err)
		                : -1;
	/* The image makes room for the one that is to be built. */
	if (!failed)
		failed = trial_boot_clear(&agent->root, marker, err);
	if (!failed)
		trial_hold_end(&agent->root, json_object_get(marker, "held"));
	json_decref(marker);
	return failed;
}

int trial_end(const struct agent *agent, struct gf_err *err)
{
	json_t *marker = trial_marker_read(agent);
	int failed = marker ? trial_boot_clear(&agent->root, marker, err) : 0;

	if (!failed && marker) {
		units_remove(agent, marker);
		trial_marker_remove(agent);
	}
	json_decref(marker);
	return failed;
}
