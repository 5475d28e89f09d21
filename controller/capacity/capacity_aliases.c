/* capacity_aliases.c: GPUs counted by verdict and, where they are blocked, by cause. */
#include <stdlib.h>
#include <string.h>

#include "controller/capacity/capacity_causes.h"
#include "controller/capacity/capacity_parts.h"
#include "controller/readiness/readiness.h"
#include "node-agent/wire/json_text.h"

static const char *const verdicts[] = {"ready", "in_use", "pending", "blocked", "unknown"};

#define VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))
#define BLOCKED  3

/* GPUs of one alias at one place. */
struct tally {
	const char *domain; /* or NULL: in none */
	int node;           /* or -1: not known */
	unsigned counts[VERDICTS];
	unsigned *causes; /* by index of readiness_check_ids */
};

struct tallies {
	struct tally *items;
	size_t count;
};

struct alias {
	const char *name;
	struct tally all;
	struct tallies domains, nodes;
};

struct aliases {
	struct alias *items;
	size_t count;
};

/* ---- collecting ---- */

static struct alias *alias_find(const struct aliases *aliases, const char *name)
{
	for (size_t i = 0; i < aliases->count; i++) {
		if (strcmp(aliases->items[i].name, name) == 0)
			return &aliases->items[i];
	}
	return NULL;
}

static int causes_new(struct tally *tally)
{
	tally->causes = calloc(capacity_cause_ids(), sizeof(*tally->causes));
	return tally->causes ? 0 : -1;
}

static int aliases_add(struct aliases *aliases, const struct inventory_gpu_list *gpus)
{
	for (size_t i = 0; i < gpus->count; i++) {
		struct alias *items;

		if (!gpus->items[i].alias || alias_find(aliases, gpus->items[i].alias))
			continue;
		items = realloc(aliases->items, (aliases->count + 1) * sizeof(*items));
		if (!items)
			return -1;
		aliases->items = items;
		items[aliases->count] = (struct alias){.name = gpus->items[i].alias};
		if (causes_new(&items[aliases->count].all) < 0)
			return -1;
		aliases->count++;
	}
	return 0;
}

static int aliases_read(const struct inventory *inventory, struct aliases *aliases)
{
	if (aliases_add(aliases, &inventory->gpus) < 0)
		return -1;
	for (size_t i = 0; i < inventory->host_count; i++) {
		if (aliases_add(aliases, &inventory->hosts[i].gpus) < 0)
			return -1;
	}
	return 0;
}

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* The tally of that place, a new one where there is none; NULL when out of memory. The last ones
 * first: hosts of a domain stand together. */
static struct tally *tally_at(struct tallies *tallies, const char *domain, int node)
{
	struct tally *items, *tally;

	for (size_t i = tallies->count; i > 0; i--) {
		tally = &tallies->items[i - 1];
		if (tally->node == node && same_text(tally->domain, domain))
			return tally;
	}
	items = realloc(tallies->items, (tallies->count + 1) * sizeof(*items));
	if (!items)
		return NULL;
	tallies->items = items;
	tally = &items[tallies->count];
	*tally = (struct tally){.domain = domain, .node = node};
	if (causes_new(tally) < 0)
		return NULL;
	tallies->count++;
	return tally;
}

static void tally_add(struct tally *tally, size_t verdict, const struct capacity_causes *causes,
                      const bool *blocks)
{
	tally->counts[verdict]++;
	for (size_t i = 0; verdict == BLOCKED && i < causes->count; i++)
		tally->causes[causes->items[i].id] += blocks[i];
}

/* Where a host's GPUs are counted. */
struct counting {
	const struct aliases *aliases;
	const char *domain;
};

static int gpu_add(void *ctx, const json_t *device, const struct capacity_causes *causes,
                   const bool *blocks, size_t count)
{
	const struct counting *counting = ctx;
	struct alias *alias = alias_find(counting->aliases, json_text(device, "alias"));
	const json_t *numa_node = json_object_get(device, "numa_node");
	int node = json_is_integer(numa_node) ? (int)json_integer_value(numa_node) : -1;
	struct tally *domain, *place;
	size_t verdict = 0;

	(void)count;
	if (!alias)
		return 0;
	domain = tally_at(&alias->domains, counting->domain, -1);
	place = tally_at(&alias->nodes, NULL, node);
	if (!domain || !place)
		return -1;
	while (verdict < VERDICTS && strcmp(verdicts[verdict], json_text(device, "verdict")) != 0)
		verdict++;
	if (verdict == VERDICTS)
		return 0;
	tally_add(&alias->all, verdict, causes, blocks);
	tally_add(domain, verdict, causes, blocks);
	tally_add(place, verdict, causes, blocks);
	return 0;
}

static int host_add(const struct aliases *aliases, const struct capacity_source *source)
{
	struct counting counting = {.aliases = aliases, .domain = source->host->domain};

	return capacity_causes_each(source->entry, gpu_add, &counting);
}

/* ---- as JSON ---- */

/* {check, gpus}, most of them first. */
static json_t *causes_json(const struct tally *tally)
{
	const char *const *ids = readiness_check_ids();
	size_t count = capacity_cause_ids();
	json_t *list = json_array();

	for (;;) {
		size_t best = 0;

		for (size_t i = 1; i < count; i++)
			best = tally->causes[i] > tally->causes[best] ? i : best;
		if (tally->causes[best] == 0)
			return list;
		json_array_append_new(list, json_pack("{s:s, s:I}", "check", ids[best], "gpus",
		                                      (json_int_t)tally->causes[best]));
		tally->causes[best] = 0;
	}
}

static void tally_put(json_t *object, const struct tally *tally)
{
	unsigned total = 0;

	for (size_t i = 0; i < VERDICTS; i++)
		total += tally->counts[i];
	json_object_set_new(object, "total", json_integer(total));
	for (size_t i = 0; i < VERDICTS; i++)
		json_object_set_new(object, verdicts[i], json_integer(tally->counts[i]));
	json_object_set_new(object, "blocked_by", causes_json(tally));
}

static int by_node(const void *a, const void *b)
{
	int x = ((const struct tally *)a)->node, y = ((const struct tally *)b)->node;

	return (x > y) - (x < y);
}

static int by_domain(const void *a, const void *b)
{
	const char *x = ((const struct tally *)a)->domain, *y = ((const struct tally *)b)->domain;

	return x && y ? strcmp(x, y) : (y != NULL) - (x != NULL);
}

/* What has no domain, or no node, comes last in the one list and first in the other. */
static json_t *places_json(struct tallies *tallies, const char *key, bool nodes)
{
	json_t *list = json_array();

	if (tallies->count)
		qsort(tallies->items, tallies->count, sizeof(*tallies->items),
		      nodes ? by_node : by_domain);
	for (size_t i = 0; i < tallies->count; i++) {
		const struct tally *tally = &tallies->items[i];
		json_t *place = json_object();

		if (nodes)
			json_object_set_new(
			    place, key, tally->node >= 0 ? json_integer(tally->node) : json_null());
		else
			json_object_set_new(
			    place, key, tally->domain ? json_string(tally->domain) : json_null());
		tally_put(place, tally);
		json_array_append_new(list, place);
	}
	return list;
}

static json_t *alias_json(struct alias *alias)
{
	json_t *json = json_object();

	json_object_set_new(json, "alias", json_string(alias->name));
	tally_put(json, &alias->all);
	json_object_set_new(json, "domains", places_json(&alias->domains, "domain", false));
	json_object_set_new(json, "numa_nodes", places_json(&alias->nodes, "node", true));
	return json;
}

static void tallies_free(struct tallies *tallies)
{
	for (size_t i = 0; i < tallies->count; i++)
		free(tallies->items[i].causes);
	free(tallies->items);
}

json_t *capacity_aliases(const struct inventory *inventory, const struct capacity_source *sources,
                         size_t count)
{
	struct aliases aliases = {0};
	json_t *list = NULL;
	int rc = aliases_read(inventory, &aliases);

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = host_add(&aliases, &sources[i]);
	if (rc == 0)
		list = json_array();
	for (size_t i = 0; i < aliases.count; i++) {
		struct alias *alias = &aliases.items[i];

		if (list)
			json_array_append_new(list, alias_json(alias));
		free(alias->all.causes);
		tallies_free(&alias->domains);
		tallies_free(&alias->nodes);
	}
	free(aliases.items);
	return list;
}
