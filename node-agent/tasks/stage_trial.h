/* stage_trial.h: between stage.c and trials: which stages are tried, and what becomes of a trial
 * when its stage ends. */
#ifndef GPUFLEET_TASKS_STAGE_TRIAL_H
#define GPUFLEET_TASKS_STAGE_TRIAL_H

#include "node-agent/tasks/task.h"
#include "node-agent/trial/trial.h"

/* How a stage with a reboot is made on this host, for people; looked up once for CTX. */
const char *stage_protection(struct task_context *ctx);

/* What an earlier stage left staged, and its boot did not try, is to be put back first: a task of
 * the plan that says so (a new reference), or NULL. */
json_t *stage_trial_leftover(const struct task_context *ctx, const char *stage);

/* Puts that back, if there is any. */
int stage_trial_settle(struct task_context *ctx, struct gf_err *err);

/* STAGE will change something and reboot: has it tried, where that is possible (ctx->trial is set
 * then). A trial that runs is given up first: *given_up. */
int stage_trial_begin(struct task_context *ctx, const char *stage, struct trial *trial,
                      bool *given_up, struct gf_err *err);

/* The tasks have ended with RESULT (-1: *err). Arms the trial, or puts everything back; returns
 * what the stage ends with. */
int stage_trial_finish(struct task_context *ctx, int result, bool *changed, bool *reboot,
                       struct gf_err *err);

#endif
