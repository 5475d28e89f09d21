/* trial.h: a stage that is tried before it becomes the default (docs/design/trial.md).
 *
 * stage:  trial_begin (units and marker, before the first file is changed) → the stage's tasks,
 * which write shared files as ever but leave kernel arguments and image to the trial → trial_arm
 * trial:  the host boots the entry once
 * commit: trial_commit_begin → the same kernel arguments and images, in place → trial_end
 * or, at any point before the commit began: trial_restore.
 *
 * Whatever is cut off at whatever point, the marker says what is left to do.
 */
#ifndef GPUFLEET_TRIAL_H
#define GPUFLEET_TRIAL_H

#include <jansson.h>
#include <stdbool.h>

#include "node-agent/trial/trial_boot.h"
#include "node-agent/trial/trial_confirm.h"
#include "node-agent/trial/trial_marker.h"

/* A stage on its way to a trial. */
struct trial {
	const struct agent *agent;
	json_t *marker;
	json_t *add, *remove; /* kernel arguments of the entry */
	char kernel[128];     /* the version that the default entry boots */
	bool image;           /* it has an image of its own, TRIAL_IMAGE */
	bool armed;
	int lock;
};

/* For the operation that lies in OPERATION_DIR. From here on, a boot that is not the trial puts
 * back what the operation records. trial_close after either. */
int trial_begin(struct trial *trial, const struct agent *agent, const char *operation_dir,
                const char *stage, struct gf_err *err);

/* Arguments for the entry, besides those of before. */
void trial_arguments(struct trial *trial, const json_t *add, const json_t *remove);

/* Writes TERMS, entry and choice: the next boot is the trial. */
int trial_arm(struct trial *trial, const struct trial_terms *terms, struct gf_err *err);

void trial_close(struct trial *trial);

enum trial_restore_mode {
	TRIAL_RESTORE_EARLY, /* at boot, before udev: files, unless the trial runs */
	TRIAL_RESTORE_LATE,  /* at boot, when all is mounted: what is left of a reverted one */
	TRIAL_RESTORE_NOW,   /* on purpose, whatever runs: all of it, and the marker goes, too */
};

/* Puts back what the staged operation changed, and records that in its journal. Nothing to do is no
 * error. */
int trial_restore(const struct agent *agent, enum trial_restore_mode mode, struct gf_err *err);

/* The trial of OPERATION runs (or its commit was cut off): it is proven and becomes the default.
 * Entry and image go, the marker says "committing", and what a trial holds back (nova-compute) is
 * started; whether it comes up is looked at when the host is verified. May be repeated.
 * GF_E_BLOCKED when the host is in another boot, TOKEN is not the trial's, or its time ran out. */
int trial_commit_begin(const struct agent *agent, const char *operation, const char *token,
                       struct gf_err *err);

/* All is over: units and marker go (and entry and image, where they are left). */
int trial_end(const struct agent *agent, struct gf_err *err);

#endif
