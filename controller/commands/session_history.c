/* session_history.c: the end of a run in the history. */
#include <stdio.h>
#include <stdlib.h>

#include "controller/commands/session.h"
#include "controller/history/history_series.h"

static void end_cb(void *ctx, int64_t seq, const struct gf_err *err)
{
	struct session *session = ctx;

	(void)seq;
	if (err)
		fprintf(stderr, "the history could not be written: %s\n", err->msg);
	uv_stop(&session->loop);
}

/* Whatever was selected, the summary is the whole fleet's. */
static int build_all(struct session *session, struct gf_err *err)
{
	struct command_fleet all = session->fleet;
	int rc;

	all.count = all.inventory->host_count;
	all.selected = calloc(all.count + 1, sizeof(*all.selected));
	if (!all.selected)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	for (size_t i = 0; i < all.count; i++)
		all.selected[i] = i;
	rc = command_report_build(&all, &session->built, err);
	free(all.selected);
	return rc;
}

static json_t *unreachable_hosts(const struct session *session)
{
	json_t *names = json_array();

	for (size_t i = 0; i < fleet_size(session->engine); i++) {
		const struct host *host = fleet_host(session->engine, i);

		if (host->state == HOST_UNREACHABLE)
			json_array_append_new(names, json_string(host->inventory->name));
	}
	return names;
}

void session_history_end(struct session *session)
{
	struct gf_err err = {0};
	json_t *end;

	if (session->interrupted)
		return;
	if (build_all(session, &err))
		fprintf(stderr, "the history has no summary of this run: %s\n", err.msg);
	end = json_pack("{s:s, s:I, s:o, s:o*}", "command", session->context->command->name,
	                "hosts", (json_int_t)fleet_size(session->engine), "unreachable",
	                unreachable_hosts(session), "summary",
	                session->built.report ? history_summary(session->built.report) : NULL);
	if (end && store_scan_end(session->store, session->run, end, end_cb, session, &err) == 0)
		uv_run(&session->loop, UV_RUN_DEFAULT);
	else
		fprintf(stderr, "the history could not be written: %s\n",
		        end ? err.msg : "out of memory");
	json_decref(end);
}
