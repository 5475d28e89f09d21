/* check_pool.h: the results of checks as the report has them, equal ones once. On a fleet of one
 * make most hosts say the same of the same device.
 */
#ifndef GPUFLEET_CHECK_POOL_H
#define GPUFLEET_CHECK_POOL_H

#include <jansson.h>

#include "controller/readiness/checks.h"

struct check_pool;

/* NULL when out of memory. */
struct check_pool *check_pool_new(void);

/* What it gave out stays. */
void check_pool_free(struct check_pool *pool);

/* What MAKE makes of CHECK, a function of it alone (check_json, or one that adds to that), or the
 * equal one that was given out before (a new reference; nobody may change it). POOL NULL: always
 * one of its own. */
json_t *check_pool_json(struct check_pool *pool, const struct check *check,
                        json_t *(*make)(const struct check *check));

#endif
