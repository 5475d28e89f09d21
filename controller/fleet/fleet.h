/* fleet.h: all hosts of one run: who may begin when. Forks (connections at once), waves, slots
 * (hosts that may be down at once, in all and for each domain) and the failure budget. It moves no
 * host itself: it starts and skips them.
 *
 * Everything happens on the thread of the clock, the opener and the journal.
 */
#ifndef GPUFLEET_FLEET_H
#define GPUFLEET_FLEET_H

#include "controller/hook/hook.h"
#include "controller/host/host_machine.h"

struct fleet;

struct fleet_observer {
	void (*host_moved)(void *ctx, const struct host *host);
	void (*host_task)(void *ctx, const struct host *host, const json_t *event);
	void (*host_finished)(void *ctx,
	                      const struct host *host); /* its facts and plan may be taken */
	/* A job that changes things has looked at every host: fleet_go lets it act, fleet_stop ends
	 * it. */
	void (*planned)(void *ctx, struct fleet *fleet);
	void (*finished)(void *ctx, struct fleet *fleet); /* every host is at its end */
	/* rollout.health was asked after WAVE (from 1 on); ERR NULL: it passed. Optional. */
	void (*gate)(void *ctx, size_t wave, const struct gf_err *err);
};

struct fleet_options {
	const struct inventory *inventory;
	const size_t *selected; /* into inventory->hosts */
	size_t count;
	/* One for each of inventory->hosts, or NULL: what the journal says. Those outside the
	 * selection count, too: a host that is down takes a slot. */
	const struct host_record *records;
	enum host_job job;
	const char *run, *reboot_since, *who, *where; /* as in host_shared */
	json_t *former_runs;             /* host_shared's: whose leases may be taken over */
	const char *secret;              /* host_shared's: unguessable, another one for each run */
	const struct playbook *playbook; /* may be NULL where the job needs none */
	const char *undo_run;
	const struct saved_plan *saved_plan; /* apply: do exactly this; or NULL */
	bool allow_running_guests, force, purge;
	bool probe;                    /* scan: ask each kernel for its free devices */
	struct hook_runner *hooks;     /* runs rollout.health; NULL: it is not asked */
	const struct windows *windows; /* when hosts may be taken down; NULL: at any time */
	bool by_name; /* the hosts were named: control hosts may be treated as compute hosts, too */
	const char *own_boot_id; /* of the machine that this runs on; NULL: not known */
	unsigned forks, timeout_s;
	struct link_opener *opener;
	const struct agent_bundle *bundle;
	struct secrets *secrets; /* may be NULL */
	struct nova_fleet *nova; /* what stored facts say; kept up to date; NULL: nothing of Nova */
	struct clock *clock;
	struct journal *journal;
	const struct fleet_observer *observer;
	void *ctx;
};

struct fleet_counts {
	size_t total, waiting, running;
	size_t to_change; /* of the waiting: looked at, with something to do */
	size_t done, failed, blocked, skipped, unreachable;
	size_t put_off; /* of the skipped: by rollout.windows */
	size_t changed, rebooted, drifted, pending;
};

/* Everything in OPTIONS is borrowed until fleet_free. NULL with *err. */
struct fleet *fleet_new(const struct fleet_options *options, struct gf_err *err);

/* Lets the first hosts begin. The observer is called from here on. */
void fleet_start(struct fleet *fleet);

/* After `planned`: hosts that wait may change things now, under waves, slots and budget. */
void fleet_go(struct fleet *fleet);

/* Nothing new begins; what is under way goes on to its end. For the first ^C. */
void fleet_stop(struct fleet *fleet);

/* Drops all connections at once; no observer is called any more. For the second ^C. */
void fleet_abort(struct fleet *fleet);

void fleet_free(struct fleet *fleet);

size_t fleet_size(const struct fleet *fleet);
const struct host *fleet_host(const struct fleet *fleet, size_t i);
void fleet_count(const struct fleet *fleet, struct fleet_counts *counts);
bool fleet_halted(const struct fleet *fleet); /* by the budget, or for want of a slot */

/* The exit status that the run so far means (docs: the fixed table). */
int fleet_exit_status(const struct fleet *fleet);

#endif
