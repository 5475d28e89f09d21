/* report_html.h: the report as one HTML file that needs nothing else: no network, no other file,
 * and no script to be read.
 */
#ifndef GPUFLEET_REPORT_HTML_H
#define GPUFLEET_REPORT_HTML_H

#include <jansson.h>
#include <stdio.h>

#include "node-agent/wire/error.h"

/* Writes REPORT (of report_build, or read back from its JSON) as a page. Summary, problems,
 * capacity and map are written as HTML; the tables' data is JSON inside the page, for its script to
 * show. What the report lacks (domains, `history`) is left out. All strings are taken for hostile.
 * Returns 0, or -1 with *err when OUT can't be written or memory is out. */
int report_html(const json_t *report, FILE *out, struct gf_err *err);

#endif
