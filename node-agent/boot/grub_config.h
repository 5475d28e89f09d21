/* grub_config.h: reading GRUB's generated configuration, and the piece of its settings that is
 * ours.
 */
#ifndef GPUFLEET_BOOT_GRUB_CONFIG_H
#define GPUFLEET_BOOT_GRUB_CONFIG_H

#include "node-agent/boot/kernel_line.h"
#include "node-agent/root.h"

/* The arguments of PATH's (a grub.cfg) first "linux" line, which is the default entry's kernel, as
 * kernel_line_normal gives them: malloc'd; NULL when there is none. */
char *grub_config_arguments(const struct root *root, const char *path);

/* Reads the drop-in's TEXT (changed; may be NULL): this stage's tokens into line->add_ours and
 * remove_ours, other stages' lines as they are. grub_dropin.c */
void grub_dropin_parse(struct kernel_line *line, char *text);

/* The drop-in's text, the same whichever stage asks: malloc'd; NULL when nothing of ours is needed.
 */
char *grub_dropin_text(const struct kernel_line *line);

#endif
