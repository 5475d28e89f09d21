/* requests.c: what each request does. The table at the end lists them. */
#include "node-agent/serve.h"

#include <string.h>

#include "node-agent/facts/facts.h"
#include "node-agent/facts/probe.h"
#include "node-agent/lease.h"
#include "node-agent/operation/operation.h"
#include "node-agent/reboot.h"
#include "node-agent/tasks/nova_up.h"
#include "node-agent/tasks/task.h"
#include "node-agent/trial/trial.h"

#define FACTS_HOLD      2  /* seconds */
#define NOVA_UP_TIMEOUT 90 /* seconds; the controller gives a verification 300 */

static const char *argument(const json_t *request, const char *key, struct gf_err *err)
{
	const char *text = json_string_value(json_object_get(request, key));
	if (!text || !*text) {
		gf_err_set(err, GF_E_INPUT, "the request lacks \"%s\" (a string)", key);
		return NULL;
	}
	return text;
}

static const char *request_run(const json_t *request)
{
	return json_string_value(json_object_get(json_object_get(request, "context"), "run"));
}

static json_t *facts_now(struct serve *serve, struct gf_err *err)
{
	serve_forget(serve);
	serve->facts = facts_collect(&serve->agent->root, err);
	clock_gettime(CLOCK_MONOTONIC, &serve->facts_seen);
	return json_incref(serve->facts);
}

/* A plan is of the facts that the controller has just been told: it follows them at once. So does
 * a verification where nothing was to be done. */
static json_t *facts_lately(struct serve *serve, struct gf_err *err)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return serve->facts && now.tv_sec - serve->facts_seen.tv_sec < FACTS_HOLD
	           ? json_incref(serve->facts)
	           : facts_now(serve, err);
}

static json_t *answer_facts(struct serve *serve, const json_t *request, struct gf_err *err)
{
	json_t *facts = facts_now(serve, err);
	if (facts && json_is_true(json_object_get(request, "probe")))
		probe_facts(&serve->agent->root, NULL, facts);
	if (facts)
		json_object_set_new(facts, "trial", trial_facts(serve->agent));
	return facts;
}

typedef json_t *(*stage_fn)(struct task_context *ctx, const json_t *stage, struct gf_err *err);

/* Plans or verifies every stage in turn. */
static json_t *answer_stages(struct serve *serve, const json_t *request, stage_fn look,
                             struct gf_err *err)
{
	const json_t *stages = json_object_get(request, "stages");
	if (!json_is_array(stages)) {
		gf_err_set(err, GF_E_INPUT, "the request lacks \"stages\" (an array)");
		return NULL;
	}
	json_t *facts = facts_lately(serve, err);
	if (!facts)
		return NULL;
	struct trial_status status;
	trial_look(serve->agent, &status);
	struct task_context context = {.root = &serve->agent->root,
	                               .context = json_object_get(request, "context"),
	                               .facts = facts,
	                               .restarted =
	                                   json_is_true(json_object_get(request, "restarted")),
	                               .agent = serve->agent,
	                               .trial_up = trial_is_up(&status) ? &status : NULL};
	json_t *results = json_array(), *stage;
	size_t i;
	bool failed = false;
	json_array_foreach(stages, i, stage)
	{
		json_t *result = failed ? NULL : look(&context, stage, err);
		failed = !result || json_array_append_new(results, result) != 0;
		if (failed)
			break;
	}
	json_decref(facts);
	if (failed) {
		json_decref(results);
		return NULL;
	}
	return json_pack("{s:o}", "stages", results);
}

/* A trial that has come up is work, too: a stage of its own, after those of the playbook. */
static json_t *commit_plan(const struct agent *agent)
{
	struct trial_status status;
	trial_look(agent, &status);
	if (!trial_is_up(&status) && status.state != TRIAL_COMMITTING)
		return NULL;
	return json_pack("{s:s, s:b, s:b, s:[{s:s, s:s, s:s, s:s, s:[]}]}", "name", "commit",
	                 "changed", 1, "reboot", 0, "tasks", "task", "trial", "type", "trial",
	                 "status", "change", "message",
	                 status.state == TRIAL_COMMITTING
	                     ? "the trial boot is proven: making it the default is to be finished"
	                     : "the trial boot runs: it is to be proven and made the default",
	                 "changes");
}

static json_t *answer_plan(struct serve *serve, const json_t *request, struct gf_err *err)
{
	json_t *answer = answer_stages(serve, request, stage_plan, err);
	json_t *commit = answer ? commit_plan(serve->agent) : NULL;
	if (commit)
		json_array_append_new(json_object_get(answer, "stages"), commit);
	return answer;
}

static json_t *answer_verify(struct serve *serve, const json_t *request, struct gf_err *err)
{
	json_t *answer = answer_stages(serve, request, stage_verify, err);
	if (answer && json_is_true(json_object_get(request, "nova_up")))
		json_object_set_new(answer, "nova_down",
		                    nova_compute_down(&serve->agent->root, NOVA_UP_TIMEOUT));
	return answer;
}

static bool event_cb(void *ctx, const json_t *event)
{
	struct serve *serve = ctx;
	json_t *copy = json_deep_copy(event);
	json_t *line = json_pack("{s:O,s:o}", "id", serve->id, "event", copy);
	bool written = line && serve_write(serve, line, NULL) == 0;
	json_decref(line);
	return written;
}

static bool alive_cb(void *ctx)
{
	return serve_alive(ctx);
}

/* After a purge, what served to follow it goes, too. */
static void purge_rest(const struct agent *agent, const char *id, const json_t *result)
{
	json_t *record = operation_request(agent, id, NULL);
	const json_t *request = json_object_get(record, "request");
	const char *state = json_string_value(json_object_get(result, "state"));
	if (json_is_true(json_object_get(request, "purge")) && state && strcmp(state, "done") == 0)
		operation_purge(agent, NULL);
	json_decref(record);
}

static json_t *follow(struct serve *serve, const char *id, json_int_t from, struct gf_err *err)
{
	struct operation_follower follower = {event_cb, alive_cb, serve};
	json_t *result = operation_follow(serve->agent, id, from, &follower, err);
	if (result)
		purge_rest(serve->agent, id, result);
	return result;
}

static json_t *answer_attach(struct serve *serve, const json_t *request, struct gf_err *err)
{
	const char *id = argument(request, "operation", err);
	return id ? follow(serve, id, json_integer_value(json_object_get(request, "from")), err)
	          : NULL;
}

/* The id is known: is it the same work that is asked for? */
static int same_work(struct serve *serve, const char *id, const json_t *request, struct gf_err *err)
{
	json_t *record = operation_request(serve->agent, id, err);
	if (!record)
		return -1;
	const json_t *former = json_object_get(record, "request");
	const char *run = request_run(former), *asked = request_run(request);
	bool same =
	    json_equal(json_object_get(former, "request"), json_object_get(request, "request")) &&
	    strcmp(run ? run : "", asked ? asked : "") == 0;
	if (!same)
		gf_err_set(err, GF_E_INPUT,
		           "operation %s is other work, of run %.64s: give this one another id", id,
		           run ? run : "(none)");
	json_decref(record);
	return same ? 0 : -1;
}

/* apply, commit and undo: recorded, started once, followed. */
static json_t *answer_operation(struct serve *serve, const json_t *request, struct gf_err *err)
{
	bool created;
	char other[OPERATION_ID_MAX + 1];
	const char *id = argument(request, "operation", err);
	if (!id)
		return NULL;
	enum operation_state state;
	if (operation_id_valid(id) && operation_look(serve->agent, id, &state, NULL, NULL) == 0)
		return same_work(serve, id, request, err) == 0 ? follow(serve, id, 1, err) : NULL;
	if (lease_check(serve->agent, request_run(request), err) != 0)
		return NULL;
	if (operation_running(serve->agent, NULL, other)) {
		gf_err_set(err, GF_E_BLOCKED, "operation %s is still going on on this host", other);
		return NULL;
	}
	if (operation_create(serve->agent, id, request, &created, err) != 0)
		return NULL;
	/* A start that fails has left a result that says so. */
	if (created && operation_start(serve->agent, id, err) != 0) {
		json_t *result = NULL;
		if (operation_look(serve->agent, id, &state, &result, NULL) != 0 || !result)
			return NULL;
		return result;
	}
	return follow(serve, id, 1, err);
}

static json_t *answer_reboot(struct serve *serve, const json_t *request, struct gf_err *err)
{
	const char *boot_id = argument(request, "boot_id", err);
	bool scheduled, allow = json_is_true(json_object_get(request, "allow_running_guests"));
	const char *run = json_string_value(json_object_get(request, "run"));
	if (!boot_id || (run && lease_check(serve->agent, run, err) != 0) ||
	    reboot_schedule(serve->agent, boot_id, allow, &scheduled, err) != 0)
		return NULL;
	return json_pack("{s:b}", "scheduled", scheduled);
}

static json_t *answer_confirm(struct serve *serve, const json_t *request, struct gf_err *err)
{
	const char *trial = argument(request, "trial", err);
	const char *run = argument(request, "run", err);
	const char *token = json_string_value(json_object_get(request, "token"));
	if (!trial || !run || lease_check(serve->agent, run, err) != 0 ||
	    trial_commit_begin(serve->agent, trial, token, err) != 0)
		return NULL;
	return json_object();
}

static json_t *answer_operations(struct serve *serve, const json_t *request, struct gf_err *err)
{
	(void)request;
	json_t *list = operation_list(serve->agent, err);
	return list ? json_pack("{s:o,s:o}", "operations", list, "lease", lease_value(serve->agent))
	            : NULL;
}

static json_t *answer_lease(struct serve *serve, const json_t *request, struct gf_err *err)
{
	const char *run = argument(request, "run", err);
	if (!run)
		return NULL;
	if (json_is_true(json_object_get(request, "release")))
		return lease_release(serve->agent, run, err) == 0 ? json_object() : NULL;
	const char *who = json_string_value(json_object_get(request, "who"));
	const char *where = json_string_value(json_object_get(request, "where"));
	bool take = json_is_true(json_object_get(request, "take"));
	return lease_take(serve->agent, run, who ? who : "?", where ? where : "?", take, err) == 0
	           ? json_object()
	           : NULL;
}

static const struct {
	const char *name;
	json_t *(*answer)(struct serve *serve, const json_t *request, struct gf_err *err);
	bool looks; /* changes nothing that facts tell of */
} requests[] = {
    {"facts", answer_facts, true},      {"plan", answer_plan, true},
    {"verify", answer_verify, true},    {"apply", answer_operation, false},
    {"undo", answer_operation, false},  {"commit", answer_operation, false},
    {"attach", answer_attach, false},   {"operations", answer_operations, true},
    {"confirm", answer_confirm, false}, {"reboot", answer_reboot, false},
    {"lease", answer_lease, true},
};

json_t *request_answer(struct serve *serve, const json_t *request, struct gf_err *err)
{
	const char *name = argument(request, "request", err);
	if (!name)
		return NULL;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (strcmp(requests[i].name, name) == 0) {
			if (!requests[i].looks)
				serve_forget(serve);
			return requests[i].answer(serve, request, err);
		}
	gf_err_set(err, GF_E_PROTOCOL, "this agent (%s) knows no request \"%.40s\"",
	           GPUFLEET_VERSION, name);
	return NULL;
}
