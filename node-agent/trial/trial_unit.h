/* trial_unit.h: the units that put a stage's former files back when its trial did not come up, and
 * end one that nobody confirms.
 *
 * gpufleet-restore.service runs before udev and systemd-modules-load, so that no driver is loaded
 * by what was staged: it touches files only. gpufleet-restore-late.service runs once everything is
 * mounted: it takes the entry and the image off /boot, brings services back, and removes the
 * units. gpufleet-confirm.service begins as early as the first and waits (trial_confirm.h).
 */
#ifndef GPUFLEET_TRIAL_UNIT_H
#define GPUFLEET_TRIAL_UNIT_H

#include <jansson.h>

#include "node-agent/agent.h"

/* The directories that trial_units_write will have to make: an array, for trial_units_remove. */
json_t *trial_units_directories(const struct root *root);

/* Writes and enables them, durably. Nothing is told to systemd: the next boot reads them. */
int trial_units_write(const struct agent *agent, struct gf_err *err);

/* Removes them, and DIRECTORIES where those are empty. */
void trial_units_remove(const struct root *root, const json_t *directories);

#endif
