/* plan_text.c: see plan_text.h. */
#include "controller/terminal/plan_text.h"

#include <stdlib.h>
#include <string.h>

#include "controller/terminal/escape.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/json_text.h"

#define DIFF_LINES 12 /* of each change, where not all are asked for */

static const char *action_sign(const char *action)
{
	if (strcmp(action, "create") == 0)
		return "+";
	return strcmp(action, "delete") == 0 ? "-" : "~";
}

static void totals_add(struct plan_totals *totals, const char *action, size_t hosts)
{
	if (strcmp(action, "create") == 0)
		totals->create += hosts;
	else if (strcmp(action, "modify") == 0)
		totals->modify += hosts;
	else if (strcmp(action, "delete") == 0)
		totals->remove += hosts;
	else
		totals->other += hosts;
}

static size_t lines_count(const char *text)
{
	size_t lines = 0;

	for (const char *c = text; *c; c++)
		lines += *c == '\n';
	return lines;
}

static void print_diff(const struct terminal *terminal, const char *diff, bool whole)
{
	const char *line = diff;

	for (size_t printed = 0; *line; printed++) {
		const char *end = strchr(line, '\n');
		size_t length = end ? (size_t)(end - line) : strlen(line);
		char raw[1024], clean[2048];
		const char *paint = "";

		if (!whole && printed == DIFF_LINES) {
			fprintf(terminal->out, "        … %zu more lines (-v shows them)\n",
			        lines_count(line));
			return;
		}
		if (length >= sizeof(raw))
			length = sizeof(raw) - 1;
		memcpy(raw, line, length);
		raw[length] = '\0';
		if (raw[0] == '+')
			paint = terminal_paint(terminal, "done");
		else if (raw[0] == '-')
			paint = terminal_paint(terminal, "failed");
		fprintf(terminal->out, "        %s%s%s\n", paint,
		        escape_text(raw, clean, sizeof(clean), 1), terminal_plain(paint));
		if (!end)
			return;
		line = end + 1;
	}
}

static void print_task(const struct terminal *terminal, const json_t *task, bool diffs,
                       size_t hosts, struct plan_totals *totals)
{
	char name[256], message[1024], target[1024];
	const json_t *change;
	size_t i;

	if (strcmp(json_text(task, "status"), "ok") == 0)
		return;
	escape_text(json_text(task, "task"), name, sizeof(name), 0);
	escape_text(json_text(task, "message"), message, sizeof(message), 0);
	fprintf(terminal->out, "    %s%s%s\n", name, *message ? ": " : "", message);
	json_array_foreach(json_object_get(task, "changes"), i, change)
	{
		const char *action = json_text(change, "action");

		totals_add(totals, action, hosts);
		fprintf(terminal->out, "      %s %s\n", action_sign(action),
		        escape_text(json_text(change, "target"), target, sizeof(target), 0));
		print_diff(terminal, json_text(change, "diff"), diffs);
	}
}

static void print_notes(const struct terminal *terminal, const json_t *plan)
{
	const json_t *note;
	size_t i;

	json_array_foreach(json_object_get(plan, "notes"), i, note)
	{
		char text[1024];

		fprintf(terminal->out, "  note: %s\n",
		        escape_text(json_string_value(note), text, sizeof(text), 0));
	}
}

static void print_plan(const struct terminal *terminal, const json_t *plan, const char *hosts,
                       size_t count, bool diffs, struct plan_totals *totals)
{
	const json_t *stage, *task;
	bool reboot = false;
	size_t i, j;

	fprintf(terminal->out, "%s:\n", hosts);
	json_array_foreach(json_object_get(plan, "stages"), i, stage)
	{
		char name[128], protection[512];
		bool reboots = json_is_true(json_object_get(stage, "reboot"));
		const char *how = json_text(stage, "protection");

		reboot |= reboots;
		if (!reboots && !json_is_true(json_object_get(stage, "changed")))
			continue;
		fprintf(terminal->out, "  stage %s%s%s%s%s\n",
		        escape_text(json_text(stage, "name"), name, sizeof(name), 0),
		        reboots ? ", with a reboot" : "", *how ? " (" : "",
		        escape_text(how, protection, sizeof(protection), 0), *how ? ")" : "");
		json_array_foreach(json_object_get(stage, "tasks"), j, task)
		    print_task(terminal, task, diffs, count, totals);
	}
	print_notes(terminal, plan);
	if (reboot)
		totals->reboots += count;
	totals->hosts += plan_pending(plan) ? count : 0;
}

int plan_text_print(const struct terminal *terminal, const struct plan_item *items, size_t count,
                    bool diffs, struct plan_totals *totals, struct gf_err *err)
{
	struct plan_group *groups;
	size_t group_count;

	memset(totals, 0, sizeof(*totals));
	if (plan_groups_make(items, count, &groups, &group_count, err))
		return -1;
	for (size_t i = 0; i < group_count; i++) {
		char *hosts;

		if (!plan_pending(groups[i].plan) && !json_object_get(groups[i].plan, "notes"))
			continue;
		hosts = nodeset_fold(groups[i].hosts, groups[i].count);
		print_plan(terminal, groups[i].plan, hosts ? hosts : groups[i].hosts[0],
		           groups[i].count, diffs, totals);
		free(hosts);
	}
	plan_groups_free(groups, group_count);
	fprintf(terminal->out,
	        "Plan: %zu of %zu host%s change%s: %zu files to create (+), %zu to modify (~), "
	        "%zu to delete (-), %zu other actions; %zu reboot%s.\n",
	        totals->hosts, count, count == 1 ? "" : "s", totals->hosts == 1 ? "s" : "",
	        totals->create, totals->modify, totals->remove, totals->other, totals->reboots,
	        totals->reboots == 1 ? "" : "s");
	fflush(terminal->out);
	return 0;
}
