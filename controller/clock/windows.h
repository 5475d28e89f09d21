/* windows.h: when hosts may be taken down: rollout.windows as spans of time. They are worked out
 * once at the start, as the C library knows one time zone at a time; whether one is open is a pure
 * function of them from then on.
 */
#ifndef GPUFLEET_WINDOWS_H
#define GPUFLEET_WINDOWS_H

#include <stddef.h>
#include <stdint.h>

#include "inventory/inventory.h"

/* How far ahead: a run that lasts longer finds the windows closed, and is started again. */
#define WINDOWS_DAYS 370

/* [open, close), seconds since 1970. */
struct windows_span {
	int64_t open, close;
};

/* Rising; spans that meet are one. */
struct windows {
	struct windows_span *spans;
	size_t count;
};

/* ROLLOUT's windows around NOW; none given: none in *out, and nothing is restricted. Sets TZ
 * meanwhile, and puts it back: before there are threads. Where the clocks change, a window opens
 * and closes at the times that the clocks show. -1: GF_E_INPUT for a zone that this machine has no
 * table of; GF_E_MEMORY. The caller frees *out. */
int windows_resolve(const struct inventory_rollout *rollout, int64_t now, struct windows *out,
                    struct gf_err *err);
void windows_free(struct windows *windows);

/* When the span that NOW lies in closes; 0: none is open. */
int64_t windows_close(const struct windows *windows, int64_t now);

/* When the next span opens after NOW; 0: none is known. */
int64_t windows_next(const struct windows *windows, int64_t now);

#endif
