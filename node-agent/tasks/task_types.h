/* task_types.h: the task types (see the table in stage.c), the files they leave on a host, and what
 * they share.
 */
#ifndef GPUFLEET_TASKS_TASK_TYPES_H
#define GPUFLEET_TASKS_TASK_TYPES_H

#include "node-agent/tasks/task.h"

#define INITRAMFS_SEEN "/var/lib/gpufleet/initramfs.json"

int load_modules_task(struct task_run *run, struct gf_err *err);
int modprobe_task(struct task_run *run, struct gf_err *err);
int blacklist_task(struct task_run *run, struct gf_err *err);
int vendor_services_task(struct task_run *run, struct gf_err *err);
int kernel_args_task(struct task_run *run, struct gf_err *err);
int bind_task(struct task_run *run, struct gf_err *err);
int initramfs_task(struct task_run *run, struct gf_err *err);
int file_task(struct task_run *run, struct gf_err *err);
int service_task(struct task_run *run, struct gf_err *err);
int command_task(struct task_run *run, struct gf_err *err);
int assert_task(struct task_run *run, struct gf_err *err);
int unbind_task(struct task_run *run, struct gf_err *err);
int nova_config_task(struct task_run *run, struct gf_err *err);
int nova_service_task(struct task_run *run, struct gf_err *err);
int reboot_task(struct task_run *run, struct gf_err *err);

/* Do the task's `when` conditions hold here? (stage.c) */
bool task_is_applicable(const struct task_context *ctx, const json_t *task);

/* Builds the images of all kernels again, with room enough checked before. */
struct initramfs_tool;
int initramfs_update(const struct root *root, const struct initramfs_tool *tool,
                     struct gf_err *err);

/* Puts a unit back: {"kind":"unit",…} of the backup index. 1 changed, 0 nothing to do, -1 *err. */
int service_undo(const struct root *root, const json_t *record, struct gf_err *err);

#endif
