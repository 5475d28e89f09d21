/* fleet.c: see fleet.h. What happens to hosts comes in here and is passed on; who may begin is
 * fleet_admit.c's. */
#include "controller/fleet/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "controller/fleet/fleet_internal.h"
#include "controller/fleet/waves.h"
#include "node-agent/wire/bytes_hash.h"

#define SHARE_MOST   ((size_t)1 << 20) /* bytes: hosts of many makes have less in common */
#define ENDING_SHARE 4                 /* one of as many that run */

/* A host's former boot ids stay in the table: each is its own, whatever it runs now. */
static const char *fleet_boot_seen(void *ctx, struct host *host, const char *boot_id)
{
	struct fleet *fleet = ctx;
	size_t slot = bytes_hash(0, boot_id, strlen(boot_id)) % fleet->by_boot_size;

	for (size_t probes = 0; probes < fleet->by_boot_size; probes++) {
		size_t other = fleet->by_boot[slot];

		if (!other) {
			fleet->by_boot[slot] = (uint32_t)host->index + 1;
			return NULL;
		}
		if (other - 1 == host->index && strcmp(host->boot_id, boot_id) == 0)
			return NULL;
		if (other - 1 != host->index &&
		    strcmp(fleet->hosts[other - 1].boot_id, boot_id) == 0)
			return fleet->hosts[other - 1].inventory->name;
		slot = (slot + 1) % fleet->by_boot_size;
	}
	return NULL;
}

void fleet_kick(struct fleet *fleet)
{
	if (!fleet->kick.slot && !fleet->reported)
		clock_arm(fleet->options.clock, &fleet->kick, 0);
}

static void fleet_moved(void *ctx, struct host *host)
{
	struct fleet *fleet = ctx;

	if (host->state == HOST_WAITING) {
		host->active = false;
		fleet->running--;
		fleet->waiting++;
		fleet_kick(fleet);
	}
	fleet->options.observer->host_moved(fleet->options.ctx, host);
}

static void fleet_task(void *ctx, struct host *host, const json_t *event)
{
	struct fleet *fleet = ctx;

	fleet->options.observer->host_task(fleet->options.ctx, host, event);
}

/* Commits are shared as long as most go on: who waits for one holds up another host's begin. */
static void fleet_ending(void *ctx, struct host *host)
{
	struct fleet *fleet = ctx;

	host->ending = true;
	fleet->ending++;
	if (ENDING_SHARE * fleet->ending >= fleet->running)
		fleet->options.journal->hurry(fleet->options.journal);
}

static void fleet_finished(void *ctx, struct host *host)
{
	struct fleet *fleet = ctx;

	if (host->ending)
		fleet->ending--;
	host->ending = false;
	if (host->active)
		fleet->running--;
	else if (host->began)
		fleet->waiting--; /* skipped while it waited */
	host->active = false;
	fleet->finished++;
	fleet->options.observer->host_finished(fleet->options.ctx, host);
	host_facts_drop(host);
	fleet_kick(fleet);
}

static const struct host_events fleet_host_events = {
    .moved = fleet_moved,
    .task = fleet_task,
    .ending = fleet_ending,
    .finished = fleet_finished,
    .boot_seen = fleet_boot_seen,
};

static void fleet_share(struct fleet *fleet)
{
	const struct fleet_options *options = &fleet->options;

	fleet->shared = (struct host_shared){
	    .job = options->job,
	    .run = options->run,
	    .former_runs = options->former_runs,
	    .reboot_since = options->reboot_since,
	    .who = options->who,
	    .where = options->where,
	    .secret = options->secret,
	    .playbook = options->playbook,
	    .inventory = options->inventory,
	    .rollout = &options->inventory->rollout,
	    .saved_plan = options->saved_plan,
	    .allow_running_guests = options->allow_running_guests,
	    .probe = options->probe,
	    .force = options->force,
	    .purge = options->purge,
	    .windows = options->windows,
	    .by_name = options->by_name,
	    .own_boot_id = options->own_boot_id,
	    .undo_run = options->undo_run,
	    .timeout_s = options->timeout_s,
	    .opener = options->opener,
	    .bundle = options->bundle,
	    .secrets = options->secrets,
	    .nova = options->nova,
	    .clock = options->clock,
	    .hooks = options->hooks,
	    .journal = options->journal,
	    .events = &fleet_host_events,
	    .pool = &fleet->pool,
	    .share = fleet->share,
	    .ctx = fleet,
	};
}

static void fleet_limits(struct fleet *fleet)
{
	const struct inventory_rollout *rollout = fleet_rollout(fleet);
	size_t computes = 0;

	for (size_t i = 0; i < fleet->options.inventory->host_count; i++)
		computes += fleet->options.inventory->hosts[i].role == ROLE_COMPUTE;
	fleet->max_unavailable =
	    waves_limit(rollout->max_unavailable, rollout->max_unavailable_percent, computes, 1);
	fleet->max_failures =
	    waves_limit(rollout->max_failures, rollout->max_failures_percent, fleet->count, 0);
}

/* Compute hosts first, whose shares the waves are; both in the inventory's order. */
static int fleet_hosts_init(struct fleet *fleet)
{
	const struct fleet_options *options = &fleet->options;
	static const enum inventory_role order[] = {ROLE_COMPUTE, ROLE_CONTROL};
	size_t next = 0;

	for (size_t pass = 0; pass < sizeof(order) / sizeof(order[0]); pass++) {
		for (size_t i = 0; i < options->count; i++) {
			size_t of = options->selected[i];
			const struct inventory_host *host = &options->inventory->hosts[of];

			if (host->role != order[pass])
				continue;
			if (host_init(&fleet->hosts[next], &fleet->shared, host, next,
			              options->records ? &options->records[of] : NULL))
				return -1;
			next++;
		}
	}
	return 0;
}

static int longer_first(const void *a, const void *b, void *ctx)
{
	const struct fleet *fleet = ctx;
	size_t first = *(const size_t *)a, second = *(const size_t *)b;
	unsigned took = fleet->hosts[first].record.reboot_s;
	unsigned other = fleet->hosts[second].record.reboot_s;

	if (took != other)
		return took > other ? -1 : 1;
	return first < second ? -1 : 1;
}

/* In each wave those first whose last reboot took longest: one that is begun last holds up the end
 * by all that it takes. Of equals, and where nothing is known yet, the inventory's order. */
static int fleet_order_init(struct fleet *fleet)
{
	size_t first = 0;

	fleet->order = calloc(fleet->computes + 1, sizeof(*fleet->order));
	if (!fleet->order)
		return -1;
	for (size_t i = 0; i < fleet->computes; i++)
		fleet->order[i] = i;
	for (size_t wave = 0; wave < fleet->wave_count; wave++) {
		qsort_r(&fleet->order[first], fleet->waves[wave] - first, sizeof(*fleet->order),
		        longer_first, fleet);
		first = fleet->waves[wave];
	}
	return 0;
}

struct fleet *fleet_new(const struct fleet_options *options, struct gf_err *err)
{
	static const struct inventory_rollout at_once;
	struct fleet *fleet = calloc(1, sizeof(*fleet));

	if (!fleet)
		goto err_memory;
	fleet->options = *options;
	fleet->kick.fire = fleet_admit;
	fleet->kick.ctx = fleet;
	fleet->count = options->count;
	for (size_t i = 0; i < options->count; i++)
		fleet->computes +=
		    options->inventory->hosts[options->selected[i]].role == ROLE_COMPUTE;
	fleet->rolling = options->job >= JOB_APPLY;
	fleet->hosts = calloc(options->count + 1, sizeof(*fleet->hosts));
	/* Of a host that is not rebooted there is one boot to be seen. */
	fleet->by_boot_size = options->count * (fleet->rolling ? 4 : 2) + 64;
	fleet->by_boot = calloc(fleet->by_boot_size, sizeof(*fleet->by_boot));
	fleet->waves = waves_compute(fleet->rolling ? &options->inventory->rollout : &at_once,
	                             fleet->computes, &fleet->wave_count);
	fleet->share = json_share_new(SHARE_MOST);
	if (!fleet->hosts || !fleet->by_boot || !fleet->waves || !fleet->share)
		goto err_memory;
	if (fleet->options.forks == 0)
		fleet->options.forks = 64;
	fleet_limits(fleet);
	fleet_share(fleet);
	if (fleet_hosts_init(fleet) || fleet_slots_init(fleet) || fleet_order_init(fleet))
		goto err_memory;
	fleet->options.records = NULL; /* the caller may let go of them */
	return fleet;

err_memory:
	fleet_free(fleet);
	gf_err_set(err, GF_E_MEMORY, "out of memory for %zu hosts", options->count);
	return NULL;
}

void fleet_start(struct fleet *fleet)
{
	fleet_kick(fleet);
}

void fleet_go(struct fleet *fleet)
{
	fleet->go = true;
	fleet_kick(fleet);
}

void fleet_stop(struct fleet *fleet)
{
	fleet->stopping = true;
	fleet_gate_cancel(fleet);
	fleet_kick(fleet);
}

void fleet_abort(struct fleet *fleet)
{
	fleet->stopping = fleet->aborted = fleet->reported = true;
	clock_disarm(fleet->options.clock, &fleet->kick);
	fleet_gate_cancel(fleet);
	for (size_t i = 0; i < fleet->count; i++)
		host_abort(&fleet->hosts[i]);
}

void fleet_free(struct fleet *fleet)
{
	if (!fleet)
		return;
	if (fleet->kick.slot)
		clock_disarm(fleet->options.clock, &fleet->kick);
	fleet_gate_cancel(fleet);
	for (size_t i = 0; fleet->hosts && i < fleet->count; i++) {
		if (fleet->hosts[i].shared)
			host_release(&fleet->hosts[i]);
	}
	json_pool_release(&fleet->pool);
	json_share_free(fleet->share);
	free(fleet->hosts);
	free(fleet->by_boot);
	fleet_slots_free(fleet);
	free(fleet->waves);
	free(fleet->order);
	free(fleet);
}

size_t fleet_size(const struct fleet *fleet)
{
	return fleet->count;
}

const struct host *fleet_host(const struct fleet *fleet, size_t i)
{
	return &fleet->hosts[i];
}
