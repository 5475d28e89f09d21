/* report_text_capacity.c: what the fleet can offer, as tables of 80 columns: aliases by verdict,
 * place and cause; flavors with what keeps out the next guest; what blocks the most; and beside it
 * what would be if something were done.
 */
#include <stdio.h>
#include <string.h>

#include "controller/report/report_text.h"
#include "node-agent/wire/json_text.h"

#define NAME_WIDTH   24
#define PLACES_MAX   16 /* of one alias; --format json has all */
#define BLOCKERS_MAX 8

static const char *const verdicts[] = {"total", "ready", "in_use", "pending", "blocked", "unknown"};

#define VERDICTS (sizeof(verdicts) / sizeof(verdicts[0]))

static long long number_of(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static const char *plural(long long count)
{
	return count == 1 ? "" : "s";
}

/* A name in the first column; a long one has a line of its own. */
static void put_name(const char *name, unsigned indent, FILE *out)
{
	unsigned width = NAME_WIDTH - indent;

	if (strlen(name) > width)
		fprintf(out, "  %*s%s\n  %*s", (int)indent, "", name, NAME_WIDTH, "");
	else
		fprintf(out, "  %*s%-*s", (int)indent, "", (int)width, name);
}

/* ---- aliases ---- */

static void put_counts(const json_t *row, FILE *out)
{
	for (size_t i = 0; i < VERDICTS; i++)
		fprintf(out, "%*lld", i < 2 ? 7 : 9, number_of(row, verdicts[i]));
	fputc('\n', out);
}

/* Lines of words with commas between them. */
static void put_causes(const json_t *row, FILE *out)
{
	const json_t *cause;
	size_t used = 0, i;

	json_array_foreach(json_object_get(row, "blocked_by"), i, cause)
	{
		char word[160];
		int length = snprintf(word, sizeof(word), "%s (%lld)", json_text(cause, "check"),
		                      number_of(cause, "gpus"));

		if (i && used + (size_t)length + 2 > 78) {
			fputs(",\n      ", out);
			used = 6;
		} else {
			fputs(i ? ", " : "    blocked by ", out);
			used += i ? 2 : 15;
		}
		fputs(word, out);
		used += (size_t)length;
	}
	if (i)
		fputc('\n', out);
}

/* One place of which nothing else is told says no more than the alias itself. */
static void put_places(const json_t *alias, const char *list, const char *key, FILE *out)
{
	const json_t *places = json_object_get(alias, list), *place;
	size_t count = json_array_size(places), i;

	if (count < 2)
		return;
	json_array_foreach(places, i, place)
	{
		const json_t *where = json_object_get(place, key);
		char name[128];

		if (i == PLACES_MAX) {
			fprintf(out, "    and %zu more: see --format json\n", count - i);
			return;
		}
		if (json_is_integer(where))
			snprintf(name, sizeof(name), "NUMA node %lld",
			         (long long)json_integer_value(where));
		else if (json_is_string(where))
			snprintf(name, sizeof(name), "%s", json_string_value(where));
		else
			snprintf(name, sizeof(name), "%s",
			         strcmp(key, "node") == 0 ? "no NUMA node" : "in no domain");
		put_name(name, 2, out);
		put_counts(place, out);
	}
}

static void put_aliases(const json_t *capacity, FILE *out)
{
	const json_t *alias;
	size_t i;

	fprintf(out, "\nCapacity\n");
	put_name("alias", 0, out);
	for (i = 0; i < VERDICTS; i++)
		fprintf(out, "%*s", i < 2 ? 7 : 9, i == 2 ? "in use" : verdicts[i]);
	fputc('\n', out);
	json_array_foreach(json_object_get(capacity, "aliases"), i, alias)
	{
		put_name(json_text(alias, "alias"), 0, out);
		put_counts(alias, out);
		put_causes(alias, out);
		put_places(alias, "domains", "domain", out);
		put_places(alias, "numa_nodes", "node", out);
	}
}

/* ---- flavors ---- */

static const char *limit_name(const char *limit)
{
	static const char *const names[][2] = {
	    {"gpus", "GPUs"},       {"unsplittable", "unsplittable GPUs"},
	    {"numa", "NUMA nodes"}, {"vcpus", "vCPUs"},
	    {"ram", "RAM"},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i][0], limit) == 0)
			return names[i][1];
	}
	return limit;
}

static void put_fits(const json_t *flavor, FILE *out)
{
	const char *least = json_is_true(json_object_get(flavor, "at_least")) ? ">=" : "";
	char now[32], later[32];

	snprintf(now, sizeof(now), "%s%lld", least, number_of(flavor, "fits_now"));
	snprintf(later, sizeof(later), "%s%lld", least, number_of(flavor, "fits_when_ready"));
	fprintf(out, "%10s%12s", now, later);
}

static void put_flavor(const json_t *flavor, FILE *out)
{
	const json_t *limits = json_object_get(flavor, "limits"), *limit;
	long long unknown = number_of(flavor, "unknown_hosts");
	size_t i;

	put_name(json_text(flavor, "flavor"), 0, out);
	put_fits(flavor, out);
	json_array_foreach(limits, i, limit)
	{
		long long hosts = number_of(limit, "hosts");

		if (i)
			fprintf(out, "\n  %*s", NAME_WIDTH + 22, "");
		fprintf(out, "  %s on %lld host%s", limit_name(json_text(limit, "limit")), hosts,
		        plural(hosts));
	}
	fputc('\n', out);
	if (unknown)
		fprintf(out,
		        "    on %lld host%s processors or memory are not known: GPUs alone count\n",
		        unknown, plural(unknown));
}

static void put_flavors(const json_t *capacity, FILE *out)
{
	const json_t *flavor;
	long long assumed = 0;
	size_t i;

	if (json_array_size(json_object_get(capacity, "flavors")) == 0)
		return;
	fputc('\n', out);
	put_name("flavor", 0, out);
	fprintf(out, "  fits now  when ready  the next is kept out by\n");
	json_array_foreach(json_object_get(capacity, "flavors"), i, flavor)
	{
		put_flavor(flavor, out);
		if (number_of(flavor, "assumed_hosts") > assumed)
			assumed = number_of(flavor, "assumed_hosts");
	}
	if (assumed)
		fprintf(out,
		        "  %lld host%s set%s no allocation ratio: Nova's initial ones are taken,\n"
		        "  which somebody may have changed in Placement\n",
		        assumed, plural(assumed), assumed == 1 ? "s" : "");
}

/* ---- what blocks ---- */

static void put_blockers(const json_t *capacity, FILE *out)
{
	const json_t *blockers = json_object_get(capacity, "blockers"), *blocker;
	size_t i;

	if (json_array_size(blockers) < 2)
		return;
	fprintf(out, "\nWhat blocks the most\n");
	json_array_foreach(blockers, i, blocker)
	{
		long long gpus = number_of(blocker, "gpus");

		if (i == BLOCKERS_MAX)
			break;
		fprintf(out, "  %5lld GPU%-1s %s, %lld by nothing else\n", gpus, plural(gpus),
		        json_text(blocker, "check"), number_of(blocker, "gpus_alone"));
		fprintf(out, "             on: %s\n", json_text(blocker, "hosts"));
	}
}

/* ---- what if ---- */

static const json_t *row_of(const json_t *capacity, const char *list, const char *key,
                            const char *name)
{
	const json_t *row;
	size_t i;

	json_array_foreach(json_object_get(capacity, list), i, row)
	{
		if (strcmp(json_text(row, key), name) == 0)
			return row;
	}
	return NULL;
}

static void put_change(const json_t *now, const json_t *then, const char *key, FILE *out)
{
	char text[48];
	long long before = number_of(now, key), after = number_of(then, key);

	if (before == after)
		snprintf(text, sizeof(text), "%lld", after);
	else
		snprintf(text, sizeof(text), "%lld -> %lld", before, after);
	fprintf(out, " %16s", text);
}

static void put_changes(const json_t *what_if, const char *list, const char *key,
                        const char *const *columns, const char *const *titles, FILE *out)
{
	const json_t *now = json_object_get(what_if, "now"),
	             *then = json_object_get(what_if, "then");
	const json_t *row;
	size_t i;

	if (json_array_size(json_object_get(then, list)) == 0)
		return;
	put_name(key, 0, out);
	for (i = 0; columns[i]; i++)
		fprintf(out, " %16s", titles[i]);
	fputc('\n', out);
	json_array_foreach(json_object_get(then, list), i, row)
	{
		put_name(json_text(row, key), 0, out);
		for (size_t k = 0; columns[k]; k++)
			put_change(row_of(now, list, key, json_text(row, key)), row, columns[k],
			           out);
		fputc('\n', out);
	}
}

static void put_what_if(const json_t *what_if, FILE *out)
{
	static const char *const counts[] = {"ready", "pending", "blocked", NULL};
	static const char *const fits[] = {"fits_now", "fits_when_ready", NULL};
	static const char *const fit_titles[] = {"fits now", "when ready"};
	const json_t *change;
	long long gpus = number_of(what_if, "gpus_changed");
	size_t i;

	fprintf(out, "\nWhat if\n");
	json_array_foreach(json_object_get(what_if, "changes"), i, change)
	    fprintf(out, "  %s\n", json_string_value(change));
	if (json_is_true(json_object_get(what_if, "fixes")))
		fprintf(out, "  would change the verdict of %lld GPU%s:\n", gpus, plural(gpus));
	put_changes(what_if, "aliases", "alias", counts, counts, out);
	put_changes(what_if, "flavors", "flavor", fits, fit_titles, out);
}

void report_text_capacity(const json_t *report, FILE *out)
{
	const json_t *capacity = json_object_get(report, "capacity");
	const json_t *what_if = json_object_get(report, "what_if");

	if (json_array_size(json_object_get(capacity, "aliases")) > 0) {
		put_aliases(capacity, out);
		put_flavors(capacity, out);
		put_blockers(capacity, out);
	}
	if (what_if)
		put_what_if(what_if, out);
}
