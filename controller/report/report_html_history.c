/* report_html_history.c: `history` of the report as a plot: GPUs over time, stacked by verdict,
 * under the line of their total. Time goes to the right by the clock, not by the number of the
 * scan; between two scans the first one's numbers stand, since nothing else is known.
 *
 * "history": [{"time": RFC 3339 in UTC, "ready", "in_use", "pending", "blocked", "unknown",
 * "ignored", "total"}…], oldest first. Ignored GPUs are no capacity: they are not shown. What has
 * no readable time is left out.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/report/report_html_parts.h"
#include "node-agent/wire/json_text.h"

/* In units of the SVG's view box. */
#define PLOT_WIDTH  1200.0
#define PLOT_HEIGHT 260.0
#define PLOT_LEFT   56.0
#define PLOT_TOP    12.0
#define PLOT_BOTTOM 28.0
#define POINTS_MAX  600 /* more than there are pixels to show them */
#define TICKS       4
#define COUNT_MAX   1000000000 /* more GPUs than there are */

#define STACKED HTML_IGNORED /* all verdicts but the last */

struct point {
	double time; /* seconds */
	const char *text;
	double counts[STACKED], total;
};

struct plot {
	struct point *points;
	size_t count;
	double from, to, top; /* the times at the ends, the number at the upper edge */
};

static double count_of(const json_t *entry, const char *key)
{
	long long number = report_html_number(entry, key);

	return (double)(number < 0 ? 0 : number > COUNT_MAX ? COUNT_MAX : number);
}

static int point_read(const json_t *entry, struct point *point)
{
	const char *text = json_text(entry, "time");
	struct tm tm = {0};

	if (!strptime(text, "%Y-%m-%dT%H:%M:%S", &tm))
		return -1;
	*point = (struct point){.time = (double)timegm(&tm), .text = text};
	for (int i = 0; i < STACKED; i++) {
		point->counts[i] = count_of(entry, report_html_sign((enum html_verdict)i)->name);
		point->total += point->counts[i];
	}
	return 0;
}

/* The first and the last scan are always among those that are kept. */
static int plot_read(const json_t *history, struct plot *plot)
{
	size_t size = json_array_size(history), step = (size + POINTS_MAX - 1) / POINTS_MAX;

	plot->points = calloc(size + 1, sizeof(*plot->points));
	if (!plot->points)
		return -1;
	for (size_t i = 0; i < size; i++) {
		if ((size - 1 - i) % step != 0 && i != 0)
			continue;
		if (point_read(json_array_get(history, i), &plot->points[plot->count]) == 0 &&
		    (plot->count == 0 ||
		     plot->points[plot->count].time >= plot->points[plot->count - 1].time))
			plot->count++;
	}
	if (plot->count == 0)
		return 0;
	plot->from = plot->points[0].time;
	plot->to = plot->points[plot->count - 1].time;
	for (size_t i = 0; i < plot->count; i++)
		plot->top = plot->points[i].total > plot->top ? plot->points[i].total : plot->top;
	return 0;
}

/* The next number that is TICKS times a round one and not below NUMBER. */
static double round_up(double number)
{
	static const long long tenths[] = {10, 15, 20, 25, 30, 40, 50, 60, 80};

	for (long long unit = 1;; unit *= 10) {
		for (size_t i = 0; i < sizeof(tenths) / sizeof(tenths[0]); i++) {
			long long top = unit * tenths[i] / 10 * TICKS;

			/* There is no half GPU. */
			if (unit * tenths[i] % 10 == 0 && (double)top >= number)
				return (double)top;
		}
	}
}

static double x_of(const struct plot *plot, double time)
{
	return PLOT_LEFT + (time - plot->from) / (plot->to - plot->from) * (PLOT_WIDTH - PLOT_LEFT);
}

static double y_of(const struct plot *plot, double number)
{
	return PLOT_TOP + (1 - number / plot->top) * (PLOT_HEIGHT - PLOT_TOP - PLOT_BOTTOM);
}

static double stacked_to(const struct point *point, int verdict)
{
	double sum = 0;

	for (int i = 0; i <= verdict; i++)
		sum += point->counts[i];
	return sum;
}

/* The area between what stands below VERDICT and itself: there above, back below. */
static void put_area(const struct plot *plot, int verdict, FILE *out)
{
	bool any = false;

	for (size_t i = 0; i < plot->count; i++)
		any = any || plot->points[i].counts[verdict] > 0;
	if (!any)
		return;
	fprintf(out, "<path class=\"f-%s\" d=\"M",
	        report_html_sign((enum html_verdict)verdict)->name);
	for (size_t i = 0; i < plot->count; i++) {
		double y = y_of(plot, stacked_to(&plot->points[i], verdict));

		if (i)
			fprintf(out, "H%.1f", x_of(plot, plot->points[i].time));
		fprintf(out, i ? "V%.1f" : "%.1f %.1f", i ? y : x_of(plot, plot->points[i].time),
		        y);
	}
	for (size_t i = plot->count; i-- > 0;) {
		double y = y_of(plot, stacked_to(&plot->points[i], verdict - 1));

		/* Going back, the step down stands at the later scan. */
		fprintf(out, "V%.1fH%.1f", y, x_of(plot, plot->points[i].time));
	}
	fprintf(out, "Z\"/>\n");
}

static void put_axes(const struct plot *plot, FILE *out)
{
	for (int i = 0; i <= TICKS; i++) {
		double number = plot->top * i / TICKS, y = y_of(plot, number);

		fprintf(out,
		        "<line class=\"grid\" x1=\"%.0f\" x2=\"%.0f\" y1=\"%.1f\" y2=\"%.1f\"/>"
		        "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">",
		        PLOT_LEFT, PLOT_WIDTH, y, y, PLOT_LEFT - 8, y + 4);
		report_html_integer(out, (long long)number);
		fprintf(out, "</text>\n");
	}
	for (int i = 0; i <= TICKS; i++) {
		time_t at = (time_t)(plot->from + (plot->to - plot->from) * i / TICKS);
		const char *anchor = i == 0 ? "start" : i == TICKS ? "end" : "middle";
		struct tm tm;
		char text[32];

		/* Within two days the hour says more than the year. */
		strftime(text, sizeof(text),
		         plot->to - plot->from < 172800 ? "%m-%d %H:%M" : "%Y-%m-%d",
		         gmtime_r(&at, &tm));
		fprintf(out, "<text x=\"%.1f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>\n",
		        x_of(plot, (double)at), PLOT_HEIGHT - 8, anchor, text);
	}
}

static void put_svg(struct plot *plot, FILE *out)
{
	const struct point *first = &plot->points[0], *last = &plot->points[plot->count - 1];

	plot->top = round_up(plot->top);
	fprintf(out,
	        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Plot\"><svg "
	        "class=\"plot\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" "
	        "aria-labelledby=\"plot-title plot-text\">\n<title id=\"plot-title\">GPUs over "
	        "time, by verdict</title>\n<desc id=\"plot-text\">Ready: %.0f of %.0f on ",
	        PLOT_WIDTH, PLOT_HEIGHT, first->counts[HTML_READY], first->total);
	report_html_text(out, first->text);
	fprintf(out, ", %.0f of %.0f on ", last->counts[HTML_READY], last->total);
	report_html_text(out, last->text);
	fprintf(out, ". The table below has every scan.</desc>\n");
	put_axes(plot, out);
	for (int i = 0; i < STACKED; i++)
		put_area(plot, i, out);
	fprintf(out, "</svg></div>\n<ul class=\"legend\" aria-hidden=\"true\">");
	for (int i = 0; i < STACKED; i++)
		fprintf(out, "<li><i class=\"key f-%s\"></i> %s</li>",
		        report_html_sign((enum html_verdict)i)->name,
		        report_html_sign((enum html_verdict)i)->title);
	fprintf(out, "</ul>\n");
}

static void put_table(const struct plot *plot, FILE *out)
{
	fprintf(out, "<details><summary>As numbers</summary>\n<div class=\"scroll\" tabindex=\"0\" "
	             "role=\"region\" aria-label=\"GPUs over time\"><table class=\"capacity\">"
	             "<caption>GPUs over time</caption>\n<thead><tr><th scope=\"col\">time</th>"
	             "<th scope=\"col\">total</th>");
	for (int i = 0; i < STACKED; i++)
		fprintf(out, "<th scope=\"col\">%s</th>",
		        report_html_sign((enum html_verdict)i)->title);
	fprintf(out, "</tr></thead>\n<tbody>\n");
	for (size_t i = plot->count; i-- > 0;) {
		fprintf(out, "<tr><th scope=\"row\">");
		report_html_text(out, plot->points[i].text);
		fprintf(out, "</th><td>%.0f</td>", plot->points[i].total);
		for (int k = 0; k < STACKED; k++)
			fprintf(out, "<td>%.0f</td>", plot->points[i].counts[k]);
		fprintf(out, "</tr>\n");
	}
	fprintf(out, "</tbody></table></div></details>\n");
}

int report_html_history(const struct html_page *page, FILE *out)
{
	const json_t *history = json_object_get(page->report, "history");
	struct plot plot = {.count = 0};

	if (!json_is_array(history))
		return 0;
	if (json_array_size(history) && plot_read(history, &plot) < 0)
		return -1;
	fprintf(out, "<section aria-labelledby=\"history\"><h2 id=\"history\">Over time</h2>\n");
	/* One scan is no course of things, and scans at one instant have no width. */
	if (plot.count > 1 && plot.to > plot.from && plot.top > 0)
		put_svg(&plot, out);
	else
		fprintf(out, "<p>There is nothing to plot yet: it takes two scans.</p>\n");
	if (plot.count)
		put_table(&plot, out);
	fprintf(out, "</section>\n");
	free(plot.points);
	return 0;
}
