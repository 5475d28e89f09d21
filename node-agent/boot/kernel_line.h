/* kernel_line.h: the kernel command line as a set of tokens: what a stage wants of it, and what it
 * is. */
#ifndef GPUFLEET_BOOT_KERNEL_LINE_H
#define GPUFLEET_BOOT_KERNEL_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "node-agent/wire/error.h"

/* The tokens of one stage, and everything known of the next boot's command line. */
struct kernel_line {
	char *next;                     /* " a b c " of the next default boot; NULL: unknown */
	char *running;                  /* " a b c " of /proc/cmdline; NULL: unknown */
	json_t *add, *remove;           /* wanted by this stage, without repeats */
	json_t *add_ours, *remove_ours; /* what this stage's part of our settings will hold */
	char *others;                   /* lines of our settings that belong to other stages */
	char mine[80];                  /* "# stage NAME " */
};

/* Empty sets; kernel_line_free after either. -1: out of memory. */
int kernel_line_init(struct kernel_line *line);
void kernel_line_free(struct kernel_line *line);

/* A kernel argument that can stand in a shell's quotes and in GRUB's configuration. */
bool kernel_token_valid(const char *text);

bool token_set_has(const json_t *set, const char *token);

/* Adds TOKENS (an array of strings, or NULL) to SET, without repeats. */
int token_set_add(json_t *set, const json_t *tokens, struct gf_err *err);

/* " a b c " of the first LENGTH bytes of LINE, so that " b " can be looked up: malloc'd, or NULL.
 */
char *kernel_line_normal(const char *line, size_t length);

/* Does the line have TOKEN? A token that ends in "=" stands for any value. LINE may be NULL. */
bool kernel_line_has(const char *line, const char *token);

/* The first token that is not as it should be on TEXT; NULL when all are. */
const char *kernel_line_wrong(const struct kernel_line *line, const char *text);

/* What stays ours of what was, and what must come to it: line->add_ours and remove_ours. What
 * others give already is not made ours. */
void kernel_line_settle(struct kernel_line *line);

#endif
