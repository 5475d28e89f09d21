/* diff.h: unified diffs of small text files. */
#ifndef GPUFLEET_TASKS_DIFF_H
#define GPUFLEET_TASKS_DIFF_H

#include <stddef.h>

/* The unified diff that leads from BEFORE to AFTER (NULL: no such file), with three lines of
 * context and PATH in its head; "" when they are equal. Files that are not text, or too large, give
 * one line that says so. malloc'd; NULL when out of memory. */
char *diff_unified(const char *path, const char *before, size_t before_size, const char *after,
                   size_t after_size);

#endif
