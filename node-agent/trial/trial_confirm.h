/* trial_confirm.h: a trial boot that nobody confirms in time ends by itself: the host reboots, into
 * the default entry, where gpufleet-restore.service puts the former files back.
 *
 * One file tells how it stands: STATE/trial.pending is renamed to trial.confirmed by the commit, or
 * to trial.expired by the host's own timer, gpufleet-confirm.service. Of two renames of one file
 * one succeeds; whoever loses obeys.
 */
#ifndef GPUFLEET_TRIAL_CONFIRM_H
#define GPUFLEET_TRIAL_CONFIRM_H

#include <jansson.h>
#include <stdbool.h>

#include "node-agent/agent.h"
#include "node-agent/wire/error.h"

/* How the controller lets the host know it: both are part of the request that stages. */
struct trial_terms {
	const char *token;    /* who commits must give it; NULL: anybody may */
	json_int_t confirm_s; /* from the trial's boot on; 0: it waits for ever */
};

/* Puts TERMS into MARKER (the token as its digest: the marker's text goes to whoever looks at the
 * host) and makes the file, before the one-time choice is written. */
int trial_confirm_arm(const struct agent *agent, json_t *marker, const struct trial_terms *terms,
                      struct gf_err *err);

/* The commit's half: TOKEN (may be NULL) must be MARKER's, and the timer must not have been faster.
 * Once confirmed it stays so. GF_E_BLOCKED. */
int trial_confirm_take(const struct agent *agent, const json_t *marker, const char *token,
                       struct gf_err *err);

/* Was it the timer that ended it? */
bool trial_confirm_expired(const struct agent *agent);

/* Removes what trial_confirm_arm and the two renames left. */
void trial_confirm_clear(const struct agent *agent);

/* Run by gpufleet-confirm.service: waits, on the monotonic clock since the boot, and reboots the
 * host unless the trial was confirmed, or guests are seen on it (then it looks again every minute:
 * a host with guests is never rebooted by itself). Returns when the trial is confirmed or this boot
 * is no trial. */
int trial_confirm_wait(const struct agent *agent, struct gf_err *err);

#endif
