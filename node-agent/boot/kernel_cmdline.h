/* kernel_cmdline.h: /etc/kernel/cmdline, which kernel-install gives to new boot entries. */
#ifndef GPUFLEET_BOOT_KERNEL_CMDLINE_H
#define GPUFLEET_BOOT_KERNEL_CMDLINE_H

#include <jansson.h>

#include "node-agent/root.h"
#include "node-agent/wire/error.h"

#define KERNEL_CMDLINE "/etc/kernel/cmdline"

/* The file's text with ADD on it and REMOVE off it (either may be NULL), as it is when that is the
 * case already: malloc'd; NULL when there is no such file. */
char *kernel_cmdline_text(const struct root *root, const json_t *add, const json_t *remove);

/* The same from any text. */
char *kernel_cmdline_edit(const char *text, const json_t *add, const json_t *remove);

/* Replaces the file, which must be there, unless it holds TEXT already. */
int kernel_cmdline_write(const struct root *root, const char *text, struct gf_err *err);

#endif
