/* stage.c: runs the tasks of one stage in order. Happy path of an apply: plan all (nothing is
 * touched if any is blocked), then apply each, an event a task; the first failure ends the stage.
 */
#include "node-agent/tasks/task.h"

#include <stdio.h>
#include <string.h>

#include "node-agent/boot/initramfs_tool.h"
#include "node-agent/tasks/bind_live.h"
#include "node-agent/tasks/package_lock.h"
#include "node-agent/tasks/stage_trial.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"
#include "node-agent/wire/json_text.h"

static const struct task_type types[] = {
    {"load_modules", load_modules_task},
    {"modprobe", modprobe_task},
    {"blacklist", blacklist_task},
    {"vendor_services", vendor_services_task},
    {"kernel_args", kernel_args_task},
    {"bind", bind_task},
    {"initramfs", initramfs_task},
    {"file", file_task},
    {"service", service_task},
    {"command", command_task},
    {"assert", assert_task},
    {"unbind", unbind_task},
    {"nova_config", nova_config_task},
    {"nova_service", nova_service_task},
    {"reboot", reboot_task},
};

const struct task_type *task_type_find(const char *name)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].name, name) == 0)
			return &types[i];
	return NULL;
}

static const char *status_name(enum task_status status, bool applied)
{
	switch (status) {
	case TASK_CHANGE:
		return applied ? "changed" : "change";
	case TASK_BLOCKED:
		return "blocked";
	case TASK_FAILED:
		return "failed";
	default:
		return "ok";
	}
}

static bool value_matches(const json_t *condition, const char *value)
{
	size_t i;
	const json_t *item;

	if (json_is_string(condition))
		return strcmp(json_string_value(condition), value) == 0;
	json_array_foreach(condition, i, item)
	{
		if (json_is_string(item) && strcmp(json_string_value(item), value) == 0)
			return true;
	}
	return false;
}

/* Do all conditions of `when` hold? An unknown one does not. */
static bool task_applies(const struct task_context *ctx, const json_t *task)
{
	const char *key;
	const json_t *condition;
	const json_t *host = json_object_get(ctx->facts, "host");
	json_t *when = json_object_get(task, "when");

	json_object_foreach(when, key, condition)
	{
		const char *value = json_text(host, key);
		if (strcmp(key, "distribution") == 0)
			value = json_text(json_object_get(host, "distribution"), "id");
		else if (strcmp(key, "cpu_vendor") == 0 && !*value)
			value = json_text(ctx->context, key);
		if (!*value || !value_matches(condition, value))
			return false;
	}
	return true;
}

bool task_is_applicable(const struct task_context *ctx, const json_t *task)
{
	return task_applies(ctx, task);
}

/* Runs one task; whatever happens is in *result. */
static void task_do(struct task_context *ctx, struct task_stage *stage, const json_t *task,
                    enum task_mode mode, struct task_result *result, struct gf_err *err)
{
	struct task_run run = {.ctx = ctx,
	                       .stage = stage,
	                       .task = task,
	                       .name = json_text(task, "name"),
	                       .mode = mode,
	                       .result = result};
	struct gf_err local = {.code = GF_OK};
	const struct task_type *type = task_type_find(json_text(task, "type"));

	memset(result, 0, sizeof(*result));
	result->changes = json_array();
	if (!*run.name)
		run.name = json_text(task, "type");
	if (!type) {
		gf_err_set(
		    &local, GF_E_TASK,
		    "this agent has no task type \"%s\": push a newer agent or mend the playbook",
		    json_text(task, "type"));
	} else if (!task_applies(ctx, task)) {
		task_say(&run, TASK_OK, "not for this host");
		return;
	} else if (type->run(&run, &local) == 0) {
		if (result->status == TASK_BLOCKED || result->status == TASK_FAILED)
			gf_err_set(err, result->status == TASK_BLOCKED ? GF_E_BLOCKED : GF_E_TASK,
			           "%s: %s", run.name, result->message);
		return;
	}
	task_say(&run, local.code == GF_E_BLOCKED ? TASK_BLOCKED : TASK_FAILED, "%s", local.msg);
	if (err) {
		*err = local;
		gf_err_wrap(err, "%s", run.name);
	}
}

/* A stage about devices has nothing to do on a host that has none, and never had. */
static bool stage_is_idle(const struct task_context *ctx, const json_t *stage)
{
	size_t i;
	const json_t *task;

	if (wanted_count(ctx) > 0 || root_exists(ctx->root, BIND_LIST))
		return false;
	json_array_foreach(json_object_get(stage, "tasks"), i, task)
	{
		const char *type = json_text(task, "type");
		if (strcmp(type, "bind") == 0 || strcmp(type, "unbind") == 0 ||
		    strcmp(type, "blacklist") == 0)
			return true;
	}
	return false;
}

static bool stage_reboots(const struct task_stage *shared, bool asked)
{
	const char *when = json_text(shared->stage, "reboot");

	if (strcmp(when, "always") == 0)
		return true;
	return asked || (shared->changed && strcmp(when, "if-changed") == 0 &&
	                 !(shared->live && !shared->boot_changed));
}

/* Does a change of a task of this TYPE wait for a boot, beside what a live binding does? The others
 * only see to it that later boots bring the same. */
static bool type_needs_boot(const char *type)
{
	static const char *const live[] = {"load_modules", "blacklist", "vendor_services", "bind",
	                                   "initramfs"};

	for (size_t i = 0; i < sizeof(live) / sizeof(live[0]); i++)
		if (strcmp(live[i], type) == 0)
			return false;
	return true;
}

/* Could the stage's devices be bound as the host runs? Not while a trial is about. */
static bool stage_binds_live(const struct task_context *ctx, const json_t *stage)
{
	const json_t *task;
	struct trial_status trial = {.state = TRIAL_NONE};
	bool any = false;
	size_t i;

	if (ctx->agent)
		trial_look(ctx->agent, &trial);
	if (trial.state != TRIAL_NONE || strcmp(json_text(stage, "reboot"), "if-changed") != 0)
		return false;
	json_array_foreach(json_object_get(stage, "tasks"), i, task)
	{
		const char *driver = json_text(task, "driver");

		if (strcmp(json_text(task, "type"), "bind") != 0)
			continue;
		if (!bind_live_possible(ctx, *driver ? driver : "vfio-pci"))
			return false;
		any = true;
	}
	return any;
}

static void stage_note(struct task_stage *shared, const json_t *task,
                       const struct task_result *result, bool changed)
{
	shared->changed |= changed;
	shared->boot_changed |=
	    result->reboot || (changed && type_needs_boot(json_text(task, "type")));
}

static int stage_check(const json_t *stage, struct gf_err *err)
{
	if (!json_is_object(stage) || !json_is_array(json_object_get(stage, "tasks")))
		return gf_err_set(err, GF_E_PROTOCOL, "a stage needs `name` and `tasks`");
	return 0;
}

static json_t *result_json(const json_t *task, const struct task_result *result, bool applied)
{
	const char *name = json_text(task, "name");

	return json_pack("{ss ss ss ss sO}", "task", *name ? name : json_text(task, "type"), "type",
	                 json_text(task, "type"), "status", status_name(result->status, applied),
	                 "message", result->message, "changes", result->changes);
}

static json_t *stage_look(struct task_context *ctx, const json_t *stage, enum task_mode mode,
                          struct gf_err *err)
{
	size_t i;
	const json_t *task;
	bool asked = false;
	struct task_stage shared = {.name = json_text(stage, "name"), .stage = stage};

	if (stage_check(stage, err) != 0)
		return NULL;
	shared.live = stage_binds_live(ctx, stage);
	json_t *list = json_array();
	bool idle = stage_is_idle(ctx, stage);
	json_t *leftover = mode == TASK_PLAN ? stage_trial_leftover(ctx, shared.name) : NULL;
	if (leftover) {
		json_array_append_new(list, leftover);
		shared.changed = true;
	}
	json_array_foreach(json_object_get(stage, "tasks"), i, task)
	{
		struct task_result result = {.changes = NULL};
		if (idle) {
			result.changes = json_array();
			snprintf(result.message, sizeof(result.message),
			         "no wanted device on this host");
		} else {
			task_do(ctx, &shared, task, mode, &result, NULL);
		}
		stage_note(&shared, task, &result, result.status == TASK_CHANGE);
		asked |= result.reboot;
		json_array_append_new(list, result_json(task, &result, false));
		json_decref(result.changes);
	}
	bool reboot = !idle && stage_reboots(&shared, asked);
	if (mode == TASK_PLAN)
		ctx->reboot_planned |= reboot;
	const char *protection =
	    mode == TASK_PLAN && reboot && shared.changed ? stage_protection(ctx) : NULL;
	return json_pack("{ss sb sb so ss*}", "name", shared.name, "changed", shared.changed,
	                 "reboot", mode == TASK_PLAN && reboot, "tasks", list, "protection",
	                 protection);
}

json_t *stage_plan(struct task_context *ctx, const json_t *stage, struct gf_err *err)
{
	return stage_look(ctx, stage, TASK_PLAN, err);
}

json_t *stage_verify(struct task_context *ctx, const json_t *stage, struct gf_err *err)
{
	return stage_look(ctx, stage, TASK_VERIFY, err);
}

static void event_emit(const struct task_context *ctx, const json_t *task,
                       const struct task_result *result)
{
	if (!ctx->emit)
		return;
	json_t *event = result_json(task, result, true);
	if (event)
		ctx->emit(ctx->emit_ctx, event);
	json_decref(event);
}

/* What the stage would come to, or -1 when a task is blocked: then its event is emitted. *LIVE: its
 * devices are bound as the host runs. */
static int stage_precheck(struct task_context *ctx, const json_t *stage, bool *changed,
                          bool *reboot, bool *live, struct gf_err *err)
{
	size_t i;
	const json_t *task;
	bool asked = false;
	struct task_stage shared = {
	    .name = json_text(stage, "name"), .stage = stage, .live = stage_binds_live(ctx, stage)};

	json_array_foreach(json_object_get(stage, "tasks"), i, task)
	{
		struct task_result result;
		struct gf_err local = {.code = GF_OK};
		task_do(ctx, &shared, task, TASK_PLAN, &result, &local);
		stage_note(&shared, task, &result, result.status == TASK_CHANGE);
		asked |= result.reboot;
		bool stop = result.status == TASK_BLOCKED || result.status == TASK_FAILED;
		if (stop) {
			event_emit(ctx, task, &result);
			if (err)
				*err = local;
		}
		json_decref(result.changes);
		if (stop)
			return -1;
	}
	*changed = shared.changed;
	*reboot = stage_reboots(&shared, asked);
	*live = shared.live && !*reboot;
	return 0;
}

static int stage_tasks(struct task_context *ctx, const json_t *stage, bool live, bool *changed,
                       bool *reboot, struct gf_err *err)
{
	size_t i;
	const json_t *task;
	bool asked = false;
	int status = 0, packages = -1;
	struct task_stage shared = {.name = json_text(stage, "name"),
	                            .stage = stage,
	                            .live = live,
	                            .initramfs_dirty = ctx->image_tried};

	json_array_foreach(json_object_get(stage, "tasks"), i, task)
	{
		struct task_result result;
		/* A command may be one that installs packages. */
		if (strcmp(json_text(task, "type"), "command") == 0) {
			package_lock_drop(packages);
			packages = -1;
		} else if (packages == -1) {
			packages = package_lock_take(ctx->root, PACKAGE_LOCK_WAIT_S, err);
			status = packages == -1 ? -1 : 0;
		}
		if (status != 0)
			break;
		task_do(ctx, &shared, task, TASK_APPLY, &result, err);
		stage_note(&shared, task, &result,
		           result.status == TASK_CHANGE || json_array_size(result.changes) > 0);
		asked |= result.reboot;
		event_emit(ctx, task, &result);
		if (result.status == TASK_BLOCKED || result.status == TASK_FAILED)
			status = -1;
		json_decref(result.changes);
		if (status != 0)
			break;
	}
	package_lock_drop(packages);
	*changed = shared.changed;
	*reboot = stage_reboots(&shared, asked);
	return status;
}

int stage_apply(struct task_context *ctx, const json_t *stage, bool *changed, bool *reboot,
                struct gf_err *err)
{
	struct trial trial;
	bool changes, reboots, live, given_up = false;

	*changed = *reboot = false;
	if (stage_check(stage, err) != 0 || stage_trial_settle(ctx, err) != 0)
		return -1;
	if (stage_is_idle(ctx, stage))
		return 0;
	do {
		if (stage_precheck(ctx, stage, &changes, &reboots, &live, err) != 0)
			return -1;
		if (changes && reboots &&
		    stage_trial_begin(ctx, json_text(stage, "name"), &trial, &given_up, err) != 0)
			return -1;
	} while (changes && reboots && given_up && !ctx->trial);
	int status = stage_tasks(ctx, stage, live, changed, reboot, err);
	return stage_trial_finish(ctx, status, changed, reboot, err);
}
