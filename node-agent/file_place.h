/* file_place.h: opening and replacing files below the root without being led astray by links. */
#ifndef GPUFLEET_FILE_PLACE_H
#define GPUFLEET_FILE_PLACE_H

#include <jansson.h>
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
	const json_t *attributes; /* file_place_attributes() of the former file; NULL: as made */
};

/* The extended attributes of FD but its label, access lists among them: {name: value in hex}. */
json_t *file_place_attributes(int fd);

/* Says by errno why PATH cannot be written, and what to do. Returns -1. */
int file_place_error(const char *path, struct gf_err *err);

/* Puts DATA at NAME in DIR: temporary file, sync, rename, sync. Nothing is left behind on failure.
 */
int file_place_write(int dir, const char *name, const char *path, const void *data, size_t size,
                     const struct file_place_meta *meta, struct gf_err *err);

#endif
