/* store_history.h: what the writer thread adds to the history (docs/design/history.md): a span for
 * each host that goes on while nothing changes, a body for each document that says something else,
 * a row for each scan. All of it within the transaction of its caller.
 */
#ifndef GPUFLEET_STORE_HISTORY_H
#define GPUFLEET_STORE_HISTORY_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

struct store_history;

/* Prepares its statements on DB. NULL with sqlite3_errmsg(DB). */
struct store_history *store_history_new(sqlite3 *db);
void store_history_free(struct store_history *history);

/* What a host said, on its way into the store. */
struct store_history_body {
	const char *text; /* serialised JSON; the caller's */
	void *packed;     /* the same by itself, once that was asked for: the caller frees it */
	size_t packed_size;
};

/* HOST was found at TIME by RUN as BODY says, which may be packed by that. *SAME: it says what it
 * said last, byte for byte but for the time. 0, or -1. */
int store_history_facts(struct store_history *history, const char *run, const char *host,
                        const char *time, struct store_history_body *body, bool *same);

/* Packs BODY where it is not yet. 0, or -1 when out of memory. */
int store_history_pack(struct store_history *history, struct store_history_body *body);

/* RUN is over. END (serialised JSON): {"command", "hosts", "unreachable": [names], "summary": {…}
 * or null}. Drops what earlier scans left in the journal that this one says again and, once a day,
 * thins what is old. 0, or -1. */
int store_history_end(struct store_history *history, const char *run, const char *time,
                      const char *end);

/* For the first time: what the table `facts` holds becomes one scan. 0, or -1. */
int store_history_begin_with_facts(sqlite3 *db);

#endif
