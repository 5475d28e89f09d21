/* command_status.c: `gpufleet status`: the last or running run, host by host, from the journal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/commands/command.h"
#include "controller/host/host_fold.h"
#include "controller/store/store.h"
#include "controller/terminal/escape.h"
#include "controller/terminal/terminal.h"

struct status_view {
	const struct inventory *inventory;
	struct host_record *records;
	char **times; /* of each host's last event */
	char command[32], started[40], finished[40];
	int exit;
	bool ended;
	struct gf_err *err;
};

static int view_event(void *ctx, const struct store_event *event)
{
	struct status_view *view = ctx;
	const char *type = json_string_value(json_object_get(event->event, "type"));
	const struct inventory_host *host;
	size_t index;

	if (type && strcmp(type, "run.started") == 0) {
		const char *command = json_string_value(json_object_get(event->event, "command"));

		snprintf(view->command, sizeof(view->command), "%s", command ? command : "run");
		snprintf(view->started, sizeof(view->started), "%s", event->time);
	} else if (type && strcmp(type, "run.finished") == 0) {
		view->ended = true;
		view->exit = (int)json_integer_value(json_object_get(event->event, "exit"));
		snprintf(view->finished, sizeof(view->finished), "%s", event->time);
	}
	host =
	    event->host && *event->host ? inventory_host_find(view->inventory, event->host) : NULL;
	if (!host)
		return 0;
	index = (size_t)(host - view->inventory->hosts);
	free(view->times[index]);
	view->times[index] = strdup(event->time);
	if (host_fold(&view->records[index], event->event))
		return gf_err_set(view->err, GF_E_MEMORY, "out of memory");
	return 0;
}

static void view_print(const struct command_context *context, const struct command_fleet *fleet,
                       const char *run, const struct status_view *view)
{
	struct terminal terminal;

	terminal_init(&terminal, stdout, context->json, context->color);
	if (!context->json && view->ended)
		printf("%s %s: started %s, ended %s with exit status %d\n", view->command, run,
		       view->started, view->finished, view->exit);
	else if (!context->json)
		printf("%s %s: started %s, not ended: it runs, or was cut short (the same command "
		       "goes on)\n",
		       view->command, run, view->started);
	for (size_t i = 0; i < fleet->count; i++) {
		size_t index = fleet->selected[i];
		const struct host_record *record = &view->records[index];
		const char *state = record->verdict[0] ? record->verdict : record->state;
		const char *name = fleet->inventory->hosts[index].name;
		char stage[4 * STAGE_SIZE], message[1024];

		if (context->json)
			terminal_event(&terminal, &(struct terminal_event){
			                              .event = "status",
			                              .host = name,
			                              .stage = record->stage,
			                              .status = *state ? state : "waiting",
			                              .message = record->message});
		else
			printf("  %-24s %s%-14s%s %-12s %s%s%s\n", name,
			       terminal_paint(&terminal, state), *state ? state : "not in it",
			       terminal_plain(terminal_paint(&terminal, state)),
			       record->stage[0]
			           ? escape_text(record->stage, stage, sizeof(stage), 0)
			           : "-",
			       record->rebooted ? "rebooted " : "",
			       record->reboot_open ? "reboot under way " : "",
			       escape_text(record->message, message, sizeof(message), 0));
	}
}

static int view_run(const struct command_context *context, const struct command_fleet *fleet,
                    struct store *store, struct status_view *view, struct gf_err *err)
{
	char *run = store_run_last(store, err);
	int rc = -1;

	if (!run)
		return err->code ? -1
		                 : gf_err_set(err, GF_E_INPUT, "there was no run yet in %s",
		                              fleet->state_path);
	if (store_events_each(store, run, view_event, view, err) == 0) {
		view_print(context, fleet, run, view);
		rc = 0;
	}
	free(run);
	return rc;
}

int command_status(struct command_context *context, struct gf_err *err)
{
	struct command_fleet fleet = {0};
	struct status_view view = {.err = err};
	struct store *store = NULL;
	int status = STATUS_INPUT;

	if (command_fleet_load(context, &fleet, err) == 0)
		store = store_open(fleet.state_path, NULL, err);
	if (store) {
		view.inventory = fleet.inventory;
		view.records = host_records_new(fleet.inventory->host_count);
		view.times = calloc(fleet.inventory->host_count + 1, sizeof(*view.times));
		if (!view.records || !view.times)
			gf_err_set(err, GF_E_MEMORY, "out of memory");
		else if (view_run(context, &fleet, store, &view, err) == 0)
			status = STATUS_DONE;
		for (size_t i = 0; view.times && i < fleet.inventory->host_count; i++)
			free(view.times[i]);
		host_records_free(view.records, fleet.inventory->host_count);
		free(view.times);
		store_close(store);
	}
	command_fleet_free(&fleet);
	return status;
}
