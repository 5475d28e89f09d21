/* world.h: a fleet without a network: hosts that are a script, links to them, an agent that answers
 * by that script, a journal on an array, and one virtual clock for all. The real fleet and host
 * machine run on top, so that a whole apply takes a millisecond and replays from its script.
 *
 * The world checks, whenever a host is told to do something, what must hold at every instant
 * (intent before action, no more hosts down than allowed, nothing begun past the budget) and counts
 * what does not hold: world_ok.
 */
#ifndef TEST_FLEET_WORLD_H
#define TEST_FLEET_WORLD_H

#include <jansson.h>
#include <stdbool.h>

#include "controller/clock/windows.h"
#include "controller/fleet/fleet.h"

#define WORLD_HOSTS      48
#define WORLD_OPERATIONS 12

enum world_operation_state { OPERATION_RUNNING, OPERATION_DONE, OPERATION_FAILED, OPERATION_DEAD };

struct world_operation {
	char id[128], stage[32];
	enum world_operation_state state;
	bool reboot, trial, commit;
};

struct world;

/* Of a boot change that is tried: as trial.json on a real host says. */
enum world_trial { TRIAL_NONE, TRIAL_STAGED, TRIAL_UP, TRIAL_COMMITTING, TRIAL_REVERTED };

struct world_host {
	/* The script: set between world_init and the first run. */
	bool refuses;        /* nobody ever answers */
	bool blocked;        /* no CPU virtualization */
	bool guests;         /* runs a guest */
	bool plan_fails;     /* fails while it is looked at */
	bool fails;          /* its stage fails */
	bool dies;           /* its first operation takes the host down with it */
	bool never_returns;  /* once it was rebooted */
	bool ineffective;    /* the reboot does not bring the devices to vfio-pci */
	bool lies;           /* … and its agent says that it did */
	bool reboot_ignored; /* the first reboot is promised, but never happens */
	bool control;        /* no compute host */
	bool tries;          /* its boot change is tried once, then committed */
	bool panics;         /* … and the trial does not come up */
	bool commit_fails;   /* … and can't be made the default */
	bool cut_off;        /* … and the trial comes up, and can't be reached */
	bool card_vanishes;  /* a reboot takes its second card away */
	bool card_moves;     /* … gives it another address */
	bool card_appears;   /* … brings a third one */
	unsigned cuts;       /* connections lost while an operation runs */
	bool cuts_commits;   /* … that is a commit */
	unsigned latency_ms, apply_ms, boot_ms;
	/* What it is. */
	char name[16], domain[16];
	struct world *world;
	size_t index;
	bool configured, effective, tuned, down, away, promised;
	enum world_trial trial;
	char tried[128]; /* the operation that is on trial */
	char token[72],
	    tried_token[72]; /* that the newest stage, and the one on trial, came with */
	bool expired;        /* nobody confirmed it in time */
	unsigned boot;
	char lease[48];
	uint64_t lease_until;
	struct world_operation operations[WORLD_OPERATIONS];
	size_t operation_count;
	struct clock_timer operation_timer, power_timer, confirm_timer;
	json_t *facts, *expected;
	/* What was seen. */
	unsigned reboots, begun; /* reboots asked for and done; stages begun */
	unsigned commits;
	unsigned starts; /* times that the fleet let it act */
	bool started;    /* … in the last run */
	uint64_t started_at, finished_at;
	enum host_state verdict; /* of the last run */
	struct gf_err err;
};

#define WORLD_DAY_ZERO 1000000000 /* the clock's second since 1970 when the world begins */

struct world_entry {
	struct world_entry *next;
	size_t host;           /* WORLD_HOSTS: the run's own */
	json_t *event, *facts; /* either */
	journal_done_fn done;
	void *ctx;
};

struct world_link;

struct world {
	struct clock clock;
	uint64_t now;
	struct world_host hosts[WORLD_HOSTS];
	struct inventory inventory;
	struct inventory_host inventory_hosts[WORLD_HOSTS];
	struct inventory_gpu gpu;
	struct inventory_wave waves[4];
	struct playbook *playbook;
	size_t selected[WORLD_HOSTS];
	size_t selected_count; /* 0: all */
	unsigned forks;
	enum host_job job;
	bool by_name;            /* --limit was given */
	const char *own_boot_id; /* of the controller's machine; NULL: none of the hosts */
	/* The journal: what is on the disk, and what is under way to it. */
	struct journal journal;
	struct host_record records[WORLD_HOSTS];
	struct world_entry *durable, **durable_end;
	struct world_entry *queued, **queued_end;
	struct clock_timer commit_timer;
	size_t events;
	struct hook_runner hooks;
	struct clock_timer hook_timer; /* of the health command that is running */
	hook_done_fn hook_done;
	void *hook_ctx;
	unsigned health_ms;      /* how long it takes */
	unsigned health_refuses; /* the how manieth of them refuses; 0: none */
	unsigned healths;        /* how often it ran */
	struct windows windows;  /* when hosts may be taken down; count 0: at any time */
	bool store_full;         /* every commit fails from now on */
	/* The controller. */
	struct link_opener opener;
	struct agent_bundle bundle;
	struct world_link *links;
	struct fleet *fleet;
	unsigned run_number;
	char run[48];
	json_t *cut_runs; /* an object: those that did not end well */
	bool finished, stopped;
	/* What to do to it: 0 for never. Effects are commits and requests: what others can see. */
	size_t crash_after, effects;
	bool dead;          /* nothing the controller does counts any more */
	size_t stop_after;  /* first ^C */
	size_t abort_after; /* second ^C */
	/* What was seen. */
	unsigned most_active, most_down;
	unsigned broken; /* rules that did not hold */
	char first_broken[200];
	int status; /* of the last run */
};

/* COUNT hosts, gpu01 …: stock ones, rolled out one at a time, no failure tolerated. */
void world_init(struct world *world, size_t count, uint64_t seed);
void world_free(struct world *world);

/* One run of the controller, as the same command does it: on the journal that former ones left.
 * Returns its exit status, or -1 when it crashed (crash_after). */
int world_run(struct world *world);

/* Nobody runs gpufleet: time passes on the hosts alone. */
void world_wait(struct world *world, uint64_t ms);

/* Notes a rule that does not hold. */
void world_broken(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Every rule held so far; prints the first that didn't. */
bool world_ok(const struct world *world);

/* Is the host as declared, and did the last run say so? */
bool world_proven(const struct world_host *host);

/* The intents in the journal of HOST that have no result. */
unsigned world_open_intents(const struct world *world, size_t host);

/* world_agent.c: what the agent on HOST answers to REQUEST: lines to send back (the caller frees
 * them), or NULL when the answer comes later, with the end of *operation, or never. */
char *world_agent_answer(struct world_host *host, const json_t *request,
                         struct world_operation **operation);
char *world_agent_result(struct world_host *host, const struct world_operation *operation,
                         json_int_t id);
void world_host_init(struct world_host *host, struct world *world, size_t index);
void world_boot_id(const struct world_host *host, char *out, size_t size);

/* world_link.c */
struct link *world_link_open(struct link_opener *opener, const struct inventory_host *host,
                             const struct link_events *events, void *ctx, struct gf_err *err);
/* Every link to HOST ends. */
void world_links_cut(struct world_host *host);
/* OPERATION of HOST ended: whoever follows it is told. */
void world_links_told(struct world_host *host, const struct world_operation *operation);

/* world.c: something was done that others can see: is this where the controller dies? */
void world_effect(struct world *world);
/* Is there an event of TYPE with KEY = VALUE on the disk for HOST? */
bool world_recorded(const struct world *world, size_t host, const char *type, const char *key,
                    const char *value);
unsigned world_down(const struct world *world, const char *domain);

#endif
