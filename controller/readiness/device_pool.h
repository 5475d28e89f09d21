/* device_pool.h: what follows from a device's facts, once for all hosts whose documents share them
 * (store/json_share.h): on a fleet of one make most devices differ in nothing. Facts are known by
 * where they lie; the pool keeps them as long as it lives.
 */
#ifndef GPUFLEET_DEVICE_POOL_H
#define GPUFLEET_DEVICE_POOL_H

#include <jansson.h>
#include <stdbool.h>

#include "controller/readiness/checks.h"
#include "controller/readiness/host_facts.h"

struct device_pool;

/* NULL when out of memory. Every function below takes a POOL of NULL for one that keeps nothing. */
struct device_pool *device_pool_new(void);

/* The entries that it gave out stay. */
void device_pool_free(struct device_pool *pool);

/* What was kept of FACTS, or NULL. */
const struct host_facts_device *device_pool_find(const struct device_pool *pool,
                                                 const json_t *facts);

/* Keeps what was read from PARSED->json, unless no other document shares that. */
void device_pool_keep(struct device_pool *pool, const struct host_facts_device *parsed);

/* What a report says of a device beside its facts. */
struct device_said {
	const char *alias; /* borrowed, for as long as the pool lives; NULL: none */
	bool primary;
	unsigned char verdict;
	unsigned char reason_count;
	unsigned char reasons[CHECK_COUNT]; /* check ids, in order */
};

/* The entry of a device with these FACTS of which the same is said, as it was kept: a new
 * reference; nobody may change it. NULL: none. */
json_t *device_pool_entry(const struct device_pool *pool, const json_t *facts,
                          const struct device_said *said);
/* Keeps ENTRY (borrowed) if FACTS are kept. */
void device_pool_keep_entry(struct device_pool *pool, const json_t *facts,
                            const struct device_said *said, json_t *entry);

#endif
