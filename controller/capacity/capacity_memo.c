/* capacity_memo.c: a hash table with open addressing; the keys' bytes lie one after the other. */
#include "controller/capacity/capacity_memo.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/bytes_hash.h"

struct slot {
	uint64_t hash;
	size_t key, size; /* where the key's bytes begin; size 0: free (no key is empty) */
	unsigned value;
};

struct capacity_memo {
	struct slot *slots;
	size_t slot_count, used; /* slot_count: a power of two */
	unsigned char *bytes;
	size_t byte_count, byte_size;
};

struct capacity_memo *capacity_memo_new(void)
{
	return calloc(1, sizeof(struct capacity_memo));
}

void capacity_memo_free(struct capacity_memo *memo)
{
	if (!memo)
		return;
	free(memo->slots);
	free(memo->bytes);
	free(memo);
}

void capacity_memo_clear(struct capacity_memo *memo)
{
	if (memo->slots)
		memset(memo->slots, 0, memo->slot_count * sizeof(*memo->slots));
	memo->used = memo->byte_count = 0;
}

/* The slot of the key, or the free one where it belongs. */
static struct slot *slot_find(const struct capacity_memo *memo, const void *key, size_t size,
                              uint64_t hash)
{
	for (size_t at = hash & (memo->slot_count - 1);; at = (at + 1) & (memo->slot_count - 1)) {
		struct slot *slot = &memo->slots[at];

		if (slot->size == 0 || (slot->hash == hash && slot->size == size &&
		                        memcmp(memo->bytes + slot->key, key, size) == 0))
			return slot;
	}
}

bool capacity_memo_get(const struct capacity_memo *memo, const void *key, size_t size,
                       unsigned *value)
{
	const struct slot *slot;

	if (!memo->slot_count)
		return false;
	slot = slot_find(memo, key, size, bytes_hash(0, key, size));
	if (slot->size == 0)
		return false;
	*value = slot->value;
	return true;
}

static int grow(struct capacity_memo *memo)
{
	struct capacity_memo larger = *memo;

	larger.slot_count = memo->slot_count ? 2 * memo->slot_count : 256;
	larger.slots = calloc(larger.slot_count, sizeof(*larger.slots));
	if (!larger.slots)
		return -1;
	for (size_t i = 0; i < memo->slot_count; i++) {
		const struct slot *slot = &memo->slots[i];

		if (slot->size)
			*slot_find(&larger, memo->bytes + slot->key, slot->size, slot->hash) =
			    *slot;
	}
	free(memo->slots);
	*memo = larger;
	return 0;
}

int capacity_memo_put(struct capacity_memo *memo, const void *key, size_t size, unsigned value)
{
	uint64_t hash = bytes_hash(0, key, size);

	if (4 * memo->used >= 3 * memo->slot_count && grow(memo) < 0)
		return -1;
	if (memo->byte_size - memo->byte_count < size) {
		size_t wanted = 2 * memo->byte_size + size + 4096;
		unsigned char *bytes = realloc(memo->bytes, wanted);

		if (!bytes)
			return -1;
		memo->bytes = bytes;
		memo->byte_size = wanted;
	}
	memcpy(memo->bytes + memo->byte_count, key, size);
	*slot_find(memo, key, size, hash) = (struct slot){hash, memo->byte_count, size, value};
	memo->byte_count += size;
	memo->used++;
	return 0;
}
