/* clock_uv.h: the real clock: one libuv timer armed for the earliest of many. */
#ifndef GPUFLEET_CLOCK_UV_H
#define GPUFLEET_CLOCK_UV_H

#include <uv.h>

#include "controller/clock/clock.h"

struct clock_uv {
	struct clock clock; /* first: a struct clock * is one of these */
	uv_loop_t *loop;
	uv_timer_t timer;
};

void clock_uv_start(struct clock_uv *real, uv_loop_t *loop);

/* No timer may be armed any more. The loop must be run once more for the handle's close. */
void clock_uv_stop(struct clock_uv *real);

#endif
