/* store.h: the durable record of a fleet: the journal of every run, each host's last facts, and
 * what was found before (the history: docs/design/history.md).
 *
 * SQLite, one file a fleet, WAL, synchronous=FULL. Writes go to one writer thread that groups what
 * has queued up into one commit; `done` is called on the loop once the write is on the disk, in
 * order. Reads run on the caller's thread on a connection of its own and see what was committed.
 */
#ifndef GPUFLEET_STORE_H
#define GPUFLEET_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "node-agent/wire/error.h"

struct store;

/* The write of this event is durable (err NULL), or could not be made. On the loop's thread. */
typedef void (*store_done_cb)(void *ctx, int64_t seq, const struct gf_err *err);

/* Opens (creates, with its folders, mode 0600) the store at PATH. A store on a network file system
 * is refused, and one that another live controller holds for writing. LOOP NULL: read only, no
 * writer thread; a missing file is then an error that says to run `gpufleet scan` first. */
struct store *store_open(const char *path, uv_loop_t *loop, struct gf_err *err);

/* To be called of a store open for writing before its first write, by a run that changes no host:
 * commits are then made in larger groups, up to half a second later unless store_hurry is called,
 * and handed to the kernel without being awaited on the disk (WAL, synchronous=NORMAL). A power cut
 * may take the newest of them, never a part of one, nor what former runs wrote. */
int store_changes_no_host(struct store *store, struct gf_err *err);

/* Somebody waits for what was given to the store so far, and nothing else is about to come. */
void store_hurry(struct store *store);

/* Waits for queued writes (their `done` callbacks are not called any more) and frees the store. The
 * loop must then be run once more for the handle's close callback. */
void store_close(struct store *store);

/* Says in the lock that this is a watch, which lets go of the store between two scans. A fault in
 * that is none of the store's. */
void store_announce_watch(struct store *store);

enum store_hold { STORE_FREE, STORE_HELD, STORE_WATCHED };

/* Does another controller hold the store at PATH for writing, and is that a watch? HOLDER says who
 * it is. */
enum store_hold store_held(const char *path, char *holder, size_t size);

/* "$XDG_STATE_HOME/gpufleet/FLEET.db", or under ~/.local/state. The caller frees it. */
char *store_default_path(const char *fleet);

/* Appends one event to the journal of RUN; HOST may be "". EVENT is borrowed for the call (it is
 * serialised here). `done` may be NULL. */
int store_event_append(struct store *store, const char *run, const char *host, const json_t *event,
                       store_done_cb done, void *ctx, struct gf_err *err);

/* Keeps FACTS, a JSON object of SIZE bytes (copied), as HOST's newest (replacing the former), and
 * in the history as what RUN found. */
int store_facts_put(struct store *store, const char *run, const char *host, const char *facts,
                    size_t size, store_done_cb done, void *ctx, struct gf_err *err);

/* HOST's newest facts (a new reference), or NULL: none stored (err untouched: *found false) or an
 * error. Documents of one store share their equal parts: they are not to be changed. */
json_t *store_facts_get(struct store *store, const char *host, bool *found, struct gf_err *err);

/* What the last apply left on HOST (kept for `verify`): put and get as for facts. */
int store_expected_put(struct store *store, const char *host, const json_t *expected,
                       store_done_cb done, void *ctx, struct gf_err *err);
json_t *store_expected_get(struct store *store, const char *host, bool *found, struct gf_err *err);

struct store_event {
	int64_t seq;
	const char *run, *host, *time; /* time: RFC 3339, UTC */
	json_t *event;
};

/* Calls EACH for every event of RUN (NULL: of every run) in order; a non-zero return ends it and is
 * returned. -1 with *err on a fault. */
int store_events_each(struct store *store, const char *run,
                      int (*each)(void *ctx, const struct store_event *event), void *ctx,
                      struct gf_err *err);

/* The same, of every run, for the events whose text holds PART: it spares reading the others, of
 * which a journal has ten times as many. EACH still has to look at what it gets. */
int store_events_with(struct store *store, const char *part,
                      int (*each)(void *ctx, const struct store_event *event), void *ctx,
                      struct gf_err *err);

/* The history. Every run that collects facts is a scan of it, whatever its command; until
 * store_scan_end it is in no reader's sight. */

/* RUN is over. END: {"command", "hosts" (how many were to be looked at), "unreachable": [names],
 * "summary": {total, ready, in_use, pending, blocked, unknown, ignored, aliases: […]} or null}. */
int store_scan_end(struct store *store, const char *run, const json_t *end, store_done_cb done,
                   void *ctx, struct gf_err *err);

struct store_scan {
	int64_t id;       /* greater than that of every scan before */
	const char *time; /* when it ended: RFC 3339, UTC */
	const char
	    *command; /* "scan", "apply", …; "upgrade": what was there before scans were kept */
	int64_t hosts, unreachable;
	const json_t *summary; /* NULL: none */
};

/* Several reads between these two see one state of the store. 0, or -1 with *err. */
int store_snapshot_begin(struct store *store, struct gf_err *err);
void store_snapshot_end(struct store *store);

/* Calls EACH for every scan that is over, oldest first; a non-zero return ends it and is returned.
 * -1 with *err on a fault, also where the store is of a gpufleet that kept no scans. */
int store_scans_each(struct store *store, int (*each)(void *ctx, const struct store_scan *scan),
                     void *ctx, struct gf_err *err);

struct store_sight {
	bool known;     /* was the host looked at by then? */
	bool reachable; /* … and reached when last tried */
	int64_t body;   /* of its facts as last seen by then; 0: it was never reached */
};

/* How HOST stood when the scan of id SCAN was over. */
int store_sight_at(struct store *store, const char *host, int64_t scan, struct store_sight *sight,
                   struct gf_err *err);

/* Calls EACH with every host that the scan of id SCAN or a later one looked at, in the order of the
 * names' bytes; a non-zero return ends it and is returned. -1 with *err on a fault. */
int store_hosts_each(struct store *store, int64_t scan, int (*each)(void *ctx, const char *host),
                     void *ctx, struct gf_err *err);

/* The facts behind a sight (a new reference), as they were when that was first seen. Two sights of
 * a host with the same body have the same facts but for what changes by itself (store_body.h). NULL
 * with *err. */
json_t *store_body_get(struct store *store, int64_t body, struct gf_err *err);

/* The newest run's id (the caller frees it); NULL with *err untouched where there is none. */
char *store_run_last(struct store *store, struct gf_err *err);

#endif
