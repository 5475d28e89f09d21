/* restore.h: putting an operation's files and units back where its boot change is given up before
 * it became the default: no boot files are made again, for the default's were never touched. */
#ifndef GPUFLEET_TASKS_RESTORE_H
#define GPUFLEET_TASKS_RESTORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "node-agent/root.h"
#include "node-agent/wire/error.h"

/* Is there a file of OPERATION_DIR's record that someone else changed since? -1 with *err. */
int restore_check(const struct root *root, const char *operation_dir, struct gf_err *err);

/* Puts the files back, newest change first. Those that someone else changed since are left as they
 * are (by hand: they are newer than what was tried), and named in LEFT ("" when none). May be
 * repeated. *changed is set when something was put back. */
int restore_files(const struct root *root, const char *operation_dir, bool *changed, char *left,
                  size_t size, struct gf_err *err);

/* Enables or unmasks units as they were, and starts those that ran. */
int restore_units(const struct root *root, const char *operation_dir, struct gf_err *err);

/* Records in the operation's backup that all is undone. */
int restore_finish(const char *operation_dir, struct gf_err *err);

#endif
