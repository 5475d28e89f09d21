/* nova_pause.h: nova-compute is held off while a reboot is being decided, so that no instance is
 * scheduled to the host between the look for guests and the reboot.
 *
 * What was stopped is written down before (nova-paused.json in the agent's state directory), with
 * the boot that it holds for: whatever becomes of this process, the next agent starts it again, and
 * after a new boot, which has started it by itself, the note is only thrown away.
 */
#ifndef GPUFLEET_TASKS_NOVA_PAUSE_H
#define GPUFLEET_TASKS_NOVA_PAUSE_H

#include <jansson.h>

#include "node-agent/agent.h"

struct nova_pause {
	int lock;     /* no other agent starts again what this one stops; -1: none */
	json_t *note; /* as in the file; NULL: nothing is stopped */
};

/* Stops nova-compute where it runs: a unit is stopped, a container without a unit frozen (one that
 * was stopped by hand would stay so over the boot). One that does not run is left so. -1 *err: it
 * could not be stopped, and everything is as before. After 0 PAUSE is for nova_pause_end() or
 * nova_pause_release(). */
int nova_pause_begin(const struct agent *agent, struct nova_pause *pause, struct gf_err *err);

/* There will be no reboot: what was stopped is started again. */
void nova_pause_end(const struct agent *agent, struct nova_pause *pause);

/* The reboot is on its way (reboot.h): what was stopped stays so. */
void nova_pause_release(struct nova_pause *pause);

/* An agent begins: starts what a former one stopped and left so, unless REBOOTING says that the
 * reboot that it was stopped for is on its way. It is asked when no other agent is about to. */
void nova_pause_mend(const struct agent *agent, bool (*rebooting)(const struct agent *agent));

#endif
