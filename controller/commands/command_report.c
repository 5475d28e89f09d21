/* command_report.c: `gpufleet report`: what the store knows of the fleet, as a readiness report.
 * Touches no host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/commands/command_report.h"
#include "controller/commands/report_history.h"
#include "controller/report/report.h"
#include "controller/store/store.h"

/* What report_file_write carries to the form. */
struct output {
	struct report_output of;
	const struct report_format *format;
};

static int write_output(void *ctx, FILE *out, struct gf_err *err)
{
	const struct output *output = ctx;

	return output->format->write(&output->of, out, err);
}

/* Host name → was it reached when a run last tried? */
static int note_reached(void *ctx, const struct store_event *event)
{
	const char *type = json_string_value(json_object_get(event->event, "type"));
	const char *verdict = json_string_value(json_object_get(event->event, "verdict"));

	if (!type || !event->host || !*event->host)
		return 0;
	if (strcmp(type, "host.facts") == 0)
		json_object_set_new(ctx, event->host, json_true());
	else if (strcmp(type, "host.finished") == 0 && verdict)
		json_object_set_new(ctx, event->host,
		                    json_boolean(strcmp(verdict, "unreachable") != 0));
	return 0;
}

static int load_hosts(struct store *store, const struct command_fleet *fleet, json_t *reached,
                      struct report_host *hosts, struct gf_err *err)
{
	/* host.facts and host.finished */
	if (store_events_with(store, "\"host.f", note_reached, reached, err) < 0)
		return -1;
	for (size_t i = 0; i < fleet->count; i++) {
		const struct inventory_host *host = &fleet->inventory->hosts[fleet->selected[i]];
		const json_t *known = json_object_get(reached, host->name);
		struct gf_err fault = {.code = GF_OK};
		bool found = false;
		json_t *facts = store_facts_get(store, host->name, &found, &fault);

		if (!facts && fault.code != GF_OK) {
			*err = fault;
			return -1;
		}
		hosts[i] = (struct report_host){
		    .host = host,
		    .facts = facts,
		    .reachable = known ? json_is_true(known) : facts != NULL,
		};
	}
	return 0;
}

static json_t *build(const struct command_fleet *fleet, struct report_host *hosts,
                     struct gf_err *err)
{
	struct store *store = store_open(fleet->state_path, NULL, err);
	json_t *reached = json_object(), *report = NULL;
	char generated[32];
	time_t now = time(NULL);
	struct tm utc;

	if (store && load_hosts(store, fleet, reached, hosts, err) == 0) {
		strftime(generated, sizeof(generated), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
		report = report_build(fleet->inventory, hosts, fleet->count, generated, err);
	}
	json_decref(reached);
	if (store)
		store_close(store);
	return report;
}

/* What --what-if asks, added to the report. */
static int ask_what_if(const struct command_context *context, const struct command_fleet *fleet,
                       const struct command_report *built, struct gf_err *err)
{
	struct capacity_what_if what_if = {0};
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < context->what_if_count; i++)
		rc = capacity_what_if_add(&what_if, context->what_if[i], fleet->inventory, err);
	if (rc == 0)
		rc = report_what_if(built->report, fleet->inventory, built->hosts, built->count,
		                    &what_if, err);
	capacity_what_if_free(&what_if);
	return rc;
}

int command_report_build(const struct command_fleet *fleet, struct command_report *built,
                         struct gf_err *err)
{
	*built = (struct command_report){
	    .hosts = calloc(fleet->count + 1, sizeof(*built->hosts)),
	    .count = fleet->count,
	};
	if (!built->hosts)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	built->report = build(fleet, built->hosts, err);
	return built->report ? 0 : -1;
}

void command_report_free(struct command_report *built)
{
	json_decref(built->report);
	/* The facts are only const to those that look at them. */
	for (size_t i = 0; built->hosts && i < built->count; i++) {
		union {
			const json_t *borrowed;
			json_t *owned;
		} facts = {.borrowed = built->hosts[i].facts};

		json_decref(facts.owned);
	}
	free(built->hosts);
	*built = (struct command_report){0};
}

const struct report_format *command_report_format(const struct command_context *context,
                                                  struct gf_err *err)
{
	return report_format_find(context->format ? context->format
	                          : context->json ? "json"
	                                          : "text",
	                          err);
}

int command_report_write(const struct command_context *context, const struct command_fleet *fleet,
                         const struct report_format *format, const struct command_report *built,
                         struct gf_err *err)
{
	struct output output = {
	    .of = {.report = built->report,
	           .inventory = fleet->inventory,
	           .hosts = built->hosts,
	           .count = built->count,
	           .inventory_path = context->inventory_path,
	           .compact = context->json && !context->format,
	           .color = context->color && !context->output},
	    .format = format,
	};

	if (context->output)
		return report_file_write(context->output, format->mode, write_output, &output, err);
	return write_output(&output, stdout, err);
}

int command_report(struct command_context *context, struct gf_err *err)
{
	const struct report_format *format = command_report_format(context, err);
	/* Left to the end of the process, which follows: of a large fleet, freeing the values one
	 * by one takes a tenth of the time. */
	static struct command_report built;
	struct command_fleet fleet = {0};
	int status = STATUS_INPUT;

	if (!format || report_history_check(context, err))
		return STATUS_INPUT;
	if (context->what_if_count && strcmp(format->name, "text") != 0 &&
	    strcmp(format->name, "json") != 0 && strcmp(format->name, "html") != 0) {
		gf_err_set(err, GF_E_USAGE, "--what-if goes with --format text, json or html");
		return STATUS_INPUT;
	}
	if (command_fleet_load(context, &fleet, err) == 0 &&
	    command_report_build(&fleet, &built, err) == 0 &&
	    (!context->what_if_count || ask_what_if(context, &fleet, &built, err) == 0) &&
	    report_history_add(context, &fleet, built.report, err) == 0 &&
	    command_report_write(context, &fleet, format, &built, err) == 0)
		status = STATUS_DONE;
	command_fleet_free(&fleet);
	return status;
}
