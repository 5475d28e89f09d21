/* world_agent.c: one scripted host: its agent's answers, its operations, its reboots. */
#include <assert.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/fleet/world.h"

/* What a boot makes of it. */
static void trial_boot(struct world_host *host)
{
	if (host->trial == TRIAL_STAGED && host->panics)
		host->boot++; /* it panics, and starts again by itself */
	if (host->trial == TRIAL_STAGED && !host->panics) {
		host->trial = TRIAL_UP;
		host->expired = false;
		world_moment(host->world, MOMENT_TRIAL, host);
		if (host->world->inventory.rollout.confirm_timeout_s)
			clock_arm(&host->world->clock, &host->confirm_timer,
			          (uint64_t)host->world->inventory.rollout.confirm_timeout_s *
			              1000);
	} else if (host->trial == TRIAL_STAGED || host->trial == TRIAL_UP)
		host->trial = TRIAL_REVERTED;
}

/* A control host has a stage of its own. */
static json_t *control_plan(const struct world_host *host)
{
	return json_pack("{s:[{s:s, s:b, s:b, s:[{s:s, s:s, s:s}]}]}", "stages", "name", "control",
	                 "changed", !host->tuned, "reboot", 0, "tasks", "task", "alias", "type",
	                 "file", "status", host->tuned ? "ok" : "change");
}

/* Two stages: "host" needs a reboot, "after" needs none and comes once that is in effect. */
static json_t *answer_plan(const struct world_host *host)
{
	bool configured = host->configured || host->trial == TRIAL_UP;
	bool host_ok = configured && (host->effective || (host->lies && host->reboots));
	const char *status = host->plan_fails ? "failed" : "change";

	if (host->control)
		return control_plan(host);
	return json_pack("{s:[{s:s, s:b, s:b, s:[{s:s, s:s, s:s}]}, {s:s, s:b, s:b, s:[{s:s, s:s, "
	                 "s:s}]}]}",
	                 "stages", "name", "host", "changed", !configured, "reboot", !host_ok,
	                 "tasks", "task", "GPUs", "type", "bind", "status", host_ok ? "ok" : status,
	                 "name", "after", "changed", host_ok && !host->tuned, "reboot", 0, "tasks",
	                 "task", "tune", "type", "file", "status", host->tuned ? "ok" : "change");
}

static json_t *answer_error(enum gf_code code, const char *message)
{
	return json_pack("{s:s, s:s}", "code", gf_code_name(code), "message", message);
}

/* HOST goes down: since it was let begin, others may have lost their power, which nobody can help.
 */
static void check_down(struct world_host *host)
{
	const struct world *world = host->world;
	unsigned in_all = world_down(world, NULL, host->started_at);
	unsigned in_domain = world_down(world, host->domain, host->started_at);
	unsigned limit = world->inventory.rollout.max_unavailable;
	unsigned per_domain = world->inventory.rollout.per_domain;

	if (!host->control && in_all > limit)
		world_broken(host->world, "%s: %u hosts down, %u may be", host->name, in_all,
		             limit);
	if (per_domain && host->domain[0] && in_domain > per_domain)
		world_broken(host->world, "%s: %u of %s down", host->name, in_domain, host->domain);
}

static void host_down(struct world_host *host, uint64_t how_long)
{
	struct world *world = host->world;

	world_say(world, host, "goes down", "");
	host->down = true;
	if (world_down(world, NULL, world->now) > world->most_down)
		world->most_down = world_down(world, NULL, world->now);
	for (size_t i = 0; i < host->operation_count; i++)
		if (host->operations[i].state == OPERATION_RUNNING)
			host->operations[i].state = OPERATION_DEAD;
	clock_disarm(&world->clock, &host->operation_timer);
	clock_arm(&world->clock, &host->power_timer, how_long);
	world_links_cut(host);
}

bool world_power_lost(struct world_host *host)
{
	if (host->down || host->steady || host->refuses)
		return false;
	host->struck = !host->promised; /* that one goes down all the same */
	host->promised = false;
	host_down(host, host->boot_ms);
	return true;
}

/* What the reboot that begins is for: a change that waits for it, or a trial that is no good. Each
 * operation has one, but where its reboot was in vain: one a run. */
static void check_reboot(struct world_host *host)
{
	struct world_operation *newest =
	    host->operation_count ? &host->operations[host->operation_count - 1] : NULL;
	bool cards = host->card_vanishes || host->card_moves || host->card_appears;
	/* A later stage that fails ends the trial, too. */
	bool failed = newest && newest->state != OPERATION_DONE;
	bool no_good = host->trial == TRIAL_UP && (host->ineffective || cards || failed);
	bool owed = host->trial == TRIAL_STAGED || (host->configured && !host->effective);

	if (host->world->reboot_jobs)
		return;
	if (!owed && !no_good)
		world_broken(host->world, "%s: a reboot that nothing needs", host->name);
	if (!newest || no_good)
		return;
	if (newest->reboots &&
	    (!host->ineffective || newest->reboot_run == host->world->run_number))
		world_broken(host->world, "%s: rebooted twice for operation %s", host->name,
		             newest->id);
	newest->reboots++;
	newest->reboot_run = host->world->run_number;
}

static void power_fire(void *ctx)
{
	struct world_host *host = ctx;

	if (host->promised) {
		check_reboot(host);
		host->promised = false;
		host->reboots++;
		host_down(host, host->boot_ms);
		return;
	}
	if (host->never_returns && host->reboots) {
		host->away = true;
		return;
	}
	world_say(host->world, host, "boots", "");
	host->down = host->struck = false;
	host->struck_known = 0;
	host->boot++;
	host->up_at = host->world->now;
	trial_boot(host);
	host->effective = (host->configured || host->trial == TRIAL_UP) && !host->ineffective;
}

void world_power_cycle(struct world_host *host)
{
	host->never_returns = host->away = false;
	if (host->trial == TRIAL_STAGED)
		host->trial = TRIAL_REVERTED; /* its one boot was the one that hung */
	host_down(host, host->boot_ms);
}

/* The host's own timer: nobody has confirmed the trial. */
static void confirm_fire(void *ctx)
{
	struct world_host *host = ctx;

	if (host->trial != TRIAL_UP || host->down || host->guests)
		return;
	host->expired = true;
	host->expirations++;
	host->reboots++;
	host_down(host, host->boot_ms);
	check_down(host);
}

/* The work of OPERATION is done on the host, whoever learns of it. */
static void operation_works(struct world_host *host, struct world_operation *operation)
{
	if (operation->commit) {
		host->configured = true;
		host->trial = TRIAL_NONE;
	} else if (strcmp(operation->stage, "host") != 0) {
		host->tuned = true;
		host->tuned_at = host->world->now;
	} else if (host->tries) {
		host->trial = TRIAL_STAGED;
		snprintf(host->tried, sizeof(host->tried), "%s", operation->id);
		snprintf(host->tried_token, sizeof(host->tried_token), "%s", host->token);
		operation->reboot = operation->trial = true;
	} else {
		host->configured = operation->reboot = true;
	}
}

static void operation_fire(void *ctx)
{
	struct world_host *host = ctx;
	struct world_operation *operation = &host->operations[host->operation_count - 1];

	if (host->dies) {
		host->dies = false;
		host_down(host, host->boot_ms);
		return;
	}
	if (host->fails || (operation->commit && host->commit_fails)) {
		operation->state = OPERATION_FAILED;
	} else {
		operation->state = OPERATION_DONE;
		operation_works(host, operation);
	}
	world_links_told(host, operation);
}

bool world_worker_dies(struct world_host *host, bool late)
{
	struct world_operation *operation =
	    host->operation_count ? &host->operations[host->operation_count - 1] : NULL;

	if (host->down || !operation || operation->state != OPERATION_RUNNING)
		return false;
	if (late && !host->fails && !(operation->commit && host->commit_fails))
		operation_works(host, operation);
	operation->state = OPERATION_DEAD;
	clock_disarm(&host->world->clock, &host->operation_timer);
	world_links_told(host, operation);
	return true;
}

bool world_reboot_lost(struct world_host *host)
{
	if (!host->promised)
		return false;
	host->promised = false;
	clock_disarm(&host->world->clock, &host->power_timer);
	return true;
}

static bool leased_to_other(const struct world_host *host, const char *run)
{
	return host->lease[0] && host->world->now < host->lease_until &&
	       strcmp(host->lease, run) != 0;
}

static json_t *answer_lease(struct world_host *host, const json_t *request, json_t **error)
{
	const char *run = json_string_value(json_object_get(request, "run"));
	char message[160];

	if (json_is_true(json_object_get(request, "release"))) {
		if (strcmp(host->lease, run) == 0)
			host->lease[0] = '\0';
		return json_object();
	}
	if (leased_to_other(host, run) && !json_is_true(json_object_get(request, "take"))) {
		snprintf(message, sizeof(message), "run %s works on it", host->lease);
		*error = answer_error(GF_E_LEASE, message);
		return NULL;
	}
	snprintf(host->lease, sizeof(host->lease), "%s", run);
	host->lease_until = host->world->now + UINT64_C(1800) * 1000;
	return json_object();
}

static struct world_operation *operation_find(struct world_host *host, const char *id)
{
	for (size_t i = 0; i < host->operation_count; i++)
		if (strcmp(host->operations[i].id, id) == 0)
			return &host->operations[i];
	return NULL;
}

/* What must hold of a host whose trial is to stay. */
static void check_proven(struct world_host *host, const char *trial, const char *token)
{
	if (strcmp(trial, host->tried) != 0 ||
	    (host->trial != TRIAL_UP && host->trial != TRIAL_COMMITTING))
		world_broken(host->world, "%s: a commit of what is not on trial", host->name);
	if (!host->effective && host->trial == TRIAL_UP)
		world_broken(host->world, "%s: a commit of what is not proven", host->name);
	if (host->trial == TRIAL_UP && strcmp(token ? token : "", host->tried_token) != 0)
		world_broken(host->world, "%s: a commit with another token", host->name);
}

static struct world_operation *answer_apply(struct world_host *host, const json_t *request,
                                            json_t **error)
{
	const char *trial = json_string_value(json_object_get(request, "trial"));
	const char *token = json_string_value(json_object_get(request, "token"));
	const char *id = json_string_value(json_object_get(request, "operation"));
	const char *run =
	    json_string_value(json_object_get(json_object_get(request, "context"), "run"));
	const char *stage =
	    json_string_value(json_object_get(json_object_get(request, "stage"), "name"));
	struct world_operation *operation = operation_find(host, id);

	if (operation)
		return operation;
	if (leased_to_other(host, run)) {
		*error = answer_error(GF_E_LEASE, "another run works on it");
		return NULL;
	}
	if (!world_recorded(host->world, host->index, "stage.intent", "operation", id))
		world_broken(host->world, "%s: operation %s without an intent", host->name, id);
	if (host->operation_count &&
	    host->operations[host->operation_count - 1].state == OPERATION_RUNNING)
		world_broken(host->world, "%s: two operations at once", host->name);
	for (size_t i = 0; host->control && i < host->world->inventory.host_count; i++) {
		const struct world_host *other = &host->world->hosts[i];

		if (other != host && other->control && other->operation_count &&
		    other->operations[other->operation_count - 1].state == OPERATION_RUNNING)
			world_broken(host->world, "%s and %s: two control hosts at once",
			             host->name, other->name);
	}
	if (host->operation_count == WORLD_OPERATIONS) {
		world_broken(host->world, "%s: operations without end", host->name);
		host->operation_count = 0;
	}
	operation = &host->operations[host->operation_count++];
	memset(operation, 0, sizeof(*operation));
	snprintf(operation->id, sizeof(operation->id), "%s", id);
	snprintf(operation->stage, sizeof(operation->stage), "%s", stage ? stage : "");
	operation->commit = trial != NULL;
	if (trial)
		check_proven(host, trial, token);
	else if (host->trial == TRIAL_COMMITTING)
		world_broken(host->world, "%s: a stage in the middle of a commit", host->name);
	if (!trial)
		snprintf(host->token, sizeof(host->token), "%s", token ? token : "");
	if (trial)
		host->trial = TRIAL_COMMITTING;
	else if (host->trial != TRIAL_UP || strcmp(operation->stage, "host") == 0)
		host->trial = TRIAL_NONE; /* what was staged is put back first */
	*(trial ? &host->commits : &host->begun) += 1;
	clock_arm(&host->world->clock, &host->operation_timer,
	          trial && host->commit_ms ? host->commit_ms : host->apply_ms);
	world_moment(host->world, trial ? MOMENT_COMMIT : MOMENT_OPERATION, host);
	return operation;
}

static json_t *answer_confirm(struct world_host *host, const json_t *request, json_t **error)
{
	const char *trial = json_string_value(json_object_get(request, "trial"));

	if (leased_to_other(host, json_string_value(json_object_get(request, "run")))) {
		*error = answer_error(GF_E_LEASE, "another run works on it");
		return NULL;
	}
	check_proven(host, trial, json_string_value(json_object_get(request, "token")));
	host->trial = TRIAL_COMMITTING;
	world_moment(host->world, MOMENT_COMMIT, host);
	return json_object();
}

static json_t *answer_reboot(struct world_host *host, const json_t *request, json_t **error)
{
	struct world *world = host->world;
	const char *wanted = json_string_value(json_object_get(request, "boot_id"));
	char boot_id[64];

	world_boot_id(host, boot_id, sizeof(boot_id));
	if (strcmp(boot_id, wanted) != 0)
		return json_pack("{s:b}", "scheduled", 0);
	if (host->guests) {
		*error = answer_error(GF_E_BLOCKED, "a guest is running");
		return NULL;
	}
	if (host->promised)
		return json_pack("{s:b}", "scheduled", 1);
	if (!world_recorded(world, host->index, "reboot.intent", "boot_id", wanted))
		world_broken(world, "%s: a reboot without an intent", host->name);
	if (host->reboot_ignored) {
		host->reboot_ignored = false;
		return json_pack("{s:b}", "scheduled", 1);
	}
	if (world->inventory.rollout.drain.count && !host->control && !host->drained)
		world_broken(world, "%s: rebooted without being drained", host->name);
	host->promised = true; /* counts as down from here on */
	check_down(host);
	clock_arm(&world->clock, &host->power_timer, 1000);
	world_moment(world, MOMENT_REBOOT, host);
	return json_pack("{s:b}", "scheduled", 1);
}

static char *answer_line(json_int_t id, json_t *result, json_t *error)
{
	json_t *message = result ? json_pack("{s:I, s:o}", "id", id, "result", result)
	                         : json_pack("{s:I, s:o}", "id", id, "error", error);
	char *text = json_dumps(message, JSON_COMPACT), *line = NULL;

	if (asprintf(&line, "%s\n", text) < 0)
		abort();
	free(text);
	json_decref(message);
	return line;
}

static char *facts_line(const struct world_host *host, json_int_t id)
{
	char *facts = world_agent_facts(host), *line = NULL;

	if (asprintf(&line, "{\"id\":%lld,\"result\":%s}\n", (long long)id, facts) < 0)
		abort();
	free(facts);
	return line;
}

char *world_agent_result(struct world_host *host, const struct world_operation *operation,
                         json_int_t id)
{
	static const char *const names[] = {"running", "done", "failed", "unknown"};
	bool done = operation->state == OPERATION_DONE;
	json_t *event = json_pack("{s:I, s:{s:i, s:s, s:s}}", "id", id, "event", "seq", 1, "task",
	                          "GPUs", "status", done ? "changed" : "failed");
	char *told = json_dumps(event, JSON_COMPACT), *result, *lines = NULL;

	json_decref(event);
	(void)host;
	result = answer_line(id,
	                     json_pack("{s:s, s:s, s:b, s:b, s:b, s:s}", "operation", operation->id,
	                               "state", names[operation->state], "changed", done, "reboot",
	                               operation->reboot, "trial", operation->trial, "message",
	                               done ? "" : "it went wrong"),
	                     NULL);
	if (asprintf(&lines, "%s\n%s", told, result) < 0)
		abort();
	free(told);
	free(result);
	return lines;
}

char *world_agent_answer(struct world_host *host, const json_t *request,
                         struct world_operation **operation)
{
	const char *kind = json_string_value(json_object_get(request, "request"));
	json_int_t id = json_integer_value(json_object_get(request, "id"));
	json_t *result = NULL, *error = NULL;

	if (strcmp(kind, "facts") == 0) {
		return facts_line(host, id);
	} else if (strcmp(kind, "plan") == 0 || strcmp(kind, "verify") == 0) {
		result = answer_plan(host);
		if (strcmp(kind, "verify") == 0)
			world_moment(host->world, MOMENT_PROOF, host);
	} else if (strcmp(kind, "lease") == 0) {
		result = answer_lease(host, request, &error);
	} else if (strcmp(kind, "confirm") == 0) {
		result = answer_confirm(host, request, &error);
	} else if (strcmp(kind, "reboot") == 0) {
		result = answer_reboot(host, request, &error);
	} else if (strcmp(kind, "attach") == 0) {
		*operation =
		    operation_find(host, json_string_value(json_object_get(request, "operation")));
		if (!*operation)
			error = answer_error(GF_E_INPUT, "no such operation");
	} else if (strcmp(kind, "apply") == 0 || strcmp(kind, "commit") == 0) {
		*operation = answer_apply(host, request, &error);
	} else {
		error = answer_error(GF_E_INPUT, "no such request");
	}
	if (result || error)
		return answer_line(id, result, error);
	assert(*operation);
	return (*operation)->state == OPERATION_RUNNING ? NULL
	                                                : world_agent_result(host, *operation, id);
}

void world_host_init(struct world_host *host, struct world *world, size_t index)
{
	host->world = world;
	host->index = index;
	host->durable_end = &host->durable;
	host->boot = 1;
	host->latency_ms = 5;
	host->apply_ms = 20000;
	host->boot_ms = 90000;
	host->drain_ms = 30000;
	host->operation_timer.fire = operation_fire;
	host->power_timer.fire = power_fire;
	host->confirm_timer.fire = confirm_fire;
	host->confirm_timer.ctx = host;
	host->operation_timer.ctx = host->power_timer.ctx = host;
	snprintf(host->name, sizeof(host->name), "gpu%02zu", index + 1);
}
