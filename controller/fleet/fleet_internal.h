/* fleet_internal.h: between the files of controller/fleet only: what a fleet holds. */
#ifndef GPUFLEET_FLEET_INTERNAL_H
#define GPUFLEET_FLEET_INTERNAL_H

#include "controller/fleet/fleet.h"
#include "controller/host/json_pool.h"

struct fleet_domain {
	const char *name;
	size_t taken, down_outside;
};

struct fleet_slots {
	size_t taken;        /* by fleet_slots_count */
	size_t down_outside; /* hosts that are not of this run, and down */
	struct fleet_domain *domains;
	size_t domain_count;
	size_t *domain_of; /* each host's: 1-based; 0: none */
};

/* Of the wave that is open: was the operator's command asked about it? */
enum fleet_gate { GATE_UNASKED, GATE_ASKED, GATE_PASSED };

struct fleet {
	struct fleet_options options;
	struct host_shared shared;
	struct json_pool pool;
	struct json_share *share;
	struct host *hosts; /* compute hosts first, then control hosts */
	size_t count, computes;
	size_t *waves, wave_count, wave; /* of compute hosts: cumulative; the open one */
	size_t *order;                   /* of compute hosts: whose turn it is, wave by wave */
	size_t max_unavailable, max_failures;
	struct fleet_slots slots;
	enum fleet_gate gate;
	struct hook *hook; /* the command that is running; or NULL */
	size_t running, waiting, finished;
	size_t ending; /* of those that run: they wait for the journal alone */
	bool rolling;  /* hosts are taken down: waves, slots and budget apply */
	bool stopping, halted, aborted, reported;
	bool go, asked;    /* the acting part began; `planned` was called */
	bool reconsidered; /* … after all who wait were asked once more */
	struct clock_timer kick;
	struct gf_err halt;
	/* Open addressing: index + 1 of the host that shows a boot_id; 0: free. */
	uint32_t *by_boot;
	size_t by_boot_size;
};

static inline const struct inventory_rollout *fleet_rollout(const struct fleet *fleet)
{
	return &fleet->options.inventory->rollout;
}

/* Waits for its fleet: to look, or to be let go. */
static inline bool host_pauses(const struct host *host)
{
	return host->state == HOST_IDLE || host->state == HOST_WAITING;
}

/* fleet_admit.c: the kick timer's: lets those begin who may, and skips those who never can. */
void fleet_admit(void *ctx);

/* fleet.c: has fleet_admit called soon. */
void fleet_kick(struct fleet *fleet);

/* fleet_gate.c: the open wave is at its end: may the next one open? False: not yet, or never. */
bool fleet_gate_open(struct fleet *fleet);
void fleet_gate_cancel(struct fleet *fleet);

/* fleet_slots.c */
int fleet_slots_init(struct fleet *fleet); /* -1: out of memory */
void fleet_slots_free(struct fleet *fleet);
void fleet_slots_count(struct fleet *fleet);
/* Takes a slot for HOST, counted from the last fleet_slots_count on; false: there is none. */
bool fleet_slot_take(struct fleet *fleet, const struct host *host);
/* Does HOST hold one whoever's turn it is: because it is down, or may go down by itself? */
bool fleet_slot_held(const struct host *host);

/* fleet_budget.c */
/* More failed than rollout.max_failures tolerates. */
bool fleet_budget_exceeded(const struct fleet *fleet);
/* Everybody has looked, and whoever has something to do waits to be let go. */
bool fleet_looked(const struct fleet *fleet);
/* Halts the fleet when the budget is used up. */
void fleet_budget_check(struct fleet *fleet);

#endif
