/* work.h: what an operation's worker does: apply, commit or undo. */
#ifndef GPUFLEET_OPERATION_WORK_H
#define GPUFLEET_OPERATION_WORK_H

#include "node-agent/operation/operation.h"

struct worker {
	const struct agent *agent;
	const char *id;
	struct operation_journal journal;
	bool changed, reboot, tried, journal_failed;
};

/* Does what REQUEST (as recorded) says, an event a task into the worker's journal. worker->changed,
 * reboot and tried are right after a failure, too. */
int work_request(struct worker *worker, const json_t *request, struct gf_err *err);

#endif
