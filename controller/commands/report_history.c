/* report_history.c: see report_history.h. Both ends of --since are judged by today's inventory and
 * today's checks, so that what shows as changed is what changed on the hosts. */
#include "controller/commands/report_history.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/history/history_diff.h"
#include "controller/history/history_series.h"
#include "controller/history/history_time.h"
#include "controller/report/report.h"
#include "controller/store/store.h"

/* One end of --since. */
struct end {
	int64_t scan;
	char time[HISTORY_TIME_SIZE];
	struct report_host *hosts; /* the fleet's selected ones; their facts are owned */
	struct store_sight *sights;
	json_t *report;
};

struct search {
	int64_t since;
	struct end *from, *to;
	char oldest[HISTORY_TIME_SIZE];
};

int report_history_check(const struct command_context *context, struct gf_err *err)
{
	int64_t since;

	if (context->history && context->limit)
		return gf_err_set(err, GF_E_USAGE,
		                  "--history is the whole fleet's: leave out --limit");
	return context->since ? history_time_since(context->since, (int64_t)time(NULL), &since, err)
	                      : 0;
}

static int series_scan(void *ctx, const struct store_scan *scan)
{
	return scan->summary ? history_series_add(ctx, scan->time, scan->summary) : 0;
}

static int history_add(struct store *store, json_t *report, struct gf_err *err)
{
	json_t *series = json_array(), *thin = NULL;
	struct gf_err fault = {.code = GF_OK};

	if (store_scans_each(store, series_scan, series, &fault) == 0)
		thin = history_series_thin(series, HISTORY_POINTS_MAX);
	json_decref(series);
	if (thin && json_object_set_new(report, "history", thin) == 0)
		return 0;
	if (fault.code != GF_OK)
		*err = fault;
	else
		gf_err_set(err, GF_E_MEMORY, "out of memory");
	return -1;
}

static void end_take(struct end *end, const struct store_scan *scan)
{
	end->scan = scan->id;
	snprintf(end->time, sizeof(end->time), "%s", scan->time);
}

static int search_scan(void *ctx, const struct store_scan *scan)
{
	struct search *search = ctx;
	int64_t when = 0;

	if (history_time_read(scan->time, &when))
		return 0;
	if (!search->oldest[0])
		snprintf(search->oldest, sizeof(search->oldest), "%s", scan->time);
	if (when <= search->since)
		end_take(search->from, scan);
	end_take(search->to, scan);
	return 0;
}

static int ends_find(struct store *store, const char *since_text, struct end *from, struct end *to,
                     struct gf_err *err)
{
	struct search search = {.from = from, .to = to};

	if (history_time_since(since_text, (int64_t)time(NULL), &search.since, err) ||
	    store_scans_each(store, search_scan, &search, err))
		return -1;
	if (!to->scan)
		return gf_err_set(err, GF_E_INPUT,
		                  "no scan of this fleet is kept yet: run `gpufleet scan` first");
	if (!from->scan)
		return gf_err_set(err, GF_E_INPUT,
		                  "--since %.60s: nothing is kept from so long ago; the first scan "
		                  "is that of %s: --since %s",
		                  since_text, search.oldest, search.oldest);
	return 0;
}

/* The facts of one host at END; those that OTHER has already (NULL: none) are shared. */
static int end_host(struct store *store, struct end *end, const struct end *other, size_t i,
                    const struct inventory_host *host, struct gf_err *err)
{
	struct store_sight *sight = &end->sights[i];
	union {
		const json_t *borrowed;
		json_t *owned;
	} facts = {NULL};

	end->hosts[i] = (struct report_host){.host = host};
	if (store_sight_at(store, host->name, end->scan, sight, err))
		return -1;
	if (sight->body && other && other->sights[i].body == sight->body) {
		facts.borrowed = other->hosts[i].facts;
		json_incref(facts.owned);
	} else if (sight->body) {
		facts.owned = store_body_get(store, sight->body, err);
		if (!facts.owned)
			return -1;
	}
	end->hosts[i].facts = facts.borrowed;
	end->hosts[i].reachable = sight->reachable;
	return 0;
}

static int end_load(struct store *store, const struct command_fleet *fleet, struct end *end,
                    const struct end *other, struct gf_err *err)
{
	end->hosts = calloc(fleet->count + 1, sizeof(*end->hosts));
	end->sights = calloc(fleet->count + 1, sizeof(*end->sights));
	if (!end->hosts || !end->sights)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	for (size_t i = 0; i < fleet->count; i++) {
		if (end_host(store, end, other, i, &fleet->inventory->hosts[fleet->selected[i]],
		             err))
			return -1;
	}
	end->report = report_build(fleet->inventory, end->hosts, fleet->count, end->time, err);
	return end->report ? 0 : -1;
}

static void end_free(struct end *end, size_t count)
{
	for (size_t i = 0; end->hosts && i < count; i++) {
		union {
			const json_t *borrowed;
			json_t *owned;
		} facts = {.borrowed = end->hosts[i].facts};

		json_decref(facts.owned);
	}
	free(end->hosts);
	free(end->sights);
	json_decref(end->report);
}

static struct history_sight sight_of(const struct end *end, size_t i)
{
	return (struct history_sight){
	    .known = end->sights[i].known,
	    .reachable = end->sights[i].reachable,
	    .facts = end->hosts[i].facts,
	    .entry = json_array_get(json_object_get(end->report, "hosts"), i),
	};
}

/* Hosts that were scanned since FROM and are not in the inventory. */
struct removed {
	const struct inventory *inventory;
	json_t *hosts;
};

static int removed_add(void *ctx, const char *host)
{
	struct removed *removed = ctx;

	if (!inventory_host_find(removed->inventory, host))
		json_array_append_new(removed->hosts,
		                      json_pack("{s:s, s:[{s:s, s:n, s:n, s:n}]}", "name", host,
		                                "changes", "what", "host.removed", "device",
		                                "before", "after"));
	return 0;
}

static int changes_set(struct store *store, json_t *report, const struct command_fleet *fleet,
                       const char *since, const struct end *from, const struct end *to,
                       struct gf_err *err)
{
	json_t *hosts = json_array(), *changes;
	struct removed removed = {.inventory = fleet->inventory, .hosts = hosts};

	for (size_t i = 0; i < fleet->count; i++) {
		struct history_sight before = sight_of(from, i), after = sight_of(to, i);
		json_t *found = history_diff_host(from->hosts[i].host, &before, &after);

		if (json_array_size(found) > 0)
			json_array_append_new(hosts, json_pack("{s:s, s:O}", "name",
			                                       from->hosts[i].host->name, "changes",
			                                       found));
		json_decref(found);
	}
	/* Who asks for some of the inventory's hosts asks for none of these. */
	if (fleet->count == fleet->inventory->host_count &&
	    store_hosts_each(store, from->scan, removed_add, &removed, err)) {
		json_decref(hosts);
		return -1;
	}
	changes = json_pack("{s:s, s:s, s:s, s:o}", "since", since, "from", from->time, "to",
	                    to->time, "hosts", hosts);
	if (!changes || json_object_set_new(report, "changes", changes) < 0)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	return 0;
}

static int since_add(struct store *store, const char *since_text, const struct command_fleet *fleet,
                     json_t *report, struct gf_err *err)
{
	struct end from = {0}, to = {0};
	char since[HISTORY_TIME_SIZE];
	int64_t when = 0;
	int rc = ends_find(store, since_text, &from, &to, err);

	if (rc == 0)
		rc = end_load(store, fleet, &from, NULL, err);
	if (rc == 0)
		rc = end_load(store, fleet, &to, &from, err);
	if (rc == 0)
		rc = history_time_since(since_text, (int64_t)time(NULL), &when, err);
	if (rc == 0) {
		history_time_write(when, since);
		rc = changes_set(store, report, fleet, since, &from, &to, err);
	}
	end_free(&from, fleet->count);
	end_free(&to, fleet->count);
	return rc;
}

int report_history_add(const struct command_context *context, const struct command_fleet *fleet,
                       json_t *report, struct gf_err *err)
{
	struct store *store;
	int rc;

	if (!context->history && !context->since)
		return 0;
	store = store_open(fleet->state_path, NULL, err);
	if (!store)
		return -1;
	rc = store_snapshot_begin(store, err);
	if (rc == 0 && context->history)
		rc = history_add(store, report, err);
	if (rc == 0 && context->since)
		rc = since_add(store, context->since, fleet, report, err);
	store_snapshot_end(store);
	store_close(store);
	return rc;
}
