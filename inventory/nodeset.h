/* nodeset.h: sets of host names in the notation `gpu[01-16,20].rack[1-4],@group,!gpu07`. */
#ifndef GPUFLEET_NODESET_H
#define GPUFLEET_NODESET_H

#include "inventory/inventory.h"

#ifndef NODESET_MAX        /* the fuzz build has less */
#define NODESET_MAX 100000 /* names that one expression may expand to */
#endif

/* Gives the members of group NAME: fills *names (borrowed, valid until nodeset_expand returns) and
 * returns 0, or -1 with *err. */
typedef int (*nodeset_group_fn)(void *ctx, const char *name, const struct string_list **names,
                                struct gf_err *err);

/* Expands TEXT into names, in order, without repeats. `group` may be NULL (then `@` is an error).
 * err->msg says what was wrong and at which character (1-based). The caller owns *out
 * (string_list_free). Returns 0 or -1. */
int nodeset_expand(const char *text, nodeset_group_fn group, void *ctx, struct string_list *out,
                   struct gf_err *err);

/* The same, with the place apart: err->msg carries no character number, *column does. */
int nodeset_expand_at(const char *text, nodeset_group_fn group, void *ctx, struct string_list *out,
                      size_t *column, struct gf_err *err);

/* Folds names back: {"gpu01","gpu02","ctl1"} → "ctl1,gpu[01-02]". The caller frees the result. */
char *nodeset_fold(const char *const *names, size_t count);

/* strcmp with runs of digits compared as numbers: gpu2 < gpu10. */
int nodeset_compare(const char *a, const char *b);

int string_list_append(struct string_list *list,
                       const char *item); /* copies; -1 when out of memory */
void string_list_free(struct string_list *list);

/* The same strings in the same order? */
bool string_list_equal(const struct string_list *a, const struct string_list *b);

#endif
