/* suggest.h: the word that somebody probably meant. */
#ifndef GPUFLEET_SUGGEST_H
#define GPUFLEET_SUGGEST_H

#include <stddef.h>

/* The candidate with the least edit distance to WORD (swapped neighbours count one, case nothing),
 * or NULL when none is near enough to be meant. */
const char *suggest_nearest(const char *word, const char *const *candidates, size_t count);

#endif
