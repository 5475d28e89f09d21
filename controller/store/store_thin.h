/* store_thin.h: what of the history is let go, so that a store that is scanned into every few
 * minutes for years stays small. Within the transaction of the caller, on the writer's thread.
 */
#ifndef GPUFLEET_STORE_THIN_H
#define GPUFLEET_STORE_THIN_H

#include <sqlite3.h>

/* Drops the events of earlier scans that SCAN, which has ended, repeats: those of every host that
 * ended now as it did then, in the same words. What the journal folds to stays the same, since a
 * scan's events only set what the later ones set again. 0, or -1. */
int store_thin_log(sqlite3 *db, sqlite3_int64 scan);

/* With the first scan of a day (UTC): of scans older than a week keeps the last of each hour, of
 * those older than 90 days the last of each day, and then the documents that those still need. 0,
 * or -1. */
int store_thin_history(sqlite3 *db, sqlite3_int64 scan);

#endif
