/* nova_unproven.h: remembers that a service of Nova was restarted and has not been seen healthy
 * since, over the end of an operation, a power cut and a new boot. Without it a service that is up
 * and has refused its configuration would pass for a good one at the next look: it is younger than
 * its files.
 */
#ifndef GPUFLEET_TASKS_NOVA_UNPROVEN_H
#define GPUFLEET_TASKS_NOVA_UNPROVEN_H

#include "node-agent/root.h"
#include "node-agent/wire/error.h"

/* NAME: the unit's or the container's (nova_target_name()). -1 *err: it could not be put down, so
 * nothing may be restarted. */
int nova_unproven_set(const struct root *root, const char *name, struct gf_err *err);

/* It was seen healthy. */
void nova_unproven_clear(const struct root *root, const char *name);

#endif
