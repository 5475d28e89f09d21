/* agent.h: what every part of the agent knows about where it runs. */
#ifndef GPUFLEET_AGENT_H
#define GPUFLEET_AGENT_H

#include <limits.h>

#include "node-agent/root.h"

struct agent {
	struct root root;
	char state[PATH_MAX]; /* where operations and the lease are kept, as the host names it */
	char directory[PATH_MAX]; /* of the unpacked bundle, as this process sees it; "" without one
	                           */
	char program[PATH_MAX];   /* this program, as this process sees it */
};

#endif
