/* report_html_capacity.c: how many GPUs there are of each alias, and what they are: bars with their
 * numbers, for the fleet, by domain and by NUMA node; and how many guests of each flavor fit.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/report/report_html_parts.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/json_text.h"

/* One bar: an alias, or an alias in one place. */
struct row {
	char *alias, *place;
	size_t counts[HTML_VERDICTS], total;
};

struct rows {
	struct row *items;
	size_t count, size;
	json_t *index;
};

/* Where a device is, as text; NULL: it is not said. */
typedef const char *(*place_fn)(const json_t *host, const json_t *device, char buffer[32]);

static const char *place_fleet(const json_t *host, const json_t *device, char buffer[32])
{
	(void)host;
	(void)device;
	buffer[0] = '\0';
	return buffer;
}

static const char *place_domain(const json_t *host, const json_t *device, char buffer[32])
{
	(void)device;
	(void)buffer;
	return json_string_value(json_object_get(host, "domain"));
}

static const char *place_numa(const json_t *host, const json_t *device, char buffer[32])
{
	const json_t *node = json_object_get(device, "numa_node");

	(void)host;
	if (!json_is_integer(node))
		return NULL;
	snprintf(buffer, 32, "node %lld", (long long)json_integer_value(node));
	return buffer;
}

enum { PLACE_FLEET, PLACE_DOMAIN, PLACE_NUMA, PLACES };

static const place_fn places[PLACES] = {
    [PLACE_FLEET] = place_fleet,
    [PLACE_DOMAIN] = place_domain,
    [PLACE_NUMA] = place_numa,
};

static struct row *row_of(struct rows *rows, const char *alias, const char *place)
{
	const json_t *known;
	struct row *row;
	char *key = NULL;

	if (asprintf(&key, "%s\n%s", alias, place) < 0)
		return NULL;
	known = json_object_get(rows->index, key);
	if (known) {
		free(key);
		return &rows->items[json_integer_value(known)];
	}
	if (rows->count == rows->size) {
		size_t size = rows->size ? 2 * rows->size : 64;

		row = realloc(rows->items, size * sizeof(*row));
		if (!row) {
			free(key);
			return NULL;
		}
		rows->items = row;
		rows->size = size;
	}
	json_object_set_new(rows->index, key, json_integer((json_int_t)rows->count));
	free(key);
	row = &rows->items[rows->count];
	*row = (struct row){.alias = strdup(alias), .place = strdup(place)};
	rows->count++; /* what is there of it is freed with the others */
	return row->alias && row->place ? row : NULL;
}

static int by_alias(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = nodeset_compare(x->alias, y->alias);

	return order ? order : nodeset_compare(x->place, y->place);
}

static void rows_free(struct rows *rows)
{
	for (size_t i = 0; i < rows->count; i++) {
		free(rows->items[i].alias);
		free(rows->items[i].place);
	}
	free(rows->items);
	json_decref(rows->index);
}

static int count_device(struct rows rows[PLACES], const json_t *host, const json_t *device)
{
	const char *alias = json_string_value(json_object_get(device, "alias"));
	enum html_verdict verdict = report_html_verdict(device);

	if (!report_html_primary(device) || verdict == HTML_IGNORED)
		return 0;
	/* Without `gpus` in the inventory there is no alias: then the model is what people know. */
	if (!alias)
		alias = json_text(device, "name");
	for (int i = 0; i < PLACES; i++) {
		char buffer[32];
		const char *where = places[i](host, device, buffer);
		struct row *row = row_of(&rows[i], alias, where ? where : "not said");

		if (!row)
			return -1;
		row->counts[verdict]++;
		row->total++;
	}
	return 0;
}

/* The three tables' rows in one pass: devices are many. */
static int rows_count(struct rows rows[PLACES], const json_t *report)
{
	const json_t *host, *device, *alias;
	size_t i, k;

	for (i = 0; i < PLACES; i++) {
		rows[i].index = json_object();
		if (!rows[i].index)
			return -1;
	}
	/* An alias that no host has is a row too. */
	json_array_foreach(json_object_get(json_object_get(report, "capacity"), "aliases"), i,
	                   alias)
	{
		if (!row_of(&rows[PLACE_FLEET], json_text(alias, "alias"), ""))
			return -1;
	}
	json_array_foreach(json_object_get(report, "hosts"), i, host)
	{
		json_array_foreach(json_object_get(host, "devices"), k, device)
		{
			if (count_device(rows, host, device) < 0)
				return -1;
		}
	}
	for (i = 0; i < PLACES; i++) {
		if (rows[i].count)
			qsort(rows[i].items, rows[i].count, sizeof(*rows[i].items), by_alias);
	}
	return 0;
}

static void put_numbers(const struct row *row, FILE *out)
{
	fprintf(out, "<td>");
	report_html_integer(out, (long long)row->total);
	for (int i = 0; i < HTML_IGNORED; i++) {
		fprintf(out, "</td><td%s>", row->counts[i] ? "" : " class=\"zero\"");
		report_html_integer(out, (long long)row->counts[i]);
	}
	fprintf(out, "</td>");
	fprintf(out, "</tr>\n");
}

static void put_head(FILE *out, const char *caption, const char *place)
{
	fprintf(out,
	        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"%s\"><table "
	        "class=\"capacity\"><caption>%s</caption>\n<thead><tr><th scope=\"col\">alias</th>",
	        caption, caption);
	if (place)
		fprintf(out, "<th scope=\"col\">%s</th>", place);
	fprintf(out, "<th scope=\"col\" class=\"wide\"><span class=\"hidden\">bar</span></th><th "
	             "scope=\"col\">total</th>");
	for (int i = 0; i < HTML_IGNORED; i++) {
		const struct html_verdict_sign *sign = report_html_sign((enum html_verdict)i);

		fprintf(out,
		        "<th scope=\"col\"><i class=\"key f-%s\" aria-hidden=\"true\"></i>%s</th>",
		        sign->name, sign->title);
	}
	fprintf(out, "</tr></thead>\n<tbody>\n");
}

static void put_rows(const struct rows *rows, const char *caption, const char *place, FILE *out)
{
	size_t scale = 1;

	for (size_t i = 0; i < rows->count; i++)
		scale = rows->items[i].total > scale ? rows->items[i].total : scale;
	put_head(out, caption, place);
	for (size_t i = 0; i < rows->count; i++) {
		const struct row *row = &rows->items[i];

		fprintf(out, "<tr><th scope=\"row\">");
		report_html_text(out, row->alias);
		fprintf(out, "</th>");
		if (place) {
			fprintf(out, "<td class=\"text\">");
			report_html_text(out, row->place);
			fprintf(out, "</td>");
		}
		fprintf(out, "<td class=\"wide\">");
		report_html_bar(out, row->counts, scale);
		fprintf(out, "</td>");
		put_numbers(row, out);
	}
	fprintf(out, "</tbody></table></div>\n");
}

/* Folded away; left out where all are in one place. */
static void put_by_place(const struct rows *rows, const char *caption, const char *name, FILE *out)
{
	bool several = false;

	for (size_t i = 1; i < rows->count; i++)
		several = several || strcmp(rows->items[i].place, rows->items[0].place) != 0;
	if (!several)
		return;
	fprintf(out, "<details><summary>%s</summary>\n", caption);
	put_rows(rows, caption, name, out);
	fprintf(out, "</details>\n");
}

/* A number, or a dash where it is not known. */
static void put_fits(const json_t *flavor, const char *key, FILE *out)
{
	const json_t *fits = json_object_get(flavor, key);

	fprintf(out, "<td>");
	if (json_is_true(json_object_get(flavor, "at_least")))
		fprintf(out, "at least ");
	if (json_is_integer(fits))
		report_html_integer(out, (long long)json_integer_value(fits));
	else
		fprintf(out, "–");
	fprintf(out, "</td>");
}

/* What keeps out the next guest, and what the count rests on. */
static void put_limits(const json_t *flavor, FILE *out)
{
	static const char *const titles[][2] = {{"gpus", "GPUs"},
	                                        {"unsplittable", "GPUs that may not be split"},
	                                        {"numa", "NUMA nodes"},
	                                        {"vcpus", "processors"},
	                                        {"ram", "memory"}};
	static const char *const notes[][2] = {
	    {"unknown_hosts", "processors or memory not known on"},
	    {"assumed_hosts", "Nova's initial allocation ratio taken on"}};
	const json_t *limit;
	bool more = false;
	size_t i, k;

	fprintf(out, "<td class=\"text\">");
	json_array_foreach(json_object_get(flavor, "limits"), i, limit)
	{
		const char *name = json_text(limit, "limit");

		for (k = 0; k < sizeof(titles) / sizeof(titles[0]); k++) {
			if (strcmp(titles[k][0], name) == 0)
				name = titles[k][1];
		}
		fprintf(out, "%s", more ? "; " : "");
		report_html_text(out, name);
		fprintf(out, " on ");
		report_html_count(out, (size_t)report_html_number(limit, "hosts"), "host");
		more = true;
	}
	for (k = 0; k < sizeof(notes) / sizeof(notes[0]); k++) {
		long long hosts = report_html_number(flavor, notes[k][0]);

		if (hosts <= 0)
			continue;
		fprintf(out, "%s%s ", more ? "; " : "", notes[k][1]);
		report_html_count(out, (size_t)hosts, "host");
		more = true;
	}
	fprintf(out, "</td>");
}

static void put_flavors(const json_t *report, FILE *out)
{
	const json_t *flavors = json_object_get(json_object_get(report, "capacity"), "flavors"),
	             *flavor;
	bool limits = json_object_get(json_array_get(flavors, 0), "limits") != NULL;
	size_t i;

	if (json_array_size(flavors) == 0)
		return;
	fprintf(out,
	        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"More guests "
	        "that fit\"><table class=\"capacity flavors\"><caption>More guests that fit"
	        "</caption>\n<thead><tr><th scope=\"col\">flavor</th><th scope=\"col\">now</th>"
	        "<th scope=\"col\">when all pending hosts are done</th>");
	if (limits)
		fprintf(out, "<th scope=\"col\" class=\"text\">then limited by</th>");
	fprintf(out, "</tr></thead>\n<tbody>\n");
	json_array_foreach(flavors, i, flavor)
	{
		fprintf(out, "<tr><th scope=\"row\">");
		report_html_text(out, json_text(flavor, "flavor"));
		fprintf(out, "</th>");
		put_fits(flavor, "fits_now", out);
		put_fits(flavor, "fits_when_ready", out);
		if (limits)
			put_limits(flavor, out);
		fprintf(out, "</tr>\n");
	}
	fprintf(out, "</tbody></table></div>\n");
}

int report_html_capacity(const struct html_page *page, FILE *out)
{
	struct rows rows[PLACES] = {{.count = 0}};
	int rc = rows_count(rows, page->report);

	if (rc == 0) {
		if (rows[PLACE_FLEET].count)
			put_rows(&rows[PLACE_FLEET], "GPUs of each alias", NULL, out);
		else
			fprintf(out, "<p>No GPU was seen that the inventory wants.</p>\n");
		put_flavors(page->report, out);
		put_by_place(&rows[PLACE_DOMAIN], "GPUs by domain", "domain", out);
		put_by_place(&rows[PLACE_NUMA], "GPUs by NUMA node", "NUMA node", out);
	}
	for (int i = 0; i < PLACES; i++)
		rows_free(&rows[i]);
	return rc;
}
