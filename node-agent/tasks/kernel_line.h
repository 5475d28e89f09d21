/* kernel_line.h: the kernel command line as a set of tokens, and GRUB's drop-in that makes it so.
 */
#ifndef GPUFLEET_TASKS_KERNEL_LINE_H
#define GPUFLEET_TASKS_KERNEL_LINE_H

#include <jansson.h>
#include <stdbool.h>

#include "node-agent/root.h"
#include "node-agent/wire/error.h"

/* The tokens of one stage, and everything known of the next boot's command line. */
struct kernel_line {
	char *grub;           /* " a b c " of the first entry of grub.cfg; NULL: no such file */
	char *running;        /* " a b c " of /proc/cmdline; NULL: unknown */
	json_t *add, *remove; /* wanted by this stage, without repeats */
	json_t *add_ours, *remove_ours; /* what this stage's part of the drop-in will hold */
	char *others;                   /* lines of the drop-in that belong to other stages */
	char mine[80];                  /* "# stage NAME " */
};

/* A kernel argument that can stand in a shell's quotes and in GRUB's configuration. */
bool kernel_token_valid(const char *text);

bool token_set_has(const json_t *set, const char *token);

/* Adds TOKENS (an array of strings, or NULL) to SET, without repeats. */
int token_set_add(json_t *set, const json_t *tokens, struct gf_err *err);

/* Does the line have TOKEN? A token that ends in "=" stands for any value. LINE may be NULL. */
bool kernel_line_has(const char *line, const char *token);

/* Reads line->grub and line->running. -1 when GRUB's is unknown. */
int kernel_line_look(struct kernel_line *line, const struct root *root);

/* The first token that is not as it should be on TEXT; NULL when all are. */
const char *kernel_line_wrong(const struct kernel_line *line, const char *text);

/* Reads the drop-in's TEXT (changed; may be NULL): this stage's tokens into the sets, other stages'
 * lines as they are. grub_dropin.c */
void grub_dropin_parse(struct kernel_line *line, char *text);

/* The drop-in's text, the same whichever stage asks: malloc'd; NULL when nothing of ours is needed.
 */
char *grub_dropin_text(const struct kernel_line *line);

#endif
