/* host_fold.h: what the journal says about one host: a pure fold of its events. The host's machine
 * applies it to every event that it appends, and a later run to those that it reads back: the same
 * function, so a resumed run knows what a live one knew.
 */
#ifndef GPUFLEET_HOST_FOLD_H
#define GPUFLEET_HOST_FOLD_H

#include <jansson.h>
#include <stdbool.h>

#include "node-agent/wire/sha256.h"

#define OPERATION_SIZE 128
#define STAGE_SIZE     96
#define BOOT_ID_SIZE   64

/* A host may be on trial with a stage that is not the newest: later ones were recorded, and never
 * reached it. */
#define HOST_TOKENS 4

/* By which a trial that OPERATION began is confirmed. */
struct host_token {
	char operation[OPERATION_SIZE], token[SHA256_HEX_SIZE];
};

struct host_record {
	char operation[OPERATION_SIZE]; /* the newest one */
	char stage[STAGE_SIZE];         /* of that operation */
	char run[64];                   /* the newest of this store that took its lease; "" */
	bool committing;                /* it makes a trial the default */
	bool operation_open; /* its intent stands without a result: it may have run or not */
	bool reboot_owed;    /* a stage changed what only a reboot makes effective */
	bool reboot_open;    /* a reboot's intent stands without its proof */
	char reboot_boot_id[BOOT_ID_SIZE]; /* of the boot that the owed or open reboot is to end */
	char boot_id[BOOT_ID_SIZE];        /* of the boot that the newest operation began on */
	char cards_boot_id[BOOT_ID_SIZE];  /* of the boot that a reboot of ours was to end, until
	                                      its cards were compared with those of the next; "" */
	char cards_changed[256];    /* what has become of them, until a run ended with it; "" */
	char plan[SHA256_HEX_SIZE]; /* the saved plan that was begun and is not done; or "" */
	bool plan_untouched;        /* nothing of it is known to have changed the host so far */
	struct host_token tokens[HOST_TOKENS]; /* of stages that may reboot, the newest first */
	char trial[OPERATION_SIZE]; /* the operation whose trial boot is awaited, or not yet made
	                               the default; "" */
	char state[32];             /* of its machine when last recorded */
	char verdict[16]; /* of the last run that ended for this host; "" while one is under way */
	char code[16], message[512]; /* why, when it did not end as done */
	bool changed, rebooted;      /* in the run that the last event belongs to */
	unsigned reboot_s;           /* what its last reboot took; 0: unknown */
	char reboot_run[64];         /* that had the host when it was last rebooted; "" */
	bool drained;   /* rollout.drain was begun, and rollout.undrain has not ended well since */
	bool restarted; /* by itself, after an operation had begun; no reboot of ours since */
	bool power_cycled; /* rollout.power_cycle was begun for the reboot that is open */
	bool nova_up;      /* nova-compute was up before a reboot of ours, and no run has ended well
	                      since */
	bool down; /* in the middle of a reboot, not reached, or lost, and not heard of since */
};

/* Folds one event in. Events that say nothing about a host's state, or that are of the wrong shape,
 * change nothing. */
void host_fold(struct host_record *record, const json_t *event);

/* OPERATION's token, or NULL. */
const char *host_record_token(const struct host_record *record, const char *operation);

/* No operation has as many events; a host that numbers them beyond is no agent of ours. */
#define HOST_EVENTS_MAX 1000000

/* An event of an operation has number SEQ, the last one *last. 1: it is new, and the last now; 0:
 * it was seen before; -1: no agent gives such a number. */
int host_event_take(json_int_t *last, json_int_t seq);

#endif
