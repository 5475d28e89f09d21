/* command_apply.c: `gpufleet apply`: the declared state, host by host. The same command resumes. */
#include "controller/commands/plan_show.h"

int command_apply(struct command_context *context, struct gf_err *err)
{
	struct session session = {.show_plan = plan_show, .question = "Apply this?"};

	return session_run(&session, context, JOB_APPLY, err);
}
