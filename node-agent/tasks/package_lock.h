/* package_lock.h: the package manager's own lock (dpkg's lock-frontend, rpm's .rpm.lock), so that
 * no package's script builds boot files from a half-changed configuration. */
#ifndef GPUFLEET_TASKS_PACKAGE_LOCK_H
#define GPUFLEET_TASKS_PACKAGE_LOCK_H

#include "node-agent/root.h"
#include "node-agent/wire/error.h"

#define PACKAGE_LOCK_WAIT_S 300

/* Takes the lock, waiting at most WAIT_S seconds for who has it: a descriptor for
 * package_lock_drop, or -2 where there is no package manager. -1 with *err (GF_E_BLOCKED, with the
 * holder's process).
 */
int package_lock_take(const struct root *root, unsigned wait_s, struct gf_err *err);

/* FD may be negative. */
void package_lock_drop(int fd);

#endif
