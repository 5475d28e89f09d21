/* grub_config.h: reading what GRUB will do, and the piece of its settings that is ours. */
#ifndef GPUFLEET_BOOT_GRUB_CONFIG_H
#define GPUFLEET_BOOT_GRUB_CONFIG_H

#include "node-agent/boot/boot_loader.h"
#include "node-agent/boot/kernel_line.h"
#include "node-agent/root.h"

/* Where GRUB's variables come from. */
struct grub_files {
	const char *config;      /* grub.cfg, for `set NAME="…"` */
	const char *environment; /* grubenv, read first; NULL: none is read */
};

/* The value of a variable such as tuned_params: malloc'd; NULL when nothing sets it. */
char *grub_variable(const struct root *root, const struct grub_files *files, const char *name);

/* TEXT's words, $NAME and ${NAME} that something sets replaced by the value, as kernel_line_normal
 * gives them: malloc'd. FILES NULL (and ROOT): nothing is replaced. */
char *grub_expand(const struct root *root, const struct grub_files *files, const char *text);

/* The arguments of the configuration's first "linux" line, which is the default entry's kernel,
 * expanded; NULL when there is none. */
char *grub_config_arguments(const struct root *root, const struct grub_files *files);

/* The path of grub.cfg on distributions that call their programs grub2-…; a constant, or within a
 * static buffer until the next call. */
const char *grub2_config_path(const struct root *root);

/* Reads the drop-in's TEXT (changed; may be NULL): this stage's tokens into line->add_ours and
 * remove_ours, other stages' lines as they are. grub_dropin.c */
void grub_dropin_parse(struct kernel_line *line, char *text);

/* The drop-in's text, the same whichever stage asks: malloc'd; NULL when nothing of ours is needed.
 */
char *grub_dropin_text(const struct kernel_line *line);

/* The same as a block at the end of /etc/default/grub, where no directory of drop-ins is read.
 * grub_default.c */
int grub_default_settings(const struct root *root, struct kernel_line *line,
                          struct boot_settings *settings, struct gf_err *err);

#endif
