/* command_scan.c: `gpufleet scan`: facts of every host into the store, and the gpus block they
 * suggest. */
#include <stdio.h>
#include <stdlib.h>

#include "controller/commands/session.h"
#include "controller/history/history_time.h"
#include "controller/report/report.h"
#include "inventory/nodeset.h"

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void print_block(struct session *session, const struct report_host *hosts, size_t count)
{
	struct gf_err err = {0};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	int rc = out ? report_gpus_block(session->fleet.inventory, hosts, count, out, &err) : -1;

	if (out)
		fclose(out);
	if (rc == 0 && session->terminal.json)
		terminal_event(
		    &session->terminal,
		    &(struct terminal_event){.event = "gpus", .status = "done", .message = text});
	else if (rc == 0)
		fputs(text, stdout);
	else
		fprintf(stderr, "the gpus block can't be made: %s\n", err.msg);
	free(text);
}

/* As the summary of the run has just read them, or from the store; a new reference. */
static json_t *facts_of(struct session *session, const struct inventory_host *host)
{
	size_t index = (size_t)(host - session->fleet.inventory->hosts);
	bool found = false;

	if (session->built.report)
		return json_incref((json_t *)(uintptr_t)session->built.hosts[index].facts);
	return store_facts_get(session->store, host->name, &found, NULL);
}

static void show_gpus(struct session *session)
{
	size_t size = fleet_size(session->engine), count = 0;
	struct report_host *hosts = calloc(size + 1, sizeof(*hosts));
	json_t *kept = json_array();

	for (size_t i = 0; hosts && kept && i < size; i++) {
		const struct host *host = fleet_host(session->engine, i);
		json_t *facts =
		    host->state == HOST_DONE ? facts_of(session, host->inventory) : NULL;

		if (!facts)
			continue;
		json_array_append_new(kept, facts);
		hosts[count++] = (struct report_host){host->inventory, facts, true};
	}
	if (count)
		print_block(session, hosts, count);
	json_decref(kept);
	free(hosts);
}

/* --output: the report as it is now. */
static int output_write(struct session *session, struct gf_err *err)
{
	const struct command_context *context = session->context;
	const struct report_format *format = command_report_format(context, err);
	struct command_report selected = {0};
	int rc = -1;

	if (!format)
		return -1;
	if (!context->limit && session->built.report)
		return command_report_write(context, &session->fleet, format, &session->built, err);
	if (command_report_build(&session->fleet, &selected, err) == 0)
		rc = command_report_write(context, &session->fleet, format, &selected, err);
	command_report_free(&selected);
	return rc;
}

/* The names of the hosts that were not reached, folded: " (gpu[01-02])"; "" for none. Freed by the
 * caller; NULL when out of memory. */
static char *unreached(const struct session *session)
{
	size_t size = fleet_size(session->engine), count = 0;
	const char **names = calloc(size + 1, sizeof(*names));
	char *folded = NULL, *text = NULL;

	for (size_t i = 0; names && i < size; i++) {
		const struct host *host = fleet_host(session->engine, i);

		if (host->state == HOST_UNREACHABLE)
			names[count++] = host->inventory->name;
	}
	folded = count ? nodeset_fold(names, count) : NULL;
	if (asprintf(&text, "%s%s%s", folded ? " (" : "", folded ? folded : "", folded ? ")" : "") <
	    0)
		text = NULL;
	free(folded);
	free(names);
	return text;
}

static void round_show(struct session *session, const struct fleet_counts *counts,
                       const json_t *totals)
{
	size_t failed = counts->failed + counts->blocked + counts->skipped;
	char *names = unreached(session), *message = NULL;
	json_t *more = json_pack("{s:s, s:{s:I, s:I, s:I, s:I}, s:O?}", "run", session->run,
	                         "hosts", "total", (json_int_t)counts->total, "done",
	                         (json_int_t)counts->done, "failed", (json_int_t)failed,
	                         "unreachable", (json_int_t)counts->unreachable, "totals", totals);
	struct terminal_event event = {
	    .event = "scan",
	    .status = counts->done == counts->total ? "done" : "incomplete",
	    .more = more,
	};

	if (asprintf(&message,
	             "%zu of %zu host%s scanned, %zu failed, %zu unreachable%s; %lld GPUs: %lld "
	             "ready, %lld in use, %lld pending, %lld blocked, %lld unknown",
	             counts->done, counts->total, counts->total == 1 ? "" : "s", failed,
	             counts->unreachable, names ? names : "",
	             number_of(totals, "gpus") - number_of(totals, "ignored"),
	             number_of(totals, "ready"), number_of(totals, "in_use"),
	             number_of(totals, "pending"), number_of(totals, "blocked"),
	             number_of(totals, "unknown")) >= 0)
		event.message = message;
	terminal_event(&session->terminal, &event);
	json_decref(more);
	free(message);
	free(names);
}

/* The end of one scan of many: what it found, and the file that it keeps. */
static int round_keep(struct session *session, struct gf_err *err)
{
	struct gf_err fault = {.code = GF_OK};
	struct fleet_counts counts;

	(void)err;
	fleet_count(session->engine, &counts);
	/* Who reads the line finds the file as it says. */
	if (session->context->output && output_write(session, &fault))
		terminal_event(&session->terminal, &(struct terminal_event){.event = "output",
		                                                            .status = "failed",
		                                                            .message = fault.msg});
	round_show(session, &counts, json_object_get(session->built.report, "totals"));
	return 0;
}

static int options_check(const struct command_context *context, unsigned *seconds,
                         struct gf_err *err)
{
	if (context->format && !context->output)
		return gf_err_set(
		    err, GF_E_USAGE,
		    "--format is that of the file that --output FILE names; `gpufleet "
		    "report` shows it");
	if (context->output && !command_report_format(context, err))
		return -1;
	return context->watch ? history_time_interval(context->watch, seconds, err) : 0;
}

int command_scan(struct command_context *context, struct gf_err *err)
{
	struct session session = {.show = show_gpus};
	unsigned seconds = 0;

	if (options_check(context, &seconds, err))
		return STATUS_INPUT;
	if (context->output)
		session.keep = output_write;
	if (!context->watch)
		return session_run(&session, context, JOB_SCAN, err);
	session.show = NULL;
	session.keep = round_keep;
	return session_watch(&session, context, seconds, err);
}
