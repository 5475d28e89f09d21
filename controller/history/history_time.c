/* history_time.c: see history_time.h. */
#include "controller/history/history_time.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define INTERVAL_MOST (7 * 86400U)
#define AGE_MOST      (100LL * 366 * 86400)

/* Exactly COUNT digits at *text, which moves on. -1 where they are not there. */
static int digits_take(const char **text, size_t count, int *value)
{
	*value = 0;
	for (size_t i = 0; i < count; i++, (*text)++) {
		if (!isdigit((unsigned char)**text))
			return -1;
		*value = *value * 10 + (**text - '0');
	}
	return 0;
}

static int mark_take(const char **text, const char *marks)
{
	if (!**text || !strchr(marks, **text))
		return -1;
	(*text)++;
	return 0;
}

static int date_take(const char **text, struct tm *tm)
{
	int year, month, day;

	if (digits_take(text, 4, &year) || mark_take(text, "-") || digits_take(text, 2, &month) ||
	    mark_take(text, "-") || digits_take(text, 2, &day) || month < 1 || month > 12 ||
	    day < 1 || day > 31 || year < 1970)
		return -1;
	tm->tm_year = year - 1900;
	tm->tm_mon = month - 1;
	tm->tm_mday = day;
	return 0;
}

/* "10:00", "10:00:00", "10:00:00.25" */
static int clock_take(const char **text, struct tm *tm)
{
	if (digits_take(text, 2, &tm->tm_hour) || mark_take(text, ":") ||
	    digits_take(text, 2, &tm->tm_min) || tm->tm_hour > 23 || tm->tm_min > 59)
		return -1;
	if (mark_take(text, ":"))
		return 0;
	if (digits_take(text, 2, &tm->tm_sec) || tm->tm_sec > 60)
		return -1;
	if (mark_take(text, ".") == 0)
		*text += strspn(*text, "0123456789");
	return 0;
}

/* "Z", "+01:00", "-0530": *offset in seconds east. 1: there is none; -1: it is none. */
static int zone_take(const char **text, int *offset)
{
	int sign, hours, minutes;

	*offset = 0;
	if (!**text)
		return 1;
	if (mark_take(text, "Zz") == 0)
		return 0;
	sign = **text == '-' ? -1 : 1;
	if (mark_take(text, "+-") || digits_take(text, 2, &hours))
		return -1;
	if (**text == ':')
		(*text)++;
	if (digits_take(text, 2, &minutes) || hours > 23 || minutes > 59)
		return -1;
	*offset = sign * (hours * 3600 + minutes * 60);
	return 0;
}

/* 0: with a zone; 1: in this machine's; -1: no date, or a day that there is not. */
static int moment_read(const char *text, int64_t *when)
{
	struct tm tm = {.tm_isdst = -1}, day;
	int offset = 0, zone = 1;
	time_t moment;

	if (!text || date_take(&text, &tm))
		return -1;
	day = tm;
	day.tm_isdst = 0;
	if (timegm(&day) < 0 || day.tm_mday != tm.tm_mday)
		return -1;
	if (mark_take(&text, "Tt ") == 0) {
		if (clock_take(&text, &tm))
			return -1;
		zone = zone_take(&text, &offset);
	}
	if (zone < 0 || *text)
		return -1;
	moment = zone ? mktime(&tm) : timegm(&tm);
	*when = (int64_t)moment - offset;
	return zone;
}

int history_time_read(const char *text, int64_t *when)
{
	int64_t moment;

	if (moment_read(text, &moment) != 0)
		return -1;
	*when = moment;
	return 0;
}

void history_time_write(int64_t when, char text[HISTORY_TIME_SIZE])
{
	time_t moment = (time_t)when;
	struct tm utc;

	strftime(text, HISTORY_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&moment, &utc));
}

/* "7d": a number of at most nine digits and one of UNITS (of "smhdw"). */
static int span_read(const char *text, const char *units, int64_t *seconds)
{
	static const struct {
		char unit;
		int64_t seconds;
	} known[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
	size_t length = strspn(text, "0123456789");
	int number;

	if (length < 1 || length > 9 || digits_take(&text, length, &number) || !*text || text[1] ||
	    !strchr(units, *text))
		return -1;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].unit == *text)
			*seconds = number * known[i].seconds;
	}
	return 0;
}

int history_time_since(const char *text, int64_t now, int64_t *when, struct gf_err *err)
{
	int64_t age, moment = 0;

	if (span_read(text, "smhdw", &age) == 0) {
		if (age > AGE_MOST || age > now)
			return gf_err_set(err, GF_E_USAGE,
			                  "--since %s is further back than anybody kept a store",
			                  text);
		*when = now - age;
		return 0;
	}
	if (moment_read(text, &moment) < 0)
		return gf_err_set(
		    err, GF_E_USAGE,
		    "--since takes a time (2026-01-31T10:00:00Z), a date (2026-01-31) or an "
		    "age (7d, 24h, 30m), not \"%.60s\"",
		    text);
	if (moment > now)
		return gf_err_set(err, GF_E_USAGE,
		                  "--since %.60s is still to come: name a time that is over", text);
	*when = moment;
	return 0;
}

int history_time_interval(const char *text, unsigned *seconds, struct gf_err *err)
{
	int64_t span;

	if (span_read(text, "smhd", &span))
		return gf_err_set(err, GF_E_USAGE,
		                  "--watch takes an interval such as 60s, 5m or 1h, not \"%.40s\"",
		                  text);
	if (span < 1 || span > INTERVAL_MOST)
		return gf_err_set(err, GF_E_USAGE,
		                  "--watch %s: the interval is from 1s to 7d (5m is a good one)",
		                  text);
	*seconds = (unsigned)span;
	return 0;
}

uint64_t history_time_next(uint64_t start, uint64_t interval, uint64_t now, uint64_t rest)
{
	uint64_t earliest = now + rest, passed;

	if (earliest <= start)
		return start;
	passed = (earliest - start + interval - 1) / interval;
	return start + passed * interval;
}
