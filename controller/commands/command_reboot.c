/* command_reboot.c: `gpufleet reboot`: a rolling reboot under the inventory's waves, slots and
 * budget. */
#include <stdio.h>

#include "controller/commands/session.h"

static void show_reboots(struct session *session)
{
	struct fleet_counts counts;

	fleet_count(session->engine, &counts);
	if (!session->terminal.json)
		printf("Plan: %zu host%s reboot%s.\n", counts.to_change,
		       counts.to_change == 1 ? "" : "s", counts.to_change == 1 ? "s" : "");
}

int command_reboot(struct command_context *context, struct gf_err *err)
{
	struct session session = {.show_plan = show_reboots, .question = "Reboot these hosts?"};

	return session_run(&session, context, JOB_REBOOT, err);
}
