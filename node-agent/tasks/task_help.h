/* task_help.h: what task types share: saying what they found, parameters, files with a given
 * content, and looking up wanted devices.
 */
#ifndef GPUFLEET_TASKS_TASK_HELP_H
#define GPUFLEET_TASKS_TASK_HELP_H

#include "node-agent/tasks/file_edit.h"
#include "node-agent/tasks/task.h"

/* Sets status and message; returns 0, so that `return task_say(…)` reads well. */
int task_say(struct task_run *run, enum task_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds a change and makes the status TASK_CHANGE. DIFF may be NULL. */
void task_change(struct task_run *run, const char *action, const char *target, const char *diff);

/* The file should be as WANT says: plan and verify add its diff, apply writes it. Sets
 * stage->initramfs_dirty for a file that goes there. */
int task_file(struct task_run *run, const struct file_want *want, struct gf_err *err);

/* The tool that builds this host's initramfs, or NULL: then task_initramfs_unknown makes the task
 * TASK_BLOCKED and says what was found instead. initramfs.c */
struct initramfs_tool;
const struct initramfs_tool *task_initramfs_tool(const struct task_run *run);
int task_initramfs_unknown(struct task_run *run);

/* Parameters. Text or FALLBACK; a number of seconds between 1 and a day or FALLBACK. */
const char *task_text(const struct task_run *run, const char *key, const char *fallback);
unsigned task_seconds(const struct task_run *run, const char *key, unsigned fallback);

/* "NVIDIA modules!" → "nvidia-modules"; never empty, at most 40 characters. */
void task_slug(const char *name, char slug[64]);

/* One entry of the context's `wanted`, checked: strings of the right form. */
struct wanted_device {
	const char *address, *vendor, *device, *subsystem_vendor, *subsystem_device;
};

size_t wanted_count(const struct task_context *ctx);

/* -1 with *err when the entry is malformed. */
int wanted_get(const struct task_context *ctx, size_t index, struct wanted_device *device,
               struct gf_err *err);

/* Is the device at ADDRESS wanted? */
bool wanted_has(const struct task_context *ctx, const char *address);

/* Is what sits at the address the device that is wanted, by sysfs? On a difference WHY (512 bytes)
 * says which. */
bool wanted_present(const struct task_context *ctx, const struct wanted_device *device, char *why,
                    size_t size);

/* The driver that a device is on now, "" for none. */
void wanted_driver(const struct task_context *ctx, const char *address, char *driver, size_t size);

/* The name of a kernel driver, nothing else? bind.c */
bool bind_driver_is_valid(const char *driver);

/* A string of facts.host, or "". */
const char *fact_host(const struct task_context *ctx, const char *key);

/* facts.pci; an empty iteration when it is missing. */
const json_t *fact_devices(const struct task_context *ctx);

#endif
