/* json_pool.h: documents of which a fleet has thousands and few that differ (plans, stages,
 * selections), kept once.
 */
#ifndef GPUFLEET_JSON_POOL_H
#define GPUFLEET_JSON_POOL_H

#include <jansson.h>
#include <stddef.h>

#define JSON_POOL_SIZE 16

struct json_pool {
	json_t *documents[JSON_POOL_SIZE]; /* those that were asked for last, newest first */
};

/* A document that is equal to DOCUMENT, whose reference is taken: an earlier one, where there is
 * one. Nobody may change what was shared. A POOL or DOCUMENT of NULL gives back what came in. */
json_t *json_pool_share(struct json_pool *pool, json_t *document);

/* Lets go of the pool's own references. */
void json_pool_release(struct json_pool *pool);

#endif
