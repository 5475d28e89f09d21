/* history_time.h: points in time as people and programs write them. Pure but for the time zone. */
#ifndef GPUFLEET_HISTORY_TIME_H
#define GPUFLEET_HISTORY_TIME_H

#include <stddef.h>
#include <stdint.h>

#include "node-agent/wire/error.h"

#define HISTORY_TIME_SIZE 32

/* TEXT is RFC 3339 with its zone ("2026-01-31T10:00:00Z", "…+01:00"): *when in seconds since 1970.
 * 0, or -1 where it is not (NULL, too). */
int history_time_read(const char *text, int64_t *when);

/* *when as RFC 3339, UTC. */
void history_time_write(int64_t when, char text[HISTORY_TIME_SIZE]);

/* What --since takes: RFC 3339; a date, or date and time without a zone, of this machine's zone; or
 * an age before NOW: "7d", "24h", "30m", "2w". 0, or -1 with *err (GF_E_USAGE): not one of those,
 * or later than NOW. */
int history_time_since(const char *text, int64_t now, int64_t *when, struct gf_err *err);

/* What --watch takes: "30s", "5m", "1h", "1d", from one second to a week. 0, or -1 with *err
 * (GF_E_USAGE). */
int history_time_interval(const char *text, unsigned *seconds, struct gf_err *err);

/* When the next round begins: START and then every INTERVAL, whenever a round ended; the first such
 * moment that is at least REST after NOW. Rounds that this leaves out are not made up for. All in
 * milliseconds; INTERVAL is not 0. */
uint64_t history_time_next(uint64_t start, uint64_t interval, uint64_t now, uint64_t rest);

#endif
