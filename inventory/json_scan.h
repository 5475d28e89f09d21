/* json_scan.h: the strict scan beneath json_source.h: syntax, duplicates, sizes and positions. */
#ifndef GPUFLEET_JSON_SCAN_H
#define GPUFLEET_JSON_SCAN_H

#include "inventory/json_source.h"

/* One value: found by the hash of its path. */
struct json_entry {
	uint64_t hash; /* 0: an empty slot */
	struct json_place key, value;
};

/* An open hash table; size is a power of two. */
struct json_index {
	struct json_entry *entries;
	size_t size, count;
};

#define JSON_HASH_ROOT 14695981039346656037u

/* The hash of the path PARENT + one more step. */
uint64_t json_hash_step(uint64_t parent, const char *key, size_t length);
uint64_t json_hash_element(uint64_t parent, size_t index);

const struct json_entry *json_index_find(const struct json_index *index, uint64_t hash);

/* Scans the text into *index. On failure *place is where and err->msg is what was wrong, without a
 * place. The caller frees index->entries either way. */
int json_scan(const char *text, size_t length, struct json_index *index, struct json_place *place,
              struct gf_err *err);

#endif
