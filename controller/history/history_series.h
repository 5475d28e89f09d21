/* history_series.h: readiness over time: what one scan leaves of it, and many of those as a series
 * that can be plotted. Pure.
 */
#ifndef GPUFLEET_HISTORY_SERIES_H
#define GPUFLEET_HISTORY_SERIES_H

#include <jansson.h>
#include <stddef.h>

#define HISTORY_POINTS_MAX 500

/* What is kept of REPORT: {total, ready, in_use, pending, blocked, unknown, ignored, aliases:
 * [{alias, total, ready, in_use, pending, blocked}]}, a new reference; total counts every GPU, the
 * ignored ones, too. NULL when out of memory. */
json_t *history_summary(const json_t *report);

/* Adds {"time", …SUMMARY} to SERIES. What a summary of another version lacks is 0. -1 when out of
 * memory. */
int history_series_add(json_t *series, const char *time, const json_t *summary);

/* SERIES (an array of points, oldest first) with MOST points at most, a new reference: its time is
 * cut into equal parts, and of each the last point stays, and the first of all. No point is made
 * up: each stands for a scan. NULL when out of memory, or MOST is less than 2. */
json_t *history_series_thin(const json_t *series, size_t most);

#endif
