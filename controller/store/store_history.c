/* store_history.c: see store_history.h. Possible failure modes: a statement fails (the whole group
 * of writes is then rolled back and told so); an older body can't be read any more: the next one is
 * kept without it. */
#include "controller/store/store_history.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/store/store_body.h"
#include "controller/store/store_thin.h"

enum statement {
	SCAN_BEGIN,
	SCAN_ID,
	SCAN_END,
	SPAN_NEWEST,
	SPAN_EXTEND,
	SPAN_ADD,
	BODY_FIND,
	BODY_BASE,
	BODY_ADD,
	BODY_DATA,
	BODY_DIGEST,
	STATEMENTS,
};

static const char *const statement_sql[STATEMENTS] = {
    [SCAN_BEGIN] = "INSERT OR IGNORE INTO scans (run, began) VALUES (?1, ?2)",
    [SCAN_ID] = "SELECT id FROM scans WHERE run = ?1",
    [SCAN_END] = "UPDATE scans SET time = ?2, command = ?3, hosts = ?4, unreachable = ?5,"
                 " summary = ?6 WHERE id = ?1",
    [SPAN_NEWEST] = "SELECT s.id, s.reachable, s.body, b.digest, s.raw FROM spans s"
                    " LEFT JOIN bodies b ON b.id = s.body"
                    " WHERE s.host = ?1 ORDER BY s.id DESC LIMIT 1",
    [SPAN_EXTEND] = "UPDATE spans SET seen = seen + (last <> ?2), last = ?2,"
                    " raw = ?3 WHERE id = ?1",
    [SPAN_ADD] = "INSERT INTO spans (host, first, last, seen, reachable, body, raw)"
                 " VALUES (?1, ?2, ?2, 1, ?3, ?4, ?5)",
    [BODY_FIND] = "SELECT id FROM bodies WHERE host = ?1 AND digest = ?2",
    [BODY_BASE] = "SELECT id, data FROM bodies WHERE host = ?1 AND base IS NULL"
                  " ORDER BY id DESC LIMIT 1",
    [BODY_ADD] = "INSERT INTO bodies (host, digest, base, data) VALUES (?1, ?2, ?3, ?4)",
    [BODY_DATA] = "SELECT data FROM bodies WHERE id = ?1 AND base IS NULL",
    [BODY_DIGEST] = "UPDATE bodies SET digest = ?2 WHERE id = ?1",
};

struct store_history {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	ZSTD_DCtx *unpacking;
	ZSTD_CCtx *packing;
};

/* The newest span of a host. */
struct span {
	sqlite3_int64 id, body; /* 0: none */
	bool reachable;
	char digest[SHA256_HEX_SIZE], raw[SHA256_HEX_SIZE]; /* of the body, of what came last */
};

struct store_history *store_history_new(sqlite3 *db)
{
	struct store_history *history = calloc(1, sizeof(*history));

	if (!history)
		return NULL;
	history->db = db;
	for (size_t i = 0; i < STATEMENTS; i++) {
		if (sqlite3_prepare_v2(db, statement_sql[i], -1, &history->statements[i], NULL) !=
		    SQLITE_OK) {
			store_history_free(history);
			return NULL;
		}
	}
	return history;
}

void store_history_free(struct store_history *history)
{
	for (size_t i = 0; history && i < STATEMENTS; i++)
		sqlite3_finalize(history->statements[i]);
	if (history) {
		ZSTD_freeDCtx(history->unpacking);
		ZSTD_freeCCtx(history->packing);
	}
	free(history);
}

static sqlite3_stmt *statement_text(struct store_history *history, enum statement which,
                                    const char *text)
{
	sqlite3_stmt *statement = history->statements[which];

	sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
	return statement;
}

/* Steps a statement that gives no rows. */
static int statement_do(sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement);

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc == SQLITE_DONE ? 0 : -1;
}

/* The id in the first column of the first row; 0 where there is none; -1. */
static sqlite3_int64 statement_id(sqlite3_stmt *statement)
{
	int rc = sqlite3_step(statement);
	sqlite3_int64 id = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;

	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? id : -1;
}

/* The id of RUN's scan, made where there is none; -1 on a fault. */
static sqlite3_int64 scan_of(struct store_history *history, const char *run, const char *time)
{
	sqlite3_stmt *begin = statement_text(history, SCAN_BEGIN, run);

	sqlite3_bind_text(begin, 2, time, -1, SQLITE_STATIC);
	if (statement_do(begin))
		return -1;
	return statement_id(statement_text(history, SCAN_ID, run));
}

static void digest_copy(char to[SHA256_HEX_SIZE], const char *from)
{
	if (from && strlen(from) < SHA256_HEX_SIZE)
		strcpy(to, from);
}

static int span_newest(struct store_history *history, const char *host, struct span *span)
{
	sqlite3_stmt *newest = statement_text(history, SPAN_NEWEST, host);
	int rc = sqlite3_step(newest);

	*span = (struct span){0};
	if (rc == SQLITE_ROW) {

		span->id = sqlite3_column_int64(newest, 0);
		span->reachable = sqlite3_column_int(newest, 1) != 0;
		span->body = sqlite3_column_int64(newest, 2);
		digest_copy(span->digest, (const char *)sqlite3_column_text(newest, 3));
		digest_copy(span->raw, (const char *)sqlite3_column_text(newest, 4));
	}
	sqlite3_reset(newest);
	sqlite3_clear_bindings(newest);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

static int span_extend(struct store_history *history, const struct span *span, sqlite3_int64 scan,
                       const char *raw)
{
	sqlite3_stmt *extend = history->statements[SPAN_EXTEND];

	sqlite3_bind_int64(extend, 1, span->id);
	sqlite3_bind_int64(extend, 2, scan);
	sqlite3_bind_text(extend, 3, raw, -1, SQLITE_STATIC);
	return statement_do(extend);
}

static int span_add(struct store_history *history, const char *host, sqlite3_int64 scan,
                    bool reachable, sqlite3_int64 body, const char *raw)
{
	sqlite3_stmt *add = statement_text(history, SPAN_ADD, host);

	sqlite3_bind_int64(add, 2, scan);
	sqlite3_bind_int(add, 3, reachable ? 1 : 0);
	if (body)
		sqlite3_bind_int64(add, 4, body);
	sqlite3_bind_text(add, 5, raw, -1, SQLITE_STATIC);
	return statement_do(add);
}

/* The newest document of HOST that stands by itself, to go by: *text (to be freed) is NULL where
 * there is none. */
static int base_read(struct store_history *history, const char *host, sqlite3_int64 *id,
                     char **text, size_t *size)
{
	sqlite3_stmt *base = statement_text(history, BODY_BASE, host);
	int rc = sqlite3_step(base);

	*text = NULL;
	if (rc == SQLITE_ROW) {
		*id = sqlite3_column_int64(base, 0);
		*text = store_body_unpack(&history->unpacking, sqlite3_column_blob(base, 1),
		                          (size_t)sqlite3_column_bytes(base, 1), NULL, 0, size);
	}
	sqlite3_reset(base);
	sqlite3_clear_bindings(base);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
}

static int body_insert(struct store_history *history, const char *host, const char *digest,
                       sqlite3_int64 base, const void *data, size_t size)
{
	sqlite3_stmt *add = statement_text(history, BODY_ADD, host);

	sqlite3_bind_text(add, 2, digest, -1, SQLITE_STATIC);
	if (base)
		sqlite3_bind_int64(add, 3, base);
	sqlite3_bind_blob(add, 4, data, (int)size, SQLITE_STATIC);
	return statement_do(add);
}

int store_history_pack(struct store_history *history, struct store_history_body *body)
{
	if (!body->packed)
		body->packed = store_body_pack(&history->packing, body->text, strlen(body->text),
		                               NULL, 0, &body->packed_size);
	return body->packed ? 0 : -1;
}

/* Keeps BODY and returns its id, or -1. Beside another document of the host where that makes it
 * much smaller: then that one must stay, which a document of its own need not. */
static sqlite3_int64 body_add(struct store_history *history, const char *host, const char *digest,
                              struct store_history_body *body)
{
	size_t base_size = 0, size = 0;
	sqlite3_int64 base = 0;
	char *base_text = NULL;
	void *beside = NULL;
	int rc = store_history_pack(history, body);

	if (rc == 0)
		rc = base_read(history, host, &base, &base_text, &base_size);
	if (rc == 0 && base_text)
		beside = store_body_pack(&history->packing, body->text, strlen(body->text),
		                         base_text, base_size, &size);
	if (rc == 0 && beside && size < body->packed_size / 2)
		rc = body_insert(history, host, digest, base, beside, size);
	else if (rc == 0)
		rc = body_insert(history, host, digest, 0, body->packed, body->packed_size);
	free(base_text);
	free(beside);
	return rc ? -1 : sqlite3_last_insert_rowid(history->db);
}

/* A host's first body had nothing to be compared with, and its digest was left for later: for most
 * hosts that is never. One that can't be read any more is like no other. */
static int first_digest(struct store_history *history, struct span *span)
{
	sqlite3_stmt *data = history->statements[BODY_DATA];
	sqlite3_stmt *set = history->statements[BODY_DIGEST];
	char *text = NULL;
	size_t size;
	int rc;

	sqlite3_bind_int64(data, 1, span->body);
	rc = sqlite3_step(data);
	if (rc == SQLITE_ROW)
		text = store_body_unpack(&history->unpacking, sqlite3_column_blob(data, 0),
		                         (size_t)sqlite3_column_bytes(data, 0), NULL, 0, &size);
	sqlite3_reset(data);
	if (!text || store_body_digest(text, span->digest)) {
		free(text);
		return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : -1;
	}
	free(text);
	sqlite3_bind_int64(set, 1, span->body);
	sqlite3_bind_text(set, 2, span->digest, -1, SQLITE_STATIC);
	return statement_do(set);
}

static int facts_keep(struct store_history *history, sqlite3_int64 scan, const char *host,
                      struct store_history_body *body, bool *same)
{
	char digest[SHA256_HEX_SIZE], raw[SHA256_HEX_SIZE];
	sqlite3_int64 id;
	struct span span;

	if (span_newest(history, host, &span) || store_body_raw_digest(body->text, raw))
		return -1;
	*same = span.id && span.reachable && strcmp(span.raw, raw) == 0;
	if (*same)
		return span_extend(history, &span, scan, raw);
	if (!span.body) {
		id = body_add(history, host, "", body);
		return id < 0 ? -1 : span_add(history, host, scan, true, id, raw);
	}
	if (!*span.digest && first_digest(history, &span))
		return -1;
	if (store_body_digest(body->text, digest))
		return -1;
	if (span.id && span.reachable && strcmp(span.digest, digest) == 0)
		return span_extend(history, &span, scan, raw);
	sqlite3_stmt *find = statement_text(history, BODY_FIND, host);

	sqlite3_bind_text(find, 2, digest, -1, SQLITE_STATIC);
	id = statement_id(find);
	if (id == 0)
		id = body_add(history, host, digest, body);
	return id < 0 ? -1 : span_add(history, host, scan, true, id, raw);
}

int store_history_facts(struct store_history *history, const char *run, const char *host,
                        const char *time, struct store_history_body *body, bool *same)
{
	sqlite3_int64 scan = scan_of(history, run, time);

	return scan < 0 ? -1 : facts_keep(history, scan, host, body, same);
}

/* Not reached: its last facts still are what is known of it. */
static int unreachable_keep(struct store_history *history, sqlite3_int64 scan, const char *host)
{
	struct span span;

	if (span_newest(history, host, &span))
		return -1;
	if (span.id && !span.reachable)
		return span_extend(history, &span, scan, NULL);
	return span_add(history, host, scan, false, span.body, NULL);
}

static int scan_end(struct store_history *history, sqlite3_int64 scan, const char *time,
                    const json_t *end)
{
	const json_t *summary = json_object_get(end, "summary");
	const char *command = json_string_value(json_object_get(end, "command"));
	char *text = json_is_object(summary) ? json_dumps(summary, JSON_COMPACT) : NULL;
	sqlite3_stmt *update = history->statements[SCAN_END];
	int rc;

	sqlite3_bind_int64(update, 1, scan);
	sqlite3_bind_text(update, 2, time, -1, SQLITE_STATIC);
	sqlite3_bind_text(update, 3, command ? command : "", -1, SQLITE_STATIC);
	sqlite3_bind_int64(update, 4, json_integer_value(json_object_get(end, "hosts")));
	sqlite3_bind_int64(update, 5,
	                   (sqlite3_int64)json_array_size(json_object_get(end, "unreachable")));
	if (text)
		sqlite3_bind_text(update, 6, text, -1, SQLITE_STATIC);
	rc = statement_do(update);
	free(text);
	return rc;
}

int store_history_end(struct store_history *history, const char *run, const char *time,
                      const char *end)
{
	json_t *document = json_loads(end, 0, NULL), *host;
	sqlite3_int64 scan = document ? scan_of(history, run, time) : -1;
	const char *command = json_string_value(json_object_get(document, "command"));
	int rc = scan < 0 ? -1 : scan_end(history, scan, time, document);
	size_t i;

	json_array_foreach(json_object_get(document, "unreachable"), i, host)
	{
		if (rc == 0 && json_is_string(host))
			rc = unreachable_keep(history, scan, json_string_value(host));
	}
	if (rc == 0 && command && strcmp(command, "scan") == 0)
		rc = store_thin_log(history->db, scan);
	if (rc == 0)
		rc = store_thin_history(history->db, scan);
	json_decref(document);
	return rc;
}

static int all_facts_keep(struct store_history *history, sqlite3 *db, sqlite3_int64 scan)
{
	sqlite3_stmt *facts = NULL;
	int rc = 0, step = SQLITE_ERROR;
	bool same;

	if (sqlite3_prepare_v2(db, "SELECT host, body FROM facts ORDER BY host", -1, &facts,
	                       NULL) != SQLITE_OK)
		return -1;
	while (rc == 0 && (step = sqlite3_step(facts)) == SQLITE_ROW) {
		const char *host = (const char *)sqlite3_column_text(facts, 0);
		struct store_history_body body = {.text =
		                                      (const char *)sqlite3_column_text(facts, 1)};
		char digest[SHA256_HEX_SIZE];

		/* One that can't be read is not what an upgrade may fail by. */
		if (host && body.text && store_body_digest(body.text, digest) == 0)
			rc = facts_keep(history, scan, host, &body, &same);
		free(body.packed);
	}
	sqlite3_finalize(facts);
	return rc == 0 && step == SQLITE_DONE ? 0 : -1;
}

int store_history_begin_with_facts(sqlite3 *db)
{
	struct store_history *history;
	int rc;

	if (sqlite3_exec(db,
	                 "INSERT INTO scans (id, run, began, time, command, hosts, log)"
	                 " SELECT 1, '', min(time), max(time), 'upgrade', count(*), 0 FROM facts"
	                 " HAVING count(*) > 0",
	                 NULL, NULL, NULL) != SQLITE_OK)
		return -1;
	history = store_history_new(db);
	rc = history ? all_facts_keep(history, db, 1) : -1;
	store_history_free(history);
	return rc;
}
