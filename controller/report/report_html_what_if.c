/* report_html_what_if.c: `what_if` of the report: capacity as it is beside what it would be. */
#include <string.h>

#include "controller/report/report_html_parts.h"
#include "node-agent/wire/json_text.h"

/* The entry of LIST whose KEY is NAME; NULL: none. */
static const json_t *named(const json_t *list, const char *key, const char *name)
{
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		if (strcmp(json_text(entry, key), name) == 0)
			return entry;
	}
	return NULL;
}

static void put_cell(const json_t *entry, const char *key, FILE *out)
{
	const json_t *number = json_object_get(entry, key);

	fprintf(out, "<td>");
	if (json_is_integer(number))
		report_html_integer(out, (long long)json_integer_value(number));
	else
		fprintf(out, "–");
	fprintf(out, "</td>");
}

/* Today's and then's numbers of KEYS side by side, a row for each entry of then's LIST. */
static void put_table(const json_t *what_if, const char *caption, const char *list,
                      const char *name_key, const char *const keys[][2], size_t count, FILE *out)
{
	const json_t *now = json_object_get(json_object_get(what_if, "now"), list);
	const json_t *then = json_object_get(json_object_get(what_if, "then"), list), *entry;
	size_t i;

	if (json_array_size(then) == 0)
		return;
	fprintf(out,
	        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"What if: %s\">"
	        "<table class=\"capacity flavors\"><caption>%s</caption>\n<thead><tr><th "
	        "scope=\"col\">%s</th>",
	        caption, caption, name_key);
	for (size_t k = 0; k < count; k++)
		fprintf(out, "<th scope=\"col\">%s, today</th><th scope=\"col\">then</th>",
		        keys[k][1]);
	fprintf(out, "</tr></thead>\n<tbody>\n");
	json_array_foreach(then, i, entry)
	{
		const char *name = json_text(entry, name_key);
		const json_t *today = named(now, name_key, name);

		fprintf(out, "<tr><th scope=\"row\">");
		report_html_text(out, name);
		fprintf(out, "</th>");
		for (size_t k = 0; k < count; k++) {
			put_cell(today, keys[k][0], out);
			put_cell(entry, keys[k][0], out);
		}
		fprintf(out, "</tr>\n");
	}
	fprintf(out, "</tbody></table></div>\n");
}

int report_html_what_if(const struct html_page *page, FILE *out)
{
	static const char *const fits[][2] = {
	    {"fits_now", "fit now"}, {"fits_when_ready", "fit when pending hosts are done"}};
	static const char *const gpus[][2] = {
	    {"ready", "ready"}, {"pending", "pending"}, {"blocked", "blocked"}};
	const json_t *what_if = json_object_get(page->report, "what_if"), *change;
	size_t i;

	if (!json_is_object(what_if))
		return 0;
	fprintf(out, "<section aria-labelledby=\"what-if\"><h2 id=\"what-if\">What if</h2>\n<p>");
	json_array_foreach(json_object_get(what_if, "changes"), i, change)
	{
		fprintf(out, "%s<code>", i ? ", " : "");
		report_html_text(out, json_string_value(change) ? json_string_value(change) : "");
		fprintf(out, "</code>");
	}
	fprintf(out, ": ");
	report_html_count(out, (size_t)report_html_number(what_if, "gpus_changed"), "GPU");
	fprintf(out, " would have another verdict.</p>\n");
	put_table(what_if, "More guests that would fit", "flavors", "flavor", fits, 2, out);
	put_table(what_if, "GPUs of each alias, then", "aliases", "alias", gpus, 3, out);
	fprintf(out, "</section>\n");
	return 0;
}
