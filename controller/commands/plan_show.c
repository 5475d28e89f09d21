/* plan_show.c: see plan_show.h. */
#include "controller/commands/plan_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/terminal/plan_text.h"

static void show_json(struct session *session, const struct host *host)
{
	const json_t *stage, *task, *note;
	size_t i, j;

	json_array_foreach(json_object_get(host->plan, "stages"), i, stage)
	{
		json_array_foreach(json_object_get(stage, "tasks"), j, task)
		{
			char *changes = json_dumps(json_object_get(task, "changes"), JSON_COMPACT);
			const char *message = json_string_value(json_object_get(task, "message"));
			const char *status = json_string_value(json_object_get(task, "status"));
			bool change = status && strcmp(status, "change") == 0;

			terminal_event(
			    &session->terminal,
			    &(struct terminal_event){
			        .event = "plan",
			        .host = host->inventory->name,
			        .stage = json_string_value(json_object_get(stage, "name")),
			        .task = json_string_value(json_object_get(task, "task")),
			        .status = status,
			        .message = change && changes ? changes : message});
			free(changes);
		}
		if (json_is_true(json_object_get(stage, "reboot"))) {
			const char *how = json_string_value(json_object_get(stage, "protection"));
			char message[400];

			snprintf(message, sizeof(message), "the stage ends with a reboot%s%s%s",
			         how ? " (" : "", how ? how : "", how ? ")" : "");
			terminal_event(&session->terminal,
			               &(struct terminal_event){.event = "plan",
			                                        .host = host->inventory->name,
			                                        .stage = json_string_value(
			                                            json_object_get(stage, "name")),
			                                        .status = "reboot",
			                                        .message = message});
		}
	}
	json_array_foreach(json_object_get(host->plan, "notes"), i, note) terminal_event(
	    &session->terminal, &(struct terminal_event){.event = "plan",
	                                                 .host = host->inventory->name,
	                                                 .status = "note",
	                                                 .message = json_string_value(note)});
}

/* What a former run left on it, which no plan shows. */
static void show_left(const struct host *host)
{
	const struct host_record *record = &host->record;

	if (record->operation_open || record->reboot_open || record->reboot_owed)
		printf("%s: work of a former run is followed up first%s\n", host->inventory->name,
		       record->operation_open ? "" : ", with the reboot that it left");
}

void plan_show(struct session *session)
{
	size_t size = fleet_size(session->engine), count = 0;
	struct plan_item *items = calloc(size + 1, sizeof(*items));
	struct plan_totals totals;

	for (size_t i = 0; items && i < size; i++) {
		const struct host *host = fleet_host(session->engine, i);
		bool planned = host->state == HOST_DONE || host->state == HOST_WAITING;

		if (planned && session->terminal.json)
			show_json(session, host);
		if (host->state == HOST_WAITING && !session->terminal.json)
			show_left(host);
		if (planned && host->plan)
			items[count++] = (struct plan_item){host->inventory->name, host->plan};
	}
	if (items && !session->terminal.json)
		plan_text_print(&session->terminal, items, count, session->context->verbose,
		                &totals, NULL);
	free(items);
}
