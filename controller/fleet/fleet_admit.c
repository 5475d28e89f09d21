/* fleet_admit.c: who may begin now. fleet_admit is the heart of the fleet: called whenever
 * something changed, it lets waiting hosts begin while forks, the open wave, slots and the budget
 * allow, and skips those that can never begin. It is never entered twice at once (hosts tick inside
 * it).
 */
#include "controller/fleet/fleet_internal.h"

/* The next wave opens when every host of the last is at its end. */
static void waves_open(struct fleet *fleet)
{
	while (fleet->wave + 1 < fleet->wave_count) {
		for (size_t i = 0; i < fleet->waves[fleet->wave]; i++) {
			if (!host_state_terminal(fleet->hosts[i].state))
				return;
		}
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

/* Everybody looks, as many at once as there are forks. */
static void admit_looking(struct fleet *fleet)
{
	for (size_t i = 0; i < fleet->count && fleet->running < fleet->options.forks; i++) {
		if (fleet->hosts[i].state == HOST_IDLE)
			host_begin(fleet, &fleet->hosts[i]);
	}
}

static void admit_acting(struct fleet *fleet)
{
	size_t open, started = 0, held = 0;

	waves_open(fleet);
	fleet_slots_count(fleet);
	open = fleet->waves[fleet->wave];
	for (size_t i = 0; i < open && fleet->running < fleet->options.forks; i++) {
		struct host *host = &fleet->hosts[i];

		if (host->state != HOST_WAITING)
			continue;
		if (!fleet_slot_take(fleet, host)) {
			held++;
			continue;
		}
		started++;
		host->cleared = true;
		host_begin(fleet, host);
	}
	if (!held || started || fleet->running)
		return;
	/* Nobody is under way who could give a slot back. */
	fleet->halted = true;
	gf_err_set(
	    &fleet->halt, GF_E_CANCELLED,
	    "not begun: %zu of the fleet's hosts are down already, and rollout.max_unavailable "
	    "(%zu)%s allows no more",
	    fleet->slots.taken, fleet->max_unavailable,
	    fleet_rollout(fleet)->per_domain ? " or per_domain" : "");
	skip_waiting(fleet, &fleet->halt);
}
void fleet_admit(void *ctx)
{
	struct fleet *fleet = ctx;
	struct gf_err stopped = {GF_E_CANCELLED, "not begun: interrupted"};

	fleet_budget_check(fleet);
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
