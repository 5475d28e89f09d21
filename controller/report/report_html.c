/* report_html.c: fills html/report.html: `{{name}}` in it is a row of the table below.
 *
 * The page may run its own script and style only: their hashes stand in its
 * Content-Security-Policy, computed here from what is written, so that they cannot disagree.
 */
#include "controller/report/report_html.h"

#include <stdlib.h>
#include <string.h>

#include "controller/report/report_html_parts.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/json_text.h"
#include "node-agent/wire/sha256.h"

#define NODESET_SHOWN 160 /* characters of a node set that are not folded away */

static const struct html_verdict_sign signs[HTML_VERDICTS] = {
    [HTML_READY] = {"ready", "ready", "R"},       [HTML_IN_USE] = {"in_use", "in use", "U"},
    [HTML_PENDING] = {"pending", "pending", "P"}, [HTML_BLOCKED] = {"blocked", "blocked", "B"},
    [HTML_UNKNOWN] = {"unknown", "unknown", "?"}, [HTML_IGNORED] = {"ignored", "ignored", "–"},
};

const struct html_verdict_sign *report_html_sign(enum html_verdict verdict)
{
	return &signs[verdict];
}

enum html_verdict report_html_verdict(const json_t *object)
{
	const char *name = json_text(object, "verdict");

	for (int i = 0; i < HTML_VERDICTS; i++) {
		if (strcmp(signs[i].name, name) == 0)
			return (enum html_verdict)i;
	}
	return HTML_UNKNOWN;
}

long long report_html_number(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

bool report_html_primary(const json_t *device)
{
	return json_is_true(json_object_get(device, "primary"));
}

void report_html_integer(FILE *out, long long number)
{
	char digits[32];
	size_t length = (size_t)snprintf(digits, sizeof(digits), "%lld", number);

	for (size_t i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0 && digits[i - 1] != '-')
			fputc(',', out);
		fputc(digits[i], out);
	}
}

void report_html_count(FILE *out, size_t count, const char *noun)
{
	report_html_integer(out, (long long)count);
	fprintf(out, " %s%s", noun, count == 1 ? "" : "s");
}

void report_html_nodeset(FILE *out, const struct string_list *names)
{
	char *folded = nodeset_fold((const char *const *)names->items, names->count);
	bool fold = folded && strlen(folded) > NODESET_SHOWN;

	if (fold) {
		fprintf(out, "<details><summary>");
		report_html_count(out, names->count, "host");
		fprintf(out, "</summary>");
	}
	fprintf(out, "<code>");
	report_html_text(out, folded ? folded : "?");
	fprintf(out, "</code>%s", fold ? "</details>" : "");
	free(folded);
}

void report_html_bar(FILE *out, const size_t counts[HTML_VERDICTS], size_t scale)
{
	double at = 0;

	fprintf(out, "<svg class=\"bar\" aria-hidden=\"true\" focusable=\"false\">");
	for (int i = 0; scale && i < HTML_IGNORED; i++) {
		double width = 100.0 * (double)counts[i] / (double)scale;

		if (!counts[i])
			continue;
		fprintf(out,
		        "<rect class=\"f-%s\" x=\"%.3f%%\" width=\"%.3f%%\" height=\"100%%\"/>",
		        signs[i].name, at, width);
		at += width;
	}
	fprintf(out, "</svg>");
}

void report_html_time(FILE *out, const char *time)
{
	fprintf(out, "<time datetime=\"");
	report_html_text(out, time);
	fprintf(out, "\">");
	if (strlen(time) >= 17 && time[10] == 'T') {
		char text[32];

		snprintf(text, sizeof(text), "%.10s %.5s UTC", time, time + 11);
		report_html_text(out, text);
	} else {
		report_html_text(out, time);
	}
	fprintf(out, "</time>");
}

static int put_fleet(const struct html_page *page, FILE *out)
{
	report_html_text(out, json_text(page->report, "fleet"));
	return 0;
}

static int put_generated(const struct html_page *page, FILE *out)
{
	const char *oldest = "", *newest = "";
	const json_t *host;
	size_t i;

	fprintf(out, "Written ");
	report_html_time(out, json_text(page->report, "generated"));
	json_array_foreach(json_object_get(page->report, "hosts"), i, host)
	{
		const char *observed = json_text(host, "observed");

		if (!*observed)
			continue;
		if (!*oldest || strcmp(observed, oldest) < 0)
			oldest = observed;
		if (strcmp(observed, newest) > 0)
			newest = observed;
	}
	if (!*oldest)
		return 0;
	fprintf(out, strncmp(oldest, newest, 16) == 0 ? " from facts of " : " from facts between ");
	report_html_time(out, oldest);
	if (strncmp(oldest, newest, 16) != 0) {
		fprintf(out, " and ");
		report_html_time(out, newest);
	}
	return 0;
}

/* A letter in its shape, with what it means. */
static void put_total(FILE *out, const json_t *totals, enum html_verdict verdict)
{
	const struct html_verdict_sign *sign = &signs[verdict];
	long long count = report_html_number(totals, sign->name);

	fprintf(out, "<div%s><dt><i class=\"cell %s\" aria-hidden=\"true\">%s</i> %s</dt><dd>",
	        count ? "" : " class=\"none\"", sign->name, sign->letter, sign->title);
	report_html_integer(out, count);
	fprintf(out, "</dd></div>\n");
}

static int put_totals(const struct html_page *page, FILE *out)
{
	const json_t *totals = json_object_get(page->report, "totals");
	size_t counts[HTML_VERDICTS], sum = 0;

	fprintf(out, "<dl class=\"totals\">\n<div><dt>hosts</dt><dd>");
	report_html_integer(out, report_html_number(totals, "hosts"));
	fprintf(out, "</dd></div>\n<div><dt>GPUs</dt><dd>");
	report_html_integer(out, report_html_number(totals, "gpus"));
	fprintf(out, "</dd></div>\n");
	for (int i = 0; i < HTML_VERDICTS; i++) {
		put_total(out, totals, (enum html_verdict)i);
		counts[i] = (size_t)report_html_number(totals, signs[i].name);
		sum += i == HTML_IGNORED ? 0 : counts[i];
	}
	fprintf(out, "</dl>\n");
	report_html_bar(out, counts, sum);
	return 0;
}

/* Old facts are still shown: it has to be said of which hosts. */
static int put_stale(const struct html_page *page, FILE *out)
{
	struct string_list list = {0};
	const json_t *host;
	size_t i;
	int rc = 0;

	json_array_foreach(json_object_get(page->report, "hosts"), i, host)
	{
		if (json_is_false(json_object_get(host, "reachable")) &&
		    json_is_string(json_object_get(host, "observed")))
			rc |= string_list_append(&list, json_text(host, "name"));
	}
	if (list.count) {
		fprintf(out, "<div class=\"note\">Not reached when last tried, and judged by what "
		             "was seen before: ");
		report_html_nodeset(out, &list);
		fprintf(out, "</div>\n");
	}
	string_list_free(&list);
	return rc;
}

/* CSP's form of a hash: 'sha256-BASE64'. */
static void put_hash(const char *text, FILE *out)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	uint8_t digest[SHA256_SIZE + 1] = {0};
	struct sha256 sha;

	sha256_init(&sha);
	sha256_update(&sha, text, strlen(text));
	sha256_final(&sha, digest);
	fprintf(out, "'sha256-");
	/* 32 bytes are ten groups of three and two bytes more. */
	for (size_t i = 0; i < SHA256_SIZE; i += 3) {
		unsigned group = (unsigned)digest[i] << 16 | (unsigned)digest[i + 1] << 8 |
		                 (i + 2 < SHA256_SIZE ? digest[i + 2] : 0);

		fputc(digits[group >> 18], out);
		fputc(digits[group >> 12 & 63], out);
		fputc(digits[group >> 6 & 63], out);
		fputc(i + 2 < SHA256_SIZE ? digits[group & 63] : '=', out);
	}
	fprintf(out, "'");
}

static int put_style_hash(const struct html_page *page, FILE *out)
{
	(void)page;
	put_hash(report_html_style, out);
	return 0;
}

static int put_script_hash(const struct html_page *page, FILE *out)
{
	(void)page;
	put_hash(report_html_script, out);
	return 0;
}

static int put_style(const struct html_page *page, FILE *out)
{
	(void)page;
	fputs(report_html_style, out);
	return 0;
}

static int put_script(const struct html_page *page, FILE *out)
{
	(void)page;
	fputs(report_html_script, out);
	return 0;
}

static const struct {
	const char *name;
	int (*put)(const struct html_page *page, FILE *out);
} fields[] = {
    {"fleet", put_fleet},
    {"generated", put_generated},
    {"totals", put_totals},
    {"stale", put_stale},
    {"problems", report_html_problems},
    {"capacity", report_html_capacity},
    {"map", report_html_map},
    {"history", report_html_history},
    {"changes", report_html_changes},
    {"what_if", report_html_what_if},
    {"tables", report_html_tables},
    {"details", report_html_details},
    {"style_hash", put_style_hash},
    {"script_hash", put_script_hash},
    {"style", put_style},
    {"script", put_script},
};

static int put_field(const char *name, size_t length, const struct html_page *page, FILE *out)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strlen(fields[i].name) == length && memcmp(fields[i].name, name, length) == 0)
			return fields[i].put(page, out);
	}
	/* The page is ours: the tests would show it. */
	fprintf(out, "{{%.*s}}", (int)length, name);
	return 0;
}

/* Checks come device by device: what CHECK is about is mostly at PLACE, where the last one's was.
 */
static long long device_place(const json_t *devices, const json_t *check, long long place)
{
	const char *about = json_string_value(json_object_get(check, "device"));
	size_t count = json_array_size(devices);

	if (!about)
		return HTML_ABOUT_HOST;
	for (size_t i = 0; i < count; i++) {
		size_t at = ((place < 0 ? 0 : (size_t)place) + i) % count;

		if (strcmp(json_text(json_array_get(devices, at), "address"), about) == 0)
			return (long long)at;
	}
	return HTML_ABOUT_NOTHING;
}

static int page_scan(const json_t *report, struct html_page *page)
{
	const json_t *hosts = json_object_get(report, "hosts"), *host, *check;
	size_t count = 0, size = 0, i, k;

	*page = (struct html_page){
	    .report = report,
	    .first = calloc(json_array_size(hosts) + 1, sizeof(*page->first)),
	};
	if (!page->first)
		return -1;
	json_array_foreach(hosts, i, host)
	{
		const json_t *devices = json_object_get(host, "devices");
		long long place = HTML_ABOUT_HOST;

		json_array_foreach(json_object_get(host, "checks"), k, check)
		{
			if (strcmp(json_text(check, "status"), "pass") == 0)
				continue;
			if (count == size) {
				void *more;

				size = size ? 2 * size : 1024;
				more = realloc(page->checks, size * sizeof(*page->checks));
				if (!more)
					return -1;
				page->checks = more;
			}
			place = device_place(devices, check, place);
			page->checks[count++] = (struct html_check){check, place};
		}
		page->first[i + 1] = count;
	}
	return 0;
}

int report_html(const json_t *report, FILE *out, struct gf_err *err)
{
	const char *at = report_html_page, *open, *close;
	struct html_page page;
	int rc = page_scan(report, &page);

	while (rc == 0 && (open = strstr(at, "{{")) && (close = strstr(open, "}}"))) {
		fwrite(at, 1, (size_t)(open - at), out);
		rc = put_field(open + 2, (size_t)(close - open) - 2, &page, out);
		at = close + 2;
	}
	fputs(at, out);
	free(page.checks);
	free(page.first);
	if (rc < 0)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (fflush(out) == EOF || ferror(out))
		return gf_err_errno(err, GF_E_IO, "cannot write the report");
	return 0;
}
