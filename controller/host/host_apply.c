/* host_apply.c: one stage (or the undoing of all) on the host: intent on the disk, then the
 * operation, then its result.
 *
 * The agent runs an operation detached and at most once for an id. So whatever happens to the
 * connection or to this process, asking with the recorded id is safe: it follows the operation, or
 * learns that it never began.
 */
#include <stdio.h>
#include <string.h>

#include "controller/host/host_states.h"
#include "node-agent/wire/sha256.h"

static const char *stage_name(const struct host *host)
{
	const char *name;

	if (host->shared->job == JOB_ROLLBACK)
		return "rollback";
	name = json_string_value(
	    json_object_get(json_array_get(host->stages, host->work->stage), "name"));
	return name ? name : "stage";
}

bool host_stage_may_reboot(const json_t *stage)
{
	const char *policy = json_string_value(json_object_get(stage, "reboot"));

	return policy && strcmp(policy, "never") != 0;
}

/* What confirms the trial of OPERATION: only who knows the run's secret or its journal has it. */
static const char *token_make(const struct host *host, const char *operation,
                              char token[SHA256_HEX_SIZE])
{
	struct sha256 sha;

	if (!host->shared->secret || host->shared->job != JOB_APPLY ||
	    !host_stage_may_reboot(json_array_get(host->stages, host->work->stage)))
		return NULL;
	sha256_init(&sha);
	sha256_update(&sha, host->shared->secret, strlen(host->shared->secret));
	sha256_update(&sha, host->inventory->name, strlen(host->inventory->name) + 1);
	sha256_update(&sha, operation, strlen(operation));
	sha256_final_hex(&sha, token);
	return token;
}

enum host_state host_intent_enter(struct host *host)
{
	char operation[OPERATION_SIZE], token[SHA256_HEX_SIZE];
	struct gf_err err = {0};

	snprintf(operation, sizeof(operation), "%s-%u", host->shared->run,
	         ++host->work->operations);
	host->work->attach = false;
	host->work->event_seq = 0;
	if (host_record_event(host,
	                      json_pack("{s:s, s:s, s:s, s:s, s:s*, s:s*}", "type", "stage.intent",
	                                "stage", stage_name(host), "operation", operation,
	                                "boot_id", host->boot_id, "plan", host_saved_plan(host),
	                                "token", token_make(host, operation, token)),
	                      true, &err))
		return host_finish(host, HOST_FAILED, &err);
	return HOST_STAY;
}

enum host_state host_intent_input(struct host *host, const struct host_input *input)
{
	switch (input->kind) {
	case INPUT_ACK:
		return host_acked(host) ? HOST_APPLYING : HOST_STAY;
	case INPUT_TIMEOUT:
		return host_fail(host, GF_E_STORE,
		                 "the store took too long to record the next step");
	case INPUT_LOST:
	default:
		return HOST_STAY; /* a lost connection is found on entry to applying */
	}
}

static json_t *apply_request(const struct host *host)
{
	const struct host_shared *shared = host->shared;

	if (host->work->attach)
		return json_pack("{s:s, s:s, s:I}", "request", "attach", "operation",
		                 host->record.operation, "from", host->work->event_seq + 1);
	if (shared->job == JOB_ROLLBACK) {
		const json_t *operation;
		json_t *ids = NULL;
		size_t i;

		if (shared->undo_run) {
			ids = json_array();
			json_array_foreach(json_object_get(host->plan, "operations"), i, operation)
			{
				if (host_undoes(host, operation))
					json_array_insert(ids, 0,
					                  json_object_get(operation, "operation"));
			}
		}
		return json_pack("{s:s, s:s, s:{s:s}, s:o*, s:b, s:b}", "request", "undo",
		                 "operation", host->record.operation, "context", "run", shared->run,
		                 "operations", ids, "force", shared->force, "purge", 0);
	}
	return json_pack("{s:s, s:s, s:o, s:O, s:b, s:b, s:s*, s:I}", "request", "apply",
	                 "operation", host->record.operation, "context", host_context(host),
	                 "stage", json_array_get(host->stages, host->work->stage),
	                 "allow_running_guests", shared->allow_running_guests, "trial",
	                 json_is_true(json_object_get(host->work->promised, stage_name(host))),
	                 "token", host_record_token(&host->record, host->record.operation),
	                 "confirm_timeout", (json_int_t)shared->rollout->confirm_timeout_s);
}

enum host_state host_applying_enter(struct host *host)
{
	/* Recovered work of a former run: its stages may be named otherwise by now. */
	return host_request(host, apply_request(host));
}

/* Work that still tells of itself after so long tells nothing. */
#define STAGE_LIMIT_MS (UINT64_C(6) * 3600 * 1000)

enum host_state host_operation_event(struct host *host, const json_t *event)
{
	int taken = host_event_take(&host->work->event_seq,
	                            json_integer_value(json_object_get(event, "seq")));

	if (taken < 0 || host_now(host) - host->entered > STAGE_LIMIT_MS)
		return host_fail(host, GF_E_PROTOCOL,
		                 "stage %s: the events of its operation have no end: look at the "
		                 "host",
		                 host->record.stage);
	if (taken == 0)
		return HOST_STAY;
	host_heard(host);
	host->work->hangs = 0;
	host->shared->events->task(host->shared->ctx, host, event);
	return HOST_STAY;
}

/* Is the boot that runs another one than the operation was begun on? A trial's commit is begun on
 * whatever runs, and what it makes the default is the trial's. */
static bool restarted(const struct host *host)
{
	return strcmp(host->record.boot_id, host->boot_id) != 0 ||
	       (host->record.committing && !host_trial_runs(host));
}

int host_operation_result(struct host *host, const char *state, bool changed, bool reboot,
                          bool trial)
{
	struct gf_err err = {0};
	int rc;

	host->work->attach = false;
	if (changed)
		host->work->touched = true;
	rc = host_record_event(host,
	                       json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:b}", "type",
	                                 "stage.result", "operation", host->record.operation,
	                                 "stage", host->record.stage, "state", state, "changed",
	                                 changed, "reboot", reboot, "trial", trial, "restarted",
	                                 restarted(host)),
	                       false, &err);
	if (rc)
		host_blame(host, &err);
	return rc;
}

/* Does the playbook want this stage followed by a reboot? */
static bool stage_reboots(const struct host *host, bool changed, bool needed)
{
	const char *policy = json_string_value(
	    json_object_get(json_array_get(host->stages, host->work->stage), "reboot"));

	if (host->shared->job == JOB_ROLLBACK)
		return needed;
	if (policy && strcmp(policy, "always") == 0)
		return true;
	return policy && strcmp(policy, "if-changed") == 0 && changed && needed;
}

static enum host_state applied(struct host *host, const json_t *result)
{
	const char *state = json_string_value(json_object_get(result, "state"));
	const char *message = json_string_value(json_object_get(result, "message"));
	bool changed = json_is_true(json_object_get(result, "changed"));
	bool needed = json_is_true(json_object_get(result, "reboot"));
	bool trial = json_is_true(json_object_get(result, "trial"));
	bool done = state && strcmp(state, "done") == 0;
	bool died = strcmp(host->record.boot_id, host->boot_id) != 0;
	const char *code = json_string_value(json_object_get(result, "code"));
	/* A precondition no longer holds, and the operation left all as it was. */
	bool refused = !done && !changed && code && strcmp(code, "blocked") == 0;
	struct gf_err err = {0};
	bool reboot;

	if (state && strcmp(state, "unknown") == 0) {
		/* Its worker died, with the host or without. What it had done stands, and is
		 * recorded there: tasks are idempotent, so the stage is planned anew; but a stage
		 * that kills its host does so once. */
		host_operation_result(host, "unknown", changed, needed && !died, false);
		if (++host->work->died > 1)
			return host_fail(host, GF_E_TASK, "stage %s: %s", host->record.stage,
			                 message && *message
			                     ? message
			                     : "the work ended without a result, twice");
		return HOST_FACTS;
	}
	if (!done && !(state && strcmp(state, "failed") == 0))
		return host_fail(host, GF_E_PROTOCOL, "the agent's result has no state");
	/* Of an operation that a former run began, the stage's place is not known: its own word
	 * counts. */
	reboot = host->work->operations == 0 ? needed : stage_reboots(host, changed, needed);
	if (trial)
		reboot = true;
	/* By itself: what has come up is to be seen before it is rebooted. */
	if (died)
		reboot = false;
	if (host_operation_result(host, state, changed, reboot, trial))
		return host_finish(host, HOST_FAILED, host_why(host));
	/* What a former run began is over: now it can be undone. */
	if (host->shared->job == JOB_ROLLBACK && host->work->operations == 0)
		return HOST_FACTS;
	/* Not the stage's fault: the host restarted under it, and its trial is over. */
	if (!done && died && host->record.trial[0])
		return HOST_FACTS;
	if (refused) {
		gf_err_set(&err, GF_E_BLOCKED, "stage %s: %s", host->record.stage,
		           message && *message ? message : "the host refuses it");
		return host_end(host, &err);
	}
	if (!done)
		return host_fail(host, GF_E_TASK, "stage %s: %s", host->record.stage,
		                 message && *message ? message : "a task failed");
	if (host->work->operations)
		host->work->stages_done |= UINT64_C(1) << (host->work->stage & 63);
	if (host->shared->job == JOB_ROLLBACK) {
		host->work->stages_done |= 1;
		if (reboot)
			return HOST_REBOOT_INTENT;
		host->shared->journal->expected_put(host->shared->journal, host->inventory->name,
		                                    json_null(), NULL);
		return HOST_FACTS;
	}
	return reboot ? HOST_REBOOT_INTENT : HOST_FACTS;
}

enum host_state host_applying_input(struct host *host, const struct host_input *input)
{
	switch (input->kind) {
	case INPUT_LOST:
		host->work->attach = true;
		return host_lost(host, input->err);
	case INPUT_EVENT:
		return host_operation_event(host, input->data);
	case INPUT_ERROR:
		if (host->work->attach && input->err->code == GF_E_INPUT) {
			/* Its intent was recorded, but it never began there. */
			host_operation_result(host, "unknown", false, false, false);
			return HOST_FACTS;
		}
		/* Refused before it began (guests, other devices than planned, another run's
		 * lease). */
		host_operation_result(host, "refused", false, false, false);
		return host_end(host, input->err);
	case INPUT_RESULT:
		return host->record.committing ? host_committed(host, input->data)
		                               : applied(host, input->data);
	default:
		return HOST_STAY;
	}
}
