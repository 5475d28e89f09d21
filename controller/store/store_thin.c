/* store_thin.c: see store_thin.h. */
#include "controller/store/store_thin.h"

#include <stddef.h>

/* ?1: the scan that has ended. */
static const char *const log_sql[] = {
    /* Of each host: what it ended with now. */
    "CREATE TEMP TABLE IF NOT EXISTS ended (host TEXT PRIMARY KEY, event TEXT)",
    "DELETE FROM temp.ended",
    "INSERT OR REPLACE INTO temp.ended SELECT host, event FROM events"
    " WHERE run = (SELECT run FROM scans WHERE id = ?1)"
    " AND json_extract(event, '$.type') = 'host.finished'",
    "CREATE TEMP TABLE IF NOT EXISTS repeated (run TEXT, host TEXT, PRIMARY KEY (run, host))",
    "DELETE FROM temp.repeated",
    "INSERT OR IGNORE INTO temp.repeated SELECT e.run, e.host FROM scans s"
    " JOIN events e ON e.run = s.run JOIN temp.ended n ON n.host = e.host AND n.event = e.event"
    " WHERE s.log AND s.command = 'scan' AND s.id < ?1",
    "DELETE FROM events WHERE seq IN (SELECT e.seq FROM scans s JOIN events e ON e.run = s.run"
    " JOIN temp.repeated r ON r.run = e.run AND r.host = e.host"
    " WHERE s.log AND s.command = 'scan' AND s.id < ?1)",
    /* A run of which nothing is left but that it was. */
    "DELETE FROM events WHERE seq IN (SELECT e.seq FROM scans s JOIN events e ON e.run = s.run"
    " WHERE s.log AND s.command = 'scan' AND s.id < ?1 AND NOT EXISTS"
    " (SELECT 1 FROM events o WHERE o.run = s.run AND o.host <> ''))",
    "UPDATE scans SET log = 0 WHERE log AND id < ?1 AND NOT EXISTS"
    " (SELECT 1 FROM events e WHERE e.run = scans.run)",
    NULL,
};

#define AGO(age) "strftime('%Y-%m-%dT%H:%M:%SZ', (SELECT time FROM scans WHERE id = ?1), '" age "')"

/* ?1: the scan that has ended, which is kept, and by whose time "old" is measured. */
static const char *const history_sql[] = {
    "DELETE FROM scans WHERE id < ?1 AND time < " AGO(
        "-7 days") " AND id NOT IN"
                   " (SELECT max(id) FROM scans WHERE time IS NOT NULL GROUP BY substr(time, 1, "
                   "13))",
    "DELETE FROM scans WHERE id < ?1 AND time < " AGO(
        "-90 days") " AND id NOT IN"
                    " (SELECT max(id) FROM scans WHERE time IS NOT NULL GROUP BY substr(time, 1, "
                    "10))",
    /* Those that never came to their end. */
    "DELETE FROM scans WHERE id < ?1 AND time IS NULL AND began < " AGO("-7 days"),
    /* A span that no scan of those kept would look up: the host's next one began before. */
    "DELETE FROM spans WHERE id IN (SELECT id FROM (SELECT id, first,"
    " lead(first) OVER (PARTITION BY host ORDER BY id) AS next FROM spans) WHERE next IS NOT NULL"
    " AND first < (SELECT min(id) FROM scans WHERE time >= " AGO(
        "-7 days") ") AND NOT EXISTS"
                   " (SELECT 1 FROM scans WHERE scans.id >= first AND scans.id < next AND time IS "
                   "NOT NULL))",
    "DELETE FROM bodies WHERE id NOT IN (SELECT body FROM spans WHERE body IS NOT NULL)"
    " AND id NOT IN (SELECT base FROM bodies WHERE base IS NOT NULL AND id IN"
    " (SELECT body FROM spans WHERE body IS NOT NULL))",
    NULL,
};

static int statements_run(sqlite3 *db, const char *const *sql, sqlite3_int64 scan)
{
	for (; *sql; sql++) {
		sqlite3_stmt *statement = NULL;
		int rc = sqlite3_prepare_v2(db, *sql, -1, &statement, NULL);

		if (rc == SQLITE_OK) {
			/* Some of them have no such parameter. */
			sqlite3_bind_int64(statement, 1, scan);
			rc = sqlite3_step(statement);
		}
		sqlite3_finalize(statement);
		if (rc != SQLITE_DONE)
			return -1;
	}
	return 0;
}

int store_thin_log(sqlite3 *db, sqlite3_int64 scan)
{
	return statements_run(db, log_sql, scan);
}

/* 1: SCAN is the first one of its day; 0: it is not; -1. */
static int first_of_day(sqlite3 *db, sqlite3_int64 scan)
{
	static const char sql[] =
	    "SELECT NOT EXISTS (SELECT 1 FROM scans WHERE id < ?1 AND time >= substr((SELECT time"
	    " FROM scans WHERE id = ?1), 1, 10))";
	sqlite3_stmt *statement = NULL;
	int first = -1;

	if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
		sqlite3_bind_int64(statement, 1, scan);
		if (sqlite3_step(statement) == SQLITE_ROW)
			first = sqlite3_column_int(statement, 0);
	}
	sqlite3_finalize(statement);
	return first;
}

int store_thin_history(sqlite3 *db, sqlite3_int64 scan)
{
	int first = first_of_day(db, scan);

	return first == 1 ? statements_run(db, history_sql, scan) : first;
}
