/* report_changes.c: what changed between two scans, folded over hosts, and readiness by day. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "controller/history/history_text.h"
#include "controller/report/report_text.h"
#include "controller/terminal/lines.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/json_text.h"

#define DAYS_MOST 30
#define BAR       20

/* What a change is called, in the order in which it is told. */
static const struct {
	const char *what, *words;
	bool values; /* before and after are told */
} kinds[] = {
    {"host.unreachable", "not reached any more", false},
    {"host.removed", "no longer in the inventory", false},
    {"card.gone", "card gone:", true},
    {"card.moved", "card moved:", true},
    {"card.replaced", "another card in its place:", true},
    {"card.new", "new card:", true},
    {"card.renumbered", "the same card at another bus number:", true},
    {"verdict", "verdict", true},
    {"driver", "driver", true},
    {"iommu_group", "IOMMU group:", true},
    {"iommu_group.number", "IOMMU group has another number and the same members", false},
    {"kernel", "kernel", true},
    {"cmdline", "kernel command line:", true},
    {"host.reachable", "reached again", false},
    {"host.new", "seen for the first time", false},
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static void change_text(const json_t *change, size_t kind, char *text, size_t size)
{
	const char *before = json_text(change, "before"), *after = json_text(change, "after");
	char words[700];

	if (!kinds[kind].values) {
		snprintf(text, size, "%s", kinds[kind].words);
	} else if (strcmp(kinds[kind].what, "cmdline") == 0) {
		history_cmdline_difference(before, after, words, sizeof(words));
		snprintf(text, size, "%s %s", kinds[kind].words, words);
	} else {
		/* A host's own verdict follows from those of its cards. */
		snprintf(text, size, "%s%s %.300s%s%.300s", kinds[kind].words,
		         strcmp(kinds[kind].what, "verdict") == 0 &&
		                 json_is_null(json_object_get(change, "device"))
		             ? " of the host"
		             : "",
		         before, *before && *after ? " → " : "", after);
	}
}

/* Text of a change → {"hosts": [names], "devices": [addresses]}, of one kind. */
static json_t *changes_fold(const json_t *hosts, size_t kind)
{
	json_t *folds = json_object();
	const json_t *host, *change;
	size_t i, k;

	json_array_foreach(hosts, i, host)
	{
		json_array_foreach(json_object_get(host, "changes"), k, change)
		{
			json_t *fold, *names, *name = json_object_get(host, "name");
			char text[1024];

			if (strcmp(json_text(change, "what"), kinds[kind].what) != 0)
				continue;
			change_text(change, kind, text, sizeof(text));
			fold = json_object_get(folds, text);
			if (!fold) {
				fold = json_pack("{s:[], s:[]}", "hosts", "devices");
				json_object_set_new(folds, text, fold);
			}
			names = json_object_get(fold, "hosts");
			if (json_array_get(names, json_array_size(names) - 1) != name)
				json_array_append(names, name);
			if (json_is_string(json_object_get(change, "device")))
				json_array_append(json_object_get(fold, "devices"),
				                  json_object_get(change, "device"));
		}
	}
	return folds;
}

static void fold_print(const char *text, const json_t *fold, FILE *out)
{
	const json_t *names = json_object_get(fold, "hosts");
	const json_t *devices = json_object_get(fold, "devices"), *name;
	struct string_list list = {0};
	char *folded, *line = NULL, which[64] = "";
	size_t count = json_array_size(devices), i;

	json_array_foreach(names, i, name)
	{
		if (string_list_append(&list, json_string_value(name)) < 0)
			break;
	}
	if (count == 1)
		snprintf(which, sizeof(which), ", %s",
		         json_string_value(json_array_get(devices, 0)));
	else if (count > 1)
		snprintf(which, sizeof(which), ", %zu devices", count);
	folded = nodeset_fold((const char *const *)list.items, list.count);
	if (asprintf(&line, "%zu host%s %s%s: %s", list.count, list.count == 1 ? "" : "s",
	             folded ? folded : "?", which, text) >= 0)
		lines_wrap(out, line, 2, lines_columns(out));
	free(line);
	free(folded);
	string_list_free(&list);
}

void report_text_changes(const json_t *report, FILE *out)
{
	const json_t *changes = json_object_get(report, "changes");
	const json_t *hosts = json_object_get(changes, "hosts");

	if (!changes)
		return;
	if (strcmp(json_text(changes, "from"), json_text(changes, "to")) == 0) {
		fprintf(out, "\nNo scan was made since that of %s.\n", json_text(changes, "from"));
	} else {
		fprintf(out, "\nChanges from the scan of %s to that of %s\n",
		        json_text(changes, "from"), json_text(changes, "to"));
		if (json_array_size(hosts) == 0)
			fprintf(out, "  none\n");
	}
	for (size_t kind = 0; kind < KINDS; kind++) {
		json_t *folds = changes_fold(hosts, kind), *fold;
		const char *text;

		json_object_foreach(folds, text, fold) fold_print(text, fold, out);
		json_decref(folds);
	}
}

static void bar_fill(const json_t *point, char bar[BAR + 1])
{
	long long wanted = number_of(point, "total") - number_of(point, "ignored");
	long long good = number_of(point, "ready") + number_of(point, "in_use");
	size_t filled = wanted > 0 && good > 0 ? (size_t)(good * BAR / wanted) : 0;

	if (filled > BAR)
		filled = BAR;
	memset(bar, '#', filled);
	memset(bar + filled, '.', BAR - filled);
	bar[BAR] = '\0';
}

static bool same_day(const json_t *a, const json_t *b)
{
	const char *day = json_text(a, "time"), *other = json_text(b, "time");
	size_t length = strcspn(day, "T");

	return length == strcspn(other, "T") && memcmp(day, other, length) == 0;
}

/* The last point of each day, up to the last DAYS_MOST of them. */
void report_text_history(const json_t *report, FILE *out)
{
	const json_t *history = json_object_get(report, "history"), *days[DAYS_MOST];
	size_t size = json_array_size(history), count = 0;

	if (!history)
		return;
	for (size_t i = size; i > 0 && count < DAYS_MOST; i--) {
		const json_t *point = json_array_get(history, i - 1);

		if (count == 0 || !same_day(point, days[count - 1]))
			days[count++] = point;
	}
	fprintf(out, "\nHistory: the last scan of each day%s\n",
	        count == DAYS_MOST ? " (the last 30; --format json has more)" : "");
	if (!count)
		fprintf(out, "  none\n");
	else
		fprintf(out, "  %-10s %6s %6s %6s %7s %7s %7s  ready or in use\n", "day (UTC)",
		        "GPUs", "ready", "in use", "pending", "blocked", "unknown");
	while (count > 0) {
		const json_t *point = days[--count];
		char bar[BAR + 1];

		bar_fill(point, bar);
		fprintf(out, "  %.10s %6lld %6lld %6lld %7lld %7lld %7lld  %s\n",
		        json_text(point, "time"),
		        number_of(point, "total") - number_of(point, "ignored"),
		        number_of(point, "ready"), number_of(point, "in_use"),
		        number_of(point, "pending"), number_of(point, "blocked"),
		        number_of(point, "unknown"), bar);
	}
}
