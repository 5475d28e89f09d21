/* bls.h: boot entries as files of their own (the Boot Loader Specification), their arguments
 * changed by the distribution's program and then held to what was asked for.
 *
 * The programs differ in what else they do to an entry: some put tuned's present arguments in place
 * of $tuned_params, some replace another argument of the same name (console=), some write all of an
 * entry anew from /etc/default/grub. So every entry is compared afterwards with its former
 * arguments, less what was to be removed, plus what was to be added, and mended.
 */
#ifndef GPUFLEET_BOOT_BLS_H
#define GPUFLEET_BOOT_BLS_H

#include "node-agent/boot/grub_config.h"

struct bls_entry {
	char *path;                              /* the host's own */
	char *id;                                /* the file's name without ".conf" */
	char *options;                           /* all of its arguments, as they stand there */
	char *kernel, *title, *version, *initrd; /* or NULL; of several values, all, with blanks */
};

struct bls_list {
	struct bls_entry *entries; /* the newest kernel first */
	size_t count;
};

/* The entries of DIRECTORY; an empty list when there are none. bls_free after it. */
void bls_read(const struct root *root, const char *directory, struct bls_list *list);
void bls_free(struct bls_list *list);

/* The entry that SAVED (an id, a title or an index; may be NULL or "") names, else the newest; NULL
 * when there is none. */
const struct bls_entry *bls_default(const struct bls_list *list, const char *saved);

/* Does every GRUB put the entries in this order? Older ones sort by version, newer ones by id, and
 * leave out what names no kernel. */
bool bls_order_is_certain(const struct bls_list *list);

/* The words of FORMER without those of REMOVE (which may be NULL, as ADD), and with those of ADD
 * that neither they nor what their variables stand for have: malloc'd, " a b c ". FILES NULL (and
 * ROOT): no variables. */
char *bls_options(const struct root *root, const struct grub_files *files, const char *former,
                  const json_t *add, const json_t *remove);

/* Is PATH's arguments line as OPTIONS says? If not, it is rewritten, all else of the file kept. */
int bls_mend(const struct root *root, const char *path, const char *options, struct gf_err *err);

/* Replaces PATH, which is there, by TEXT; its mode, owner and attributes are kept. */
int bls_text_write(const struct root *root, const char *path, const char *text, struct gf_err *err);

/* What changes the entries: a program. */
typedef int bls_program(const struct root *root, const json_t *add, const json_t *remove,
                        struct gf_err *err);

/* Brings ADD and REMOVE onto all entries of DIRECTORY by PROGRAM, which is not run when they are
 * there already, and holds the entries, and /etc/kernel/cmdline if there is one, to that. */
int bls_update(const struct root *root, const struct grub_files *files, const char *directory,
               bls_program *program, const json_t *add, const json_t *remove, struct gf_err *err);

/* Runs PROGRAM for what else it does; the entries' arguments stay what they are. */
int bls_refresh(const struct root *root, const char *directory, bls_program *program,
                struct gf_err *err);

/* Appends the paths of all entries to PATHS. */
void bls_paths(const struct root *root, const char *directory, json_t *paths);

#endif
