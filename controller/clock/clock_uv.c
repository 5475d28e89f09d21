/* clock_uv.c: see clock_uv.h. */
#include "controller/clock/clock_uv.h"

#include <string.h>
#include <time.h>

#define LATE_MS 250

static uint64_t clock_uv_now(struct clock *clock)
{
	(void)clock;
	return uv_hrtime() / 1000000;
}

static int64_t clock_uv_wall(struct clock *clock)
{
	(void)clock;
	return (int64_t)time(NULL);
}

static void clock_uv_fire_cb(uv_timer_t *timer)
{
	struct clock_uv *real = timer->data;
	uint64_t due = clock_next(&real->clock), now = clock_uv_now(&real->clock);

	if (!real->yielded && due < now && now - due > LATE_MS) {
		real->yielded = true;
		uv_timer_start(timer, clock_uv_fire_cb, 1, 0); /* after the next poll */
		return;
	}
	real->yielded = false;
	clock_fire(&real->clock);
}

static void clock_uv_changed(struct clock *clock)
{
	struct clock_uv *real = (struct clock_uv *)clock;
	uint64_t due = clock_next(clock), now = clock_uv_now(clock);

	if (uv_is_closing((uv_handle_t *)&real->timer))
		return;
	if (due == UINT64_MAX) {
		uv_timer_stop(&real->timer);
		return;
	}
	/* libuv counts from the start of the loop's iteration, which long callbacks leave behind.
	 */
	uv_update_time(real->loop);
	uv_timer_start(&real->timer, clock_uv_fire_cb, due > now ? due - now : 0, 0);
}

void clock_uv_start(struct clock_uv *real, uv_loop_t *loop)
{
	memset(real, 0, sizeof(*real));
	real->loop = loop;
	real->clock.now = clock_uv_now;
	real->clock.wall = clock_uv_wall;
	real->clock.changed = clock_uv_changed;
	real->clock.seed = uv_hrtime();
	uv_timer_init(loop, &real->timer);
	real->timer.data = real;
}

void clock_uv_stop(struct clock_uv *real)
{
	uv_close((uv_handle_t *)&real->timer, NULL);
	clock_release(&real->clock);
}
