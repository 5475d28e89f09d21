/* grub_entry.h: the entry that GRUB boots by default, from the text of its generated grub.cfg, and
 * a copy of it with other arguments. Text in, text out: nothing is read or written here. */
#ifndef GPUFLEET_TRIAL_GRUB_ENTRY_H
#define GPUFLEET_TRIAL_GRUB_ENTRY_H

#include <jansson.h>
#include <stddef.h>

#include "node-agent/wire/error.h"

struct grub_entry {
	const char *text; /* within the configuration: from "menuentry" to its closing brace */
	size_t length;
	char version[128]; /* of its kernel: linux /boot/vmlinuz-VERSION */
	char image[512];   /* its initramfs, as GRUB names it */
};

/* The entry that CONFIG boots when nothing is chosen: what `set default` names there, or what
 * ENVIRONMENT (grubenv's text, may be NULL) saved. GF_E_TASK when it can't be told, or when it does
 * not boot a kernel with an initramfs of the same version. */
int grub_entry_default(const char *config, const char *environment, struct grub_entry *entry,
                       struct gf_err *err);

/* What the copy is like. */
struct grub_entry_copy {
	const char *title, *id;
	const json_t *add, *remove; /* kernel arguments; "name=" in REMOVE stands for any value */
	const char *image;          /* a file name beside the entry's own image; NULL: that one */
};

/* ENTRY's text with another title, id, line and image: malloc'd, ends with a newline. A line that
 * would make the trial the saved default, or wait for a key after it failed, is left out. NULL with
 * *err. */
char *grub_entry_write(const struct grub_entry *entry, const struct grub_entry_copy *copy,
                       struct gf_err *err);

#endif
