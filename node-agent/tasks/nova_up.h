/* nova_up.h: is nova-compute up again? Asked after a reboot, by a controller that saw it up before.
 */
#ifndef GPUFLEET_TASKS_NOVA_UP_H
#define GPUFLEET_TASKS_NOVA_UP_H

#include <jansson.h>

#include "node-agent/root.h"

/* Waits until every nova-compute of this host that comes up with it has been up for a few seconds
 * without a restart, SECONDS at most. An array of those that are not, as a person reads it:
 * "nova-compute.service is failed (failed)"; empty when all is well, or there is none. NULL: out of
 * memory. */
json_t *nova_compute_down(const struct root *root, unsigned seconds);

#endif
