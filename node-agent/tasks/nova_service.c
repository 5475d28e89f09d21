/* nova_service.c: restarts a service of Nova when its files are newer than it, and sees that it is
 * healthy again. Guests run on meanwhile: they are processes of their own.
 *
 * What counts is when files changed (their status, so that a file that was put back with its old
 * time counts, too) and when the process started: so a run that was cut off between the edit and
 * the restart is made good by the next one, and nothing is restarted twice. A restart that did not
 * end well, or was not seen to, is remembered and done again.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "node-agent/facts/facts.h"
#include "node-agent/tasks/nova_health.h"
#include "node-agent/tasks/nova_task.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"
#include "node-agent/wire/json_text.h"

/* What the start is known to, and what a process needs before it reads its files. */
#define START_MARGIN 0.05

#define UNDO_TIMEOUT 120
#define UNDO_SETTLE  2

static const char *const names[] = {"nova-compute", "nova-api", "nova-scheduler", "nova-conductor"};

bool nova_task_stale(struct task_context *ctx, const char *name, bool set)
{
	unsigned bit = 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], name) == 0)
			bit = 1u << i;
	if (set)
		ctx->nova_stale |= bit;
	return ctx->nova_stale & bit;
}

static bool path_is_newer(const struct root *root, const json_t *path, double since)
{
	struct stat st;
	const char *text = json_string_value(path);
	if (!text || stat(root_path(root, text).text, &st) != 0)
		return false;
	double changed = (double)st.st_ctim.tv_sec + (double)st.st_ctim.tv_nsec / 1e9;
	return changed > since;
}

/* A file that changed later than MARGIN seconds after the service started, or a directory of files;
 * NULL: none. */
static const char *newer_file(const struct root *root, const json_t *service, double margin)
{
	static const char *const lists[] = {"read", "config_dirs"};
	double started = json_number_value(json_object_get(service, "started"));
	size_t i;
	json_t *path;
	if (started <= 0)
		return NULL;
	for (size_t list = 0; list < 2; list++) {
		json_array_foreach(json_object_get(service, lists[list]), i, path)
		{
			if (path_is_newer(root, path, started + margin))
				return json_string_value(path);
		}
	}
	return NULL;
}

/* Why the service is to be restarted; "" when it is not. */
static void reason_find(struct task_run *run, const json_t *service,
                        const struct nova_target *target, const struct nova_state *state,
                        char *reason, size_t size)
{
	bool stale = nova_task_stale(run->ctx, json_text(service, "name"), false);
	/* What this stage has just written counts, however young the service is. */
	const char *file = newer_file(run->ctx->root, service,
	                              stale && run->mode == TASK_APPLY ? 0 : START_MARGIN);
	*reason = '\0';
	if (file)
		snprintf(reason, size, "%s changed after it started", file);
	else if (stale && run->mode != TASK_APPLY)
		snprintf(reason, size, "its configuration changes");
	else if (!state->active && (state->enabled || state->changing))
		snprintf(reason, size, "it is not running");
	else if (state->active && nova_unproven(run->ctx->root, nova_target_name(target)))
		snprintf(reason, size, "its last restart was not seen to end well");
}

static void note_add(struct task_run *run, const char *text)
{
	char *message = run->result->message;
	size_t used = strlen(message);
	snprintf(message + used, sizeof(run->result->message) - used, "%s%s", used ? "; " : "",
	         text);
}

static int service_restart(struct task_run *run, const struct nova_target *target,
                           const struct nova_state *state, const char *reason, struct gf_err *err)
{
	char text[640], note[400] = "";
	const char *name = nova_target_name(target);
	snprintf(text, sizeof(text), "%s → restarted: %s", state->shown, reason);
	if (run->mode == TASK_APPLY &&
	    nova_restart(run->ctx->root, target, task_seconds(run, "timeout", NOVA_TIMEOUT),
	                 task_seconds(run, "settle", NOVA_SETTLE), note, sizeof(note), err) != 0)
		return -1;
	task_change(run, "service", name, text);
	if (strcmp(target->service, "nova-compute") == 0)
		note_add(run, "guests run on while nova-compute restarts");
	if (strcmp(name, "apache2.service") == 0 || strcmp(name, "httpd.service") == 0)
		note_add(run, "the web server's other sites restart with it");
	if (*note)
		note_add(run, note);
	return 0;
}

static int service_do(struct task_run *run, const json_t *service, struct gf_err *err)
{
	struct nova_target target;
	struct nova_state state;
	char reason[512], text[256];
	if (!nova_target_find(service, &target))
		return gf_err_set(
		    err, GF_E_BLOCKED,
		    "%s runs outside any unit that is known: restart it by hand after "
		    "its configuration changed",
		    json_text(service, "name"));
	if (nova_state_look(run->ctx->root, &target, &state, err) != 0)
		return -1;
	reason_find(run, service, &target, &state, reason, sizeof(reason));
	if (*reason)
		return service_restart(run, &target, &state, reason, err);
	if (state.active)
		snprintf(text, sizeof(text), "%s runs with its files as they are",
		         nova_target_name(&target));
	else
		snprintf(text, sizeof(text),
		         "%s is %s and not enabled: left so, its files count when it starts",
		         nova_target_name(&target), state.shown);
	note_add(run, text);
	return 0;
}

bool nova_task_told(const struct task_run *run, const char *service)
{
	const json_t *name;
	size_t i;
	json_array_foreach(json_object_get(json_object_get(run->ctx->context, "nova"), "services"),
	                   i, name)
	{
		const char *text = json_string_value(name);
		if (text && strcmp(text, service) == 0)
			return true;
	}
	return false;
}

int nova_service_task(struct task_run *run, struct gf_err *err)
{
	const json_t *service;
	size_t index = 0, found = 0;
	int failed = 0;
	if (!nova_task_told(run, nova_task_service(run)))
		return task_say(run, TASK_OK, "%s is told nothing here", nova_task_service(run));
	/* A task before this one may have changed what the facts were made of. */
	json_t *nova = run->mode == TASK_APPLY
	                   ? nova_facts(run->ctx->root)
	                   : json_incref(json_object_get(run->ctx->facts, "nova"));
	while (!failed && (service = nova_task_find(nova, nova_task_service(run), &index))) {
		found++;
		failed = service_do(run, service, err);
	}
	json_decref(nova);
	if (!failed && found == 0)
		return task_say(run, TASK_OK, "this host has no %s", nova_task_service(run));
	return failed;
}

bool nova_service_current(const struct root *root, const char *name)
{
	const json_t *service;
	size_t index = 0;
	bool current = false;
	json_t *nova = nova_facts(root);
	while (!current && (service = nova_task_find(nova, name, &index)))
		current = !newer_file(root, service, START_MARGIN);
	json_decref(nova);
	return current;
}

int nova_service_undo(const struct root *root, const char *name, struct gf_err *err)
{
	const json_t *service;
	size_t index = 0;
	int result = 0;
	json_t *nova = nova_facts(root);
	while (result >= 0 && (service = nova_task_find(nova, name, &index))) {
		struct nova_target target;
		struct nova_state state;
		if (!nova_target_find(service, &target))
			continue;
		if (nova_state_look(root, &target, &state, err) != 0) {
			result = -1;
			break;
		}
		/* One that was stopped meanwhile stays so; one that could not start, or came
		 * up and was not well, is tried again. */
		if (!newer_file(root, service, START_MARGIN) && !(state.enabled && !state.active) &&
		    !(state.active && nova_unproven(root, nova_target_name(&target))))
			continue;
		if (nova_restart(root, &target, UNDO_TIMEOUT, UNDO_SETTLE, NULL, 0, err) != 0) {
			gf_err_wrap(err, "its configuration is back as it was");
			result = -1;
		} else {
			result = 1;
		}
	}
	json_decref(nova);
	return result;
}
