/* services.c: systemd units: enabled and running or not; and those of a GPU vendor, which would
 * hold or load the driver of devices that are handed to guests. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/tasks/backup.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"
#include "node-agent/wire/json_text.h"

#define SYSTEMCTL_TIMEOUT 90

struct unit_state {
	char unit[160];
	bool exists;
	bool active;
	char enabled[32]; /* UnitFileState: enabled, disabled, static, masked, … */
};

static bool is_unit_name(const char *name)
{
	size_t length =
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.@:-");

	return length > 0 && length < 128 && name[length] == '\0' && name[0] != '-';
}

static void unit_field(struct unit_state *state, char *line)
{
	char *value = strchr(line, '=');

	if (!value)
		return;
	*value++ = '\0';
	if (strcmp(line, "LoadState") == 0)
		state->exists = strcmp(value, "loaded") == 0 || strcmp(value, "masked") == 0;
	else if (strcmp(line, "ActiveState") == 0)
		state->active = strcmp(value, "active") == 0 || strcmp(value, "activating") == 0 ||
		                strcmp(value, "reloading") == 0;
	else if (strcmp(line, "UnitFileState") == 0)
		snprintf(state->enabled, sizeof(state->enabled), "%s", value);
}

/* Blocks of KEY=value lines, one for each of the COUNT units in their order (an alias is told by
 * its own name), an empty line between two. False when there are not as many. */
static bool blocks_take(char *text, struct unit_state *states, size_t count)
{
	size_t blocks = 0;
	bool between = true;

	for (char *next; text; text = next) {
		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		blocks += between && *text;
		between = !*text;
		if (*text && blocks <= count)
			unit_field(&states[blocks - 1], text);
	}
	return blocks == count;
}

/* Looks at all of the units that STATES name, by one process. */
static int units_look(const struct root *root, struct unit_state *states, size_t count,
                      struct gf_err *err)
{
	struct root_output output;
	const char **argv;
	int result;

	/* No systemd, no units. */
	if (count == 0 || !root_program_exists(root, "systemctl"))
		return 0;
	argv = calloc(count + 4, sizeof(*argv));
	if (!argv)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	argv[0] = "systemctl";
	argv[1] = "show";
	argv[2] = "--property=LoadState,ActiveState,UnitFileState";
	for (size_t i = 0; i < count; i++)
		argv[3 + i] = states[i].unit;
	result = root_run_ok(root, argv, SYSTEMCTL_TIMEOUT, &output, err);
	if (result == 0 && !blocks_take(output.text, states, count))
		result = gf_err_set(err, GF_E_TASK,
		                    "systemctl show did not tell of %zu units one by one", count);
	root_output_free(&output);
	free(argv);
	return result;
}

static int unit_look(const struct root *root, const char *unit, struct unit_state *state,
                     struct gf_err *err)
{
	memset(state, 0, sizeof(*state));
	snprintf(state->unit, sizeof(state->unit), "%s", unit);
	return units_look(root, state, 1, err);
}

static int systemctl(const struct root *root, const char *verb, const char *unit,
                     struct gf_err *err)
{
	struct root_output output;
	const char *const argv[] = {"systemctl", verb, unit, NULL};
	int result = root_run_ok(root, argv, SYSTEMCTL_TIMEOUT, &output, err);

	root_output_free(&output);
	return result;
}

static bool is_enabled(const struct unit_state *state)
{
	return strncmp(state->enabled, "enabled", 7) == 0;
}

/* One thing to do to a unit; in apply it is done, with the state recorded before the first. */
static int unit_act(struct task_run *run, const char *unit, const struct unit_state *state,
                    const char *verb, struct gf_err *err)
{
	char diff[160];

	snprintf(diff, sizeof(diff), "%s, %s → %s", *state->enabled ? state->enabled : "-",
	         state->active ? "active" : "inactive", verb);
	if (run->mode == TASK_APPLY) {
		json_t *record = json_pack("{ss ss ss sb}", "kind", "unit", "unit", unit, "enabled",
		                           state->enabled, "active", state->active);
		if (backup_record(run->ctx->operation_dir, record, err) != 0 ||
		    systemctl(run->ctx->root, verb, unit, err) != 0)
			return -1;
	}
	task_change(run, "service", unit, diff);
	return 0;
}

static bool unit_is_silent(const struct unit_state *state)
{
	return !state->exists || (!is_enabled(state) && !state->active);
}

/* Disabled (a static unit: masked) and stopped. */
static int unit_silence(struct task_run *run, struct unit_state *state, struct gf_err *err)
{
	/* It may have been stopped with one before it. */
	if (run->mode == TASK_APPLY && !unit_is_silent(state) &&
	    units_look(run->ctx->root, state, 1, err) != 0)
		return -1;
	if (unit_is_silent(state))
		return 0;
	const char *verb = is_enabled(state)                       ? "disable"
	                   : strcmp(state->enabled, "static") == 0 ? "mask"
	                                                           : NULL;
	if (verb && unit_act(run, state->unit, state, verb, err) != 0)
		return -1;
	if (state->active && unit_act(run, state->unit, state, "stop", err) != 0)
		return -1;
	return 0;
}

/* Is every GPU (and NVSwitch) of this vendor wanted, and is there one? */
static bool vendor_is_wanted(const struct task_context *ctx, const char *vendor)
{
	size_t i, count = 0;
	const json_t *device;

	json_array_foreach(fact_devices(ctx), i, device)
	{
		const char *class_code = json_text(device, "class");
		if (strcmp(json_text(device, "vendor"), vendor) != 0 ||
		    (strncmp(class_code, "03", 2) != 0 && strcmp(class_code, "0680") != 0 &&
		     strncmp(class_code, "12", 2) != 0))
			continue;
		if (!wanted_has(ctx, json_text(device, "address")))
			return false;
		count++;
	}
	return count > 0;
}

static int units_silence(struct task_run *run, const json_t *services, struct gf_err *err)
{
	size_t i, count = json_array_size(services);
	struct unit_state *states = calloc(count + 1, sizeof(*states));
	const json_t *item;
	int result = 0;

	if (!states)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	json_array_foreach(services, i, item)
	{
		const char *name = json_string_value(item);

		if (!name || !is_unit_name(name)) {
			free(states);
			return gf_err_set(err, GF_E_TASK,
			                  "entry %zu of services is not a unit's name", i);
		}
		snprintf(states[i].unit, sizeof(states[i].unit), "%s%s", name,
		         strchr(name, '.') ? "" : ".service");
	}
	result = units_look(run->ctx->root, states, count, err);
	for (i = 0; result == 0 && i < count; i++)
		result = unit_silence(run, &states[i], err);
	free(states);
	return result;
}

int vendor_services_task(struct task_run *run, struct gf_err *err)
{
	const char *vendor = task_text(run, "vendor", "");

	if (!vendor_is_wanted(run->ctx, vendor))
		return task_say(run, TASK_OK, "not every GPU of vendor %s is wanted here", vendor);
	return units_silence(run, json_object_get(run->task, "services"), err);
}

/* What `state` asks of a unit: a verb, or NULL for nothing. */
static const char *state_verb(const char *wanted, const struct unit_state *state)
{
	bool up = strcmp(wanted, "started") == 0 || strcmp(wanted, "running") == 0 ||
	          strcmp(wanted, "active") == 0;
	bool down = strcmp(wanted, "stopped") == 0 || strcmp(wanted, "inactive") == 0;

	if (up && !state->active)
		return "start";
	return down && state->active ? "stop" : NULL;
}

int service_task(struct task_run *run, struct gf_err *err)
{
	char unit[160];
	struct unit_state state;
	const char *name = task_text(run, "unit", "");
	const json_t *enabled = json_object_get(run->task, "enabled");

	if (!is_unit_name(name))
		return gf_err_set(err, GF_E_TASK, "\"%s\" is not a unit's name", name);
	snprintf(unit, sizeof(unit), "%s%s", name, strchr(name, '.') ? "" : ".service");
	if (unit_look(run->ctx->root, unit, &state, err) != 0)
		return -1;
	const char *verb = state_verb(task_text(run, "state", ""), &state);
	bool enable = json_is_true(enabled) && !is_enabled(&state);
	bool disable = json_is_false(enabled) && is_enabled(&state);
	if (!state.exists) {
		if (json_is_true(enabled) || (verb && strcmp(verb, "start") == 0))
			return task_say(run, TASK_BLOCKED,
			                "the host has no unit %s: install it first", unit);
		return task_say(run, TASK_OK, "the host has no unit %s", unit);
	}
	if ((enable || disable) &&
	    unit_act(run, unit, &state, enable ? "enable" : "disable", err) != 0)
		return -1;
	return verb ? unit_act(run, unit, &state, verb, err) : 0;
}

int service_undo(const struct root *root, const json_t *record, struct gf_err *err)
{
	const char *unit = json_text(record, "unit"), *enabled = json_text(record, "enabled");
	struct unit_state state;
	const char *verb = NULL;

	if (!is_unit_name(unit))
		return gf_err_set(err, GF_E_IO, "the backup index names a unit \"%s\"", unit);
	if (unit_look(root, unit, &state, err) != 0)
		return -1;
	if (!state.exists)
		return 0;
	if (strncmp(state.enabled, "masked", 6) == 0 && strncmp(enabled, "masked", 6) != 0)
		verb = "unmask";
	else if (strncmp(enabled, "enabled", 7) == 0 && !is_enabled(&state))
		verb = "enable";
	else if (strcmp(enabled, "disabled") == 0 && is_enabled(&state))
		verb = "disable";
	if (verb && systemctl(root, verb, unit, err) != 0)
		return -1;
	/* A unit that ran is not started here: its driver is still off its devices until the
	 * reboot. */
	return verb != NULL;
}
