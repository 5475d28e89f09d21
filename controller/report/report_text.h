/* report_text.h: the parts of the text report that report_text (report.h) puts together. */
#ifndef GPUFLEET_REPORT_TEXT_H
#define GPUFLEET_REPORT_TEXT_H

#include <jansson.h>
#include <stdio.h>

void report_text_stale(const json_t *report, FILE *out);
void report_text_warnings(const json_t *report, FILE *out);
void report_text_capacity(const json_t *report, FILE *out);

#endif
