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
#include "tests/unit/fleet/world_faults.h"

#define WORLD_OPERATIONS 64
#define WORLD_OWN        SIZE_MAX /* in place of a host's index: the run itself */

enum world_operation_state { OPERATION_RUNNING, OPERATION_DONE, OPERATION_FAILED, OPERATION_DEAD };

struct world_operation {
	char id[128], stage[32];
	enum world_operation_state state;
	bool reboot, trial, commit;
	unsigned reboots, reboot_run; /* asked for by us since, and the run of the last */
};

struct world;
struct world_entry;

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
	bool hangs;          /* … and answers nothing but hello and lease from then on */
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
	bool guests_stay;    /* also when it is drained */
	bool drain_fails, power_fails;
	bool restarts_drained;  /* by itself, as the command that drains it ends */
	unsigned undrain_fails; /* so many times */
	unsigned cuts;          /* connections lost while an operation runs */
	bool cuts_commits;      /* … that is a commit */
	bool steady;            /* never loses its power */
	unsigned latency_ms, apply_ms, boot_ms, drain_ms;
	unsigned commit_ms; /* of making a trial the default; 0: as apply_ms */
	/* What it is. */
	char name[16], domain[16];
	struct world *world;
	size_t index;
	bool configured, effective, tuned, down, away, promised;
	bool drained, out_of_service; /* … since the command began */
	bool struck;                  /* down, and nobody asked for it */
	uint64_t struck_known;        /* when that was on the disk; 0: it is not */
	bool stopped;                 /* FAULT_STOPPED */
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
	/* Of it in the journal: what a later run reads back. */
	json_t *facts, *expected;
	struct world_entry *durable, **durable_end;
	/* What was seen. */
	unsigned reboots, begun; /* reboots asked for and done; stages begun */
	unsigned commits;
	unsigned drains, undrains, power_cycles; /* commands begun */
	unsigned expirations;                    /* of its trials */
	unsigned starts;                         /* times that the fleet let it act */
	bool started;                            /* … in the last run */
	uint64_t started_at, finished_at;
	uint64_t out_at, back_at; /* out of service: drain began, undrain ended */
	uint64_t up_at, tuned_at; /* the newest boot; when its second stage was done */
	enum host_state verdict;  /* of the last run */
	struct gf_err err;
};

#define WORLD_DAY_ZERO 1000000000 /* the clock's second since 1970 when the world begins */

struct world_entry {
	struct world_entry *next;
	size_t host;           /* or WORLD_OWN */
	json_t *event, *facts; /* either */
	journal_done_fn done;
	void *ctx;
};

struct world_link;

struct world {
	struct clock clock;
	uint64_t now;
	struct world_host *hosts; /* inventory.host_count, as inventory_hosts, selected, records */
	struct inventory inventory;
	struct inventory_host *inventory_hosts;
	struct inventory_gpu gpu;
	struct inventory_wave waves[4];
	struct playbook *playbook;
	size_t *selected;
	size_t selected_count; /* 0: all */
	unsigned forks;
	enum host_job job;
	bool by_name;            /* --limit was given */
	const char *own_boot_id; /* of the controller's machine; NULL: none of the hosts */
	/* The journal: what is on the disk, and what is under way to it. */
	struct journal journal;
	struct host_record *records;
	struct world_entry *queued, **queued_end;
	struct clock_timer commit_timer;
	size_t group; /* so many more come with the commit that was made last */
	size_t events;
	size_t hurried; /* how often it was asked to write at once */
	struct hook_runner hooks;
	struct world_hook *running_hooks;
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
	bool reboot_jobs; /* one of the runs was to reboot whatever needs it or not */
	char run[48];
	json_t *former_runs; /* an object: their ids */
	char cut_since[48];  /* the first of the newest runs that did not end well, in a row; "" */
	bool finished, stopped;
	/* What to do to it: 0 for never. Effects are commits and requests: what others can see. */
	size_t crash_after, effects;
	bool dead;          /* nothing the controller does counts any more */
	size_t stop_after;  /* first ^C */
	size_t abort_after; /* second ^C */
	struct world_faults faults;
	bool verbose; /* says on stdout what happens */
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

/* In a verbose world: what happens to HOST (NULL: to the run). */
void world_say(const struct world *world, const struct world_host *host, const char *what,
               const char *detail);

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

/* world_facts.c: what it observes; the caller frees it. */
char *world_agent_facts(const struct world_host *host);
void world_boot_id(const struct world_host *host, char *out, size_t size);

/* Its power is switched off and on. */
void world_power_cycle(struct world_host *host);

/* world_hook.c */
extern const struct hook_runner world_hooks;
void world_hooks_end(struct world *world);

/* world_link.c */
struct link *world_link_open(struct link_opener *opener, const struct inventory_host *host,
                             const struct link_events *events, void *ctx, struct gf_err *err);
/* Every link to HOST ends, or nothing comes over it any more; false: there is none. */
bool world_links_cut(struct world_host *host);
bool world_links_silence(struct world_host *host);
/* … and the controller gives it up when it has heard nothing for a minute. */
bool world_links_stop(struct world_host *host);
/* OPERATION of HOST ended: whoever follows it is told. */
void world_links_told(struct world_host *host, const struct world_operation *operation);

/* world_agent.c: faults; false: there was nothing to hit. */
bool world_worker_dies(struct world_host *host, bool late);
bool world_power_lost(struct world_host *host);
bool world_reboot_lost(struct world_host *host);

/* world_journal.c: the journal that WORLD's fleets write to. */
void world_journal_init(struct world *world);
void world_entries_free(struct world_entry *entry);

/* world.c: something was done that others can see, about HOST (may be NULL): is this where the
 * controller dies? */
void world_effect(struct world *world, struct world_host *host);
/* Is there an event of TYPE with KEY = VALUE on the disk for HOST? */
bool world_recorded(const struct world *world, size_t host, const char *type, const char *key,
                    const char *value);
/* Compute hosts (of DOMAIN, if any) that are down, or promised to go. One that lost its power
 * counts when that was on the disk before BEFORE. */
unsigned world_down(const struct world *world, const char *domain, uint64_t before);

#endif
