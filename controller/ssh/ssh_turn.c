/* ssh_turn.c: see ssh_turn.h. */
#include <stdlib.h>

#include "controller/ssh/ssh_link.h"

#define TURN_NS (UINT64_C(10) * 1000000)

struct ssh_turn {
	uv_idle_t idle;       /* runs while somebody waits */
	uv_prepare_t prepare; /* before the loop looks at its sockets */
	struct ssh_link *first, *last;
	size_t count;
	void (*tick)(struct ssh_link *link);
	uint64_t began; /* ns; 0: nothing was ticked yet */
	unsigned open;  /* handles */
};

bool ssh_turn_over(struct ssh_turn *turn)
{
	uint64_t now = uv_hrtime();

	if (!turn->began)
		turn->began = now;
	return now - turn->began > TURN_NS;
}

static void turn_idle_cb(uv_idle_t *idle)
{
	struct ssh_turn *turn = idle->data;

	turn->began = 0;
	/* Links that wake again meanwhile wait for the next turn. */
	for (size_t left = turn->count; left > 0 && turn->first && !ssh_turn_over(turn); left--) {
		struct ssh_link *link = turn->first;

		ssh_turn_remove(turn, link);
		turn->tick(link);
	}
	if (!turn->first)
		uv_idle_stop(idle);
}

static void turn_prepare_cb(uv_prepare_t *prepare)
{
	((struct ssh_turn *)prepare->data)->began = 0;
}

struct ssh_turn *ssh_turn_new(uv_loop_t *loop, void (*tick)(struct ssh_link *link))
{
	struct ssh_turn *turn = calloc(1, sizeof(*turn));

	if (!turn)
		return NULL;
	uv_idle_init(loop, &turn->idle);
	uv_prepare_init(loop, &turn->prepare);
	turn->idle.data = turn->prepare.data = turn;
	turn->tick = tick;
	turn->open = 2;
	uv_prepare_start(&turn->prepare, turn_prepare_cb);
	uv_unref((uv_handle_t *)&turn->prepare);
	return turn;
}

static void turn_closed_cb(uv_handle_t *handle)
{
	struct ssh_turn *turn = handle->data;

	if (--turn->open == 0)
		free(turn);
}

void ssh_turn_free(struct ssh_turn *turn)
{
	if (!turn)
		return;
	uv_close((uv_handle_t *)&turn->idle, turn_closed_cb);
	uv_close((uv_handle_t *)&turn->prepare, turn_closed_cb);
}

void ssh_turn_add(struct ssh_turn *turn, struct ssh_link *link)
{
	if (link->waking)
		return;
	link->waking = true;
	link->next_waking = NULL;
	link->prev_waking = turn->last;
	if (turn->last)
		turn->last->next_waking = link;
	else
		turn->first = link;
	turn->last = link;
	turn->count++;
	uv_idle_start(&turn->idle, turn_idle_cb);
}

void ssh_turn_remove(struct ssh_turn *turn, struct ssh_link *link)
{
	if (!link->waking)
		return;
	if (link->prev_waking)
		link->prev_waking->next_waking = link->next_waking;
	else
		turn->first = link->next_waking;
	if (link->next_waking)
		link->next_waking->prev_waking = link->prev_waking;
	else
		turn->last = link->prev_waking;
	turn->count--;
	link->waking = false;
}
