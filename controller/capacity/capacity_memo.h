/* capacity_memo.h: answers that were worked out before, by the bytes of their question. */
#ifndef GPUFLEET_CAPACITY_MEMO_H
#define GPUFLEET_CAPACITY_MEMO_H

#include <stdbool.h>
#include <stddef.h>

struct capacity_memo;

/* NULL when out of memory; capacity_memo_free takes NULL. */
struct capacity_memo *capacity_memo_new(void);
void capacity_memo_free(struct capacity_memo *memo);

/* Forgets all. */
void capacity_memo_clear(struct capacity_memo *memo);

bool capacity_memo_get(const struct capacity_memo *memo, const void *key, size_t size,
                       unsigned *value);

/* Keeps VALUE for a KEY that is not there yet. -1 when out of memory. */
int capacity_memo_put(struct capacity_memo *memo, const void *key, size_t size, unsigned value);

#endif
