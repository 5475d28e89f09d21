/* device_pool.c: see device_pool.h. That something can't be kept is no fault. */
#include "controller/readiness/device_pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 32 /* of one device; hosts may have chosen what leads to more */

struct entry {
	struct entry *next;
	struct device_said said;
	json_t *value;
};

struct pooled {
	struct pooled *next; /* in the same place of the table */
	json_t *facts;
	struct host_facts_device parsed;
	struct entry *entries; /* a few: the device is ready here and pending there */
	size_t entry_count;
};

struct device_pool {
	struct pooled **places;
	size_t size, count; /* size: a power of two */
};

struct device_pool *device_pool_new(void)
{
	struct device_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	pool->size = 1024;
	pool->places = calloc(pool->size, sizeof(*pool->places));
	if (!pool->places) {
		free(pool);
		return NULL;
	}
	return pool;
}

static void pooled_free(struct pooled *item)
{
	while (item->entries) {
		struct entry *entry = item->entries;

		item->entries = entry->next;
		json_decref(entry->value);
		free(entry);
	}
	json_decref(item->facts);
	free(item);
}

void device_pool_free(struct device_pool *pool)
{
	for (size_t i = 0; pool && i < pool->size; i++) {
		while (pool->places[i]) {
			struct pooled *item = pool->places[i];

			pool->places[i] = item->next;
			pooled_free(item);
		}
	}
	if (pool)
		free(pool->places);
	free(pool);
}

static struct pooled **place_of(const struct device_pool *pool, const json_t *facts)
{
	uint64_t hash = (uint64_t)(uintptr_t)facts * 0x9e3779b97f4a7c15U;

	return &pool->places[(hash >> 32) & (pool->size - 1)];
}

static struct pooled *find(const struct device_pool *pool, const json_t *facts)
{
	struct pooled *item = pool ? *place_of(pool, facts) : NULL;

	while (item && item->facts != facts)
		item = item->next;
	return item;
}

const struct host_facts_device *device_pool_find(const struct device_pool *pool,
                                                 const json_t *facts)
{
	const struct pooled *item = find(pool, facts);

	return item ? &item->parsed : NULL;
}

static void put(struct device_pool *pool, struct pooled *item)
{
	struct pooled **place = place_of(pool, item->facts);

	item->next = *place;
	*place = item;
}

static void grow(struct device_pool *pool)
{
	struct pooled **old = pool->places;
	size_t old_size = pool->size;
	struct pooled **places = calloc(4 * old_size, sizeof(struct pooled *));

	if (!places)
		return;
	pool->places = places;
	pool->size = 4 * old_size;
	for (size_t i = 0; i < old_size; i++) {
		while (old[i]) {
			struct pooled *item = old[i];

			old[i] = item->next;
			put(pool, item);
		}
	}
	free(old);
}

void device_pool_keep(struct device_pool *pool, const struct host_facts_device *parsed)
{
	/* jansson counts on the value itself; the pool's own reference changes nothing else. */
	union {
		const json_t *borrowed;
		json_t *owned;
	} facts = {.borrowed = parsed->json};
	struct pooled *item;

	if (!pool || facts.borrowed->refcount < 2)
		return;
	item = calloc(1, sizeof(*item));
	if (!item)
		return;
	if (pool->count++ == pool->size)
		grow(pool);
	item->facts = json_incref(facts.owned);
	item->parsed = *parsed;
	put(pool, item);
}

static bool is_same(const struct device_said *a, const struct device_said *b)
{
	return a->primary == b->primary && a->verdict == b->verdict &&
	       a->reason_count == b->reason_count &&
	       memcmp(a->reasons, b->reasons, a->reason_count) == 0 && !a->alias == !b->alias &&
	       (!a->alias || strcmp(a->alias, b->alias) == 0);
}

json_t *device_pool_entry(const struct device_pool *pool, const json_t *facts,
                          const struct device_said *said)
{
	const struct pooled *item = find(pool, facts);

	for (const struct entry *entry = item ? item->entries : NULL; entry; entry = entry->next) {
		if (is_same(&entry->said, said))
			return json_incref(entry->value);
	}
	return NULL;
}

void device_pool_keep_entry(struct device_pool *pool, const json_t *facts,
                            const struct device_said *said, json_t *value)
{
	struct pooled *item = find(pool, facts);
	struct entry *entry;

	if (!item || item->entry_count == ENTRIES_MAX)
		return;
	entry = malloc(sizeof(*entry));
	if (!entry)
		return;
	item->entry_count++;
	*entry = (struct entry){.next = item->entries, .said = *said, .value = json_incref(value)};
	item->entries = entry;
}
