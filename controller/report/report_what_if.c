/* report_what_if.c: the report's `what_if`: capacity as it is beside what it would be. */
#include <stdlib.h>
#include <string.h>

#include "controller/readiness/readiness.h"
#include "controller/report/report.h"

struct question {
	const struct capacity_what_if *what_if;
	const struct inventory *inventory;
	const struct report_host *hosts;
	size_t count;
};

static const char *verdict_of(const json_t *devices, size_t index)
{
	const json_t *device = json_array_get(devices, index);
	const char *verdict = json_string_value(json_object_get(device, "verdict"));

	return verdict ? verdict : "";
}

/* GPUs whose verdict in the entry THEN is another than in NOW. */
static size_t changed(const json_t *now, const json_t *then)
{
	const json_t *before = json_object_get(now, "devices");
	const json_t *after = json_object_get(then, "devices"), *device;
	size_t count = 0, i;

	json_array_foreach(after, i, device) count +=
	    json_is_true(json_object_get(device, "primary")) &&
	    strcmp(verdict_of(before, i), verdict_of(after, i)) != 0;
	return count;
}

/* The hosts' entries as if the fixes were done: those of ENTRIES where there are none, and of hosts
 * whose facts make no sense. */
static json_t *entries_then(const struct question *q, const json_t *entries, size_t *gpus)
{
	json_t *list = json_array();

	*gpus = 0;
	for (size_t i = 0; list && i < q->count; i++) {
		const struct report_host *host = &q->hosts[i];
		json_t *now = json_array_get(entries, i), *then = NULL;

		if (q->what_if->fixed.count && host->facts)
			then = readiness_evaluate_fixed(host->host, host->facts, host->reachable,
			                                &q->what_if->fixed, NULL);
		if (then)
			*gpus += changed(now, then);
		json_array_append_new(list, then ? then : json_incref(now));
	}
	return list;
}

static json_t *answer(const struct question *q, const json_t *entries, bool then)
{
	struct capacity_source *sources = calloc(q->count + 1, sizeof(*sources));
	json_t *capacity;

	if (!sources)
		return NULL;
	for (size_t i = 0; i < q->count; i++)
		sources[i] = (struct capacity_source){q->hosts[i].host, q->hosts[i].facts,
		                                      json_array_get(entries, i)};
	capacity = capacity_what_if_answer(q->what_if, q->inventory, then, sources, q->count);
	free(sources);
	return capacity;
}

int report_what_if(json_t *report, const struct inventory *inventory,
                   const struct report_host *hosts, size_t count,
                   const struct capacity_what_if *what_if, struct gf_err *err)
{
	struct question q = {what_if, inventory, hosts, count};
	const json_t *entries = json_object_get(report, "hosts");
	json_t *result = json_object(), *changes = json_array(), *then;
	size_t gpus;
	int failed = 0;

	for (size_t i = 0; i < what_if->changes.count; i++)
		failed |= json_array_append_new(changes, json_string(what_if->changes.items[i]));
	failed |= json_object_set_new(result, "changes", changes);
	failed |= json_object_set_new(result, "fixes", json_boolean(what_if->fixed.count));
	then = entries_then(&q, entries, &gpus);
	failed |= json_object_set_new(result, "gpus_changed", json_integer((json_int_t)gpus));
	failed |= json_object_set_new(result, "now", answer(&q, entries, false));
	failed |= json_object_set_new(result, "then", then ? answer(&q, then, true) : NULL);
	json_decref(then);
	if (!failed && json_object_set_new(report, "what_if", result) == 0)
		return 0;
	if (failed)
		json_decref(result);
	return gf_err_set(err, GF_E_MEMORY, "out of memory");
}
