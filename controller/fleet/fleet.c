/* fleet.c: see fleet.h.
 *
 * fleet_admit is the heart: called whenever something changed, it lets waiting hosts begin while
 * forks, the open wave, slots and the budget allow, and skips those that can never begin. It is
 * never entered twice at once (hosts tick inside it).
 */
#include "controller/fleet/fleet.h"

#include <stdlib.h>
#include <string.h>

#include "controller/fleet/waves.h"

struct fleet {
	struct fleet_options options;
	struct host_shared shared;
	struct host *hosts;
	size_t count;
	size_t *waves, wave_count, wave; /* cumulative; the open one */
	size_t max_unavailable, max_failures;
	size_t down_outside; /* hosts that are not of this run, and down */
	size_t running, waiting, finished;
	bool rolling; /* hosts are taken down: waves, slots and budget apply */
	bool stopping, halted, aborted, reported;
	bool go, asked; /* the acting part began; `planned` was called */
	struct clock_timer kick;
	struct gf_err halt;
	size_t *by_boot; /* open addressing: index + 1 of the host that shows a boot_id; 0: free */
	size_t by_boot_size;
};

static const struct inventory_rollout *fleet_rollout(const struct fleet *fleet)
{
	return &fleet->options.inventory->rollout;
}

static size_t hash_text(const char *text)
{
	size_t hash = 14695981039346656037u;

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211u;
	return hash;
}

/* A host's former boot ids stay in the table: each is its own, whatever it runs now. */
static const char *fleet_boot_seen(void *ctx, struct host *host, const char *boot_id)
{
	struct fleet *fleet = ctx;
	size_t slot = hash_text(boot_id) % fleet->by_boot_size;

	for (size_t probes = 0; probes < fleet->by_boot_size; probes++) {
		size_t other = fleet->by_boot[slot];

		if (!other) {
			fleet->by_boot[slot] = host->index + 1;
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

static bool host_is_compute(const struct host *host)
{
	return host->inventory->role == ROLE_COMPUTE;
}

/* Does it take a slot: because it may go down by our hand, or is down already? */
static bool host_holds_slot(const struct host *host)
{
	if (!host_is_compute(host))
		return false;
	return host->active && host->cleared ? true : host_is_down(host);
}

static size_t slots_taken(const struct fleet *fleet, const char *domain)
{
	size_t taken = domain ? 0 : fleet->down_outside;

	for (size_t i = 0; i < fleet->count; i++) {
		const struct host *host = &fleet->hosts[i];

		if (!host_holds_slot(host))
			continue;
		if (!domain ||
		    (host->inventory->domain && strcmp(host->inventory->domain, domain) == 0))
			taken++;
	}
	return taken;
}

/* Would HOST find a slot, when TAKEN are taken? One that is down already holds its own. */
static bool slot_free(const struct fleet *fleet, const struct host *host, size_t taken)
{
	const char *domain = host->inventory->domain;
	unsigned per_domain = fleet_rollout(fleet)->per_domain;
	size_t own = host_holds_slot(host);

	if (!host_is_compute(host))
		return true;
	if (taken - own >= fleet->max_unavailable)
		return false;
	return !per_domain || !domain || slots_taken(fleet, domain) - own < per_domain;
}

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

static bool host_pauses(const struct host *host)
{
	return host->state == HOST_IDLE || host->state == HOST_WAITING;
}

static void skip_waiting(struct fleet *fleet, const struct gf_err *why)
{
	for (size_t i = 0; i < fleet->count; i++) {
		if (host_pauses(&fleet->hosts[i]))
			host_skip(&fleet->hosts[i], why);
	}
}

static bool budget_exceeded(const struct fleet *fleet)
{
	return fleet->rolling && fleet_failures(fleet) > fleet->max_failures;
}

/* Everybody has looked, and whoever has something to do waits to be let go. */
static bool everybody_looked(const struct fleet *fleet)
{
	return fleet->go || fleet->waiting + fleet->finished == fleet->count;
}

/* What failed while it was looked at counts, too; but the others look to their end first. */
static void budget_check(struct fleet *fleet)
{
	if (fleet->halted || !budget_exceeded(fleet) || !everybody_looked(fleet))
		return;
	fleet->halted = true;
	gf_err_set(
	    &fleet->halt, GF_E_CANCELLED,
	    "not begun: halted by the failure budget (%zu failed, rollout.max_failures is %zu)",
	    fleet_failures(fleet), fleet->max_failures);
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
	size_t open, started = 0, held = 0, taken = slots_taken(fleet, NULL);

	waves_open(fleet);
	open = fleet->waves[fleet->wave];
	for (size_t i = 0; i < open && fleet->running < fleet->options.forks; i++) {
		struct host *host = &fleet->hosts[i];

		if (host->state != HOST_WAITING)
			continue;
		if (!slot_free(fleet, host, taken)) {
			held++;
			continue;
		}
		taken += host_is_compute(host) && !host_holds_slot(host);
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
	    taken, fleet->max_unavailable,
	    fleet_rollout(fleet)->per_domain ? " or per_domain" : "");
	skip_waiting(fleet, &fleet->halt);
}

static void fleet_kick(struct fleet *fleet)
{
	if (!fleet->kick.slot && !fleet->reported)
		clock_arm(fleet->options.clock, &fleet->kick, 0);
}

static void fleet_admit(void *ctx)
{
	struct fleet *fleet = ctx;
	struct gf_err stopped = {GF_E_CANCELLED, "not begun: interrupted"};

	budget_check(fleet);
	if (fleet->halted || fleet->stopping)
		skip_waiting(fleet, fleet->halted ? &fleet->halt : &stopped);
	else if (fleet->go)
		admit_acting(fleet);
	else
		admit_looking(fleet);
	if (fleet->finished == fleet->count && !fleet->reported) {
		fleet->reported = true;
		fleet->options.observer->finished(fleet->options.ctx, fleet);
	} else if (fleet->waiting && everybody_looked(fleet) && !fleet->go && !fleet->asked &&
	           !fleet->halted) {
		fleet->asked = true;
		fleet->options.observer->planned(fleet->options.ctx, fleet);
	}
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

static void fleet_finished(void *ctx, struct host *host)
{
	struct fleet *fleet = ctx;

	if (host->active)
		fleet->running--;
	else if (host->began)
		fleet->waiting--; /* skipped while it waited */
	host->active = false;
	fleet->finished++;
	fleet->options.observer->host_finished(fleet->options.ctx, host);
	/* Thousands of facts documents are not kept: the store has them. */
	json_decref(host->facts);
	host->facts = NULL;
	fleet_kick(fleet);
}

static const struct host_events fleet_host_events = {
    .moved = fleet_moved,
    .task = fleet_task,
    .finished = fleet_finished,
    .boot_seen = fleet_boot_seen,
};

static void fleet_share(struct fleet *fleet)
{
	const struct fleet_options *options = &fleet->options;

	fleet->shared = (struct host_shared){
	    .job = options->job,
	    .run = options->run,
	    .former_run = options->former_run,
	    .who = options->who,
	    .where = options->where,
	    .playbook = options->playbook,
	    .rollout = &options->inventory->rollout,
	    .allow_running_guests = options->allow_running_guests,
	    .force = options->force,
	    .purge = options->purge,
	    .undo_run = options->undo_run,
	    .timeout_s = options->timeout_s,
	    .opener = options->opener,
	    .bundle = options->bundle,
	    .clock = options->clock,
	    .journal = options->journal,
	    .events = &fleet_host_events,
	    .ctx = fleet,
	};
}

/* Compute hosts outside the selection that were down when they were last heard of: capacity that is
 * missing already, whoever is at fault. */
static size_t count_down_outside(const struct fleet *fleet)
{
	const struct inventory *inventory = fleet->options.inventory;
	size_t down = 0, selected = 0;

	for (size_t i = 0; fleet->options.records && i < inventory->host_count; i++) {
		if (selected < fleet->options.count && fleet->options.selected[selected] == i) {
			selected++;
			continue;
		}
		down += inventory->hosts[i].role == ROLE_COMPUTE && fleet->options.records[i].down;
	}
	return down;
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
	fleet->down_outside = count_down_outside(fleet);
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
	fleet->rolling = options->job >= JOB_APPLY;
	fleet->hosts = calloc(options->count + 1, sizeof(*fleet->hosts));
	fleet->by_boot_size = options->count * 4 + 64;
	fleet->by_boot = calloc(fleet->by_boot_size, sizeof(*fleet->by_boot));
	fleet->waves = waves_compute(fleet->rolling ? &options->inventory->rollout : &at_once,
	                             options->count, &fleet->wave_count);
	if (!fleet->hosts || !fleet->by_boot || !fleet->waves)
		goto err_memory;
	if (fleet->options.forks == 0)
		fleet->options.forks = 64;
	fleet_limits(fleet);
	fleet_share(fleet);
	for (size_t i = 0; i < options->count; i++) {
		size_t of = options->selected[i];

		host_init(&fleet->hosts[i], &fleet->shared, &options->inventory->hosts[of], i,
		          options->records ? &options->records[of] : NULL);
	}
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
	fleet_kick(fleet);
}

void fleet_abort(struct fleet *fleet)
{
	fleet->stopping = fleet->aborted = fleet->reported = true;
	clock_disarm(fleet->options.clock, &fleet->kick);
	for (size_t i = 0; i < fleet->count; i++)
		host_abort(&fleet->hosts[i]);
}

void fleet_free(struct fleet *fleet)
{
	if (!fleet)
		return;
	if (fleet->kick.slot)
		clock_disarm(fleet->options.clock, &fleet->kick);
	for (size_t i = 0; fleet->hosts && i < fleet->count; i++) {
		if (fleet->hosts[i].shared)
			host_release(&fleet->hosts[i]);
	}
	free(fleet->hosts);
	free(fleet->by_boot);
	free(fleet->waves);
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
	if (fleet->halted || budget_exceeded(fleet))
		return 3;
	if (counts.failed || counts.blocked || counts.skipped || counts.pending || counts.drifted)
		return 2;
	return counts.unreachable ? 4 : 0;
}
