/* store_schema.c: see store_schema.h. PRAGMA user_version holds the version: 1 had events, facts
 * and expected; 2 has the history as well (docs/design/history.md); since 3 the newest facts are
 * packed, and what alone changed of them stands in sightings. */
#include "controller/store/store_schema.h"

#include <stdio.h>

#include "controller/store/store_history.h"

#define SCHEMA_VERSION 3

static const char first_sql[] =
    "CREATE TABLE events (seq INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL,"
    " host TEXT NOT NULL, time TEXT NOT NULL, event TEXT NOT NULL);"
    "CREATE INDEX events_run ON events (run, seq);"
    "CREATE TABLE facts (host TEXT PRIMARY KEY, time TEXT NOT NULL, body TEXT NOT NULL);"
    "CREATE TABLE expected (host TEXT PRIMARY KEY, time TEXT NOT NULL, body TEXT NOT NULL);";

/* A scan's `time` is NULL until it is over; `log` says that it has rows in events still. */
static const char history_sql[] =
    "CREATE TABLE scans (id INTEGER PRIMARY KEY, run TEXT NOT NULL UNIQUE, began TEXT NOT NULL,"
    " time TEXT, command TEXT NOT NULL DEFAULT '', hosts INTEGER NOT NULL DEFAULT 0,"
    " unreachable INTEGER NOT NULL DEFAULT 0, summary TEXT, log INTEGER NOT NULL DEFAULT 1);"
    "CREATE INDEX scans_time ON scans (time);"
    "CREATE TABLE bodies (id INTEGER PRIMARY KEY, host TEXT NOT NULL, digest TEXT NOT NULL,"
    " base INTEGER, data BLOB NOT NULL, UNIQUE (host, digest));"
    "CREATE TABLE spans (id INTEGER PRIMARY KEY, host TEXT NOT NULL, first INTEGER NOT NULL,"
    " last INTEGER NOT NULL, seen INTEGER NOT NULL, reachable INTEGER NOT NULL, body INTEGER,"
    " raw TEXT);"
    "CREATE INDEX spans_host ON spans (host, id);";

/* When facts that have not changed since were seen last; NULL: as they say themselves. A body in
 * facts that is a text is one of a version before. */
static const char sightings_sql[] =
    "CREATE TABLE sightings (host TEXT PRIMARY KEY, observed TEXT) WITHOUT ROWID;";

static int schema_version(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
	    sqlite3_step(statement) == SQLITE_ROW)
		version = sqlite3_column_int(statement, 0);
	sqlite3_finalize(statement);
	return version;
}

static bool schema_foreign(sqlite3 *db)
{
	sqlite3_stmt *statement = NULL;
	bool foreign = false;

	/* Another program's database has no version of ours either. */
	if (sqlite3_prepare_v2(db, "SELECT 1 FROM sqlite_master LIMIT 1", -1, &statement, NULL) ==
	    SQLITE_OK)
		foreign = sqlite3_step(statement) == SQLITE_ROW;
	sqlite3_finalize(statement);
	return foreign;
}

static int schema_fault(sqlite3 *db, const char *path, struct gf_err *err)
{
	gf_err_set(err, GF_E_STORE, "%s: %s", path, sqlite3_errmsg(db));
	sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return -1;
}

/* From VERSION (0: nothing there) to this one, or not at all. */
static int schema_upgrade(sqlite3 *db, const char *path, int version, struct gf_err *err)
{
	char pragma[64];

	snprintf(pragma, sizeof(pragma), "PRAGMA user_version = %d", SCHEMA_VERSION);
	if (sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK ||
	    (version < 1 && sqlite3_exec(db, first_sql, NULL, NULL, NULL) != SQLITE_OK) ||
	    (version < 2 && sqlite3_exec(db, history_sql, NULL, NULL, NULL) != SQLITE_OK) ||
	    sqlite3_exec(db, sightings_sql, NULL, NULL, NULL) != SQLITE_OK ||
	    (version == 1 && store_history_begin_with_facts(db)) ||
	    sqlite3_exec(db, pragma, NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
		return schema_fault(db, path, err);
	return 0;
}

int store_schema_prepare(sqlite3 *db, const char *path, bool writing, int *has, struct gf_err *err)
{
	int version = schema_version(db);

	if (version < 0)
		return gf_err_set(err, GF_E_STORE, "%s is not a gpufleet store: %s", path,
		                  sqlite3_errmsg(db));
	if (version > SCHEMA_VERSION)
		return gf_err_set(err, GF_E_STORE,
		                  "%s was written by a newer gpufleet: use that version", path);
	*has = version;
	if (version == SCHEMA_VERSION || (version >= 1 && !writing))
		return 0;
	if (!writing)
		return gf_err_set(err, GF_E_STORE, "%s is not a gpufleet store", path);
	if (version == 0 && schema_foreign(db))
		return gf_err_set(
		    err, GF_E_STORE,
		    "%s is a database of another program: name another file with --state", path);
	*has = SCHEMA_VERSION;
	return schema_upgrade(db, path, version, err);
}
