/* trial_marker.h: the durable record of a stage that is being tried: STATE/trial.json.
 *
 * {"operation","stage","boot_id" (of the staging),"state":"staged|committing|reverted","config",
 *  "custom","custom_absent","image","directories":[…],"token" (its digest),"confirm_timeout" (s),
 *  "cleaned","message"}
 *
 * It is written before the first file of the stage is changed, and removed when the trial is over.
 * "staged": the next boot is either the trial (its command line has gpufleet.op=OPERATION) or has
 * to put the former files back. "committing": proven; it is being made the default, and finished
 * whatever boots. "reverted": the former files are back.
 */
#ifndef GPUFLEET_TRIAL_MARKER_H
#define GPUFLEET_TRIAL_MARKER_H

#include <jansson.h>
#include <stdbool.h>

#include "node-agent/agent.h"

#define TRIAL_ARGUMENT "gpufleet.op="

enum trial_state { TRIAL_NONE, TRIAL_STAGED, TRIAL_COMMITTING, TRIAL_REVERTED };

/* Which boot this is. */
enum trial_boot {
	TRIAL_BOOT_BEFORE, /* the one that the stage was made in */
	TRIAL_BOOT_TRIAL,
	TRIAL_BOOT_DEFAULT, /* any other */
};

struct trial_status {
	enum trial_state state;
	enum trial_boot boot;
	bool cleaned; /* reverted: nothing of it is left on /boot or among the units */
	char operation[65], stage[96];
	char image[256];   /* of the trial, as the host names it; "": the default's own */
	char message[512]; /* of a reverted one */
};

/* The marker, a new reference; NULL when there is none (or AGENT is NULL). */
json_t *trial_marker_read(const struct agent *agent);
int trial_marker_write(const struct agent *agent, const json_t *marker, struct gf_err *err);
void trial_marker_remove(const struct agent *agent);

/* Fills *STATUS; state TRIAL_NONE when there is no marker. */
void trial_look(const struct agent *agent, struct trial_status *status);

/* Is the stage's trial running now, proven or not, and not yet the default? */
bool trial_is_up(const struct trial_status *status);

/* {"operation","stage","state","boot":"before|trial|default","message","expired"}, or null: a new
 * reference. */
json_t *trial_facts(const struct agent *agent);

/* Held from before a marker is looked at until what follows from it is done: a restore at boot and
 * an operation must not meet. A descriptor to close; -1 with *err. */
int trial_lock(const struct agent *agent, struct gf_err *err);

#endif
