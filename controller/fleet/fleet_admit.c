/* fleet_admit.c: who may begin now. fleet_admit is the heart of the fleet: called whenever
 * something changed, it lets waiting hosts begin while forks, the open wave, slots and the budget
 * allow, and skips those that can never begin. It is never entered twice at once (hosts tick inside
 * it).
 */
#include <stdint.h>

#include "controller/fleet/fleet_internal.h"

/* The next wave opens when every host of the last is at its end. */
static void waves_open(struct fleet *fleet)
{
	while (fleet->wave + 1 < fleet->wave_count) {
		for (size_t i = 0; i < fleet->waves[fleet->wave]; i++) {
			if (!host_state_terminal(fleet->hosts[i].state))
				return;
		}
		if (!fleet_gate_open(fleet))
			return;
		fleet->wave++;
	}
}

static void skip_waiting(struct fleet *fleet, const struct gf_err *why)
{
	for (size_t i = 0; i < fleet->count; i++) {
		if (host_pauses(&fleet->hosts[i]))
			host_skip(&fleet->hosts[i], why);
	}
}

static void host_begin(struct fleet *fleet, struct host *host)
{
	if (host->state == HOST_WAITING)
		fleet->waiting--;
	host->active = true;
	fleet->running++;
	host_start(host);
}

/* Everybody looks, as many at once as there are forks; control hosts once all compute hosts have,
 * as what they need depends on what those show. */
static void admit_looking(struct fleet *fleet)
{
	bool computes_looked = true;

	for (size_t i = 0; i < fleet->computes; i++)
		computes_looked = computes_looked && (fleet->hosts[i].state == HOST_WAITING ||
		                                      host_state_terminal(fleet->hosts[i].state));
	size_t open = computes_looked ? fleet->count : fleet->computes;
	for (size_t i = 0; i < open && fleet->running < fleet->options.forks; i++) {
		if (fleet->hosts[i].state == HOST_IDLE)
			host_begin(fleet, &fleet->hosts[i]);
	}
}

/* Is the first wave at its end, and is a compute host ready that the control plane could offer? An
 * apply without compute hosts was asked for control hosts by name. */
static bool control_may_begin(const struct fleet *fleet, bool *never)
{
	/* Placement must have every host's devices before the scheduler asks it for them. */
	bool all = fleet->options.inventory->pci_in_placement == 1;
	bool first_over = true, all_over = true, ready = fleet->computes == 0;

	for (size_t i = 0; i < fleet->computes; i++) {
		enum host_state state = fleet->hosts[i].state;

		first_over = first_over && (i >= fleet->waves[0] || host_state_terminal(state));
		all_over = all_over && host_state_terminal(state);
		ready = ready || state == HOST_DONE;
	}
	*never = all_over && !ready;
	return (all ? all_over : first_over) && ready;
}

/* Time only goes on: what does not fit into the open window now will not fit later. */
static bool window_skips(struct host *host)
{
	struct gf_err why = {.code = GF_OK};

	if (!host_window_forbids(host, &why))
		return false;
	host_skip(host, &why);
	return true;
}

/* Control hosts go one at a time, first the one that a former run may be at work on still. Returns
 * how many began: 0 or 1. */
static size_t admit_control(struct fleet *fleet)
{
	struct gf_err why = {.code = GF_OK};
	struct host *next = NULL;
	bool never = false;

	if (fleet->gate == GATE_ASKED)
		return 0;
	for (size_t i = fleet->computes; i < fleet->count; i++) {
		if (fleet->hosts[i].active)
			return 0;
		bool sooner = !next || (fleet->hosts[i].record.operation_open &&
		                        !next->record.operation_open);

		if (sooner && fleet->hosts[i].state == HOST_WAITING &&
		    !window_skips(&fleet->hosts[i]))
			next = &fleet->hosts[i];
	}
	if (!next)
		return 0;
	if (fleet->options.job != JOB_APPLY || control_may_begin(fleet, &never)) {
		if (fleet->running >= fleet->options.forks)
			return 0;
		next->cleared = true;
		host_begin(fleet, next);
		return 1;
	}
	if (never) {
		gf_err_set(&why, GF_E_CANCELLED,
		           "not begun: none of this run's compute hosts is ready, so there is "
		           "nothing to offer yet");
		for (size_t i = fleet->computes; i < fleet->count; i++)
			if (host_pauses(&fleet->hosts[i]))
				host_skip(&fleet->hosts[i], &why);
	}
	return 0;
}

/* The barrier that every host of the open waves has come to, or lies behind: 0, where somebody is
 * still on the way to one. */
static size_t barrier_open(const struct fleet *fleet)
{
	size_t least = SIZE_MAX;

	for (size_t i = 0; i < fleet->computes && i < fleet->waves[fleet->wave]; i++) {
		const struct host *host = &fleet->hosts[i];

		if (host_state_terminal(host->state))
			continue;
		if (host->state != HOST_WAITING || !host->barrier)
			return 0;
		if (host->barrier < least)
			least = host->barrier;
	}
	return least;
}

static void admit_acting(struct fleet *fleet)
{
	size_t open, barrier, started = 0, held = 0;

	waves_open(fleet);
	fleet_slots_count(fleet);
	open = fleet->waves[fleet->wave];
	barrier = barrier_open(fleet);
	for (size_t i = 0; i < fleet->computes && fleet->running < fleet->options.forks; i++) {
		struct host *host = &fleet->hosts[fleet->order[i]];

		/* One that a former run left with a slot gives it back only by ending, whatever its
		 * wave. */
		if (i >= open && !fleet_slot_held(host))
			continue;
		if (host->state != HOST_WAITING || host->barrier > barrier || window_skips(host))
			continue;
		if (!fleet_slot_take(fleet, host)) {
			held++;
			continue;
		}
		started++;
		host->cleared = true;
		host_begin(fleet, host);
	}
	started += admit_control(fleet);
	if (!held || started || fleet->running)
		return;
	/* Nobody is under way who could give a slot back. */
	fleet->halted = true;
	gf_err_set(
	    &fleet->halt, GF_E_CANCELLED,
	    "not begun: %zu of the fleet's hosts %s down already, and rollout.max_unavailable "
	    "(%zu)%s allows no more",
	    fleet->slots.taken, fleet->slots.taken == 1 ? "is" : "are", fleet->max_unavailable,
	    fleet_rollout(fleet)->per_domain ? " or per_domain" : "");
	skip_waiting(fleet, &fleet->halt);
}

/* Everybody has been looked at: what shows only then (one alias, two types of device) is found
 * before anything is written. */
static void reconsider_all(struct fleet *fleet)
{
	if (fleet->reconsidered || fleet->go || !fleet->waiting || !fleet_looked(fleet))
		return;
	fleet->reconsidered = true;
	for (size_t i = 0; i < fleet->count; i++) {
		if (fleet->hosts[i].state == HOST_WAITING)
			host_reconsider(&fleet->hosts[i]);
	}
}

void fleet_admit(void *ctx)
{
	struct fleet *fleet = ctx;
	struct gf_err stopped = {GF_E_CANCELLED, "not begun: interrupted"};

	fleet_budget_check(fleet);
	if (!fleet->halted && !fleet->stopping)
		reconsider_all(fleet);
	if (fleet->halted || fleet->stopping)
		skip_waiting(fleet, fleet->halted ? &fleet->halt : &stopped);
	else if (fleet->go)
		admit_acting(fleet);
	else
		admit_looking(fleet);
	if (fleet->finished == fleet->count && !fleet->reported) {
		fleet->reported = true;
		fleet->options.observer->finished(fleet->options.ctx, fleet);
	} else if (fleet->waiting && fleet_looked(fleet) && !fleet->go && !fleet->asked &&
	           !fleet->halted) {
		fleet->asked = true;
		fleet->options.observer->planned(fleet->options.ctx, fleet);
	}
}
