/* report_csv.h: the report as a table, for spreadsheets and for what reads CSV. */
#ifndef GPUFLEET_REPORT_CSV_H
#define GPUFLEET_REPORT_CSV_H

#include "controller/report/report.h"

/* One header line, then a line for every device; a host without any has one line whose columns of
 * the device are empty. RFC 4180: lines end with CR LF, a cell with a comma or a quote in it is
 * quoted. The columns are the report's names, `reasons` with blanks between them; they stay in this
 * order, and new ones come last.
 *
 * What hosts say is text that a spreadsheet would take for a formula: a cell that begins with
 * = + - @ (or their wide forms) gets an apostrophe before it, as OWASP's "CSV Injection" advises.
 * Control characters, line breaks among them, become \xNN.
 *
 * REPORT is report_build's, of the COUNT hosts HOSTS. Returns 0, or -1 with *err when OUT can't be
 * written. */
int report_csv(const json_t *report, const struct report_host *hosts, size_t count, FILE *out,
               struct gf_err *err);

#endif
