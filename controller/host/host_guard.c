/* host_guard.c: hosts that a run on the whole fleet must not take down, as it would cut itself off:
 * the machine that gpufleet runs on, and the way to other hosts. Who names them means them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "controller/host/host_states.h"
#include "inventory/nodeset.h"

#define NAMES_MAX 160 /* characters of the names in a message */

/* Names lie, and a machine has many of them: a boot has one id. */
static bool host_is_own(const struct host *host)
{
	const char *own = host->shared->own_boot_id;

	return own && *own && strcmp(own, host->boot_id) == 0;
}

/* BASTION is a copy of what the inventory and ~/.ssh/config say of it, under the name that a jump
 * has for it. */
static bool bastion_is(const struct inventory_host *bastion, const struct inventory_host *host)
{
	return strcasecmp(bastion->name, host->name) == 0 ||
	       (bastion->port == host->port && strcasecmp(bastion->address, host->address) == 0);
}

static bool way_leads_over(const struct inventory_host *from, const struct inventory_host *host)
{
	for (const struct inventory_host *at = from->bastion; at; at = at->bastion)
		if (bastion_is(at, host))
			return true;
	return false;
}

/* The hosts behind HOST as a node set, which the caller frees; NULL: none (or no memory). */
static char *hosts_behind(const struct host *host)
{
	const struct inventory *inventory = host->shared->inventory;
	const char **names = calloc(inventory->host_count + 1, sizeof(*names));
	const struct inventory_host *bastion = NULL;
	bool leads = false;
	size_t count = 0;
	char *folded;

	for (size_t i = 0; names && i < inventory->host_count; i++) {
		const struct inventory_host *other = &inventory->hosts[i];

		if (!other->bastion || other == host->inventory)
			continue;
		/* Hosts of one group share theirs: thousands are not compared one by one. */
		if (other->bastion != bastion)
			leads = way_leads_over(other, host->inventory);
		bastion = other->bastion;
		if (leads)
			names[count++] = other->name;
	}
	folded = count ? nodeset_fold(names, count) : NULL;
	free(names);
	return folded;
}

bool host_guard_forbids(const struct host *host, struct gf_err *err)
{
	bool changes = host->shared->job == JOB_PLAN || host->shared->job >= JOB_APPLY;
	char *behind;

	if (!changes || host->shared->by_name)
		return false;
	if (host_is_own(host)) {
		gf_err_set(err, GF_E_BLOCKED,
		           "it is the machine that gpufleet runs on (one boot id), and is left "
		           "alone: name it with --limit to change it all the same");
		return true;
	}
	behind = hosts_behind(host);
	if (!behind)
		return false;
	gf_err_set(err, GF_E_BLOCKED,
	           "it is the way (jump) to %.*s%s, and is left alone: name it with --limit, best "
	           "by itself, to change it all the same",
	           NAMES_MAX, behind, strlen(behind) > NAMES_MAX ? "…" : "");
	free(behind);
	return true;
}
