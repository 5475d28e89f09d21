/* report_html_map.c: every host one cell, by domain. What the cell says it says by colour, shape
 * and letter; the script makes the cells operable, and the table of hosts says the same in words.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/report/report_html_parts.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/json_text.h"

struct cell {
	const json_t *host;
	const char *name, *domain; /* domain "": none */
	size_t place;              /* in the report: the row of the page's data */
};

static int by_domain(const void *a, const void *b)
{
	const struct cell *x = a, *y = b;
	int order = nodeset_compare(x->domain, y->domain);

	/* Those without one come last. */
	if (!*x->domain != !*y->domain)
		return *x->domain ? -1 : 1;
	return order ? order : nodeset_compare(x->name, y->name);
}

static void put_cell(const struct cell *cell, FILE *out)
{
	const struct html_verdict_sign *sign = report_html_sign(report_html_verdict(cell->host));
	size_t gpus = 0, good = 0, i;
	const json_t *device;
	bool in_part;

	json_array_foreach(json_object_get(cell->host, "devices"), i, device)
	{
		enum html_verdict verdict = report_html_verdict(device);

		if (!report_html_primary(device) || verdict == HTML_IGNORED)
			continue;
		gpus++;
		good += verdict == HTML_READY || verdict == HTML_IN_USE;
	}
	in_part = good < gpus && (good || report_html_verdict(cell->host) == HTML_READY);
	fprintf(out, "<i class=\"cell %s%s\" data-host=\"%zu\" title=\"", sign->name,
	        in_part ? " part" : "", cell->place);
	report_html_text(out, cell->name);
	fprintf(out, ": %s", sign->title);
	if (gpus)
		fprintf(out, ", %zu of %zu GPU%s ready or in use", good, gpus,
		        gpus == 1 ? "" : "s");
	fprintf(out, "\">%s</i>", sign->letter);
}

static void put_domain(const struct cell *cells, size_t count, bool alone, FILE *out)
{
	size_t counts[HTML_VERDICTS] = {0};
	bool more = false;

	for (size_t i = 0; i < count; i++)
		counts[report_html_verdict(cells[i].host)]++;
	fprintf(out, "<div class=\"domain\"><h3>");
	report_html_text(out, *cells->domain ? cells->domain : alone ? "All hosts" : "No domain");
	fprintf(out, " <small>");
	report_html_count(out, count, "host");
	fprintf(out, "</small></h3><p>");
	for (int i = 0; i < HTML_VERDICTS; i++) {
		if (!counts[i])
			continue;
		fprintf(out, "%s%zu %s", more ? ", " : "", counts[i],
		        report_html_sign((enum html_verdict)i)->title);
		more = true;
	}
	fprintf(out, "</p><div class=\"cells\" aria-hidden=\"true\">");
	for (size_t i = 0; i < count; i++)
		put_cell(&cells[i], out);
	fprintf(out, "</div></div>\n");
}

static void put_legend(FILE *out)
{
	fprintf(out, "<ul class=\"legend\" aria-hidden=\"true\">");
	for (int i = 0; i < HTML_VERDICTS; i++) {
		const struct html_verdict_sign *sign = report_html_sign((enum html_verdict)i);

		fprintf(out, "<li><i class=\"cell %s\">%s</i> %s</li>", sign->name, sign->letter,
		        sign->title);
	}
	fprintf(out, "<li><i class=\"cell ready part\">R</i> some of its GPUs are not</li></ul>\n");
}

int report_html_map(const struct html_page *page, FILE *out)
{
	const json_t *hosts = json_object_get(page->report, "hosts"), *host;
	size_t count = json_array_size(hosts), i, start;
	struct cell *cells = calloc(count + 1, sizeof(*cells));

	if (!cells)
		return -1;
	json_array_foreach(hosts, i, host) cells[i] =
	    (struct cell){host, json_text(host, "name"), json_text(host, "domain"), i};
	qsort(cells, count, sizeof(*cells), by_domain);
	put_legend(out);
	fprintf(out, "<div class=\"domains\">\n");
	for (start = 0; start < count; start = i) {
		for (i = start + 1; i < count && strcmp(cells[i].domain, cells[start].domain) == 0;
		     i++)
			;
		put_domain(cells + start, i - start, start == 0 && i == count, out);
	}
	fprintf(out, "</div>\n");
	free(cells);
	return 0;
}
