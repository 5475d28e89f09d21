/* host_fold.h: what the journal says about one host: a pure fold of its events. The host's machine
 * applies it to every event that it appends, and a later run to those that it reads back: the same
 * function, so a resumed run knows what a live one knew.
 */
#ifndef GPUFLEET_HOST_FOLD_H
#define GPUFLEET_HOST_FOLD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define OPERATION_SIZE 128
#define STAGE_SIZE     96
#define BOOT_ID_SIZE   64

/* A host may be on trial with a stage that is not the newest: later ones were recorded, and never
 * reached it. */
#define HOST_TOKENS 4

/* By which a trial that OPERATION began is confirmed. */
struct host_token {
	const char *operation, *token;
};

/* Its texts are the record's own (host_text.h). */
struct host_record {
	const char *operation;      /* the newest one */
	const char *stage;          /* of that operation */
	const char *run;            /* the newest of this store that took its lease; "" */
	const char *reboot_boot_id; /* of the boot that the owed or open reboot is to end */
	const char *boot_id;        /* of the boot that the newest operation began on */
	const char *cards_boot_id;  /* of the boot that a reboot of ours was to end, until its cards
	                               were compared with those of the next; "" */
	const char *cards_changed;  /* what has become of them, until a run ended with it; "" */
	const char *plan;           /* the saved plan that was begun and is not done; or "" */
	const char *trial;         /* the operation whose trial boot is awaited, or not yet made the
	                              default; "" */
	const char *message;       /* why, when it did not end as done */
	const char *reboot_run;    /* that had the host when it was last rebooted; "" */
	struct host_token *tokens; /* HOST_TOKENS, of stages that may reboot, the newest first; or
	                              NULL */
	char state[20];            /* of its machine when last recorded */
	char verdict[12];  /* of the last run that ended for this host; "" while one is under way */
	char code[12];     /* of the message */
	unsigned reboot_s; /* what its last reboot took; 0: unknown */
	bool committing;   /* it makes a trial the default */
	bool operation_open;    /* its intent stands without a result: it may have run or not */
	bool reboot_owed;       /* a stage changed what only a reboot makes effective */
	bool reboot_open;       /* a reboot's intent stands without its proof */
	bool plan_untouched;    /* nothing of it is known to have changed the host so far */
	bool changed, rebooted; /* in the run that the last event belongs to */
	bool drained;   /* rollout.drain was begun, and rollout.undrain has not ended well since */
	bool restarted; /* by itself, after an operation had begun; no reboot of ours since */
	bool power_cycled; /* rollout.power_cycle was begun for the reboot that is open */
	bool nova_up;      /* nova-compute was up before a reboot of ours, and no run has ended well
	                      since */
	bool down; /* in the middle of a reboot, not reached, or lost, and not heard of since */
};

/* Of a host that nothing is known of. */
void host_record_init(struct host_record *record);

/* COPY, which was initialized, says what RECORD says. 0, or -1: out of
 * memory, and it says some of it. */
int host_record_copy(struct host_record *copy, const struct host_record *record);

/* Frees what it holds, not itself. */
void host_record_release(struct host_record *record);

/* An array of COUNT, initialized; NULL: out of memory. */
struct host_record *host_records_new(size_t count);
void host_records_free(struct host_record *records, size_t count); /* RECORDS may be NULL */

/* Folds one event in. Events that say nothing about a host's state, or that are of the wrong shape,
 * change nothing. 0, or -1: out of memory, and the record is not to be gone by. */
int host_fold(struct host_record *record, const json_t *event);

/* OPERATION's token, or NULL. */
const char *host_record_token(const struct host_record *record, const char *operation);

/* No operation has as many events; a host that numbers them beyond is no agent of ours. */
#define HOST_EVENTS_MAX 1000000

/* An event of an operation has number SEQ, the last one *last. 1: it is new, and the last now; 0:
 * it was seen before; -1: no agent gives such a number. */
int host_event_take(json_int_t *last, json_int_t seq);

#endif
