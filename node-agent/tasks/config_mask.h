/* config_mask.h: a configuration file's text as it may be shown: nova.conf holds passwords, and a
 * diff shows the lines around a change. */
#ifndef GPUFLEET_TASKS_CONFIG_MASK_H
#define GPUFLEET_TASKS_CONFIG_MASK_H

#include <stddef.h>

/* What stands for a value that is not shown. */
#define CONFIG_MASK "***"

/* A copy of the SIZE bytes at TEXT (NUL-terminated) with as many lines, for diff_unified: values
 * are shown in [pci] and [filter_scheduler] only (and of gpufleet's own options elsewhere), when
 * neither their name looks like that of a secret nor they hold a user and a password as URLs do.
 * Comments that look like a setting are treated like one. malloc'd, NUL-terminated; *masked is its
 * length. NULL: out of memory. */
char *config_mask(const char *text, size_t size, size_t *masked);

/* The same for one line of a log, in place of any value: user and password in URLs. LINE is
 * changed in place. */
void config_mask_urls(char *line);

#endif
