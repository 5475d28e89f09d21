/* report_html_parts.h: what the files of the HTML report share. Not for others.
 *
 * The parts write without looking: report_html() asks the stream at the end whether all went well.
 */
#ifndef GPUFLEET_REPORT_HTML_PARTS_H
#define GPUFLEET_REPORT_HTML_PARTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "inventory/inventory.h"

/* The verdicts in the order in which bars and legends show them. */
enum html_verdict {
	HTML_READY,
	HTML_IN_USE,
	HTML_PENDING,
	HTML_BLOCKED,
	HTML_UNKNOWN,
	HTML_IGNORED,
	HTML_VERDICTS
};

struct html_verdict_sign {
	const char *name;   /* in the report, and the class in the style sheet */
	const char *title;  /* for people */
	const char *letter; /* so that colour is never the only sign */
};

/* Made by html/embed.cmake from the files beside it. */
extern const char report_html_page[], report_html_style[], report_html_script[];

/* report_html_text.c: strings. Control characters, what is no UTF-8, and marks that vanish or turn
 * text around are shown as \xNN. */
void report_html_text(FILE *out, const char *text);   /* as content or in a quoted attribute */
void report_html_prose(FILE *out, const char *text);  /* content; `…` becomes <code> */
void report_html_string(FILE *out, const char *text); /* as JSON inside <script> */

/* report_html.c */
const struct html_verdict_sign *report_html_sign(enum html_verdict verdict);
enum html_verdict report_html_verdict(const json_t *object);         /* of its key "verdict" */
long long report_html_number(const json_t *object, const char *key); /* or 0 */
bool report_html_primary(const json_t *device);
/* A bar of COUNTS whose full width stands for SCALE. Hidden from screen readers: the numbers stand
 * beside it. */
void report_html_bar(FILE *out, const size_t counts[HTML_VERDICTS], size_t scale);
void report_html_integer(FILE *out, long long number);             /* "1,234" */
void report_html_count(FILE *out, size_t count, const char *noun); /* "2 hosts" */
/* RFC 3339 in UTC as people write it: without the T, and without seconds. */
void report_html_time(FILE *out, const char *time);
/* Names as a node set; a long one is folded away under their number. */
void report_html_nodeset(FILE *out, const struct string_list *names);

/* What the sections are written from. Of a large fleet's million checks most passed: those that did
 * not are looked for once. */
struct html_page {
	const json_t *report;
	struct html_check *checks; /* that did not pass, host by host */
	size_t *first;             /* of each host: its first of them; one more at the end */
};

struct html_check {
	const json_t *check;
	long long place; /* of the device that it is about, among the host's; or: */
};

#define HTML_ABOUT_HOST    (-1LL)
#define HTML_ABOUT_NOTHING (-2LL) /* about a device that the host does not list */

/* One section of the page each. Return 0, or -1 when out of memory. */
int report_html_tables(const struct html_page *page, FILE *out);  /* report_html_data.c */
int report_html_details(const struct html_page *page, FILE *out); /* report_html_data.c */
int report_html_problems(const struct html_page *page, FILE *out);
int report_html_capacity(const struct html_page *page, FILE *out);
int report_html_map(const struct html_page *page, FILE *out);
int report_html_history(const struct html_page *page, FILE *out);
int report_html_changes(const struct html_page *page, FILE *out);
int report_html_what_if(const struct html_page *page, FILE *out);

#endif
