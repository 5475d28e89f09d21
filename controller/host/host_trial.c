/* host_trial.c: a boot change that is tried before it becomes the default. The agent stages it for
 * one boot (docs/design/trial.md); here it is seen which boot has come up, and a proven trial is
 * committed: intent on the disk, then the operation, as with a stage.
 *
 * Whatever is cut off: facts.trial says where the host stands, and the journal which operation is
 * open.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/host/host_states.h"
#include "node-agent/wire/json_text.h"

static const char *trial_text(const struct host *host, const char *key)
{
	return json_text(json_object_get(host->facts, "trial"), key);
}

static bool trial_is(const struct host *host, const char *state, const char *boot)
{
	return strcmp(trial_text(host, "state"), state) == 0 &&
	       (!boot || strcmp(trial_text(host, "boot"), boot) == 0);
}

bool host_trial_open(const struct host *host)
{
	return trial_is(host, "staged", "trial") || trial_is(host, "committing", NULL);
}

bool host_trial_runs(const struct host *host)
{
	return host_trial_open(host) && strcmp(trial_text(host, "boot"), "trial") == 0;
}

bool host_trial_of(const struct host *host, const char *stage)
{
	return host_trial_open(host) && stage && strcmp(stage, trial_text(host, "stage")) == 0;
}

bool host_trial_blocks(const struct host *host, const json_t *stage)
{
	const char *name = json_string_value(json_object_get(stage, "name"));

	if (!host_trial_open(host) || host_trial_of(host, name))
		return false;
	return host_stage_may_reboot(stage) || host_nova_stage(stage);
}

static void trial_over(struct host *host, const char *outcome)
{
	if (host->record.trial[0])
		host_record_event(host,
		                  json_pack("{s:s, s:s, s:s}", "type", "trial.over", "operation",
		                            host->record.trial, "outcome", outcome),
		                  false, NULL);
}

/* The trial should be running, and something else came up: from the reboot (DUE) or later. */
static enum host_state trial_failed(struct host *host, bool due)
{
	const char *what =
	    due ? "the trial boot did not come up" : "the host restarted before its trial was over";
	const char *ended = trial_text(host, "message");
	/* The agent's own sentence names files that somebody else changed meanwhile. */
	const char *left = strstr(ended, ", but ");
	bool expired =
	    json_is_true(json_object_get(json_object_get(host->facts, "trial"), "expired"));
	bool reverted = trial_is(host, "reverted", NULL);
	char rest[200] = "";

	if (left)
		snprintf(rest, sizeof(rest), "%s", left);
	trial_over(host, "reverted");
	if (expired)
		what = "its trial boot was not reached and proven within rollout.confirm_timeout, "
		       "so it went back by itself";
	if (host->work->rolled_back)
		what = host->work->rolled_back->msg;
	if (!reverted)
		return host_fail(
		    host, GF_E_REBOOT,
		    "%s: the host is back on its former boot entry, but its former files are not "
		    "restored (gpufleet-restore.service did not do it: see its journal); `apply` "
		    "restores them before it tries again, `rollback` restores them only",
		    what);
	return host_fail(host, GF_E_REBOOT,
	                 "rolled back: %s: the host is back on its former boot entry, files "
	                 "restored%s. %s`apply` tries again",
	                 what, rest,
	                 due && !expired && !host->work->rolled_back
	                     ? "Its console shows why the trial failed; "
	                     : "");
}

bool host_trial_gives_up(struct host *host, const struct gf_err *err)
{
	/* What is known must be of the boot that runs now, and a commit goes forward only. */
	if (strcmp(host_facts_boot_id(host->facts), host->boot_id) != 0 || host->record.committing)
		return false;
	if (host->shared->job != JOB_APPLY || !host->client || !host->cleared ||
	    host->work->rolled_back || !trial_is(host, "staged", "trial") ||
	    strcmp(trial_text(host, "operation"), host->record.trial) != 0)
		return false;
	host->work->rolled_back = malloc(sizeof(*host->work->rolled_back));
	if (host->work->rolled_back)
		*host->work->rolled_back = *err;
	return host->work->rolled_back != NULL;
}

enum host_state host_trial_look(struct host *host)
{
	bool same = strcmp(trial_text(host, "operation"), host->record.trial) == 0;
	bool due = host->work->trial_due;

	host->work->trial_due = false;
	if (host->shared->job < JOB_APPLY)
		return HOST_STAY;
	/* Of a trial that a former run began, nobody waits for the outcome: it is begun again. */
	if (host->shared->job == JOB_APPLY && host->record.trial[0] &&
	    (due || host->work->operations > 0) && !(same && host_trial_open(host)))
		return trial_failed(host, due);
	if (host->record.trial[0] && !(same && !trial_is(host, "reverted", NULL)))
		trial_over(host, trial_is(host, "reverted", NULL) ? "reverted" : "gone");
	/* It can only go forward, and everything else waits for it. */
	if (host->shared->job == JOB_APPLY && trial_is(host, "committing", NULL) &&
	    (!host->shared->saved_plan || strcmp(host->record.plan, host_saved_plan(host)) == 0))
		return host->cleared ? HOST_COMMIT_INTENT : HOST_WAITING;
	return HOST_STAY;
}

static enum host_state not_taken(struct host *host, const char *why)
{
	return host_fail(host, GF_E_REBOOT,
	                 "the trial boot is proven, but the host does not take it: %s",
	                 why && *why ? why : "no reason given");
}

/* The trial stays, and the host can go back into service: what is left is done beside that. */
enum host_state host_confirming_enter(struct host *host)
{
	const char *trial = trial_text(host, "operation");

	return host_request(host, json_pack("{s:s, s:s, s:s, s:s*}", "request", "confirm", "trial",
	                                    trial, "run", host->shared->run, "token",
	                                    host_record_token(&host->record, trial)));
}

enum host_state host_confirming_input(struct host *host, const struct host_input *input)
{
	switch (input->kind) {
	case INPUT_LOST:
		return host_lost(host, input->err);
	case INPUT_ERROR:
		return not_taken(host, input->err->msg);
	case INPUT_RESULT:
		return HOST_UNDRAINING;
	default:
		return HOST_STAY;
	}
}

enum host_state host_commit_intent_enter(struct host *host)
{
	char operation[OPERATION_SIZE], stage[STAGE_SIZE], trial[OPERATION_SIZE];
	struct gf_err err = {0};

	host->work->returning = host_return_due(host);
	if (host->work->returning)
		return trial_is(host, "staged", NULL) ? HOST_CONFIRMING : HOST_UNDRAINING;
	/* One for each stage at most, and one that a former run left. */
	if (++host->work->commits > json_array_size(host->stages) + 1)
		return host_fail(host, GF_E_PROTOCOL,
		                 "its trial is committed, and it says that it is not, again and "
		                 "again: look at /var/lib/gpufleet/trial.json on the host");
	snprintf(operation, sizeof(operation), "%s-%u", host->shared->run,
	         ++host->work->operations);
	snprintf(stage, sizeof(stage), "%s", trial_text(host, "stage"));
	snprintf(trial, sizeof(trial), "%s", trial_text(host, "operation"));
	host->work->attach = false;
	host->work->event_seq = 0;
	if (host_record_event(host,
	                      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s*}", "type", "stage.intent",
	                                "stage", stage, "operation", operation, "boot_id",
	                                host->boot_id, "commit", trial, "plan",
	                                host_saved_plan(host)),
	                      true, &err))
		return host_finish(host, HOST_FAILED, &err);
	return HOST_STAY;
}

enum host_state host_commit_intent_input(struct host *host, const struct host_input *input)
{
	switch (input->kind) {
	case INPUT_ACK:
		return host_acked(host) ? HOST_COMMITTING : HOST_STAY;
	case INPUT_TIMEOUT:
		return host_fail(host, GF_E_STORE,
		                 "the store took too long to record the next step");
	default:
		return HOST_STAY; /* a lost connection is found on entry to committing */
	}
}

enum host_state host_committing_enter(struct host *host)
{
	const char *token = host_record_token(&host->record, trial_text(host, "operation"));

	return host_request(host, json_pack("{s:s, s:s, s:s, s:{s:s}, s:s*}", "request", "commit",
	                                    "operation", host->record.operation, "trial",
	                                    trial_text(host, "operation"), "context", "run",
	                                    host->shared->run, "token", token));
}

enum host_state host_committed(struct host *host, const json_t *result)
{
	const char *state = json_string_value(json_object_get(result, "state"));
	const char *message = json_string_value(json_object_get(result, "message"));
	const char *code = json_string_value(json_object_get(result, "code"));
	bool done = state && strcmp(state, "done") == 0;

	if (host_operation_result(host,
	                          done    ? "done"
	                          : state ? state
	                                  : "failed",
	                          true, false, false))
		return host_finish(host, HOST_FAILED, host_why(host));
	/* Its worker died: the facts say how far it came. Once. */
	if (state && strcmp(state, "unknown") == 0 && ++host->work->died <= 1)
		return HOST_FACTS;
	if (!done && code && strcmp(code, "blocked") == 0)
		return not_taken(host, message);
	if (!done)
		return host_fail(host, GF_E_TASK,
		                 "the trial boot is proven, but making it the default failed: %s. "
		                 "`apply` goes on with that",
		                 message && *message ? message : "no reason given");
	trial_over(host, "committed");
	return HOST_FACTS;
}

enum host_state host_committing_input(struct host *host, const struct host_input *input)
{
	switch (input->kind) {
	case INPUT_LOST:
		host->work->attach = true; /* followed up in applying, whatever it is */
		return host_lost(host, input->err);
	case INPUT_EVENT:
		return host_operation_event(host, input->data);
	case INPUT_ERROR:
		host_operation_result(host, "refused", false, false, false);
		return host_end(host, input->err);
	case INPUT_RESULT:
		return host_committed(host, input->data);
	default:
		return HOST_STAY;
	}
}
