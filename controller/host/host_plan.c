/* host_plan.c: facts, and what the agent would change: which stage is next, or that nothing is left
 * to do. */
#include <stdio.h>
#include <string.h>

#include "controller/host/host_states.h"
#include "controller/host/json_pool.h"
#include "controller/readiness/readiness.h"

static json_t *strings_json(const struct string_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < list->count; i++)
		json_array_append_new(array, json_string(list->items[i]));
	return array;
}

json_t *host_context(const struct host *host)
{
	const json_t *facts_host = json_object_get(host->facts, "host");
	const char *vendor = json_string_value(json_object_get(facts_host, "cpu_vendor"));

	return json_pack("{s:s, s:O, s:{s:o, s:o}, s:s, s:O*}", "run", host->shared->run, "wanted",
	                 host->wanted, "kernel_args", "add",
	                 strings_json(&host->inventory->kernel_args_add), "remove",
	                 strings_json(&host->inventory->kernel_args_remove), "cpu_vendor",
	                 vendor ? vendor : "other", "nova", host->nova);
}

enum host_state host_facts_enter(struct host *host)
{
	json_t *request = json_pack("{s:s}", "request", "facts");

	if (host->shared->probe)
		json_object_set_new(request, "probe", json_true());
	return host_request(host, request);
}

/* Verify, where nothing was applied: how far is the host from what the inventory says? */
static enum host_state verified_by_plan(struct host *host)
{
	const json_t *stage;
	bool pending = false;
	size_t i;

	json_array_foreach(json_object_get(host->plan, "stages"), i, stage) pending |=
	    plan_stage_pending(stage);
	if (pending)
		host_drift_add(host, "pending",
		               "nothing was applied here yet; `gpufleet plan` shows what apply "
		               "would change");
	return host_finish(host, HOST_DONE, NULL);
}

static enum host_state after_facts(struct host *host)
{
	struct gf_err err = {0};
	enum host_state next = host_trial_look(host);

	if (next != HOST_STAY)
		return next;
	switch (host->shared->job) {
	case JOB_SCAN:
		return host_finish(host, HOST_DONE, NULL);
	case JOB_VERIFY:
		if (host_expected_load(host, &err))
			return host_finish(host, HOST_FAILED, &err);
		return host_applied(host) || !host->shared->playbook ? HOST_PROVING : HOST_PLANNING;
	case JOB_REBOOT:
		if (host->record.rebooted ||
		    host_rebooted_before(&host->record, host->shared->reboot_since))
			return HOST_PROVING;
		if (host_guests_forbid(host, &err))
			return host_guests_end(host, &err);
		return host->cleared ? HOST_REBOOT_INTENT : HOST_WAITING;
	case JOB_ROLLBACK:
		if (host->work->stages_done)
			return HOST_PURGING;
		if (host_guests_forbid(host, &err))
			return host_guests_end(host, &err);
		return HOST_PLANNING;
	default:
		return HOST_PLANNING;
	}
}

/* A former run left it on a trial that may be no good: it is sent back when its turn comes. */
static bool trial_awaits_turn(const struct host *host)
{
	return host->shared->job == JOB_APPLY && !host->cleared && host_trial_open(host);
}

enum host_state host_facts_input(struct host *host, const struct host_input *input)
{
	struct gf_err err = {0};
	const char *text;
	size_t size;

	switch (input->kind) {
	case INPUT_LOST:
		return host_lost(host, input->err);
	case INPUT_ERROR:
		return host_end(host, input->err);
	case INPUT_RESULT:
		break;
	default:
		return HOST_STAY;
	}
	text = agent_link_result_text(host->client, &size);
	if (!text || !json_is_object(json_object_get(input->data, "host")) ||
	    !json_is_array(json_object_get(input->data, "pci")))
		return host_end(
		    host, &(struct gf_err){GF_E_PROTOCOL,
		                           "the agent's facts are not of the expected shape"});
	json_decref(host->facts);
	host->facts = json_incref((json_t *)(uintptr_t)input->data);
	if (!host->facts || host_cards_look(host, host->facts, &err) || host_nova_put(host, &err) ||
	    host->shared->journal->facts_put(host->shared->journal, host->inventory->name, text,
	                                     size, &err))
		return host_finish(host, HOST_FAILED, &err);
	host_record_event(host,
	                  json_pack("{s:s, s:s}", "type", "host.facts", "boot_id", host->boot_id),
	                  false, NULL);
	if (host_cards_changed(host, &err))
		return trial_awaits_turn(host) ? HOST_WAITING
		                               : host_finish(host, HOST_FAILED, &err);
	return after_facts(host);
}

static bool stages_bind(const json_t *stages)
{
	const json_t *stage, *task;
	size_t i, j;

	json_array_foreach(stages, i, stage)
	{
		json_array_foreach(json_object_get(stage, "tasks"), j, task)
		{
			const char *type = json_string_value(json_object_get(task, "type"));

			if (type && strcmp(type, "bind") == 0)
				return true;
		}
	}
	return false;
}

/* Whose stages it runs. A control host runs its own; those of compute hosts, too, when it was asked
 * for by name and has devices that are wanted. */
static unsigned host_roles(const struct host *host)
{
	unsigned own = 1U << host->inventory->role;

	if (host->inventory->role == ROLE_CONTROL && host->shared->by_name &&
	    json_array_size(host->wanted) > 0)
		return own | 1U << ROLE_COMPUTE;
	return own;
}

/* The devices that stages may take, a new reference in *wanted. A control host keeps its own,
 * unless it was asked for by name. */
static int wanted_find(const struct host *host, json_t **wanted, struct gf_err *err)
{
	if (host->inventory->role != ROLE_CONTROL)
		return readiness_preconditions(host->inventory, host->facts, wanted, err);
	if (host->shared->by_name &&
	    readiness_preconditions(host->inventory, host->facts, wanted, NULL) == 0)
		return 0;
	*wanted = json_array();
	return *wanted ? 0 : gf_err_set(err, GF_E_MEMORY, "out of memory");
}

/* Has the host gone down by itself, or lost its power, since something was changed there? Then what
 * its boot loader read may be what was there before. */
static bool restarted_since(const struct host *host)
{
	const struct host_record *record = &host->record;

	return record->restarted || (record->reboot_owed && !record->reboot_open &&
	                             strcmp(record->reboot_boot_id, host->boot_id) != 0);
}

enum host_state host_planning_enter(struct host *host)
{
	struct gf_err err = {0};
	json_t *wanted = NULL;

	if (host->shared->job == JOB_ROLLBACK)
		return host_request(host, json_pack("{s:s}", "request", "operations"));
	if (wanted_find(host, &wanted, &err)) {
		host_nova_blocked(host, &err);
		return host_end(host, &err);
	}
	json_decref(host->wanted);
	host->wanted = json_pool_share(host->shared->pool, wanted);
	json_decref(host->stages);
	host->stages = json_pool_share(
	    host->shared->pool,
	    playbook_for_host(host->shared->playbook, host_roles(host), host->facts, &err));
	if (!host->stages)
		return host_finish(host, HOST_FAILED, &err);
	if (json_array_size(host->wanted) == 0 && stages_bind(host->stages)) {
		gf_err_set(
		    &err, GF_E_BLOCKED,
		    "none of its devices is wanted by the inventory's \"gpus\" and free to take: "
		    "`gpufleet report` says why");
		host_nova_blocked(host, &err);
		return host_end(host, &err);
	}
	if (host_nova_look(host, &err))
		return host_end(host, &err);
	return host_request(host, json_pack("{s:s, s:o, s:O, s:b}", "request", "plan", "context",
	                                    host_context(host), "stages", host->stages, "restarted",
	                                    restarted_since(host)));
}

bool plan_stage_pending(const json_t *stage_plan)
{
	return json_is_true(json_object_get(stage_plan, "changed")) ||
	       json_is_true(json_object_get(stage_plan, "reboot"));
}

const json_t *plan_stage_find(const json_t *plan, const char *name)
{
	const json_t *stage;
	size_t i;

	json_array_foreach(json_object_get(plan, "stages"), i, stage)
	{
		const char *found = json_string_value(json_object_get(stage, "name"));

		if (found && strcmp(found, name) == 0)
			return stage;
	}
	return NULL;
}

/* The first task that the agent can't or won't do, as an error. */
static int plan_refused(const json_t *plan, struct gf_err *err)
{
	const json_t *stage, *task;
	size_t i, j;

	json_array_foreach(json_object_get(plan, "stages"), i, stage)
	{
		json_array_foreach(json_object_get(stage, "tasks"), j, task)
		{
			const char *status = json_string_value(json_object_get(task, "status"));
			const char *message = json_string_value(json_object_get(task, "message"));
			const char *name = json_string_value(json_object_get(task, "task"));
			bool blocked = status && strcmp(status, "blocked") == 0;

			if (!blocked && !(status && strcmp(status, "failed") == 0))
				continue;
			return gf_err_set(err, blocked ? GF_E_BLOCKED : GF_E_TASK, "%s: %s",
			                  name ? name : "a task",
			                  message ? message : "no reason given");
		}
	}
	return 0;
}

static bool plan_reboots(const json_t *plan)
{
	const json_t *stage;
	size_t i;

	json_array_foreach(json_object_get(plan, "stages"), i, stage)
	{
		if (json_is_true(json_object_get(stage, "reboot")))
			return true;
	}
	return false;
}

bool host_will_reboot(const struct host *host)
{
	/* What an undo needs shows when it is done. */
	return (host->shared->job != JOB_APPLY && host->shared->job != JOB_PLAN) ||
	       host->record.reboot_owed || plan_reboots(host->plan);
}

/* A stage, or a run that was cut short, left a reboot, and it is still the boot from before. */
static bool reboot_left(const struct host *host)
{
	return (host->record.reboot_owed || host->record.reboot_open) &&
	       strcmp(host->record.reboot_boot_id, host->boot_id) == 0;
}

/* Nothing is left to do, but what a former run began has no result yet, or it is still out of
 * service: that is seen to when the fleet lets it. */
static bool host_unsettled(const struct host *host)
{
	return !host->cleared && (host->record.operation_open || host->record.drained);
}

static bool barrier_holds(const struct host *host, const json_t *stage)
{
	return json_is_true(json_object_get(stage, "barrier")) &&
	       !(host->work->barriers_passed & UINT64_C(1) << (host->work->stage & 63));
}

/* It waits as one does whose turn has not come: without a slot, so in service, and on its default
 * boot. */
static enum host_state barrier_wait(struct host *host)
{
	if (host_trial_open(host))
		return host->cleared ? HOST_COMMIT_INTENT : HOST_WAITING;
	host->barrier = host->work->stage + 1;
	return host->cleared && host->record.drained ? HOST_UNDRAINING : HOST_WAITING;
}

/* Which stage has something left; each gets one go, so that a task that never holds does not loop.
 */
static enum host_state next_stage(struct host *host)
{
	const json_t *stage;
	struct gf_err err = {0};
	size_t i;

	json_array_foreach(host->stages, i, stage)
	{
		const char *name = json_string_value(json_object_get(stage, "name"));
		const json_t *planned = plan_stage_find(host->plan, name ? name : "");
		uint64_t bit = UINT64_C(1) << (i & 63);

		if (!planned || !plan_stage_pending(planned))
			continue;
		host->work->stage = i;
		if (json_is_true(json_object_get(planned, "changed"))) {
			if (host->work->stages_done & bit)
				return host_fail(
				    host, GF_E_TASK,
				    "stage %s was applied, but is not in effect: `gpufleet plan` "
				    "shows what is left",
				    name);
			if (barrier_holds(host, stage))
				return barrier_wait(host);
			if (!host->cleared)
				return HOST_WAITING;
			return host_trial_blocks(host, stage) ? HOST_COMMIT_INTENT : HOST_INTENT;
		}
		if (trial_awaits_turn(host))
			return HOST_WAITING;
		if (host->work->stages_rebooted & bit)
			return host_fail(
			    host, GF_E_REBOOT,
			    "stage %s is still not in effect after the reboot: `gpufleet plan` "
			    "shows what is left",
			    name);
		if (host_trial_of(host, name))
			return host_fail(host, GF_E_REBOOT,
			                 "stage %s is not in effect in its trial boot", name);
		if (!host->cleared)
			return HOST_WAITING;
		return host_trial_open(host) ? HOST_COMMIT_INTENT : HOST_REBOOT_INTENT;
	}
	if (reboot_left(host)) {
		if (host_guests_forbid(host, &err))
			return host_guests_end(host, &err);
		return host->cleared ? HOST_REBOOT_INTENT : HOST_WAITING;
	}
	/* Committing changes the host: that needs its turn, too. */
	if (host_unsettled(host) || (host_trial_open(host) && !host->cleared))
		return HOST_WAITING;
	return HOST_PROVING;
}

/* What the first plan of the run, the one that is shown, says about trial boots: the host is looked
 * at again once its turn comes, and must not get less protection than that. */
static void promises_note(struct host *host)
{
	json_t *promised;
	const json_t *stage;
	size_t i;

	if (host->work->promised)
		return;
	promised = json_object();
	json_array_foreach(json_object_get(host->plan, "stages"), i, stage)
	{
		const char *name = json_string_value(json_object_get(stage, "name"));
		const char *how = json_string_value(json_object_get(stage, "protection"));

		if (name && how && strncmp(how, "trial", 5) == 0)
			json_object_set_new(promised, name, json_true());
	}
	host->work->promised = json_pool_share(host->shared->pool, promised);
}

const char *host_saved_plan(const struct host *host)
{
	return host->shared->saved_plan ? saved_plan_sha256(host->shared->saved_plan) : NULL;
}

/* Until this plan's first step is on record, the host must be as the plan found it; from then on it
 * is what the plan made of it so far. */
static bool saved_plan_forbids(const struct host *host, struct gf_err *err)
{
	const struct saved_plan *saved = host->shared->saved_plan;

	if (!saved || strcmp(host->record.plan, saved_plan_sha256(saved)) == 0)
		return false;
	return saved_plan_compare(saved, host->inventory->name, host->facts, host->plan, err) != 0;
}

bool host_undoes(const struct host *host, const json_t *operation)
{
	const char *kind = json_string_value(json_object_get(operation, "request"));
	const char *run = json_string_value(json_object_get(operation, "run"));

	if (!kind || strcmp(kind, "apply") != 0 ||
	    json_is_true(json_object_get(operation, "undone")))
		return false;
	return !host->shared->undo_run || (run && strcmp(run, host->shared->undo_run) >= 0);
}

/* The agent's list has something to undo, from --run on. */
static bool undo_pending(const struct host *host, const json_t *result)
{
	const json_t *operation;
	size_t i;

	json_array_foreach(json_object_get(result, "operations"), i, operation)
	{
		if (host_undoes(host, operation))
			return true;
	}
	return false;
}

static enum host_state planning_rollback(struct host *host, const json_t *result)
{
	json_decref(host->plan);
	host->plan = json_incref((json_t *)(uintptr_t)result);
	if (undo_pending(host, result))
		return host->cleared ? HOST_INTENT : HOST_WAITING;
	if (reboot_left(host))
		return host->cleared ? HOST_REBOOT_INTENT : HOST_WAITING;
	if (host_unsettled(host))
		return HOST_WAITING;
	if (!host->shared->purge)
		return host_finish(host, HOST_DONE, NULL);
	return host->cleared ? HOST_PURGING : HOST_WAITING;
}

enum host_state host_planning_input(struct host *host, const struct host_input *input)
{
	struct gf_err err = {0};
	json_t *guests;

	switch (input->kind) {
	case INPUT_LOST:
		return host_lost(host, input->err);
	case INPUT_ERROR:
		return host_end(host, input->err);
	case INPUT_RESULT:
		break;
	default:
		return HOST_STAY;
	}
	if (host->shared->job == JOB_ROLLBACK)
		return planning_rollback(host, input->data);
	if (!json_is_array(json_object_get(input->data, "stages")))
		return host_end(host,
		                &(struct gf_err){GF_E_PROTOCOL,
		                                 "the agent's plan is not of the expected shape"});
	json_decref(host->plan);
	host->plan = json_copy((json_t *)(uintptr_t)input->data); /* it gets notes */
	host_nova_note(host);
	host_drain_note(host);
	host->plan = json_pool_share(host->shared->pool, host->plan);
	promises_note(host);
	guests = json_object_get(json_object_get(host->facts, "host"), "guests");
	if (plan_refused(host->plan, &err))
		return host_end(host, &err);
	if (host->shared->job == JOB_VERIFY)
		return verified_by_plan(host);
	if (json_array_size(guests) && plan_reboots(host->plan) && host_guests_forbid(host, &err))
		return host_guests_end(host, &err);
	if (saved_plan_forbids(host, &err))
		return host_end(host, &err);
	if (host->shared->job == JOB_PLAN)
		return host_finish(host, HOST_DONE, NULL);
	return next_stage(host);
}
