/* file_edit.h: files of the host, read and replaced whole: atomically, with a backup first.
 *
 * Paths are the host's own ("/etc/default/grub") and never lead out of the root; a symbolic link as
 * the last component is refused.
 */
#ifndef GPUFLEET_TASKS_FILE_EDIT_H
#define GPUFLEET_TASKS_FILE_EDIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "node-agent/root.h"
#include "node-agent/wire/error.h"

#define FILE_EDIT_LIMIT ((size_t)16 << 20)

struct file_state {
	bool absent;
	char *data; /* malloc'd, NUL-terminated; NULL when absent */
	size_t size;
	struct stat st;
	char label[256]; /* SELinux, "" when none */
};

/* How PATH is now. Something that is not a regular file is an error. file_state_free after success.
 */
int file_edit_read(const struct root *root, const char *path, struct file_state *state,
                   struct gf_err *err);
void file_state_free(struct file_state *state);

/* What a file should be like. */
struct file_want {
	const char *path;
	const char *data; /* NULL: there should be no such file */
	size_t size;
	mode_t mode; /* of a new file; 0: 0644, and an existing file's is kept */
	bool own;    /* set the owner, else an existing file's is kept and a new one's is root */
	uid_t uid;
	gid_t gid;
};

/* Is something to be done? 1, 0, or -1 with *err. */
int file_edit_differs(const struct root *root, const struct file_want *want, struct gf_err *err);

/* Brings it about, with a backup in OPERATION_DIR; *changed is set to true when something was
 * changed, else left alone. Missing directories are made (and recorded). */
int file_edit_apply(const struct root *root, const char *operation_dir,
                    const struct file_want *want, bool *changed, struct gf_err *err);

/* The same for an undo: nothing is recorded. */
int file_edit_put(const struct root *root, const struct file_want *want, bool *changed,
                  struct gf_err *err);

/* A program is about to change PATH: its present state is kept ({"kind":"made",…}), and afterwards
 * what became of it ({"kind":"made-now","path","after"}), so that an undo puts it back byte for
 * byte if nobody else changed it since. A missing directory is no error. */
int file_edit_keep(const struct root *root, const char *operation_dir, const char *path,
                   struct gf_err *err);
int file_edit_kept(const struct root *root, const char *operation_dir, const char *path,
                   struct gf_err *err);

/* May the file of this record ("kind":"file") be put back? 1 to do, 0 it is as it was, -1 with
 * *err: somebody changed it since. */
int file_edit_undo_check(const struct root *root, const json_t *record, struct gf_err *err);

/* Puts it back: bytes, mode, owner, label and modification time. */
int file_edit_undo(const struct root *root, const char *operation_dir, const json_t *record,
                   struct gf_err *err);

/* Removes a directory that was made ("kind":"directory"), if it is empty. */
void file_edit_undo_directory(const struct root *root, const json_t *record);

#endif
