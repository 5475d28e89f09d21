/* world_faults.h: what dies in a world, and when: the Nth time that something happens in a run,
 * and perhaps a little later. Counted, so that a test knows what it tried.
 */
#ifndef TEST_FLEET_WORLD_FAULTS_H
#define TEST_FLEET_WORLD_FAULTS_H

#include <stdbool.h>
#include <stddef.h>

#include "controller/clock/clock.h"

#define WORLD_FAULTS 64

enum world_moment {
	MOMENT_EFFECT,    /* an event is on the disk, or a request on a host */
	MOMENT_OPERATION, /* an operation begins */
	MOMENT_COMMIT,    /* … which makes a proven trial the default */
	MOMENT_REBOOT,    /* the reboot is promised: the shutdown comes a second later */
	MOMENT_TRIAL,     /* a trial boot has come up */
	MOMENT_PROOF,     /* a host says whether it is as it should be */
	MOMENT_COUNT,
};

enum world_fault_kind {
	FAULT_CONTROLLER,  /* dies */
	FAULT_LINK,        /* the connections to the host are lost, with the agents at their ends */
	FAULT_SILENCE,     /* … are there, and nothing comes over them any more */
	FAULT_WORKER,      /* the operation's worker dies before it did anything */
	FAULT_WORKER_LATE, /* … when all is done, and only its result is not written */
	FAULT_POWER,       /* the host loses its power, and has it back at once */
	FAULT_REBOOT,      /* the reboot that was promised does not happen */
	FAULT_DRAWN,       /* those before are what simulations draw from */
	/* The host goes on, and its sshd serves nobody, old connections or new ones, until
	 * world_host.stopped is taken back. */
	FAULT_STOPPED = FAULT_DRAWN,
	FAULT_COUNT,
};

struct world;
struct world_host;

struct world_fault {
	enum world_moment moment;
	enum world_fault_kind kind;
	size_t nth;        /* such moment of run RUN; from 1 on */
	unsigned run;      /* the world's run_number */
	unsigned delay_ms; /* after the moment */
	size_t other;      /* the host that it hits; WORLD_OWN: the one whose moment it is */
	struct world *world;
	struct world_host *host;
	struct clock_timer timer;
};

struct world_faults {
	struct world_fault faults[WORLD_FAULTS];
	size_t count;
	size_t moments[MOMENT_COUNT]; /* in this run */
	unsigned struck[FAULT_COUNT]; /* that found something to kill */
};

extern const char *const world_fault_names[FAULT_COUNT];

/* FAULT (copied) is to happen. */
void world_fault_add(struct world *world, const struct world_fault *fault);

/* Nothing more dies. */
void world_faults_end(struct world *world);

/* It is such a moment, HOST's (NULL: nobody's). */
void world_moment(struct world *world, enum world_moment moment, struct world_host *host);

#endif
