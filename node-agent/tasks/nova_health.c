/* nova_health.c: see nova_health.h. Happy path: restart, then look five times a second until the
 * same process has been up for as long as it may take Nova to find fault with its configuration;
 * then its log is read. */
#include "node-agent/tasks/nova_health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "node-agent/elapsed.h"
#include "node-agent/tasks/nova_errors.h"
#include "node-agent/tasks/nova_log.h"
#include "node-agent/tasks/nova_unproven.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/wire/json_text.h"

#define LOOK_TIMEOUT 20

bool nova_target_find(const json_t *service, struct nova_target *target)
{
	const json_t *container = json_object_get(service, "container");
	*target = (struct nova_target){.service = json_text(service, "name"),
	                               .unit = json_text(service, "unit"),
	                               .engine = json_text(container, "engine"),
	                               .container = json_text(container, "name"),
	                               .log = json_text(service, "log")};
	return *target->unit || *target->container;
}

const char *nova_target_name(const struct nova_target *target)
{
	return *target->unit ? target->unit : target->container;
}

/* ---- how it is ---- */

static void unit_property(struct nova_state *state, const char *key, const char *value)
{
	if (strcmp(key, "ActiveState") == 0) {
		state->active = strcmp(value, "active") == 0;
		state->failed = strcmp(value, "failed") == 0 || strcmp(value, "inactive") == 0;
		state->changing = !state->active && !state->failed;
		snprintf(state->shown, sizeof(state->shown), "%.24s", value);
	} else if (strcmp(key, "SubState") == 0) {
		size_t used = strlen(state->shown);
		snprintf(state->shown + used, sizeof(state->shown) - used, " (%.24s)", value);
	} else if (strcmp(key, "UnitFileState") == 0) {
		state->enabled = strncmp(value, "enabled", 7) == 0;
	} else if (strcmp(key, "NRestarts") == 0 && *value) {
		state->restarts = strtol(value, NULL, 10);
	} else if (strcmp(key, "MainPID") == 0 && *value) {
		state->pid = strtol(value, NULL, 10);
	}
}

static int unit_state(const struct root *root, const char *unit, struct nova_state *state,
                      struct gf_err *err)
{
	struct root_output output;
	char *save = NULL;
	const char *const argv[] = {
	    "systemctl", "show", "--property=ActiveState,SubState,UnitFileState,NRestarts,MainPID",
	    unit, NULL};
	int result = root_run_ok(root, argv, LOOK_TIMEOUT, &output, err);
	for (char *line = result == 0 ? strtok_r(output.text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, '=');
		if (!value)
			continue;
		*value++ = '\0';
		unit_property(state, line, value);
	}
	root_output_free(&output);
	return result;
}

static int container_state(const struct root *root, const struct nova_target *target,
                           struct nova_state *state, struct gf_err *err)
{
	struct root_output output;
	char status[32] = "";
	const char *const argv[] = {
	    target->engine,    "inspect",
	    "--format",        "{{.State.Status}} {{.State.Pid}} {{.RestartCount}}",
	    target->container, NULL};
	int result = root_run_ok(root, argv, LOOK_TIMEOUT, &output, err);
	if (result == 0 &&
	    sscanf(output.text, "%31s %ld %ld", status, &state->pid, &state->restarts) >= 1) {
		state->active = strcmp(status, "running") == 0;
		state->failed = strcmp(status, "exited") == 0 || strcmp(status, "dead") == 0;
		state->changing = !state->active && !state->failed;
		state->enabled = true;
		snprintf(state->shown, sizeof(state->shown), "%s", status);
	}
	root_output_free(&output);
	return result;
}

int nova_state_look(const struct root *root, const struct nova_target *target,
                    struct nova_state *state, struct gf_err *err)
{
	memset(state, 0, sizeof(*state));
	state->restarts = state->pid = -1;
	return *target->unit ? unit_state(root, target->unit, state, err)
	                     : container_state(root, target, state, err);
}

/* ---- restarting it ---- */

struct watch {
	const struct root *root;
	const struct nova_target *target;
	struct nova_mark mark;
	struct nova_state first; /* after the restart */
	char *note;
	size_t size;
};

/* Why it is not healthy, from its log if that says so. */
static int unhealthy(const struct watch *watch, const char *state, struct gf_err *err)
{
	char quote[NOVA_QUOTE_SIZE];
	const char *name = nova_target_name(watch->target);
	char *log = nova_log_since(watch->root, watch->target, &watch->mark);
	const struct nova_error *known = log ? nova_error_find(log, false, quote) : NULL;
	if (known) {
		gf_err_set(err, GF_E_TASK, "%s %s: \"%s\": %s; %s", name, state, quote,
		           known->meaning, known->fix);
	} else {
		nova_error_last(log ? log : "", quote);
		gf_err_set(err, GF_E_TASK, "%s %s%s%s%s; see its log", name, state,
		           *quote ? ": \"" : "", quote, *quote ? "\"" : "");
	}
	free(log);
	return -1;
}

/* It has been up for long enough: is its log free of errors? */
static int log_check(const struct watch *watch, struct gf_err *err)
{
	char quote[NOVA_QUOTE_SIZE];
	char *log = nova_log_since(watch->root, watch->target, &watch->mark);
	const struct nova_error *known = log ? nova_error_find(log, false, quote) : NULL;
	bool bad = known != NULL;
	if (log && !bad && watch->note && (known = nova_error_find(log, true, quote)))
		snprintf(watch->note, watch->size, "\"%s\": %s", quote, known->meaning);
	free(log);
	return bad ? unhealthy(watch, "is up, but not healthy", err) : 0;
}

static int restart_run(const struct watch *watch, unsigned timeout, struct gf_err *err)
{
	struct root_output output;
	struct gf_err why;
	const struct nova_target *target = watch->target;
	const char *const unit[] = {"systemctl", "restart", target->unit, NULL};
	const char *const container[] = {target->engine, "restart", target->container, NULL};
	/* A unit that failed too often is not started again until that is forgotten. */
	const char *const forget[] = {"systemctl", "reset-failed", target->unit, NULL};
	if (*target->unit) {
		if (root_run(watch->root, forget, LOOK_TIMEOUT, &output, NULL) != 0)
			output.status = 1;
		root_output_free(&output);
	}
	int result =
	    root_run_ok(watch->root, *target->unit ? unit : container, timeout, &output, &why);
	root_output_free(&output);
	if (result == 0)
		return 0;
	if (why.code == GF_E_TIMEOUT)
		return unhealthy(watch, "was not up in time after its restart", err);
	return unhealthy(watch, "could not be restarted", err);
}

static bool same_process(const struct nova_state *a, const struct nova_state *b)
{
	return a->pid == b->pid && a->restarts == b->restarts;
}

static int restart_and_watch(struct watch *watch, unsigned timeout, unsigned settle,
                             struct gf_err *err)
{
	const struct timespec pause = {.tv_nsec = 200 * 1000 * 1000};
	struct nova_state first, state;
	double start = elapsed_seconds(), since = -1;
	long restarts = -1;
	nova_log_mark(watch->root, watch->target, &watch->mark);
	if (restart_run(watch, timeout, err) != 0)
		return -1;
	memset(&first, 0, sizeof(first));
	for (;;) {
		double now = elapsed_seconds();
		if (nova_state_look(watch->root, watch->target, &state, err) != 0)
			return -1;
		if (restarts < 0)
			restarts = state.restarts;
		if (state.failed)
			return unhealthy(watch, "ended after its restart", err);
		if (state.restarts > restarts)
			return unhealthy(watch, "ends again and again after its restart", err);
		if (!state.active || since < 0 || !same_process(&state, &first)) {
			first = state;
			since = state.active ? now : -1;
		}
		if (since >= 0 && now - since >= settle)
			return log_check(watch, err);
		if (now - start >= timeout)
			return unhealthy(watch, "did not stay up in time after its restart", err);
		nanosleep(&pause, NULL);
	}
}

int nova_restart(const struct root *root, const struct nova_target *target, unsigned timeout,
                 unsigned settle, char *note, size_t size, struct gf_err *err)
{
	struct watch watch = {.root = root, .target = target, .note = note, .size = size};
	const char *name = nova_target_name(target);
	if (nova_unproven_set(root, name, err) != 0 ||
	    restart_and_watch(&watch, timeout, settle, err) != 0)
		return -1;
	nova_unproven_clear(root, name);
	return 0;
}
