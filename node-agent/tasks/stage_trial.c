/* stage_trial.c: see stage_trial.h. */
#include "node-agent/tasks/stage_trial.h"

#include <stdio.h>
#include <string.h>

const char *stage_protection(struct task_context *ctx)
{
	char why[256];

	if (*ctx->protection)
		return ctx->protection;
	if (trial_possible(ctx->agent, why, sizeof(why)))
		snprintf(ctx->protection, sizeof(ctx->protection), "trial boot, then commit");
	else
		snprintf(ctx->protection, sizeof(ctx->protection), "in place: %s", why);
	return ctx->protection;
}

static bool is_left_over(const struct trial_status *status)
{
	return (status->state == TRIAL_STAGED && status->boot != TRIAL_BOOT_TRIAL) ||
	       status->state == TRIAL_REVERTED;
}

json_t *stage_trial_leftover(const struct task_context *ctx, const char *stage)
{
	struct trial_status status;
	char message[256];

	if (!ctx->agent)
		return NULL;
	trial_look(ctx->agent, &status);
	if (status.state != TRIAL_STAGED || !is_left_over(&status) ||
	    strcmp(status.stage, stage) != 0)
		return NULL;
	snprintf(
	    message, sizeof(message),
	    "operation %s staged files for a trial boot that has not come up: they are put back "
	    "first",
	    status.operation);
	return json_pack("{ss ss ss ss s[]}", "task", "trial", "type", "trial", "status", "change",
	                 "message", message, "changes");
}

int stage_trial_settle(struct task_context *ctx, struct gf_err *err)
{
	struct trial_status status;

	if (!ctx->agent)
		return 0;
	trial_look(ctx->agent, &status);
	if (status.state == TRIAL_COMMITTING)
		return gf_err_set(err, GF_E_BLOCKED,
		                  "operation %s is being made the default: that has to be finished "
		                  "first",
		                  status.operation);
	return is_left_over(&status) ? trial_restore(ctx->agent, TRIAL_RESTORE_NOW, err) : 0;
}

int stage_trial_begin(struct task_context *ctx, const char *stage, struct trial *trial,
                      bool *given_up, struct gf_err *err)
{
	char why[256];

	*given_up = false;
	if (!ctx->agent)
		return 0;
	if (ctx->trial_up) {
		ctx->trial_up = NULL;
		*given_up = true;
		return trial_restore(ctx->agent, TRIAL_RESTORE_NOW, err);
	}
	if (!trial_possible(ctx->agent, why, sizeof(why))) {
		if (!ctx->trial_promised)
			return 0;
		return gf_err_set(
		    err, GF_E_BLOCKED,
		    "the plan was to try stage %s by a trial boot first, and now that "
		    "is not possible (%s): look at `gpufleet plan` again; the next "
		    "apply makes the change in place",
		    stage, why);
	}
	if (trial_begin(trial, ctx->agent, ctx->operation_dir, stage, err) != 0) {
		trial_close(trial);
		trial_restore(ctx->agent, TRIAL_RESTORE_NOW, NULL);
		return -1;
	}
	ctx->trial = trial;
	return 0;
}

int stage_trial_finish(struct task_context *ctx, int result, bool *changed, bool *reboot,
                       struct gf_err *err)
{
	struct trial *trial = ctx->trial;
	struct gf_err local = {.code = GF_OK};

	if (!trial)
		return result;
	ctx->trial = NULL;
	if (result == 0 && *changed)
		result = trial_arm(
		    trial, &(struct trial_terms){.token = ctx->token, .confirm_s = ctx->confirm_s},
		    err);
	bool armed = result == 0 && trial->armed;
	trial_close(trial);
	if (armed) {
		*reboot = ctx->tried = true;
		return 0;
	}
	/* Failed, or nothing was to be changed after all. */
	if (trial_restore(ctx->agent, TRIAL_RESTORE_NOW, &local) != 0) {
		if (result == 0 && err)
			*err = local;
		return -1;
	}
	*changed = *reboot = false;
	if (result != 0 && err) {
		size_t used = strlen(err->msg);
		snprintf(err->msg + used, sizeof(err->msg) - used,
		         "; what the stage had changed was put back");
	}
	return result;
}
