/* capacity_causes.c: see capacity_causes.h. */
#include "controller/capacity/capacity_causes.h"

#include <stdlib.h>
#include <string.h>

#include "controller/readiness/host_facts.h"
#include "controller/readiness/readiness.h"
#include "node-agent/wire/json_text.h"

#define SIBLINGS "device.siblings"

size_t capacity_cause_ids(void)
{
	const char *const *ids = readiness_check_ids();
	size_t count = 0;

	while (ids[count])
		count++;
	return count;
}

static bool id_find(const char *name, size_t *id)
{
	const char *const *ids = readiness_check_ids();

	for (*id = 0; ids[*id]; (*id)++) {
		if (strcmp(ids[*id], name) == 0)
			return true;
	}
	return false;
}

static bool has_blocked(const json_t *entry)
{
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		if (strcmp(json_text(device, "verdict"), "blocked") == 0)
			return true;
	}
	return false;
}

/* The checks that block. */
static int causes_read(const json_t *entry, struct capacity_causes *out)
{
	/* Most hosts have none, and many checks. */
	const json_t *checks = has_blocked(entry) ? json_object_get(entry, "checks") : NULL;
	const json_t *check;
	size_t i;

	memset(out, 0, sizeof(*out));
	out->items = calloc(json_array_size(checks) + 1, sizeof(*out->items));
	if (!out->items)
		return -1;
	json_array_foreach(checks, i, check)
	{
		struct capacity_cause *cause = &out->items[out->count];

		if (strcmp(json_text(check, "verdict"), "blocked") != 0 ||
		    !id_find(json_text(check, "id"), &cause->id))
			continue;
		cause->device = json_string_value(json_object_get(check, "device"));
		cause->check = check;
		out->count++;
	}
	return 0;
}

static bool marked(const struct capacity_causes *causes, const bool *blocks, size_t id)
{
	for (size_t i = 0; i < causes->count; i++) {
		if (blocks[i] && causes->items[i].id == id)
			return true;
	}
	return false;
}

/* Marks the checks about ADDRESS and its host, or (OTHERS) about other functions of its slot. */
static size_t mark(const struct capacity_causes *causes, const char *address, bool others,
                   bool *blocks)
{
	size_t count = 0;

	for (size_t i = 0; i < causes->count; i++) {
		const struct capacity_cause *cause = &causes->items[i];
		bool own = !cause->device || strcmp(cause->device, address) == 0;

		if (others ? own || !host_facts_same_slot(cause->device, address) ||
		                 strcmp(json_text(cause->check, "id"), SIBLINGS) == 0
		           : !own)
			continue;
		if (marked(causes, blocks, cause->id))
			continue;
		blocks[i] = true;
		count++;
	}
	return count;
}

static size_t causes_of(const struct capacity_causes *causes, const char *address, bool *blocks)
{
	size_t count, only = 0, others;

	memset(blocks, 0, causes->count * sizeof(*blocks));
	count = mark(causes, address, false, blocks);
	if (count != 1)
		return count;
	while (!blocks[only])
		only++;
	if (strcmp(json_text(causes->items[only].check, "id"), SIBLINGS) != 0)
		return count;
	others = mark(causes, address, true, blocks);
	if (others == 0)
		return count;
	blocks[only] = false;
	return others;
}

int capacity_causes_each(const json_t *entry, capacity_gpu_fn each, void *ctx)
{
	struct capacity_causes causes;
	const json_t *device;
	int rc = causes_read(entry, &causes);
	bool *blocks = calloc(causes.count + 1, sizeof(*blocks));
	size_t i;

	rc = blocks ? rc : -1;
	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		size_t count = 0;

		if (rc || !json_is_true(json_object_get(device, "primary")))
			continue;
		if (strcmp(json_text(device, "verdict"), "blocked") == 0)
			count = causes_of(&causes, json_text(device, "address"), blocks);
		rc = each(ctx, device, &causes, blocks, count);
	}
	free(blocks);
	free(causes.items);
	return rc;
}
