/* initramfs.h: looking into the images that the next boot will use. */
#ifndef GPUFLEET_TASKS_INITRAMFS_H
#define GPUFLEET_TASKS_INITRAMFS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "node-agent/root.h"
#include "node-agent/wire/error.h"

/* Versions of the kernels that have both modules and an image in /boot, as an array of strings. */
json_t *initramfs_kernels(const struct root *root);

/* Unpacks the image of kernel VERSION and compares it with what should be in it: every file of ours
 * with the same content, the script before udev in ORDER, the drivers' modules (BUILTIN: array of
 * modules that are in the kernel). 1 as it should be, 0 not (WHY says), -1 with *err. */
int initramfs_inspect(const struct root *root, const char *version, const json_t *builtin,
                      char *why, size_t size, struct gf_err *err);

#endif
