/* bytes_hash.h: which of a table's places some bytes have. Fast, and not made to withstand somebody
 * who chooses the bytes: who keeps a table of what hosts say bounds how far it looks.
 */
#ifndef GPUFLEET_WIRE_BYTES_HASH_H
#define GPUFLEET_WIRE_BYTES_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* HASH, of what came before, gone on with LENGTH bytes of DATA, eight at a time. */
static inline uint64_t bytes_hash(uint64_t hash, const char *data, size_t length)
{
	uint64_t word;

	for (; length >= sizeof(word); data += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		hash = (hash ^ word) * 0xff51afd7ed558ccdU;
		hash ^= hash >> 32;
	}
	word = 0;
	memcpy(&word, data, length);
	hash = (hash ^ word) * 0xff51afd7ed558ccdU;
	return hash ^ hash >> 29;
}

#endif
