/* report_html_changes.c: `changes` of the report: what is not as it was at an earlier scan. Hosts
 * to which the same happened are one row; of a card that has no likeness elsewhere, too.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/report/report_html_parts.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/json_text.h"

#define SHOWN_MAX 500 /* rows: a fleet that changed that much is not read row by row */

static const struct {
	const char *what, *title;
} titles[] = {
    {"host.new", "new host"},
    {"host.unreachable", "no longer reached"},
    {"host.reachable", "reached again"},
    {"host.removed", "no longer in the inventory"},
    {"kernel", "kernel"},
    {"cmdline", "kernel command line"},
    {"card.gone", "card gone"},
    {"card.new", "new card"},
    {"card.moved", "card moved"},
    {"card.replaced", "card replaced"},
    {"card.renumbered", "card renumbered"},
    {"driver", "driver"},
    {"iommu_group", "IOMMU group"},
    {"iommu_group.number", "number of the IOMMU group"},
    {"verdict", "verdict"},
};

struct change {
	const json_t *first;
	struct string_list hosts;
	size_t devices;
};

struct changes {
	struct change *items;
	size_t count, size;
	json_t *index; /* what, before and after → its place */
};

static const char *title_of(const char *what)
{
	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		if (strcmp(titles[i].what, what) == 0)
			return titles[i].title;
	}
	return what;
}

static struct change *change_of(struct changes *list, const json_t *change)
{
	const json_t *known;
	char *key = NULL;
	size_t place;

	if (asprintf(&key, "%s\n%s\n%s", json_text(change, "what"), json_text(change, "before"),
	             json_text(change, "after")) < 0)
		return NULL;
	known = json_object_get(list->index, key);
	place = known ? (size_t)json_integer_value(known) : list->count;
	if (!known && list->count == list->size) {
		size_t size = list->size ? 2 * list->size : 64;
		void *more = realloc(list->items, size * sizeof(*list->items));

		if (!more) {
			free(key);
			return NULL;
		}
		list->items = more;
		list->size = size;
	}
	if (!known) {
		json_object_set_new(list->index, key, json_integer((json_int_t)place));
		list->items[list->count++] = (struct change){.first = change};
	}
	free(key);
	return &list->items[place];
}

static int changes_add(struct changes *list, const char *host, const json_t *change)
{
	struct change *entry = change_of(list, change);

	if (!entry)
		return -1;
	entry->devices += json_is_string(json_object_get(change, "device"));
	/* A host's changes come together. */
	if (entry->hosts.count && strcmp(entry->hosts.items[entry->hosts.count - 1], host) == 0)
		return 0;
	return string_list_append(&entry->hosts, host);
}

static void put_change(const struct change *change, FILE *out)
{
	const char *device = json_text(change->first, "device");

	fprintf(out, "<tr><th scope=\"row\">");
	report_html_text(out, title_of(json_text(change->first, "what")));
	fprintf(out, "</th><td>");
	report_html_text(out, json_text(change->first, "before"));
	fprintf(out, "</td><td>");
	report_html_text(out, json_text(change->first, "after"));
	fprintf(out, "</td><td>");
	if (change->devices == 1)
		report_html_text(out, device);
	else if (change->devices)
		report_html_count(out, change->devices, "device");
	fprintf(out, "</td><td>");
	report_html_nodeset(out, &change->hosts);
	fprintf(out, "</td></tr>\n");
}

static void put_changes(const struct changes *list, FILE *out)
{
	if (!list->count) {
		fprintf(out, "<p>Nothing changed.</p>\n");
		return;
	}
	fprintf(out,
	        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of "
	        "changes\"><table class=\"changes\"><caption class=\"hidden\">Changes</caption>\n"
	        "<thead><tr><th scope=\"col\">what</th><th scope=\"col\">before</th>"
	        "<th scope=\"col\">now</th><th scope=\"col\">device</th>"
	        "<th scope=\"col\">hosts</th></tr></thead>\n<tbody>\n");
	for (size_t i = 0; i < list->count && i < SHOWN_MAX; i++)
		put_change(&list->items[i], out);
	fprintf(out, "</tbody></table></div>\n");
	if (list->count > SHOWN_MAX)
		fprintf(out,
		        "<p class=\"note\">%zu more rows are not shown here; the JSON report has "
		        "all.</p>\n",
		        list->count - SHOWN_MAX);
}

int report_html_changes(const struct html_page *page, FILE *out)
{
	const json_t *changes = json_object_get(page->report, "changes"), *host, *change;
	struct changes list = {.count = 0};
	size_t i, k;
	int rc = 0;

	if (!json_is_object(changes))
		return 0;
	list.index = json_object();
	rc = list.index ? 0 : -1;
	json_array_foreach(json_object_get(changes, "hosts"), i, host)
	{
		json_array_foreach(json_object_get(host, "changes"), k, change)
		{
			if (rc == 0)
				rc = changes_add(&list, json_text(host, "name"), change);
		}
	}
	if (rc == 0) {
		fprintf(out, "<section aria-labelledby=\"changes\"><h2 id=\"changes\">Changed "
		             "since ");
		report_html_time(out, json_text(changes, "from"));
		fprintf(out, "</h2>\n");
		put_changes(&list, out);
		fprintf(out, "</section>\n");
	}
	for (i = 0; i < list.count; i++)
		string_list_free(&list.items[i].hosts);
	free(list.items);
	json_decref(list.index);
	return rc;
}
