/* host_machine.h: one host under one job (scan, plan, apply …): a machine with a table row for each
 * state (name, what may follow, deadline, what it does on entry and on input). docs/design shows
 * the picture.
 *
 * Callbacks of the link, the journal and the clock only make an input and tick; host_tick is the
 * only one that moves the machine. A host has at most one operation under way. Everything it does
 * to a host is recorded before (intent) and after (result).
 */
#ifndef GPUFLEET_HOST_MACHINE_H
#define GPUFLEET_HOST_MACHINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "controller/clock/clock.h"
#include "controller/hook/hook.h"
#include "controller/host/agent_link.h"
#include "controller/host/host_fold.h"
#include "controller/host/journal.h"
#include "controller/nova/nova_fleet.h"
#include "controller/plan/saved_plan.h"
#include "inventory/inventory.h"
#include "playbooks/playbook.h"

enum host_job { JOB_SCAN, JOB_PLAN, JOB_VERIFY, JOB_APPLY, JOB_REBOOT, JOB_ROLLBACK };

enum host_state {
	HOST_STAY = -1, /* what an entry or input function returns to wait */
	HOST_IDLE = 0,
	HOST_CONNECTING,
	HOST_STARTING,
	HOST_BACKOFF,
	HOST_LEASING,
	HOST_FACTS,
	HOST_PLANNING,
	HOST_WAITING,
	HOST_INTENT,
	HOST_APPLYING,
	HOST_DRAINING,
	HOST_REBOOT_INTENT,
	HOST_REBOOTING,
	HOST_POWER_CYCLING,
	HOST_REBOOTED,
	HOST_PROVING,
	HOST_CONFIRMING,
	HOST_COMMIT_INTENT,
	HOST_COMMITTING,
	HOST_PURGING,
	HOST_UNDRAINING,
	HOST_FINISHING,
	HOST_DONE,
	HOST_FAILED,
	HOST_BLOCKED,
	HOST_SKIPPED,
	HOST_UNREACHABLE,
	HOST_STATE_COUNT,
};

struct host;

enum host_input_kind {
	INPUT_START,     /* the fleet lets it begin, or lets it change things */
	INPUT_SKIP,      /* the fleet won't let it begin: err says why */
	INPUT_CONNECTED, /* authenticated */
	INPUT_HELLO,     /* the agent runs: data is its hello */
	INPUT_EVENT,     /* of an operation: data */
	INPUT_RESULT,    /* of the request: data */
	INPUT_ERROR,     /* the agent refused the request: err */
	INPUT_LOST,      /* no connection any more: err */
	INPUT_ACK,       /* what was appended is on the disk */
	INPUT_NACK,      /* … or could not be: err */
	INPUT_HOOK,      /* the operator's command has ended: err is NULL when it went well */
	INPUT_TIMEOUT,   /* the state's deadline */
};

struct host_input {
	enum host_input_kind kind;
	const json_t *data;
	const struct gf_err *err;
};

struct host_state_row {
	const char *name;
	uint32_t next;       /* bits of the states that may follow; 0: terminal */
	unsigned deadline_s; /* 0: none (terminal, or ended by the fleet) */
	enum host_state (*enter)(struct host *host);
	enum host_state (*input)(struct host *host, const struct host_input *input);
};

/* What hosts tell their fleet. */
struct host_events {
	void (*moved)(void *ctx, struct host *host); /* to another state or stage */
	void (*task)(void *ctx, struct host *host,
	             const json_t *event);              /* a task of an operation ended */
	void (*ending)(void *ctx, struct host *host);   /* that it ends is being recorded */
	void (*finished)(void *ctx, struct host *host); /* at a terminal state: the last call */
	/* This host runs boot BOOT_ID: the name of another host that shows the same one, or NULL.
	 */
	const char *(*boot_seen)(void *ctx, struct host *host, const char *boot_id);
};

/* What all hosts of a run share; borrowed by each. */
struct host_shared {
	enum host_job job;
	const char *run;
	json_t
	    *former_runs; /* an object: the ids of this store's runs, all of them over; or NULL */
	const char *reboot_since; /* reboot: the first run of those that it goes on with: what they
	                             have rebooted is done; or NULL */
	const char *who, *where;  /* of the lease */
	const char *secret; /* of this run: tokens are made of it, which confirm trials; or NULL */
	const struct playbook *playbook;     /* NULL where the job needs none */
	const struct saved_plan *saved_plan; /* apply: nothing but this is done; or NULL */
	const struct inventory *inventory;   /* all hosts, of this run or not */
	const struct inventory_rollout *rollout;
	bool allow_running_guests, force, purge;
	bool probe; /* scan: the kernel is asked for the devices that nobody uses */
	const struct windows *windows; /* when hosts may be taken down; NULL: at any time */
	bool by_name;                  /* the hosts were named (--limit) */
	const char *own_boot_id;       /* of the machine that this runs on; NULL: not known */
	const char *undo_run;          /* rollback: from this run on; NULL: everything */
	unsigned timeout_s;            /* 0: each state's own deadline */
	struct link_opener *opener;
	const struct agent_bundle *bundle;
	struct secrets *secrets; /* who knows sudo's password; may be NULL */
	struct nova_fleet
	    *nova; /* what is known of all hosts; NULL: no stage tells Nova anything */
	struct clock *clock;
	struct hook_runner *hooks; /* runs rollout.drain, undrain and power_cycle */
	struct journal *journal;
	const struct host_events *events;
	struct json_pool *pool;   /* documents that hosts have in common; may be NULL */
	struct json_share *share; /* … and parts of what they say; may be NULL */
	void *ctx;
};

/* What a host has from when it begins until it has ended. In a run that only looks those are
 * hundreds at a time, of tens of thousands. */
struct host_work {
	struct clock_timer timer;
	uint64_t boot_deadline; /* of the wait for a boot */
	uint64_t lost_deadline; /* of the wait for a lost host in the middle of work; 0: not lost */
	uint64_t reboot_sent;   /* when the reboot was asked for; 0: not by this process */
	unsigned tries;         /* to reach it, in a row */
	unsigned hangs;   /* states that ended at their deadline with it connected, in a row */
	unsigned commits; /* asked for */
	unsigned died;    /* operations of this run whose worker died */
	unsigned acks_sent, acks_seen;
	const char *drained_boot_id; /* of the boot that a reboot is to end next, which this process
	                                has drained it for (host_text.h) */
	json_t *promised;     /* names of stages that the plan shown promises a trial boot for */
	json_int_t event_seq; /* the last one seen of the open operation */
	size_t stage;         /* the one being applied */
	uint64_t barriers_passed;              /* bits of stages */
	uint64_t stages_done, stages_rebooted; /* bits: each is done once in a run */
	unsigned operations;                   /* made so far, for their ids */
	struct gf_err *rolled_back; /* why its trial was given up, and the host sent back; or NULL
	                             */
	bool trial_due; /* this process has rebooted it into a trial: which boot has come up? */
	bool attach;    /* the open operation is to be followed, not begun */
	bool take;      /* the lease is left from a former run */
	bool releasing; /* the lease is being given back */
	bool touched;   /* this run changed something on it */
	bool purged;
	bool drained;       /* by this process */
	bool returning;     /* it is undrained before its proven trial is made the default */
	bool return_tried;  /* … and that failed: on its way out once more */
	bool undrain_tried; /* on its way out: once */
};

struct host {
	const struct host_shared *shared;
	const struct inventory_host *inventory;
	size_t index; /* its fleet's */
	enum host_state state, verdict;
	struct host_record record;
	struct host_work *work; /* NULL: it has not begun, or has ended */
	struct agent_link *client;
	struct hook *hook;   /* the operator's command that is running; or NULL */
	uint64_t entered;    /* when it came to its state */
	uint64_t began;      /* when it left idle; 0: not yet */
	const char *boot_id; /* of what runs, its own (host_text.h) */
	json_t *stages;      /* the playbook's, with the tasks that hold on this host */
	json_t *facts, *wanted, *plan, *expected, *drift;
	json_t *nova,
	    *nova_notes;    /* what Nova is to be told, or NULL; and what is to be said of it */
	size_t barrier;     /* the stage whose barrier it waits at, counted from 1; 0: none */
	struct gf_err *err; /* why it did not end as done; NULL: nothing was wrong (host_why) */
	bool active;        /* its fleet's: started and neither waiting nor ended */
	bool ending;        /* its fleet's: it waits for the record of its end */
	bool cleared;       /* the fleet let it change things: before that it only looks */
};

const struct host_state_row *host_state_row(enum host_state state);
const char *host_state_name(enum host_state state);
static inline bool host_state_terminal(enum host_state state)
{
	return state >= HOST_DONE;
}

/* Why it did not end as done, or what is wrong with it so far; code GF_OK: nothing. */
const struct gf_err *host_why(const struct host *host);

/* RECORD (may be NULL): what the journal says of it. 0, or -1: out of memory; host_release() after
 * either. */
int host_init(struct host *host, const struct host_shared *shared,
              const struct inventory_host *inventory, size_t index,
              const struct host_record *record);

/* The only way in: gives INPUT to the machine and lets it move as far as it can. */
void host_tick(struct host *host, const struct host_input *input);

/* May HOST, which waits to be let go, not begin, because no window is open, or because the open one
 * closes before a reboot that it needs would be over? With *err: GF_E_WINDOW. One that a former run
 * left in the middle of something may always: it is out of service already. */
bool host_window_forbids(const struct host *host, struct gf_err *err);

/* Asks once more whether the host, which waits to be let go, may be changed: all others have been
 * looked at meanwhile. False: it may not, and has ended as blocked. */
bool host_reconsider(struct host *host);

void host_start(struct host *host);
void host_skip(struct host *host, const struct gf_err *why);

/* Lets go of its facts: the store has them, and there are thousands of hosts. */
void host_facts_drop(struct host *host);

/* Drops its connection and timer wherever it is: for the second ^C. Nothing is called any more. */
void host_abort(struct host *host);

/* Frees what it holds, not itself. */
void host_release(struct host *host);

/* Is there something on it that ought not to be left: an operation or a reboot under way? */
bool host_in_flight(const struct host *host);

/* Is it down as far as is known: not reached, lost, or in the middle of a reboot? */
bool host_is_down(const struct host *host);

/* The name of the stage it is at, or NULL. */
const char *host_stage_name(const struct host *host);

/* Verify: did it compare with what an apply left (else with what apply would do)? */
bool host_applied(const struct host *host);

/* Reboot: was it rebooted by a run that this one goes on with? */
bool host_rebooted_before(const struct host_record *record, const char *reboot_since);

/* Rollback: is this entry of the agent's list one to undo? */
bool host_undoes(const struct host *host, const json_t *operation);

#endif
