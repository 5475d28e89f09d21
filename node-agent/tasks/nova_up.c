/* nova_up.c: see nova_up.h. */
#include "node-agent/tasks/nova_up.h"

#include <string.h>
#include <time.h>

#include "node-agent/elapsed.h"
#include "node-agent/facts/facts.h"
#include "node-agent/tasks/nova_health.h"
#include "node-agent/tasks/nova_task.h"

#define SETTLE_S 3 /* one that ends at once is started again by systemd, and looks up meanwhile */

static bool is_up(const struct root *root, const struct nova_target *target,
                  struct nova_state *state)
{
	return nova_state_look(root, target, state, NULL) == 0 &&
	       (state->active || !state->enabled);
}

/* Up, and the same process SETTLE_S later. */
static bool stays_up(const struct root *root, const struct nova_target *target,
                     struct nova_state *state)
{
	const struct timespec settle = {.tv_sec = SETTLE_S};
	long pid, restarts;

	if (!is_up(root, target, state))
		return false;
	if (!state->active)
		return true; /* nobody wants it up */
	pid = state->pid;
	restarts = state->restarts;
	nanosleep(&settle, NULL);
	return is_up(root, target, state) && state->pid == pid && state->restarts == restarts;
}

/* systemd does not try it again; one that is "inactive" may have its turn yet. */
static bool given_up(const struct nova_state *state)
{
	return strncmp(state->shown, "failed", 6) == 0;
}

json_t *nova_compute_down(const struct root *root, unsigned seconds)
{
	const struct timespec pause = {.tv_nsec = 500 * 1000000L};
	double end = elapsed_seconds() + seconds;
	json_t *nova = nova_facts(root), *down = json_array();
	const json_t *service;
	size_t index = 0;

	while ((service = nova_task_find(nova, "nova-compute", &index))) {
		struct nova_target target;
		struct nova_state state = {.shown = "unknown"};
		bool up;

		if (!nova_target_find(service, &target))
			continue;
		while (!(up = stays_up(root, &target, &state)) && elapsed_seconds() < end &&
		       !given_up(&state))
			nanosleep(&pause, NULL);
		if (!up)
			json_array_append_new(
			    down, json_sprintf("%s is %s", nova_target_name(&target), state.shown));
	}
	json_decref(nova);
	return down;
}
