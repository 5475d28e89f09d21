/* clock.c: a binary heap of timers over any source of time. */
#include "controller/clock/clock.h"

#include <stdbool.h>
#include <stdlib.h>

static bool timer_before(const struct clock_timer *a, const struct clock_timer *b)
{
	return a->due != b->due ? a->due < b->due : a->order < b->order;
}

static void heap_place(struct clock *clock, size_t slot, struct clock_timer *timer)
{
	clock->heap[slot - 1] = timer;
	timer->slot = slot;
}

static void heap_up(struct clock *clock, struct clock_timer *timer, size_t slot)
{
	while (slot > 1 && timer_before(timer, clock->heap[slot / 2 - 1])) {
		heap_place(clock, slot, clock->heap[slot / 2 - 1]);
		slot /= 2;
	}
	heap_place(clock, slot, timer);
}

static void heap_down(struct clock *clock, struct clock_timer *timer, size_t slot)
{
	for (;;) {
		size_t child = slot * 2;

		if (child > clock->count)
			break;
		if (child < clock->count &&
		    timer_before(clock->heap[child], clock->heap[child - 1]))
			child++;
		if (!timer_before(clock->heap[child - 1], timer))
			break;
		heap_place(clock, slot, clock->heap[child - 1]);
		slot = child;
	}
	heap_place(clock, slot, timer);
}

static void heap_remove(struct clock *clock, struct clock_timer *timer)
{
	size_t slot = timer->slot;
	struct clock_timer *last = clock->heap[clock->count - 1];

	clock->count--;
	timer->slot = 0;
	if (last == timer)
		return;
	if (slot > 1 && timer_before(last, clock->heap[slot / 2 - 1]))
		heap_up(clock, last, slot);
	else
		heap_down(clock, last, slot);
}

static void clock_notify(struct clock *clock)
{
	if (clock->changed)
		clock->changed(clock);
}

void clock_arm(struct clock *clock, struct clock_timer *timer, uint64_t delay_ms)
{
	if (timer->slot)
		heap_remove(clock, timer);
	if (clock->count == clock->capacity) {
		size_t capacity = clock->capacity ? clock->capacity * 2 : 64;
		struct clock_timer **heap = realloc(clock->heap, capacity * sizeof(*heap));

		if (!heap)
			abort();
		clock->heap = heap;
		clock->capacity = capacity;
	}
	timer->due = clock->now(clock) + delay_ms;
	timer->order = clock->order++;
	clock->count++;
	heap_up(clock, timer, clock->count);
	clock_notify(clock);
}

void clock_disarm(struct clock *clock, struct clock_timer *timer)
{
	if (!timer->slot)
		return;
	heap_remove(clock, timer);
	clock_notify(clock);
}

void clock_fire(struct clock *clock)
{
	uint64_t now = clock->now(clock);

	while (clock->count && clock->heap[0]->due <= now) {
		struct clock_timer *timer = clock->heap[0];

		heap_remove(clock, timer);
		timer->fire(timer->ctx);
	}
	clock_notify(clock);
}

uint64_t clock_next(const struct clock *clock)
{
	return clock->count ? clock->heap[0]->due : UINT64_MAX;
}

/* splitmix64: small, and the same on every machine. */
uint64_t clock_jitter(struct clock *clock, uint64_t base_ms)
{
	uint64_t z = (clock->seed += 0x9e3779b97f4a7c15u);
	uint64_t span = base_ms / 2;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	z ^= z >> 31;
	return base_ms - base_ms / 4 + (span ? z % span : 0);
}

void clock_release(struct clock *clock)
{
	free(clock->heap);
	clock->heap = NULL;
	clock->count = clock->capacity = 0;
}
