/* history_diff.c: see history_diff.h. Devices are paired by where they sit (cards.h): a bus number
 * that another card shifted is no change of what is on it. */
#include "controller/history/history_diff.h"

#include <stdio.h>
#include <string.h>

#include "controller/history/history_group.h"
#include "controller/history/history_text.h"
#include "controller/readiness/cards.h"
#include "controller/readiness/host_facts.h"

/* Both sides of a host, and where changes go. */
struct diff {
	json_t *changes;
	struct host_facts before, after;
};

static json_t *text_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

static void change_add(json_t *changes, const char *what, const char *device, const char *before,
                       const char *after)
{
	json_array_append_new(
	    changes, json_pack("{s:s, s:o, s:o, s:o}", "what", what, "device", text_or_null(device),
	                       "before", text_or_null(before), "after", text_or_null(after)));
}

static bool differ(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) != 0 : a != b;
}

/* What a host could not tell is no change. */
static void text_compare(json_t *changes, const char *what, const char *before, const char *after)
{
	if (before && after && differ(before, after))
		change_add(changes, what, NULL, before, after);
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* "0000:02:00.0 behind 0000:00:01.0" */
static void place_text(const json_t *device, char *text, size_t size)
{
	const json_t *path = json_object_get(device, "path");
	const char *address = text_of(device, "address");
	const char *bridge = json_string_value(
	    json_array_get(path, json_array_size(path) ? json_array_size(path) - 1 : 0));

	snprintf(text, size, "%s%s%s", address ? address : "", bridge ? " behind " : "",
	         bridge ? bridge : "");
}

/* "10de:1b06, serial 00-11-22" */
static void model_text(const json_t *device, char *text, size_t size)
{
	const char *vendor = text_of(device, "vendor"), *model = text_of(device, "device");
	const char *serial = text_of(device, "serial");

	snprintf(text, size, "%s:%s%s%s", vendor ? vendor : "", model ? model : "",
	         serial ? ", serial " : "", serial ? serial : "");
}

static void card_compare(json_t *changes, const struct cards_pair *pair)
{
	const char *was = text_of(pair->before, "address"), *is = text_of(pair->after, "address");
	char before[160], after[160];

	switch (pair->change) {
	case CARD_GONE:
		model_text(pair->before, before, sizeof(before));
		change_add(changes, "card.gone", was, before, NULL);
		break;
	case CARD_NEW:
		model_text(pair->after, after, sizeof(after));
		change_add(changes, "card.new", is, NULL, after);
		break;
	case CARD_REPLACED:
		model_text(pair->before, before, sizeof(before));
		model_text(pair->after, after, sizeof(after));
		change_add(changes, "card.replaced", is, before, after);
		break;
	case CARD_MOVED:
		place_text(pair->before, before, sizeof(before));
		place_text(pair->after, after, sizeof(after));
		change_add(changes, "card.moved", is, before, after);
		break;
	case CARD_RENUMBERED:
		change_add(changes, "card.renumbered", is, was, is);
		break;
	case CARD_SAME:
		break;
	}
}

static void driver_compare(json_t *changes, const struct host_facts_device *before,
                           const struct host_facts_device *after)
{
	if (differ(before->driver, after->driver))
		change_add(changes, "driver", after->address,
		           before->driver ? before->driver : "none",
		           after->driver ? after->driver : "none");
}

/* By who else is in it: the number is the kernel's, and another one at each boot that finds a
 * device more. */
static void group_compare(struct diff *diff, const struct host_facts_device *before,
                          const struct host_facts_device *after)
{
	char was[HISTORY_GROUP_TEXT], is[HISTORY_GROUP_TEXT];

	if (!history_group_same(&diff->before, before, &diff->after, after)) {
		history_group_text(&diff->before, before, was);
		history_group_text(&diff->after, after, is);
		change_add(diff->changes, "iommu_group", after->address, was, is);
	} else if (before->group != after->group) {
		snprintf(was, sizeof(was), "%d", before->group);
		snprintf(is, sizeof(is), "%d", after->group);
		change_add(diff->changes, "iommu_group.number", after->address, was, is);
	}
}

/* The function of the card at ADDRESS that FUNCTION is of another card; NULL where it has none. */
static const struct host_facts_device *function_find(const struct host_facts *facts,
                                                     const char *address, char function)
{
	char other[32];
	size_t length = strlen(address);

	if (length < 2 || length >= sizeof(other))
		return NULL;
	memcpy(other, address, length + 1);
	other[length - 1] = function;
	return host_facts_find(facts, other);
}

static void functions_compare(struct diff *diff, const struct cards_pair *pair)
{
	const char *was = text_of(pair->before, "address"), *is = text_of(pair->after, "address");

	for (char function = '0'; was && is && function <= '7'; function++) {
		const struct host_facts_device *before =
		    function_find(&diff->before, was, function);
		const struct host_facts_device *after = function_find(&diff->after, is, function);

		if (!before || !after)
			continue;
		driver_compare(diff->changes, before, after);
		group_compare(diff, before, after);
	}
}

static const char *verdict_of(const json_t *entry, const char *address)
{
	const json_t *device;
	size_t i;

	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		const char *other = text_of(device, "address");

		if (other && strcmp(other, address) == 0)
			return text_of(device, "verdict");
	}
	return NULL;
}

static void verdict_compare(json_t *changes, const struct history_sight *before,
                            const struct history_sight *after, const struct cards_pair *pair)
{
	const char *was_at = text_of(pair->before, "address"),
	           *at = text_of(pair->after, "address");
	const char *was = was_at ? verdict_of(before->entry, was_at) : NULL;
	const char *is = at ? verdict_of(after->entry, at) : NULL;

	if (was && is && differ(was, is))
		change_add(changes, "verdict", at, was, is);
}

static void cards_diff(struct diff *diff, const struct inventory_host *host,
                       const struct history_sight *before, const struct history_sight *after)
{
	struct cards_pairs pairs;

	if (cards_pair_up(before->facts, after->facts, host, &pairs, NULL))
		return;
	for (size_t i = 0; i < pairs.count; i++) {
		card_compare(diff->changes, &pairs.items[i]);
		verdict_compare(diff->changes, before, after, &pairs.items[i]);
		if (pairs.items[i].before && pairs.items[i].after)
			functions_compare(diff, &pairs.items[i]);
	}
	cards_pairs_free(&pairs);
}

static void cmdline_compare(json_t *changes, const char *before, const char *after)
{
	if (before && after && !history_cmdline_same(before, after))
		change_add(changes, "cmdline", NULL, before, after);
}

static void facts_diff(json_t *changes, const struct inventory_host *host,
                       const struct history_sight *before, const struct history_sight *after)
{
	struct diff diff = {.changes = changes};

	if (host_facts_parse(before->facts, &diff.before, NULL))
		return;
	if (host_facts_parse(after->facts, &diff.after, NULL)) {
		host_facts_free(&diff.before);
		return;
	}
	text_compare(changes, "kernel", diff.before.kernel, diff.after.kernel);
	cmdline_compare(changes, diff.before.cmdline, diff.after.cmdline);
	cards_diff(&diff, host, before, after);
	host_facts_free(&diff.before);
	host_facts_free(&diff.after);
}

json_t *history_diff_host(const struct inventory_host *host, const struct history_sight *before,
                          const struct history_sight *after)
{
	json_t *changes = json_array();

	if (!changes || !after->known)
		return changes;
	if (!before->known || (!before->facts && after->facts)) {
		change_add(changes, after->reachable ? "host.new" : "host.unreachable", NULL, NULL,
		           NULL);
		return changes;
	}
	if (before->reachable != after->reachable)
		change_add(changes, after->reachable ? "host.reachable" : "host.unreachable", NULL,
		           NULL, NULL);
	if (!before->facts || !after->facts)
		return changes;
	text_compare(changes, "verdict", text_of(before->entry, "verdict"),
	             text_of(after->entry, "verdict"));
	if (before->facts != after->facts)
		facts_diff(changes, host, before, after);
	return changes;
}
