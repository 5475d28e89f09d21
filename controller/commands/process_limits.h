/* process_limits.h: what the system must grant this process, and what it must not keep of it. */
#ifndef GPUFLEET_PROCESS_LIMITS_H
#define GPUFLEET_PROCESS_LIMITS_H

#include <stddef.h>

#include "node-agent/wire/error.h"

/* No core dump and no debugger of the same user: private keys are in this process's memory. */
void process_limits_secrets(void);

/* Raises the soft limit of open files to the hard one. -1 with *err when that is too few for
 * CONNECTIONS at once: better now than in the middle of a run. */
int process_limits_files(size_t connections, struct gf_err *err);

#endif
