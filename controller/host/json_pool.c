/* json_pool.c: see json_pool.h. */
#include "controller/host/json_pool.h"

#include <stdbool.h>
#include <string.h>

json_t *json_pool_share(struct json_pool *pool, json_t *document)
{
	size_t at = 0;
	bool known;

	if (!pool || !document)
		return document;
	while (at < JSON_POOL_SIZE && pool->documents[at] &&
	       !json_equal(pool->documents[at], document))
		at++;
	known = at < JSON_POOL_SIZE && pool->documents[at];
	if (known) {
		json_decref(document);
		document = pool->documents[at];
	} else {
		/* Where there is no room, the last of all gives way. */
		if (at == JSON_POOL_SIZE)
			json_decref(pool->documents[--at]);
	}
	memmove(&pool->documents[1], &pool->documents[0], at * sizeof(pool->documents[0]));
	pool->documents[0] = document;
	return json_incref(document);
}

void json_pool_release(struct json_pool *pool)
{
	for (size_t i = 0; i < JSON_POOL_SIZE; i++)
		json_decref(pool->documents[i]);
	memset(pool, 0, sizeof(*pool));
}
