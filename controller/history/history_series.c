/* history_series.c: see history_series.h. */
#include "controller/history/history_series.h"

#include <string.h>

#include "controller/history/history_time.h"

static const char *const counts[] = {"total",   "ready",   "in_use", "pending",
                                     "blocked", "unknown", "ignored"};
#define COUNTS       (sizeof(counts) / sizeof(counts[0]))
#define ALIAS_COUNTS 5 /* the first of them: what the report says of an alias */

static int count_copy(json_t *to, const json_t *from, const char *key, const char *source)
{
	return json_object_set_new(to, key,
	                           json_integer(json_integer_value(json_object_get(from, source))));
}

static json_t *aliases_of(const json_t *list)
{
	json_t *aliases = json_array();
	const json_t *alias;
	size_t i;

	json_array_foreach(list, i, alias)
	{
		json_t *entry = json_object(), *name = json_object_get(alias, "alias");
		int rc = json_is_string(name) ? json_object_set(entry, "alias", name) : -1;

		for (size_t k = 0; rc == 0 && k < ALIAS_COUNTS; k++)
			rc = count_copy(entry, alias, counts[k], counts[k]);
		if (rc == 0)
			json_array_append(aliases, entry);
		json_decref(entry);
	}
	return aliases;
}

json_t *history_summary(const json_t *report)
{
	const json_t *totals = json_object_get(report, "totals");
	json_t *summary = json_object();

	for (size_t i = 0; i < COUNTS; i++) {
		const char *source = i ? counts[i] : "gpus";

		if (count_copy(summary, totals, counts[i], source))
			goto err_free;
	}
	if (json_object_set_new(
	        summary, "aliases",
	        aliases_of(json_object_get(json_object_get(report, "capacity"), "aliases"))) == 0)
		return summary;
err_free:
	json_decref(summary);
	return NULL;
}

int history_series_add(json_t *series, const char *time, const json_t *summary)
{
	json_t *point = json_object();
	int rc = json_object_set_new(point, "time", json_string(time));

	for (size_t i = 0; rc == 0 && i < COUNTS; i++)
		rc = count_copy(point, summary, counts[i], counts[i]);
	if (rc == 0)
		rc = json_object_set_new(point, "aliases",
		                         aliases_of(json_object_get(summary, "aliases")));
	if (rc == 0)
		return json_array_append_new(series, point);
	json_decref(point);
	return -1;
}

static int64_t point_time(const json_t *point)
{
	int64_t when = 0;

	history_time_read(json_string_value(json_object_get(point, "time")), &when);
	return when;
}

/* Which of PARTS equal parts of the time from FIRST to LAST holds NOW. */
static int64_t part_of(int64_t now, int64_t first, int64_t last, int64_t parts)
{
	if (now <= first || last <= first)
		return 0;
	return now >= last ? parts - 1 : (now - first) * (parts - 1) / (last - first);
}

json_t *history_series_thin(const json_t *series, size_t most)
{
	size_t size = json_array_size(series);
	json_t *thin = most < 2 ? NULL : json_array();
	int64_t first = size ? point_time(json_array_get(series, 0)) : 0, part = -1;
	int64_t last = size ? point_time(json_array_get(series, size - 1)) : 0;

	for (size_t i = 0; thin && i < size; i++) {
		json_t *point = json_array_get(series, i);
		int64_t now = size <= most
		                  ? (int64_t)i
		                  : part_of(point_time(point), first, last, (int64_t)most - 1);

		if (i == 0) {
			json_array_append(thin, point);
		} else if (now > part) { /* a clock that was set back opens no part again */
			json_array_append(thin, point);
			part = now;
		} else {
			json_array_set(thin, json_array_size(thin) - 1, point);
		}
	}
	return thin;
}
