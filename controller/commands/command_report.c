/* command_report.c: `gpufleet report`: what the store knows of the fleet, as a readiness report.
 * Touches no host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/commands/command.h"
#include "controller/report/report.h"
#include "controller/report/report_libvirt.h"
#include "controller/report/report_openstack.h"
#include "controller/store/store.h"

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_OPENSTACK, FORMAT_LIBVIRT };

struct output {
	const json_t *report;
	const struct command_fleet *fleet;
	const struct report_host *hosts; /* fleet->count */
	enum format format;
	const char *inventory_path;
	bool color;
	bool compact; /* --json: one object a line */
};

static int format_parse(const struct command_context *context, enum format *format,
                        struct gf_err *err)
{
	static const char *const names[] = {
	    [FORMAT_TEXT] = "text",
	    [FORMAT_JSON] = "json",
	    [FORMAT_OPENSTACK] = "openstack",
	    [FORMAT_LIBVIRT] = "libvirt",
	};
	static const char *const later[] = {"csv", "html", "prometheus", "ansible-inventory"};

	*format = context->json ? FORMAT_JSON : FORMAT_TEXT;
	if (!context->format)
		return 0;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(context->format, names[i]) == 0) {
			*format = (enum format)i;
			return 0;
		}
	}
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		if (strcmp(context->format, later[i]) == 0)
			return gf_err_set(err, GF_E_USAGE,
			                  "--format %s is not available in this version; use text, "
			                  "json, openstack or libvirt",
			                  later[i]);
	}
	return gf_err_set(err, GF_E_USAGE,
	                  "--format %s is not a format; use text, json, openstack or libvirt",
	                  context->format);
}

static int write_report(void *ctx, FILE *out, struct gf_err *err)
{
	const struct output *output = ctx;

	switch (output->format) {
	case FORMAT_JSON:
		return report_json(output->report, output->compact, out, err);
	case FORMAT_OPENSTACK:
		return report_openstack(output->report, output->fleet->inventory, output->hosts,
		                        output->fleet->count, out, err);
	case FORMAT_LIBVIRT:
		return report_libvirt(output->report, output->hosts, output->fleet->count, out,
		                      err);
	default:
		return report_text(output->report, output->inventory_path, out, output->color, err);
	}
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
	if (store_events_each(store, NULL, note_reached, reached, err) < 0)
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

static int report_fleet(const struct command_context *context, const struct command_fleet *fleet,
                        enum format format, struct gf_err *err)
{
	struct report_host *hosts = calloc(fleet->count + 1, sizeof(*hosts));
	struct output output = {.fleet = fleet,
	                        .hosts = hosts,
	                        .format = format,
	                        .inventory_path = context->inventory_path};
	json_t *report;
	int rc = -1;

	if (!hosts)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	report = build(fleet, hosts, err);
	output.report = report;
	output.compact = context->json && !context->format;
	output.color = context->color && !context->output;
	if (report && context->output)
		rc = report_file_write(context->output, 0, write_report, &output, err);
	else if (report)
		rc = write_report(&output, stdout, err);
	json_decref(report);
	/* The facts are only const to those that look at them. */
	for (size_t i = 0; i < fleet->count; i++) {
		union {
			const json_t *borrowed;
			json_t *owned;
		} facts = {.borrowed = hosts[i].facts};

		json_decref(facts.owned);
	}
	free(hosts);
	return rc;
}

int command_report(struct command_context *context, struct gf_err *err)
{
	struct command_fleet fleet = {0};
	enum format format;
	int status = STATUS_INPUT;

	if (format_parse(context, &format, err) < 0)
		return STATUS_INPUT;
	if (command_fleet_load(context, &fleet, err) == 0)
		status =
		    report_fleet(context, &fleet, format, err) < 0 ? STATUS_INPUT : STATUS_DONE;
	command_fleet_free(&fleet);
	return status;
}
