/* fleet_budget.c: how many failed, and whether that halts the run. */
#include "controller/fleet/fleet_internal.h"

static bool failure_counts(const struct host *host)
{
	return host->state == HOST_FAILED;
}

static size_t fleet_failures(const struct fleet *fleet)
{
	size_t failures = 0;

	for (size_t i = 0; i < fleet->count; i++)
		failures += failure_counts(&fleet->hosts[i]);
	return failures;
}

bool fleet_budget_exceeded(const struct fleet *fleet)
{
	return fleet->rolling && fleet_failures(fleet) > fleet->max_failures;
}

bool fleet_looked(const struct fleet *fleet)
{
	return fleet->go || fleet->waiting + fleet->finished == fleet->count;
}

/* What failed while it was looked at counts, too; but the others look to their end first. */
void fleet_budget_check(struct fleet *fleet)
{
	if (fleet->halted || !fleet_budget_exceeded(fleet) || !fleet_looked(fleet))
		return;
	fleet->halted = true;
	gf_err_set(
	    &fleet->halt, GF_E_CANCELLED,
	    "not begun: halted by the failure budget (%zu failed, rollout.max_failures is %zu)",
	    fleet_failures(fleet), fleet->max_failures);
}
