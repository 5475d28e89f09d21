/* backup.h: what an operation is about to change, recorded before it does: OPERATION_DIR/backup
 * holds index.jsonl (one record a line, synced before the change) and the former files' bytes.
 *
 * Records: {"kind":"file","path","absent",…} (file_edit.c), {"kind":"directory","path"},
 * {"kind":"unit","unit","enabled","active"}, {"kind":"driver","address","driver"},
 * {"kind":"run","what":"grub"|"initramfs"} (a program that must be run again after an undo),
 * {"kind":"made","path",…} and {"kind":"made-now","path","after"} (a file that a program changes,
 * before and after), {"kind":"ini","path"} (the change of that file that follows can be taken out
 * line by line, too), {"kind":"nova","service"} (reads such a file), {"kind":"restart","service"}
 * (an undo must restart it),
 * {"kind":"arguments","add":[…],"remove":[…]} (what became of the kernel's).
 */
#ifndef GPUFLEET_TASKS_BACKUP_H
#define GPUFLEET_TASKS_BACKUP_H

#include <jansson.h>
#include <stddef.h>

#include "node-agent/wire/error.h"

/* Appends RECORD (stolen, may be NULL: out of memory) and syncs it. OPERATION_DIR must exist. */
int backup_record(const char *operation_dir, json_t *record, struct gf_err *err);

/* Keeps DATA; NAME (at least 32 bytes) gets the file's name within the backup. */
int backup_keep(const char *operation_dir, const void *data, size_t size, char name[32],
                struct gf_err *err);

/* The bytes kept as NAME: malloc'd, or NULL with *err. */
char *backup_data(const char *operation_dir, const char *name, size_t *size, struct gf_err *err);

/* Every record, oldest first (a torn last line is left out); an empty array when there are none.
 * NULL with *err. */
json_t *backup_read(const char *operation_dir, struct gf_err *err);

#endif
