/* work.c: see work.h. */
#include "node-agent/operation/work.h"

#include <string.h>
#include <unistd.h>

#include "node-agent/facts/facts.h"
#include "node-agent/tasks/restore.h"
#include "node-agent/tasks/task.h"
#include "node-agent/trial/trial.h"

static void worker_emit(void *ctx, const json_t *event)
{
	struct worker *worker = ctx;
	if (journal_append(&worker->journal, event, NULL) != 0)
		worker->journal_failed = true;
}

static int work_apply(struct worker *worker, struct task_context *context, const json_t *request,
                      struct gf_err *err)
{
	const json_t *stage = json_object_get(request, "stage");
	if (!json_is_object(stage))
		return gf_err_set(err, GF_E_INPUT, "the request has no stage to apply");
	context->facts = facts_collect(context->root, err);
	if (!context->facts)
		return -1;
	struct trial_status status;
	trial_look(worker->agent, &status);
	context->agent = worker->agent;
	context->trial_up = trial_is_up(&status) ? &status : NULL;
	int failed = stage_apply(context, stage, &worker->changed, &worker->reboot, err);
	worker->tried = context->tried;
	return failed;
}

/* Of a stage, what a trial leaves for its commit. */
static json_t *commit_stage(const json_t *stage)
{
	size_t i;
	json_t *task, *tasks = json_array();
	json_array_foreach(json_object_get(stage, "tasks"), i, task)
	{
		const char *type = json_string_value(json_object_get(task, "type"));
		if (type && (strcmp(type, "kernel_args") == 0 || strcmp(type, "initramfs") == 0))
			json_array_append(tasks, task);
	}
	const char *name = json_string_value(json_object_get(stage, "name"));
	return json_pack("{s:s, s:s, s:o}", "name", name ? name : "stage", "reboot", "never",
	                 "tasks", tasks);
}

/* Makes the default what the trial has shown: the same stage's arguments and images, in place, and
 * recorded with what the trial's own operation changed, so that one undo takes back both. */
static int work_commit(struct worker *worker, struct task_context *context, const json_t *request,
                       struct gf_err *err)
{
	const char *trial = json_string_value(json_object_get(request, "trial"));
	json_t *record = trial ? operation_request(worker->agent, trial, err) : NULL;
	if (!trial)
		return gf_err_set(err, GF_E_INPUT, "the request lacks \"trial\" (an operation)");
	if (!record)
		return -1;
	const json_t *staged = json_object_get(record, "request");
	json_t *stage = commit_stage(json_object_get(staged, "stage"));
	struct root_name dir = operation_path(worker->agent, trial, "");
	context->facts = facts_collect(context->root, err);
	struct task_context commit = *context;
	commit.context = json_object_get(staged, "context");
	commit.operation_dir = dir.text;
	struct trial_status status;
	trial_look(worker->agent, &status);
	commit.image_tried = *status.image != '\0';
	bool reboot;
	int failed =
	    stage && context->facts
	        ? trial_commit_begin(worker->agent, trial,
	                             json_string_value(json_object_get(request, "token")), err)
	        : -1;
	if (!failed) {
		worker->changed = true;
		failed = stage_apply(&commit, stage, &worker->changed, &reboot, err);
	}
	if (!failed)
		failed = trial_end(worker->agent, err);
	json_decref(stage);
	json_decref(record);
	return failed;
}

/* What is staged and no more than that was never the default's: nothing is to be built again. */
static int undo_trial(struct worker *worker, const char *id, bool force, bool *done,
                      struct gf_err *err)
{
	struct trial_status status;
	struct root_name dir = operation_path(worker->agent, id, "");
	trial_look(worker->agent, &status);
	*done = status.state == TRIAL_STAGED && strcmp(status.operation, id) == 0;
	if (!*done)
		return 0;
	if (!force && restore_check(&worker->agent->root, dir.text, err) != 0)
		return -1;
	if (trial_restore(worker->agent, TRIAL_RESTORE_NOW, err) != 0)
		return -1;
	worker->changed = true;
	worker->reboot |= status.boot != TRIAL_BOOT_BEFORE;
	return 0;
}

static int undo_one(struct worker *worker, struct task_context *context, const char *id, bool force,
                    struct gf_err *err)
{
	struct root_name dir = operation_path(worker->agent, id, "");
	struct root_name mark = operation_path(worker->agent, id, "undone");
	bool changed = false, reboot = false;
	if (access(mark.text, F_OK) == 0)
		return 0;
	bool done;
	if (undo_trial(worker, id, force, &done, err) != 0)
		return gf_err_wrap(err, "undoing operation %s", id);
	if (done)
		return 0;
	int failed = stage_undo(context, dir.text, force, &changed, &reboot, err);
	worker->changed |= changed;
	worker->reboot |= reboot;
	if (failed)
		return gf_err_wrap(err, "undoing operation %s", id);
	json_t *by = json_pack("{s:s}", "operation", worker->id);
	failed = journal_write_file(mark.text, by, err);
	json_decref(by);
	return failed;
}

/* The ids that the request names, or all applies, newest first. */
static json_t *undo_ids(struct worker *worker, const json_t *request, struct gf_err *err)
{
	const json_t *named = json_object_get(request, "operations");
	json_t *ids = json_array(), *item;
	size_t i;
	if (json_is_array(named)) {
		json_array_foreach(named, i, item)
		{
			const char *id = json_string_value(item);
			json_t *record = id ? operation_request(worker->agent, id, err) : NULL;
			if (!id)
				gf_err_set(err, GF_E_INPUT, "an operation to undo is not a string");
			if (!record) {
				json_decref(ids);
				return NULL;
			}
			json_decref(record);
			json_array_append(ids, item);
		}
		return ids;
	}
	json_t *list = operation_list(worker->agent, err);
	if (!list) {
		json_decref(ids);
		return NULL;
	}
	json_array_foreach(list, i, item)
	{
		const char *kind = json_string_value(json_object_get(item, "request"));
		if (kind && strcmp(kind, "apply") == 0)
			json_array_insert(ids, 0, json_object_get(item, "operation"));
	}
	json_decref(list);
	return ids;
}

static bool trial_is_over(const struct worker *worker)
{
	struct trial_status status;
	trial_look(worker->agent, &status);
	return status.state == TRIAL_NONE || status.state == TRIAL_REVERTED ||
	       access(operation_path(worker->agent, status.operation, "undone").text, F_OK) == 0;
}

static int work_undo(struct worker *worker, struct task_context *context, const json_t *request,
                     struct gf_err *err)
{
	bool force = json_is_true(json_object_get(request, "force"));
	json_t *ids = undo_ids(worker, request, err);
	if (!ids)
		return -1;
	context->facts = facts_collect(context->root, err);
	int failed = context->facts ? 0 : -1;
	size_t i;
	json_t *id;
	json_array_foreach(ids, i, id)
	{
		if (!failed)
			failed = undo_one(worker, context, json_string_value(id), force, err);
	}
	json_decref(ids);
	/* What is left of a trial that was being committed, or that did not come up. One whose
	 * operation stands goes on: its units are what puts its files back. */
	bool over = trial_is_over(worker);
	if (!failed && over)
		failed = trial_end(worker->agent, err);
	if (!failed && over && json_is_true(json_object_get(request, "purge")))
		operation_purge(worker->agent, worker->id);
	return failed;
}

int work_request(struct worker *worker, const json_t *request, struct gf_err *err)
{
	struct root_name dir = operation_path(worker->agent, worker->id, "");
	struct task_context context = {
	    .root = &worker->agent->root,
	    .context = json_object_get(request, "context"),
	    .operation_dir = dir.text,
	    .allow_running_guests = json_is_true(json_object_get(request, "allow_running_guests")),
	    .token = json_string_value(json_object_get(request, "token")),
	    .confirm_s = json_integer_value(json_object_get(request, "confirm_timeout")),
	    .trial_promised = json_is_true(json_object_get(request, "trial")),
	    .emit = worker_emit,
	    .emit_ctx = worker,
	};
	const char *kind = json_string_value(json_object_get(request, "request"));
	int failed;
	if (kind && strcmp(kind, "apply") == 0)
		failed = work_apply(worker, &context, request, err);
	else if (kind && strcmp(kind, "undo") == 0)
		failed = work_undo(worker, &context, request, err);
	else if (kind && strcmp(kind, "commit") == 0)
		failed = work_commit(worker, &context, request, err);
	else
		return gf_err_set(err, GF_E_INTERNAL, "the operation is none that is known");
	union {
		const json_t *in;
		json_t *out;
	} facts = {.in = context.facts};
	json_decref(facts.out);
	if (!failed && worker->journal_failed)
		return gf_err_set(
		    err, GF_E_IO,
		    "the stage is done, but not all of its journal could be written: is "
		    "the host's disk full?");
	return failed;
}
