/* fleet_counts.c: how a run stands, and the exit status that this means. */
#include <string.h>

#include "controller/fleet/fleet_internal.h"

static bool plan_pending(const struct host *host)
{
	const json_t *stage;
	size_t i;

	json_array_foreach(json_object_get(host->plan, "stages"), i, stage)
	{
		if (json_is_true(json_object_get(stage, "changed")) ||
		    json_is_true(json_object_get(stage, "reboot")))
			return true;
	}
	return false;
}

void fleet_count(const struct fleet *fleet, struct fleet_counts *counts)
{
	memset(counts, 0, sizeof(*counts));
	counts->total = fleet->count;
	for (size_t i = 0; i < fleet->count; i++) {
		const struct host *host = &fleet->hosts[i];

		counts->waiting += host_pauses(host);
		counts->to_change += host->state == HOST_WAITING;
		counts->running += !host_pauses(host) && !host_state_terminal(host->state);
		counts->done += host->state == HOST_DONE;
		counts->failed += host->state == HOST_FAILED;
		counts->blocked += host->state == HOST_BLOCKED;
		counts->skipped += host->state == HOST_SKIPPED;
		counts->unreachable += host->state == HOST_UNREACHABLE;
		counts->put_off +=
		    host->state == HOST_SKIPPED && host_why(host)->code == GF_E_WINDOW;
		counts->changed += host->record.changed;
		counts->rebooted += host->record.rebooted;
		counts->drifted += host->drift != NULL;
		counts->pending += host->state == HOST_DONE && fleet->options.job == JOB_PLAN &&
		                   plan_pending(host);
	}
}

bool fleet_halted(const struct fleet *fleet)
{
	return fleet->halted;
}

int fleet_exit_status(const struct fleet *fleet)
{
	struct fleet_counts counts;

	fleet_count(fleet, &counts);
	if (fleet->aborted || (fleet->stopping && counts.skipped))
		return 130;
	/* Also when no host was left to hold back: more failed than are tolerated. */
	if (fleet->halted || fleet_budget_exceeded(fleet))
		return 3;
	if (counts.put_off)
		return 5;
	if (counts.failed || counts.blocked || counts.skipped || counts.pending || counts.drifted)
		return 2;
	return counts.unreachable ? 4 : 0;
}
