/* check_pool.c: see check_pool.h. */
#include "controller/readiness/check_pool.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/bytes_hash.h"

#define PROBES_MAX 32 /* a host may choose its evidence so that it falls on one place */

struct pooled {
	uint64_t hash;
	enum check_id id;
	enum check_status status;
	const char *cause, *fix;       /* constants, as the check has them */
	const char *device, *evidence; /* borrowed from VALUE */
	json_t *value;                 /* NULL: free */
};

struct check_pool {
	struct pooled *items;
	size_t size, count; /* size: a power of two */
};

struct check_pool *check_pool_new(void)
{
	struct check_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->size = 4096;
	pool->items = calloc(pool->size, sizeof(*pool->items));
	if (!pool->items) {
		free(pool);
		return NULL;
	}
	return pool;
}

void check_pool_free(struct check_pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; i < pool->size; i++)
		json_decref(pool->items[i].value);
	free(pool->items);
	free(pool);
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
	return bytes_hash(hash, text, strlen(text));
}

static uint64_t hash_of(const struct check *check)
{
	uint64_t hash = 0xcbf29ce484222325U ^ (uint64_t)check->id << 8 ^ (uint64_t)check->status;

	if (check->device)
		hash = hash_text(hash, check->device);
	return hash_text(hash, check->evidence);
}

/* Constants are mostly the same ones. */
static bool is_same(const char *a, const char *b)
{
	return a == b || strcmp(a, b) == 0;
}

static bool is_of(const struct pooled *item, const struct check *check)
{
	if (item->id != check->id || item->status != check->status ||
	    !item->device != !check->device)
		return false;
	return (!item->device || strcmp(item->device, check->device) == 0) &&
	       strcmp(item->evidence, check->evidence) == 0 && is_same(item->cause, check->cause) &&
	       is_same(item->fix, check->fix);
}

static size_t next(const struct check_pool *pool, uint64_t hash, size_t probe)
{
	return (size_t)(hash + probe) & (pool->size - 1);
}

/* Where CHECK is, or the free place where it belongs; NULL: too far. */
static struct pooled *place_of(const struct check_pool *pool, uint64_t hash,
                               const struct check *check)
{
	for (size_t probe = 0; probe < PROBES_MAX; probe++) {
		struct pooled *item = &pool->items[next(pool, hash, probe)];

		if (!item->value || (item->hash == hash && is_of(item, check)))
			return item;
	}
	return NULL;
}

/* Puts ITEM, which is in the pool, into a larger one; false: too far. */
static bool move(struct check_pool *pool, const struct pooled *item)
{
	for (size_t probe = 0; probe < PROBES_MAX; probe++) {
		struct pooled *place = &pool->items[next(pool, item->hash, probe)];

		if (!place->value) {
			*place = *item;
			return true;
		}
	}
	return false;
}

static void grow(struct check_pool *pool)
{
	struct pooled *old = pool->items;
	size_t old_size = pool->size;
	struct pooled *items = calloc(4 * old_size, sizeof(*items));

	if (!items)
		return;
	pool->items = items;
	pool->size = 4 * old_size;
	for (size_t i = 0; i < old_size; i++) {
		if (old[i].value && !move(pool, &old[i]))
			json_decref(old[i].value);
	}
	free(old);
}

json_t *check_pool_json(struct check_pool *pool, const struct check *check,
                        json_t *(*make)(const struct check *check))
{
	struct pooled *item;
	uint64_t hash;
	json_t *value;

	if (!pool)
		return make(check);
	if (2 * pool->count >= pool->size)
		grow(pool);
	hash = hash_of(check);
	item = place_of(pool, hash, check);
	if (item && item->value)
		return json_incref(item->value);
	value = make(check);
	if (!item || !value)
		return value;
	*item = (struct pooled){
	    .hash = hash,
	    .id = check->id,
	    .status = check->status,
	    .cause = check->cause,
	    .fix = check->fix,
	    .device = json_string_value(json_object_get(value, "device")),
	    .evidence = json_string_value(json_object_get(value, "evidence")),
	    .value = json_incref(value),
	};
	pool->count++;
	return value;
}
