/* report_text.h: the parts of the text report that report_text (report.h) puts together. */
#ifndef GPUFLEET_REPORT_TEXT_H
#define GPUFLEET_REPORT_TEXT_H

#include <jansson.h>
#include <stdio.h>

void report_text_stale(const json_t *report, FILE *out);
void report_text_warnings(const json_t *report, FILE *out);
void report_text_capacity(const json_t *report, FILE *out);
/* report_changes.c: of `report --since` and `--history`; nothing where the report has neither. */
void report_text_changes(const json_t *report, FILE *out);
void report_text_history(const json_t *report, FILE *out);

#endif
