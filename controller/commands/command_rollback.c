/* command_rollback.c: `gpufleet rollback`: undo what was applied, and reboot where that takes one.
 */
#include <stdio.h>
#include <string.h>

#include "controller/commands/session.h"
#include "controller/terminal/escape.h"

static void show_operations(struct session *session)
{
	for (size_t i = 0; !session->terminal.json && i < fleet_size(session->engine); i++) {
		const struct host *host = fleet_host(session->engine, i);
		const json_t *operation;
		size_t j, undone = 0;

		if (host->state != HOST_WAITING)
			continue;
		json_array_foreach(json_object_get(host->plan, "operations"), j, operation)
		    undone += !json_is_true(json_object_get(operation, "undone"));
		printf("%s: %zu operations to undo\n", host->inventory->name, undone);
	}
}

int command_rollback(struct command_context *context, struct gf_err *err)
{
	struct session session = {.show_plan = show_operations, .question = "Undo this?"};

	return session_run(&session, context, JOB_ROLLBACK, err);
}
