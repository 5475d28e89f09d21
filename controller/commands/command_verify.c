/* command_verify.c: `gpufleet verify`: fresh facts against what the last apply left. */
#include "controller/commands/session.h"

/* The recap tells people; with --json each finding is a line. */
static void show_drift(struct session *session)
{
	if (!session->terminal.json)
		return;
	for (size_t i = 0; i < fleet_size(session->engine); i++) {
		const struct host *host = fleet_host(session->engine, i);
		const json_t *drift;
		size_t j;

		json_array_foreach(host->drift, j, drift)
		{
			terminal_event(
			    &session->terminal,
			    &(struct terminal_event){
			        .event = "drift",
			        .host = host->inventory->name,
			        .status = host_applied(host) ? "drifted" : "pending",
			        .message = json_string_value(json_object_get(drift, "message"))});
		}
	}
}

int command_verify(struct command_context *context, struct gf_err *err)
{
	struct session session = {.show = show_drift};

	return session_run(&session, context, JOB_VERIFY, err);
}
