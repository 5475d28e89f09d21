/* command_scan.c: `gpufleet scan`: facts of every host into the store, and the gpus block they
 * suggest. */
#include <stdio.h>
#include <stdlib.h>

#include "controller/commands/session.h"
#include "controller/report/report.h"

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

static void show_gpus(struct session *session)
{
	size_t size = fleet_size(session->engine), count = 0;
	struct report_host *hosts = calloc(size + 1, sizeof(*hosts));
	json_t *kept = json_array();

	for (size_t i = 0; hosts && kept && i < size; i++) {
		const struct host *host = fleet_host(session->engine, i);
		bool found = false;
		json_t *facts = NULL;

		if (host->state == HOST_DONE)
			facts =
			    store_facts_get(session->store, host->inventory->name, &found, NULL);
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

int command_scan(struct command_context *context, struct gf_err *err)
{
	struct session session = {.show = show_gpus};

	return session_run(&session, context, JOB_SCAN, err);
}
