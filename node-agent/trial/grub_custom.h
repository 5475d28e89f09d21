/* grub_custom.h: our block in /boot/grub/custom.cfg, which the generated grub.cfg reads after its
 * own entries. What else stands in the file stays as it is, byte for byte. */
#ifndef GPUFLEET_TRIAL_GRUB_CUSTOM_H
#define GPUFLEET_TRIAL_GRUB_CUSTOM_H

#include <stdbool.h>
#include <stddef.h>

#include "node-agent/root.h"
#include "node-agent/wire/error.h"

/* TEXT without our block; *found says whether there was one. malloc'd, *size its length; NULL when
 * out of memory. */
char *grub_custom_cut(const char *text, size_t length, size_t *size, bool *found);

/* TEXT with ENTRY as our block, in place of a former one. */
char *grub_custom_add(const char *text, size_t length, const char *entry, size_t *size);

/* The same for the file PATH, written whole or not at all. A file that holds nothing but our block
 * is removed with it when REMOVE_EMPTY. *changed may be NULL. */
int grub_custom_write(const struct root *root, const char *path, const char *entry,
                      struct gf_err *err);
int grub_custom_clear(const struct root *root, const char *path, bool remove_empty, bool *changed,
                      struct gf_err *err);

#endif
