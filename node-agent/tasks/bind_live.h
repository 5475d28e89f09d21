/* bind_live.h: a device is given to a driver as the host runs, without a reboot.
 *
 * Taking a device from a driver that has it may hang, or take the console away, so a stage that
 * ends with a reboot binds by that reboot. Where no driver has any of the wanted devices there is
 * nothing to take, and the reboot would show nothing new.
 */
#ifndef GPUFLEET_TASKS_BIND_LIVE_H
#define GPUFLEET_TASKS_BIND_LIVE_H

#include "node-agent/tasks/task.h"

/* Is every wanted device of CTX free, or on DRIVER already: held by no driver, in an IOMMU group,
 * not the one that the firmware's console is on? False where none is wanted. */
bool bind_live_possible(const struct task_context *ctx, const char *driver);

/* Binds all that are not on DRIVER yet. Recorded for undo. */
int bind_live_all(struct task_run *run, const char *driver, struct gf_err *err);

/* Loads DRIVER; whether that helped shows when a device is given to it. */
void bind_live_load(const struct root *root, const char *driver);

/* Takes the device at ADDRESS from the driver FROM ("": none has it) and gives it to DRIVER, in
 * TIMEOUT seconds at most. Recorded for undo. */
int bind_live_device(struct task_run *run, const char *address, const char *from,
                     const char *driver, unsigned timeout, struct gf_err *err);

#endif
