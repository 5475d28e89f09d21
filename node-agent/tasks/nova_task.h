/* nova_task.h: what the tasks nova_config and nova_service share. */
#ifndef GPUFLEET_TASKS_NOVA_TASK_H
#define GPUFLEET_TASKS_NOVA_TASK_H

#include <jansson.h>
#include <stdbool.h>

#include "node-agent/tasks/task.h"

/* The service that the task is about: "nova-compute", … */
const char *nova_task_service(const struct task_run *run);

/* The next entry of that name in facts.nova from *index on, which is moved behind it; NULL: none.
 */
const json_t *nova_task_find(const json_t *nova, const char *name, size_t *index);

/* Is SERVICE told anything by the request's context? Others may read the same files, and have no
 * part in it. */
bool nova_task_told(const struct task_run *run, const char *service);

/* Did (or would) a task of this request change what the service NAME reads? With SET it is noted.
 */
bool nova_task_stale(struct task_context *ctx, const char *name, bool set);

/* Has the service NAME read its files as they are now (or does it not run)? False: they changed
 * after it started, or there is no such service. */
bool nova_service_current(const struct root *root, const char *name);

/* Undo: restarts the service NAME if its files are newer than it (they were put back), and waits
 * for it. 1: restarted, 0: nothing to do, -1 *err. */
int nova_service_undo(const struct root *root, const char *name, struct gf_err *err);

#endif
