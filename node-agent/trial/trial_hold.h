/* trial_hold.h: no instance is to land on a host whose boot is on trial: nova-compute stays down
 * until the trial is confirmed.
 *
 * A drop-in of each of its units asks for a file of /run not to be there
 * (ConditionPathExists=!/run/gpufleet/unconfirmed); gpufleet-restore.service makes that file when
 * the trial runs, long before systemd gets to nova-compute. So any other boot, and one in which
 * that service does not do it, starts nova-compute as ever. A container that no unit starts is not
 * held.
 */
#ifndef GPUFLEET_TRIAL_HOLD_H
#define GPUFLEET_TRIAL_HOLD_H

#include <jansson.h>

#include "node-agent/agent.h"

/* The units that start nova-compute with the host: an array of names. */
json_t *trial_hold_units(const struct root *root);

/* Adds the directories that trial_hold_write will have to make for UNITS to DIRECTORIES. */
void trial_hold_directories(const struct root *root, const json_t *units, json_t *directories);

/* Writes the drop-ins of UNITS, durably. */
int trial_hold_write(const struct root *root, const json_t *units, struct gf_err *err);

/* At boot, when the trial runs. */
void trial_hold_begin(const struct root *root);

/* It is confirmed: UNITS are started, if they were held. */
void trial_hold_end(const struct root *root, const json_t *units);

/* Removes the drop-ins of UNITS. */
void trial_hold_remove(const struct root *root, const json_t *units);

#endif
