/* bind_driver.h: can a driver be loaded on this host at all? Asked before anything is changed:
 * after the reboot the host's own drivers are gone and this one has not come.
 */
#ifndef GPUFLEET_TASKS_BIND_DRIVER_H
#define GPUFLEET_TASKS_BIND_DRIVER_H

#include <stdbool.h>
#include <stddef.h>

#include "node-agent/root.h"

#define BIND_DRIVER_WHY 512

/* True when nothing is known to keep DRIVER ("vfio-pci") from being loaded. False with WHY, what to
 * do about it included, when none of the kernels in /lib/modules has its module, or when modprobe.d
 * has an `install` line that loads nothing, for it or for one of vfio's own modules (modprobe.d(5);
 * `blacklist` only stops loading by alias). Files that cannot be read prove nothing. */
bool bind_driver_loads(const struct root *root, const char *driver, char why[BIND_DRIVER_WHY]);

#endif
