/* grub_text.h: GRUB's configuration as text: lines and words of its script, the variables of its
 * environment block, and what the script says of the default. Nothing is read or written here. */
#ifndef GPUFLEET_TRIAL_GRUB_TEXT_H
#define GPUFLEET_TRIAL_GRUB_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "node-agent/wire/error.h"

#define GRUB_ENVIRONMENT_SIZE 1024

/* The value of NAME in a GRUB environment block, into VALUE; "" when it has none. ENVIRONMENT may
 * be NULL. */
void grub_environment_get(const char *environment, const char *name, char *value, size_t size);

const char *grub_line_next(const char *line);
const char *grub_skip_blanks(const char *text);

/* Is the first word at TEXT the one given? */
bool grub_word_is(const char *text, const char *word);

/* Takes the next word of a line: quotes and backslashes are taken off, for comparisons. Returns
 * what follows it, or NULL at the line's end. */
const char *grub_word_take(const char *text, char *word, size_t size);

/* What GRUB takes as the default entry when nothing is chosen once: an index, an id, a title, a
 * path of them, or "" (nothing is saved). GF_E_TASK when that is computed while it boots. */
int grub_selector(const char *config, const char *environment, char selector[GRUB_ENVIRONMENT_SIZE],
                  struct gf_err *err);

#endif
