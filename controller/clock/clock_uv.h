/* clock_uv.h: the real clock: one libuv timer armed for the earliest of many.
 *
 * After the loop stood still (a stopped terminal, a suspended machine), deadlines are over although
 * what they wait for has arrived and only was not read: that is looked at first.
 */
#ifndef GPUFLEET_CLOCK_UV_H
#define GPUFLEET_CLOCK_UV_H

#include <stdbool.h>
#include <uv.h>

#include "controller/clock/clock.h"

struct clock_uv {
	struct clock clock; /* first: a struct clock * is one of these */
	uv_loop_t *loop;
	uv_timer_t timer;
	bool yielded; /* late already, and what had arrived was let go first */
};

void clock_uv_start(struct clock_uv *real, uv_loop_t *loop);

/* No timer may be armed any more. The loop must be run once more for the handle's close. */
void clock_uv_stop(struct clock_uv *real);

#endif
