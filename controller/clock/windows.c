/* windows.c: see windows.h. */
#include "controller/clock/windows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Takes over the zone of one window; NULL: the machine's own. glibc takes a zone without a table
 * for UTC. */
static int zone_set(const char *zone, const char *own, struct gf_err *err)
{
	char path[128];

	snprintf(path, sizeof(path), "/usr/share/zoneinfo/%s", zone ? zone : "");
	if (zone && strcmp(zone, "UTC") != 0 && access(path, R_OK) != 0)
		return gf_err_set(err, GF_E_INPUT,
		                  "rollout.windows: this machine has no table of the time zone %s: "
		                  "install tzdata",
		                  zone);
	if (!zone)
		zone = own;
	if (zone ? setenv("TZ", zone, 1) : unsetenv("TZ"))
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	tzset();
	return 0;
}

/* MINUTES after midnight, DAYS after the day of BASE. */
static int64_t instant(const struct tm *base, int days, unsigned minutes)
{
	struct tm tm = {.tm_year = base->tm_year,
	                .tm_mon = base->tm_mon,
	                .tm_mday = base->tm_mday + days,
	                .tm_hour = (int)(minutes / 60),
	                .tm_min = (int)(minutes % 60),
	                .tm_isdst = -1};

	return mktime(&tm);
}

static void window_add(const struct inventory_window *window, int64_t now, struct windows *out)
{
	time_t start = (time_t)now;
	struct tm base;

	localtime_r(&start, &base);
	/* One that began the day before may still be open. */
	for (int day = -1; day < WINDOWS_DAYS; day++) {
		unsigned weekday = (unsigned)(base.tm_wday + 6 + day + 7) % 7; /* 0: Monday */
		struct windows_span span;

		if (!(window->days & 1U << weekday))
			continue;
		span.open = instant(&base, day, window->from);
		span.close = instant(&base, day + (window->to < window->from), window->to);
		/* The clocks may jump over all of it. */
		if (span.open < span.close)
			out->spans[out->count++] = span;
	}
}

static int span_compare(const void *a, const void *b)
{
	const struct windows_span *one = a, *other = b;

	return (one->open > other->open) - (one->open < other->open);
}

static void spans_join(struct windows *windows)
{
	size_t kept = 0;

	if (!windows->spans || windows->count == 0)
		return;
	qsort(windows->spans, windows->count, sizeof(*windows->spans), span_compare);
	for (size_t i = 1; i < windows->count; i++) {
		struct windows_span *last = &windows->spans[kept], next = windows->spans[i];

		if (next.open > last->close)
			windows->spans[++kept] = next;
		else if (next.close > last->close)
			last->close = next.close;
	}
	windows->count = kept + 1;
}

int windows_resolve(const struct inventory_rollout *rollout, int64_t now, struct windows *out,
                    struct gf_err *err)
{
	const char *set = getenv("TZ");
	char *own = set ? strdup(set) : NULL;
	int rc = 0;

	memset(out, 0, sizeof(*out));
	if (rollout->window_count == 0) {
		free(own);
		return 0;
	}
	out->spans = calloc(rollout->window_count * (WINDOWS_DAYS + 1), sizeof(*out->spans));
	if (!out->spans || (set && !own))
		rc = gf_err_set(err, GF_E_MEMORY, "out of memory");
	for (size_t i = 0; rc == 0 && i < rollout->window_count; i++) {
		rc = zone_set(rollout->windows[i].tz, own, err);
		if (rc == 0)
			window_add(&rollout->windows[i], now, out);
	}
	if (zone_set(NULL, own, rc ? NULL : err) < 0)
		rc = -1;
	spans_join(out);
	free(own);
	if (rc < 0)
		windows_free(out);
	return rc;
}

void windows_free(struct windows *windows)
{
	free(windows->spans);
	memset(windows, 0, sizeof(*windows));
}

int64_t windows_close(const struct windows *windows, int64_t now)
{
	for (size_t i = 0; i < windows->count; i++) {
		if (now < windows->spans[i].open)
			return 0;
		if (now < windows->spans[i].close)
			return windows->spans[i].close;
	}
	return 0;
}

int64_t windows_next(const struct windows *windows, int64_t now)
{
	for (size_t i = 0; i < windows->count; i++) {
		if (windows->spans[i].open > now)
			return windows->spans[i].open;
	}
	return 0;
}
