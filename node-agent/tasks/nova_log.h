/* nova_log.h: what a service has logged since a moment: its journal and its log file. */
#ifndef GPUFLEET_TASKS_NOVA_LOG_H
#define GPUFLEET_TASKS_NOVA_LOG_H

#include <stdint.h>
#include <sys/types.h>

#include "node-agent/root.h"
#include "node-agent/tasks/nova_health.h"

struct nova_mark {
	char cursor[512]; /* of the journal; "": none */
	char log[256];    /* the log file; "": none is known */
	ino_t inode;
	off_t offset; /* its size then */
	int64_t time; /* seconds since 1970 */
};

void nova_log_mark(const struct root *root, const struct nova_target *target,
                   struct nova_mark *mark);

/* Both, one after the other, each cut to its last MiB; malloc'd, NULL when out of memory. */
char *nova_log_since(const struct root *root, const struct nova_target *target,
                     const struct nova_mark *mark);

#endif
