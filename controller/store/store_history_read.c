/* store_history_read.c: the history as store.h gives it to readers. */
#include <stdlib.h>
#include <string.h>

#include "controller/store/store_body.h"
#include "controller/store/store_internal.h"
#include "controller/store/store_schema.h"

static int history_needed(const struct store *store, struct gf_err *err)
{
	if (store->schema >= STORE_SCHEMA_HISTORY)
		return 0;
	return gf_err_set(err, GF_E_INPUT,
	                  "%s was last written by an earlier gpufleet, which kept no history: run "
	                  "`gpufleet scan` on this inventory first",
	                  store->path);
}

int store_snapshot_begin(struct store *store, struct gf_err *err)
{
	if (sqlite3_exec(store->read_db, "BEGIN", NULL, NULL, NULL) != SQLITE_OK)
		return store_read_failed(store, err);
	return 0;
}

void store_snapshot_end(struct store *store)
{
	sqlite3_exec(store->read_db, "COMMIT", NULL, NULL, NULL);
}

int store_scans_each(struct store *store, int (*each)(void *ctx, const struct store_scan *scan),
                     void *ctx, struct gf_err *err)
{
	sqlite3_stmt *statement = NULL;
	int rc = SQLITE_ROW, result = 0;

	if (history_needed(store, err))
		return -1;
	if (sqlite3_prepare_v2(store->read_db,
	                       "SELECT id, time, command, hosts, unreachable, summary FROM scans"
	                       " WHERE time IS NOT NULL ORDER BY id",
	                       -1, &statement, NULL) != SQLITE_OK)
		return store_read_failed(store, err);
	while (result == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(statement, 5);
		json_t *summary = text ? json_loads(text, 0, NULL) : NULL;
		struct store_scan scan = {
		    .id = sqlite3_column_int64(statement, 0),
		    .time = (const char *)sqlite3_column_text(statement, 1),
		    .command = (const char *)sqlite3_column_text(statement, 2),
		    .hosts = sqlite3_column_int64(statement, 3),
		    .unreachable = sqlite3_column_int64(statement, 4),
		    .summary = json_is_object(summary) ? summary : NULL,
		};

		result = each(ctx, &scan);
		json_decref(summary);
	}
	if (result == 0 && rc != SQLITE_DONE)
		result = store_read_failed(store, err);
	sqlite3_finalize(statement);
	return result;
}

int store_sight_at(struct store *store, const char *host, int64_t scan, struct store_sight *sight,
                   struct gf_err *err)
{
	sqlite3_stmt *statement = NULL;
	int rc;

	*sight = (struct store_sight){0};
	if (history_needed(store, err))
		return -1;
	if (sqlite3_prepare_v2(store->read_db,
	                       "SELECT reachable, body FROM spans WHERE host = ?1 AND first <= ?2"
	                       " ORDER BY id DESC LIMIT 1",
	                       -1, &statement, NULL) != SQLITE_OK)
		return store_read_failed(store, err);
	sqlite3_bind_text(statement, 1, host, -1, SQLITE_STATIC);
	sqlite3_bind_int64(statement, 2, scan);
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW) {
		sight->known = true;
		sight->reachable = sqlite3_column_int(statement, 0) != 0;
		sight->body = sqlite3_column_int64(statement, 1);
	}
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_read_failed(store, err);
}

/* By two look-ups in the index for each host: a host may have thousands of spans. */
static const char hosts_since[] =
    "WITH RECURSIVE hosts (name) AS (SELECT min(host) FROM spans UNION ALL"
    " SELECT (SELECT min(host) FROM spans WHERE host > name) FROM hosts WHERE name IS NOT NULL)"
    "SELECT name FROM hosts WHERE ?1 <="
    " (SELECT last FROM spans WHERE host = name ORDER BY id DESC LIMIT 1)";

int store_hosts_each(struct store *store, int64_t scan, int (*each)(void *ctx, const char *host),
                     void *ctx, struct gf_err *err)
{
	sqlite3_stmt *statement = NULL;
	int rc = SQLITE_ROW, result = 0;

	if (history_needed(store, err))
		return -1;
	if (sqlite3_prepare_v2(store->read_db, hosts_since, -1, &statement, NULL) != SQLITE_OK)
		return store_read_failed(store, err);
	sqlite3_bind_int64(statement, 1, scan);
	while (result == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW)
		result = each(ctx, (const char *)sqlite3_column_text(statement, 0));
	if (result == 0 && rc != SQLITE_DONE)
		result = store_read_failed(store, err);
	sqlite3_finalize(statement);
	return result;
}

/* The document of id BODY as text (freed by the caller), and the id of what it was packed beside.
 */
static char *body_text(struct store *store, int64_t body, const char *base, size_t base_size,
                       int64_t *beside, size_t *size, struct gf_err *err)
{
	sqlite3_stmt *statement = NULL;
	char *text = NULL;
	int rc;

	*beside = 0;
	if (sqlite3_prepare_v2(store->read_db, "SELECT base, data FROM bodies WHERE id = ?1", -1,
	                       &statement, NULL) != SQLITE_OK) {
		store_read_failed(store, err);
		return NULL;
	}
	sqlite3_bind_int64(statement, 1, body);
	rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW) {
		*beside = sqlite3_column_int64(statement, 0);
		if (!*beside || base)
			text = store_body_unpack(sqlite3_column_blob(statement, 1),
			                         (size_t)sqlite3_column_bytes(statement, 1), base,
			                         base_size, size);
	}
	sqlite3_finalize(statement);
	if (!text && (base || !*beside))
		gf_err_set(err, GF_E_STORE, "%s: the facts of number %lld are damaged or gone",
		           store->path, (long long)body);
	return text;
}

json_t *store_body_get(struct store *store, int64_t body, struct gf_err *err)
{
	int64_t beside, none;
	size_t size = 0, base_size = 0;
	char *base = NULL, *text = body_text(store, body, NULL, 0, &beside, &size, err);
	json_t *document = NULL;

	if (!text && beside) {
		base = body_text(store, beside, NULL, 0, &none, &base_size, err);
		if (base)
			text = body_text(store, body, base, base_size, &beside, &size, err);
	}
	if (text) {
		document = json_share_load(store->share, text, size, JSON_DECODE_ANY);
		if (!document)
			gf_err_set(err, GF_E_STORE, "%s: the facts of number %lld are damaged",
			           store->path, (long long)body);
	}
	free(base);
	free(text);
	return document;
}
