/* capacity_blockers.c: what blocks GPUs, and how many would come free if one thing were mended. */
#include <stdlib.h>
#include <string.h>

#include "controller/capacity/capacity_causes.h"
#include "controller/capacity/capacity_parts.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/json_text.h"

/* One check with one remedy. Texts are borrowed. */
struct blocker {
	const char *check, *cause, *fix;
	unsigned gpus;  /* that it blocks */
	unsigned alone; /* of them those that nothing else blocks */
	const char **hosts;
	size_t host_count;
};

struct blockers {
	struct blocker *items;
	size_t count;
};

static struct blocker *blocker_of(struct blockers *list, const json_t *check)
{
	struct blocker wanted = {.check = json_text(check, "id"),
	                         .cause = json_text(check, "cause"),
	                         .fix = json_text(check, "fix")};
	struct blocker *items;

	for (size_t i = 0; i < list->count; i++) {
		struct blocker *item = &list->items[i];

		if (strcmp(item->check, wanted.check) == 0 &&
		    strcmp(item->cause, wanted.cause) == 0 && strcmp(item->fix, wanted.fix) == 0)
			return item;
	}
	items = realloc(list->items, (list->count + 1) * sizeof(*items));
	if (!items)
		return NULL;
	list->items = items;
	items[list->count] = wanted;
	return &items[list->count++];
}

static int host_note(struct blocker *blocker, const char *name)
{
	size_t count = blocker->host_count;
	const char **hosts = blocker->hosts;

	if (count && strcmp(hosts[count - 1], name) == 0)
		return 0;
	/* Twice the room whenever it is a power of two. */
	if ((count & (count - 1)) == 0) {
		hosts = realloc(hosts, (count ? 2 * count : 1) * sizeof(*hosts));
		if (!hosts)
			return -1;
		blocker->hosts = hosts;
	}
	hosts[blocker->host_count++] = name;
	return 0;
}

/* Where a host's GPUs are noted. */
struct noting {
	struct blockers *list;
	const char *host;
};

static int gpu_add(void *ctx, const json_t *device, const struct capacity_causes *causes,
                   const bool *blocks, size_t count)
{
	const struct noting *noting = ctx;

	(void)device;
	for (size_t i = 0; count && i < causes->count; i++) {
		struct blocker *blocker;

		if (!blocks[i])
			continue;
		blocker = blocker_of(noting->list, causes->items[i].check);
		if (!blocker || host_note(blocker, noting->host) < 0)
			return -1;
		blocker->gpus++;
		blocker->alone += count == 1;
	}
	return 0;
}

static int host_add(struct blockers *list, const struct capacity_source *source)
{
	struct noting noting = {.list = list, .host = source->host->name};

	return capacity_causes_each(source->entry, gpu_add, &noting);
}

static int by_loss(const void *a, const void *b)
{
	const struct blocker *x = a, *y = b;

	if (x->gpus != y->gpus)
		return x->gpus < y->gpus ? 1 : -1;
	if (x->alone != y->alone)
		return x->alone < y->alone ? 1 : -1;
	return strcmp(x->check, y->check);
}

static json_t *blocker_json(const struct blocker *blocker)
{
	char *hosts = nodeset_fold(blocker->hosts, blocker->host_count);
	json_t *json =
	    json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:I}", "check", blocker->check, "cause",
	              blocker->cause, "fix", blocker->fix, "gpus", (json_int_t)blocker->gpus,
	              "gpus_alone", (json_int_t)blocker->alone, "hosts", hosts ? hosts : "",
	              "host_count", (json_int_t)blocker->host_count);

	free(hosts);
	return json;
}

json_t *capacity_blockers(const struct capacity_source *sources, size_t count)
{
	struct blockers list = {0};
	json_t *blockers = NULL;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < count; i++)
		rc = host_add(&list, &sources[i]);
	if (rc == 0)
		blockers = json_array();
	if (list.count)
		qsort(list.items, list.count, sizeof(*list.items), by_loss);
	for (size_t i = 0; i < list.count; i++) {
		if (blockers)
			json_array_append_new(blockers, blocker_json(&list.items[i]));
		free(list.items[i].hosts);
	}
	free(list.items);
	return blockers;
}
