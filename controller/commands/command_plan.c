/* command_plan.c: `gpufleet plan`: what apply would change; changes nothing. */
#include "controller/commands/plan_show.h"

int command_plan(struct command_context *context, struct gf_err *err)
{
	struct session session = {.show = plan_show};

	return session_run(&session, context, JOB_PLAN, err);
}
