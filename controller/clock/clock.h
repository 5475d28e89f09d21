/* clock.h: time as the orchestration core sees it: monotonic milliseconds, timers and the one
 * source of jitter. clock_uv.c gives the real one; a test advances its own with clock_advance, so
 * that a run replays from one seed.
 */
#ifndef GPUFLEET_CLOCK_H
#define GPUFLEET_CLOCK_H

#include <stddef.h>
#include <stdint.h>

struct clock;

/* Embedded by its user; zero-initialised. `fire` is called once for each arming. */
struct clock_timer {
	void (*fire)(void *ctx);
	void *ctx;
	uint64_t due;
	uint64_t order; /* ties are fired in the order of arming */
	size_t slot;    /* 1-based place in the clock's heap; 0: not armed */
};

struct clock {
	uint64_t (*now)(struct clock *clock);
	int64_t (*wall)(struct clock *clock); /* of the day: seconds since 1970 */
	/* The earliest timer changed: something else must wake the clock now. May be NULL. */
	void (*changed)(struct clock *clock);
	uint64_t seed; /* of clock_jitter */
	struct clock_timer **heap;
	size_t count, capacity;
	uint64_t order;
};

/* (Re-)arms TIMER to fire DELAY_MS from now. Memory for the heap is the only thing that can fail:
 * it aborts. */
void clock_arm(struct clock *clock, struct clock_timer *timer, uint64_t delay_ms);
void clock_disarm(struct clock *clock, struct clock_timer *timer);

/* Fires every timer that is due, in order. */
void clock_fire(struct clock *clock);

/* When the earliest timer is due; UINT64_MAX when none is armed. */
uint64_t clock_next(const struct clock *clock);

/* BASE_MS, more or less by up to a quarter: so that hosts that fell together don't come back
 * together. */
uint64_t clock_jitter(struct clock *clock, uint64_t base_ms);

/* Frees the heap, not the clock. */
void clock_release(struct clock *clock);

#endif
