/* boot_loader.h: the ways in which a host's next boots get their kernel arguments, one table each.
 *
 * A back end knows a root and its files, nothing of tasks: what is to change comes to it as a
 * struct kernel_line, and the files that it wants changed go back to the caller, who keeps backups
 * (tasks/kernel_args.c). Everything of a host is untrusted text.
 */
#ifndef GPUFLEET_BOOT_LOADER_H
#define GPUFLEET_BOOT_LOADER_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#include "node-agent/boot/kernel_line.h"
#include "node-agent/root.h"
#include "node-agent/wire/error.h"

/* The settings of a boot loader as they should be. */
struct boot_settings {
	const char *path; /* the host's own */
	char *text;       /* malloc'd; NULL: there should be no such file */
};

struct boot_loader {
	const char *name;    /* facts.host.boot_tool */
	const char *command; /* what makes a change effective, for people */
	const char *reads;   /* files whose path begins so are what `update` works from */
	const char *hint;    /* where to look for what overrides our arguments */

	/* Does the host boot this way, with all programs that it takes? */
	bool (*detect)(const struct root *root);

	/* The arguments of the next default boot, as kernel_line_normal gives them, and the path of
	 * the file that says so (*SOURCE, a constant or within a static buffer until the next
	 * call). NULL: not known. */
	char *(*next)(const struct root *root, const char **source);

	/* What the settings file should hold so that LINE comes about; line->next is known. NULL
	 * where `update` takes the arguments themselves. Free settings->text. */
	int (*settings)(const struct root *root, struct kernel_line *line,
	                struct boot_settings *settings, struct gf_err *err);

	/* Brings the settings, and ADD and REMOVE (arrays of strings, may be NULL), onto all boot
	 * entries. After an undo it is called with the two exchanged. */
	int (*update)(const struct root *root, const json_t *add, const json_t *remove,
	              struct gf_err *err);

	/* Appends to PATHS the files that `update` itself changes and that an undo should put back
	 * byte for byte (those that are generated anew each time are not among them). NULL: none.
	 */
	void (*writes)(const struct root *root, json_t *paths);

	/* Where the initramfs of kernel VERSION lies that it boots, if that is a copy of the one
	 * that was built, and what makes the copies again. NULL: it boots what was built. */
	bool (*image)(const struct root *root, const char *version, char path[PATH_MAX]);
	int (*refresh)(const struct root *root, struct gf_err *err);

	/* Why the next boot may pass the initramfs by, and what to do: a constant; NULL when it
	 * does not (also where the member is). */
	const char *(*no_initramfs)(const struct root *root);
};

/* The back end of that name, or NULL. */
const struct boot_loader *boot_loader_find(const char *name);

/* The back end that fits the host, or NULL. */
const struct boot_loader *boot_loader_detect(const struct root *root);

/* Is PATH one that the back end's `update` works from? */
bool boot_loader_reads(const struct boot_loader *loader, const char *path);

/* Was the host started by systemd-boot, or is it the only loader there? */
bool boot_is_systemd_boot(const struct root *root);

/* Is the system one image (ostree, bootc), whose kernel arguments belong to its deployments? */
bool boot_is_image_based(const struct root *root);

/* Why no back end fits, and what to do, for people: a constant. */
const char *boot_loader_why_none(const struct root *root);

extern const struct boot_loader boot_grub_debian, boot_grubby, boot_grub_bls, boot_grub_mkconfig,
    boot_kernel_install;

#endif
