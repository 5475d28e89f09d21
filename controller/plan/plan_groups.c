/* plan_groups.c: see plan_groups.h. Plans are told apart by a digest: comparing each with each is
 * too slow for thousands of hosts. */
#include "controller/plan/plan_groups.h"

#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/sha256.h"

#define SHARED_TRIED 64 /* then a digest is cheaper */

static void plan_digest(const json_t *plan, char digest[SHA256_HEX_SIZE])
{
	/* A plan without stages is like any other such plan. */
	json_t *shown = json_pack("{s:O*, s:O*}", "stages", json_object_get(plan, "stages"),
	                          "notes", json_object_get(plan, "notes"));
	char *text = json_dumps(shown, JSON_COMPACT | JSON_SORT_KEYS);

	sha256_hex(text ? text : "", text ? strlen(text) : 0, digest);
	free(text);
	json_decref(shown);
}

/* The index of the group that ITEM belongs to, a new one if need be; -1 when out of memory. */
static int group_find(const struct plan_item *item, struct plan_group *groups, size_t *count,
                      json_t *indexes)
{
	char digest[SHA256_HEX_SIZE];
	const json_t *known;

	/* Most hosts share their plan with others, as one and the same document. */
	for (size_t i = 0; i < *count && i < SHARED_TRIED; i++) {
		if (groups[i].plan == item->plan)
			return (int)i;
	}
	plan_digest(item->plan, digest);
	known = json_object_get(indexes, digest);
	if (known)
		return (int)json_integer_value(known);
	if (json_object_set_new(indexes, digest, json_integer((json_int_t)*count)))
		return -1;
	groups[*count].plan = item->plan;
	return (int)(*count)++;
}

static int group_add(struct plan_group *group, const char *host)
{
	/* Grown at 1, 2, 4, 8 …: whenever the count is a power of two. */
	if ((group->count & (group->count - 1)) == 0) {
		size_t room = group->count ? 2 * group->count : 1;
		const char **hosts = realloc(group->hosts, room * sizeof(*hosts));

		if (!hosts)
			return -1;
		group->hosts = hosts;
	}
	group->hosts[group->count++] = host;
	return 0;
}

int plan_groups_make(const struct plan_item *items, size_t item_count, struct plan_group **groups,
                     size_t *count, struct gf_err *err)
{
	json_t *indexes = json_object();
	bool good = true;

	*count = 0;
	*groups = calloc(item_count + 1, sizeof(**groups));
	good = *groups && indexes;
	for (size_t i = 0; good && i < item_count; i++) {
		int group = group_find(&items[i], *groups, count, indexes);

		good = group >= 0 && group_add(&(*groups)[group], items[i].host) == 0;
	}
	json_decref(indexes);
	if (good)
		return 0;
	plan_groups_free(*groups, *count);
	*groups = NULL;
	*count = 0;
	return gf_err_set(err, GF_E_MEMORY, "out of memory");
}

void plan_groups_free(struct plan_group *groups, size_t count)
{
	for (size_t i = 0; groups && i < count; i++)
		free(groups[i].hosts);
	free(groups);
}

bool plan_pending(const json_t *plan)
{
	const json_t *stage;
	size_t i;

	json_array_foreach(json_object_get(plan, "stages"), i, stage)
	{
		if (json_is_true(json_object_get(stage, "changed")) ||
		    json_is_true(json_object_get(stage, "reboot")))
			return true;
	}
	return false;
}
