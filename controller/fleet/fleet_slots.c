/* fleet_slots.c: how many hosts may be down, in all and in each domain. Counted anew whenever
 * somebody may begin, in one pass: thousands of hosts wait, and each of them is asked about.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/fleet/fleet_internal.h"

static bool host_is_compute(const struct host *host)
{
	return host->inventory->role == ROLE_COMPUTE;
}

/* A trial that was booted and nobody has confirmed ends by itself, whoever's turn it is; a drained
 * host serves nobody. */
static bool record_holds(const struct host_record *record)
{
	return record->down || record->drained || (record->trial[0] && !record->reboot_owed);
}

/* Does it take a slot: because it may go down by our hand, or is down already? */
bool fleet_slot_held(const struct host *host)
{
	if (!host_is_compute(host))
		return false;
	return (host->active && host->cleared) || record_holds(&host->record);
}

/* The number of DOMAIN, which the first host that lies in it gives it; 0: none. */
static size_t domain_number(struct fleet_slots *slots, const char *domain)
{
	size_t i;

	if (!domain)
		return 0;
	for (i = 0; i < slots->domain_count; i++) {
		const char *name = slots->domains[i].name;

		if (name && strcmp(name, domain) == 0)
			return i + 1;
	}
	slots->domains[slots->domain_count++].name = domain;
	return i + 1;
}

/* Compute hosts outside the selection that were down when they were last heard of, or that a run
 * left in the middle: capacity that is missing already, whoever is at fault. */
static void count_outside(struct fleet *fleet)
{
	const struct inventory *inventory = fleet->options.inventory;
	struct fleet_slots *slots = &fleet->slots;
	size_t selected = 0;

	for (size_t i = 0; fleet->options.records && i < inventory->host_count; i++) {
		const struct inventory_host *host = &inventory->hosts[i];
		size_t domain;

		if (selected < fleet->options.count && fleet->options.selected[selected] == i) {
			selected++;
			continue;
		}
		if (host->role != ROLE_COMPUTE || !record_holds(&fleet->options.records[i]))
			continue;
		slots->down_outside++;
		domain = domain_number(slots, host->domain);
		if (domain)
			slots->domains[domain - 1].down_outside++;
	}
}

int fleet_slots_init(struct fleet *fleet)
{
	struct fleet_slots *slots = &fleet->slots;
	struct fleet_domain *fitted;

	slots->domain_of = calloc(fleet->count + 1, sizeof(*slots->domain_of));
	slots->domains = calloc(fleet->options.inventory->host_count + 1, sizeof(*slots->domains));
	if (!slots->domain_of || !slots->domains)
		return -1;
	for (size_t i = 0; i < fleet->count; i++)
		slots->domain_of[i] = domain_number(slots, fleet->hosts[i].inventory->domain);
	count_outside(fleet);
	fitted = realloc(slots->domains, (slots->domain_count + 1) * sizeof(*fitted));
	if (fitted)
		slots->domains = fitted;
	return 0;
}

void fleet_slots_free(struct fleet *fleet)
{
	free(fleet->slots.domain_of);
	free(fleet->slots.domains);
}

static void slot_take(struct fleet *fleet, const struct host *host)
{
	size_t domain = fleet->slots.domain_of[host->index];

	fleet->slots.taken++;
	if (domain)
		fleet->slots.domains[domain - 1].taken++;
}

void fleet_slots_count(struct fleet *fleet)
{
	struct fleet_slots *slots = &fleet->slots;

	slots->taken = slots->down_outside;
	for (size_t i = 0; i < slots->domain_count; i++)
		slots->domains[i].taken = slots->domains[i].down_outside;
	for (size_t i = 0; i < fleet->count; i++)
		if (fleet_slot_held(&fleet->hosts[i]))
			slot_take(fleet, &fleet->hosts[i]);
}

bool fleet_slot_take(struct fleet *fleet, const struct host *host)
{
	size_t domain = fleet->slots.domain_of[host->index];
	unsigned per_domain = fleet_rollout(fleet)->per_domain;
	size_t own = fleet_slot_held(host); /* one that is down already holds its own */

	if (!host_is_compute(host))
		return true;
	if (fleet->slots.taken - own >= fleet->max_unavailable)
		return false;
	if (per_domain && domain && fleet->slots.domains[domain - 1].taken - own >= per_domain)
		return false;
	if (!own)
		slot_take(fleet, host);
	return true;
}
