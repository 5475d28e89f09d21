/* task.h: stages of typed, idempotent tasks on this host: plan, apply, verify, undo.
 *
 * A task type is one function that plans, applies or verifies and fills a task_result; the stage
 * functions below run them in order and are what the rest of the agent calls. Undo needs no task
 * type: everything a task does is recorded in OPERATION_DIR/backup before it is done, and undone
 * from there.
 */
#ifndef GPUFLEET_TASKS_TASK_H
#define GPUFLEET_TASKS_TASK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "node-agent/wire/error.h"

struct agent;
struct root;
struct trial;
struct trial_status;

struct task_context {
	const struct root *root;
	const json_t *context;     /* the wire's `context` */
	const json_t *facts;       /* fresh facts of this host */
	const char *operation_dir; /* of the running operation, a path as the process sees it; NULL
	                              when only planning or verifying */
	/* Where trials are recorded (trial/trial.h). NULL: boot changes are made in place. */
	const struct agent *agent;
	const struct trial_status *trial_up; /* of the trial that runs now; NULL: none does */
	struct trial *trial;                 /* the one that the stage at hand is made for */
	bool image_tried;     /* the stage commits a trial that had an image: all are built again */
	bool tried;           /* set by stage_apply: the next boot is a trial */
	char protection[320]; /* stage_protection()'s */
	bool allow_running_guests;
	const char *token;    /* of whoever may confirm the trial; NULL: anybody */
	json_int_t confirm_s; /* in which it must be confirmed; 0: whenever */
	bool trial_promised;  /* the plan said "trial boot": nothing is changed in place instead */
	bool reboot_planned;  /* set by stage_plan: a stage before this one would reboot. Start with
	                         false */
	bool restarted;       /* the host has restarted by itself since gpufleet changed it */
	unsigned nova_stale;  /* services whose files a task changed (nova_task.h). Start with 0 */
	void (*emit)(void *ctx,
	             const json_t *event); /* one event a task; may be NULL; borrows EVENT */
	void *emit_ctx;
};

enum task_status { TASK_OK, TASK_CHANGE, TASK_BLOCKED, TASK_FAILED };

/* What one task found (plan, verify) or did (apply). */
struct task_result {
	enum task_status status;
	bool reboot; /* only a reboot makes it effective */
	char message[512];
	json_t *changes; /* array of {"action","target","diff"} */
};

enum task_mode {
	TASK_PLAN,  /* what would be done? changes nothing */
	TASK_APPLY, /* do it; TASK_CHANGE says that something was changed */
	TASK_VERIFY /* is it in effect now? TASK_CHANGE is drift; changes nothing */
};

/* What the tasks of one stage tell each other. */
struct task_stage {
	const char *name;
	const json_t *stage;
	bool changed;         /* a task before this one changed (would change) something */
	bool initramfs_dirty; /* a file that goes into the initramfs changed */
	bool boot_changed; /* a task changed (would change) what only a boot brings into effect */
	bool live;         /* nothing of it needs a boot: `bind` binds as the host runs */
	bool kernel_args_done; /* the first kernel_args task handles those of the whole stage */
};

struct task_run {
	struct task_context *ctx;
	struct task_stage *stage;
	const json_t *task;
	const char *name;
	enum task_mode mode;
	struct task_result *result; /* starts as TASK_OK with an empty message */
};

struct task_type {
	const char *name;
	/* 0 with the result filled (whatever its status), or -1 with *err: the task failed. */
	int (*run)(struct task_run *run, struct gf_err *err);
};

/* The type of that name, or NULL. */
const struct task_type *task_type_find(const char *name);

/* STAGE_PLAN (docs/design/contracts.md), a new reference; NULL with *err when the stage makes no
 * sense (a task's own problem is that task's `status`). Changes nothing. */
json_t *stage_plan(struct task_context *ctx, const json_t *stage, struct gf_err *err);

/* Brings the stage about. Everything is planned first: a task that is blocked ends it before any
 * change (-1, GF_E_BLOCKED). Emits {"task","type","status","message","changes"} a task; *changed
 * and *reboot are right after a failure too. */
int stage_apply(struct task_context *ctx, const json_t *stage, bool *changed, bool *reboot,
                struct gf_err *err);

/* What is not as it should be now: the shape of a STAGE_PLAN; drift has status "change". */
json_t *stage_verify(struct task_context *ctx, const json_t *stage, struct gf_err *err);

/* Undoes what the operation in OPERATION_DIR recorded, newest first. Files that someone else
 * changed since are refused (nothing is touched) unless `force`. May be repeated. An operation that
 * recorded nothing is undone already. */
int stage_undo(struct task_context *ctx, const char *operation_dir, bool force, bool *changed,
               bool *reboot, struct gf_err *err);

#endif
