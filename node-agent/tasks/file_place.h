/* file_place.h: opening and replacing files below the root without being led astray by links. */
#ifndef GPUFLEET_TASKS_FILE_PLACE_H
#define GPUFLEET_TASKS_FILE_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <time.h>

#include "node-agent/root.h"
#include "node-agent/wire/error.h"

/* The directory that PATH lies in, opened (O_PATH | O_DIRECTORY is not used: it is synced later);
 * *name is PATH's last component. -1 with errno and *err. */
int file_place_parent(const struct root *root, const char *path, const char **name,
                      struct gf_err *err);

struct file_place_meta {
	mode_t mode;
	uid_t uid;
	gid_t gid;
	const char *label;            /* SELinux; NULL or "": the directory's default */
	const struct timespec *mtime; /* NULL: now */
	int like; /* a descriptor whose other extended attributes are copied; -1 none */
};

/* Puts DATA at NAME in DIR: temporary file, sync, rename, sync. Nothing is left behind on failure.
 */
int file_place_write(int dir, const char *name, const char *path, const void *data, size_t size,
                     const struct file_place_meta *meta, struct gf_err *err);

#endif
