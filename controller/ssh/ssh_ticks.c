/* ssh_ticks.c: see ssh_ticks.h. */
#include <stdlib.h>

#include "controller/ssh/ssh_link.h"

#define TICKS_NS (UINT64_C(10) * 1000000)

struct ssh_ticks {
	uv_idle_t idle;       /* runs while somebody waits */
	uv_prepare_t prepare; /* before the loop looks at its sockets */
	struct ssh_link *first, *last;
	size_t count;
	void (*tick)(struct ssh_link *link);
	uint64_t began; /* ns; 0: nothing was ticked yet */
	unsigned open;  /* handles */
};

bool ssh_ticks_over(struct ssh_ticks *ticks)
{
	uint64_t now = uv_hrtime();

	if (!ticks->began)
		ticks->began = now;
	return now - ticks->began > TICKS_NS;
}

static void ticks_idle_cb(uv_idle_t *idle)
{
	struct ssh_ticks *ticks = idle->data;

	ticks->began = 0;
	/* Links that wake again meanwhile wait for the next turn. */
	for (size_t left = ticks->count; left > 0 && ticks->first && !ssh_ticks_over(ticks);
	     left--) {
		struct ssh_link *link = ticks->first;

		ssh_ticks_remove(ticks, link);
		ticks->tick(link);
	}
	if (!ticks->first)
		uv_idle_stop(idle);
}

static void ticks_prepare_cb(uv_prepare_t *prepare)
{
	((struct ssh_ticks *)prepare->data)->began = 0;
}

struct ssh_ticks *ssh_ticks_new(uv_loop_t *loop, void (*tick)(struct ssh_link *link))
{
	struct ssh_ticks *ticks = calloc(1, sizeof(*ticks));

	if (!ticks)
		return NULL;
	uv_idle_init(loop, &ticks->idle);
	uv_prepare_init(loop, &ticks->prepare);
	ticks->idle.data = ticks->prepare.data = ticks;
	ticks->tick = tick;
	ticks->open = 2;
	uv_prepare_start(&ticks->prepare, ticks_prepare_cb);
	uv_unref((uv_handle_t *)&ticks->prepare);
	return ticks;
}

static void ticks_closed_cb(uv_handle_t *handle)
{
	struct ssh_ticks *ticks = handle->data;

	if (--ticks->open == 0)
		free(ticks);
}

void ssh_ticks_free(struct ssh_ticks *ticks)
{
	if (!ticks)
		return;
	uv_close((uv_handle_t *)&ticks->idle, ticks_closed_cb);
	uv_close((uv_handle_t *)&ticks->prepare, ticks_closed_cb);
}

void ssh_ticks_add(struct ssh_ticks *ticks, struct ssh_link *link)
{
	if (link->waking)
		return;
	link->waking = true;
	link->next_waking = NULL;
	link->prev_waking = ticks->last;
	if (ticks->last)
		ticks->last->next_waking = link;
	else
		ticks->first = link;
	ticks->last = link;
	ticks->count++;
	uv_idle_start(&ticks->idle, ticks_idle_cb);
}

void ssh_ticks_remove(struct ssh_ticks *ticks, struct ssh_link *link)
{
	if (!link->waking)
		return;
	if (link->prev_waking)
		link->prev_waking->next_waking = link->next_waking;
	else
		ticks->first = link->next_waking;
	if (link->next_waking)
		link->next_waking->prev_waking = link->prev_waking;
	else
		ticks->last = link->prev_waking;
	ticks->count--;
	link->waking = false;
}
