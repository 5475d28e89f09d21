/* store.c: see store.h. Opening, reading; writing is store_writer.c's. */
#include "controller/store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "controller/store/store_body.h"
#include "controller/store/store_internal.h"
#include "controller/store/store_lock.h"
#include "controller/store/store_schema.h"

#define STORE_BUSY_MS 5000
#define SHARE_MOST                                                                                 \
	((size_t)1 << 20) /* bytes, in a run, which keeps few of the documents that it reads */

/* Network file systems on which SQLite's WAL loses data (https://sqlite.org/wal.html). The numbers
 * are those of linux/magic.h and fs/smb/client. */
static const struct {
	unsigned long magic;
	const char *name;
} network_file_systems[] = {
    {0x6969, "NFS"},    {0xff534d42, "CIFS"}, {0xfe534d42, "SMB"}, {0x517b, "SMB"},
    {0x01021997, "9p"}, {0x00c36400, "Ceph"}, {0x5346414f, "AFS"},
};

char *store_default_path(const char *fleet)
{
	const char *state = getenv("XDG_STATE_HOME");
	const char *home = getenv("HOME");
	char *path = NULL;
	int rc;

	if (state && *state == '/')
		rc = asprintf(&path, "%s/gpufleet/%s.db", state, fleet);
	else
		rc = asprintf(&path, "%s/.local/state/gpufleet/%s.db", home ? home : "", fleet);
	return rc < 0 ? NULL : path;
}

/* mkdir -p of the folder that PATH lies in; only folders made here get mode 0700. */
static int folders_create(const char *path, struct gf_err *err)
{
	char folder[PATH_MAX];
	if (snprintf(folder, sizeof(folder), "%s", path) >= (int)sizeof(folder))
		return gf_err_set(err, GF_E_INPUT, "%s: the path is too long", path);
	for (char *slash = strchr(folder + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(folder, 0700) && errno != EEXIST)
			return gf_err_errno(err, GF_E_STORE, "cannot create the folder %s", folder);
		*slash = '/';
	}
	return 0;
}

static int file_system_check(int fd, const char *path, struct gf_err *err)
{
	struct statfs fs;
	if (fstatfs(fd, &fs))
		return gf_err_errno(err, GF_E_STORE, "%s", path);
	for (size_t i = 0; i < sizeof(network_file_systems) / sizeof(network_file_systems[0]); i++)
		if ((unsigned long)fs.f_type == network_file_systems[i].magic)
			return gf_err_set(err, GF_E_STORE,
			                  "%s lies on %s, where the journal could be lost: name a "
			                  "file on a local disk with --state FILE",
			                  path, network_file_systems[i].name);
	return 0;
}

/* The lock file of the store at PATH, which may be a link. 0, or -1 where the path is too long. */
static int lock_path_of(const char *path, char *lock_path, size_t size)
{
	char *real = realpath(path, NULL);
	int length = snprintf(lock_path, size, "%s.lock", real ? real : path);

	free(real);
	return length < (int)size ? 0 : -1;
}

enum store_hold store_held(const char *path, char *holder, size_t size)
{
	char lock_path[PATH_MAX];
	enum store_hold hold = STORE_FREE;
	int fd = lock_path_of(path, lock_path, sizeof(lock_path))
	             ? -1
	             : open(lock_path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return STORE_FREE;
	if (flock(fd, LOCK_SH | LOCK_NB) != 0) {
		hold = store_lock_is_watch(fd) ? STORE_WATCHED : STORE_HELD;
		store_lock_holder(fd, holder, size);
	}
	close(fd);
	return hold;
}

void store_announce_watch(struct store *store)
{
	if (store->lock_fd >= 0)
		(void)store_lock_sign_watch(store->lock_fd);
}

/* One writing controller a store: a second one would reboot hosts behind the first one's back. */
static int lock_take(struct store *store, struct gf_err *err)
{
	char lock_path[PATH_MAX];
	if (snprintf(lock_path, sizeof(lock_path), "%s.lock", store->path) >=
	    (int)sizeof(lock_path))
		return gf_err_set(err, GF_E_INPUT, "%s: the path is too long", store->path);
	store->lock_fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (store->lock_fd < 0)
		return gf_err_errno(err, GF_E_STORE, "cannot open %s", lock_path);
	if (file_system_check(store->lock_fd, store->path, err))
		return -1;
	if (flock(store->lock_fd, LOCK_EX | LOCK_NB) == 0) {
		if (store_lock_sign(store->lock_fd) != 0)
			return gf_err_errno(err, GF_E_STORE, "cannot write %s", lock_path);
		return 0;
	}
	char holder[256];
	store_lock_holder(store->lock_fd, holder, sizeof(holder));
	return gf_err_set(err, GF_E_STORE,
	                  "another gpufleet (%s) is working on this fleet: wait for it, or "
	                  "look at it with `gpufleet status`",
	                  holder);
}

static sqlite3 *database_open(const char *path, int flags, struct gf_err *err)
{
	sqlite3 *db = NULL;
	if (sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_FULLMUTEX, NULL) != SQLITE_OK) {
		gf_err_set(err, GF_E_STORE, "cannot open the store %s: %s", path,
		           db ? sqlite3_errmsg(db) : "out of memory");
		sqlite3_close(db);
		return NULL;
	}
	sqlite3_busy_timeout(db, STORE_BUSY_MS);
	return db;
}

/* One lock for one store, by whatever link it is named. */
static int path_resolve(struct store *store, struct gf_err *err)
{
	char *real = realpath(store->path, NULL);
	if (!real)
		return errno == ENOENT
		           ? 0
		           : gf_err_errno(err, GF_E_STORE, "cannot open the store %s", store->path);
	free(store->path);
	store->path = real;
	return 0;
}

static int writing_open(struct store *store, uv_loop_t *loop, struct gf_err *err)
{
	if (folders_create(store->path, err) || path_resolve(store, err) || lock_take(store, err))
		return -1;
	/* Made here so that it never has another mode, not even for a moment. */
	int fd = open(store->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return gf_err_errno(err, GF_E_STORE, "cannot create the store %s", store->path);
	close(fd);
	store->write_db = database_open(store->path, SQLITE_OPEN_READWRITE, err);
	if (!store->write_db)
		return -1;
	/* Looked at before anything in it is changed. */
	if (store_schema_prepare(store->write_db, store->path, true, &store->schema, err))
		return -1;
	/* Pages that are out of the cache (256 kB) are in the kernel's. */
	if (sqlite3_exec(store->write_db,
	                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
	                 "PRAGMA cache_size = -256;",
	                 NULL, NULL, NULL) != SQLITE_OK)
		return gf_err_set(err, GF_E_STORE, "%s: %s", store->path,
		                  sqlite3_errmsg(store->write_db));
	store->writer = store_writer_start(store->write_db, loop, err);
	return store->writer ? 0 : -1;
}

struct store *store_open(const char *path, uv_loop_t *loop, struct gf_err *err)
{
	struct store *store = calloc(1, sizeof(*store));
	if (!store || !(store->path = strdup(path)) ||
	    !(store->share = json_share_new(loop ? SHARE_MOST : 0))) {
		free(store ? store->path : NULL);
		free(store);
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	store->lock_fd = -1;
	if (loop) {
		if (writing_open(store, loop, err))
			goto failed;
	} else if (access(path, F_OK)) {
		gf_err_set(err, GF_E_INPUT,
		           "nothing is known of this fleet yet (%s does not exist): run `gpufleet "
		           "scan` on this inventory first",
		           path);
		goto failed;
	}
	store->read_db = database_open(path, SQLITE_OPEN_READONLY, err);
	if (!store->read_db ||
	    store_schema_prepare(store->read_db, store->path, false, &store->schema, err))
		goto failed;
	return store;
failed:
	store_close(store);
	return NULL;
}

int store_changes_no_host(struct store *store, struct gf_err *err)
{
	if (sqlite3_exec(store->write_db, "PRAGMA synchronous = NORMAL;", NULL, NULL, NULL) !=
	    SQLITE_OK)
		return gf_err_set(err, GF_E_STORE, "%s: %s", store->path,
		                  sqlite3_errmsg(store->write_db));
	store_writer_be_lazy(store->writer);
	return 0;
}

void store_hurry(struct store *store)
{
	store_writer_hurry(store->writer);
}

void store_close(struct store *store)
{
	if (!store)
		return;
	if (store->writer)
		store_writer_stop(store->writer);
	sqlite3_finalize(store->documents[STORE_FACTS]);
	sqlite3_finalize(store->documents[STORE_EXPECTED]);
	ZSTD_freeDCtx(store->unpacking);
	sqlite3_close(store->write_db);
	sqlite3_close(store->read_db);
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	json_share_free(store->share);
	free(store->path);
	free(store);
}

int store_read_failed(const struct store *store, struct gf_err *err)
{
	return gf_err_set(err, GF_E_STORE, "%s: %s", store->path, sqlite3_errmsg(store->read_db));
}

/* BODY becomes the store's; NULL: there was no memory for it. */
static int body_put(struct store *store, enum store_job_kind kind, const char *run,
                    const char *host, char *body, store_done_cb done, void *ctx, struct gf_err *err)
{
	if (!body)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (!store->writer) {
		free(body);
		return gf_err_set(err, GF_E_INTERNAL, "the store was opened for reading");
	}
	return store_writer_put(store->writer, kind, run, host, body, done, ctx, err);
}

static int json_put(struct store *store, enum store_job_kind kind, const char *run,
                    const char *host, const json_t *value, store_done_cb done, void *ctx,
                    struct gf_err *err)
{
	return body_put(store, kind, run, host, json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY),
	                done, ctx, err);
}

int store_event_append(struct store *store, const char *run, const char *host, const json_t *event,
                       store_done_cb done, void *ctx, struct gf_err *err)
{
	return json_put(store, STORE_JOB_EVENT, run, host, event, done, ctx, err);
}

int store_facts_put(struct store *store, const char *run, const char *host, const char *facts,
                    size_t size, store_done_cb done, void *ctx, struct gf_err *err)
{
	return body_put(store, STORE_JOB_FACTS, run, host, strndup(facts, size), done, ctx, err);
}

int store_scan_end(struct store *store, const char *run, const json_t *end, store_done_cb done,
                   void *ctx, struct gf_err *err)
{
	int rc = json_put(store, STORE_JOB_SCAN_END, run, "", end, done, ctx, err);

	if (rc == 0)
		store_hurry(store);
	return rc;
}

int store_expected_put(struct store *store, const char *host, const json_t *expected,
                       store_done_cb done, void *ctx, struct gf_err *err)
{
	return json_put(store, STORE_JOB_EXPECTED, NULL, host, expected, done, ctx, err);
}

/* The document in the first column: packed, or as text. */
static json_t *document_load(struct store *store, sqlite3_stmt *row)
{
	const char *text = sqlite3_column_blob(row, 0);
	size_t size = (size_t)sqlite3_column_bytes(row, 0);
	char *unpacked = NULL;
	json_t *document = NULL;

	if (text && sqlite3_column_type(row, 0) == SQLITE_BLOB)
		text = unpacked = store_body_unpack(&store->unpacking, text, size, NULL, 0, &size);
	if (text)
		document = json_share_load(store->share, text, size, JSON_DECODE_ANY);
	free(unpacked);
	return document;
}

/* Ready for HOST; NULL on a fault. */
static sqlite3_stmt *document_statement(struct store *store, enum store_document which,
                                        const char *host)
{
	static const char *const sql[] = {
	    [STORE_FACTS] = "SELECT body, observed FROM facts LEFT JOIN sightings USING (host)"
	                    " WHERE host = ?1",
	    [STORE_EXPECTED] = "SELECT body, NULL FROM expected WHERE host = ?1",
	};
	bool sightings = which != STORE_FACTS || store->schema >= STORE_SCHEMA_SIGHTINGS;
	sqlite3_stmt **statement = &store->documents[which];

	if (!*statement &&
	    sqlite3_prepare_v2(store->read_db,
	                       sightings ? sql[which]
	                                 : "SELECT body, NULL FROM facts WHERE host = ?1",
	                       -1, statement, NULL) != SQLITE_OK)
		return NULL;
	sqlite3_bind_text(*statement, 1, host, -1, SQLITE_STATIC);
	return *statement;
}

static json_t *document_get(struct store *store, enum store_document which, const char *host,
                            bool *found, struct gf_err *err)
{
	sqlite3_stmt *statement = document_statement(store, which, host);
	json_t *document = NULL;
	int rc = statement ? sqlite3_step(statement) : SQLITE_ERROR;

	*found = rc != SQLITE_DONE;
	if (rc == SQLITE_ROW) {
		const char *observed = (const char *)sqlite3_column_text(statement, 1);

		document = document_load(store, statement);
		/* Of facts that stayed the same: when they were seen last. */
		if (document && observed)
			json_object_set_new(document, "observed", json_string(observed));
		if (!document)
			gf_err_set(err, GF_E_STORE, "%s: the record of %s is damaged", store->path,
			           host);
	} else if (rc != SQLITE_DONE) {
		store_read_failed(store, err);
	}
	sqlite3_reset(statement);
	return document;
}

json_t *store_facts_get(struct store *store, const char *host, bool *found, struct gf_err *err)
{
	return document_get(store, STORE_FACTS, host, found, err);
}

json_t *store_expected_get(struct store *store, const char *host, bool *found, struct gf_err *err)
{
	return document_get(store, STORE_EXPECTED, host, found, err);
}

/* The events that SQL selects by its one argument, which may be NULL. */
static int events_each(struct store *store, const char *sql, const char *argument,
                       int (*each)(void *ctx, const struct store_event *event), void *ctx,
                       struct gf_err *err)
{
	sqlite3_stmt *statement = NULL;
	int rc, result = 0;

	if (sqlite3_prepare_v2(store->read_db, sql, -1, &statement, NULL) != SQLITE_OK)
		return gf_err_set(err, GF_E_STORE, "%s: %s", store->path,
		                  sqlite3_errmsg(store->read_db));
	if (argument)
		sqlite3_bind_text(statement, 1, argument, -1, SQLITE_STATIC);
	while (result == 0 && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_event event = {
		    .seq = sqlite3_column_int64(statement, 0),
		    .run = (const char *)sqlite3_column_text(statement, 1),
		    .host = (const char *)sqlite3_column_text(statement, 2),
		    .time = (const char *)sqlite3_column_text(statement, 3),
		};
		const char *text = (const char *)sqlite3_column_text(statement, 4);

		if (text)
			event.event = json_share_load(store->share, text,
			                              (size_t)sqlite3_column_bytes(statement, 4),
			                              JSON_DECODE_ANY);
		if (!event.event) {
			result = gf_err_set(err, GF_E_STORE, "%s: event %lld is damaged",
			                    store->path, (long long)event.seq);
			break;
		}
		result = each(ctx, &event);
		json_decref(event.event);
	}
	if (result == 0 && rc != SQLITE_DONE)
		result = gf_err_set(err, GF_E_STORE, "%s: %s", store->path,
		                    sqlite3_errmsg(store->read_db));
	sqlite3_finalize(statement);
	return result;
}

int store_events_each(struct store *store, const char *run,
                      int (*each)(void *ctx, const struct store_event *event), void *ctx,
                      struct gf_err *err)
{
	return events_each(store,
	                   "SELECT seq, run, host, time, event FROM events"
	                   " WHERE ?1 IS NULL OR run = ?1 ORDER BY seq",
	                   run, each, ctx, err);
}

int store_events_with(struct store *store, const char *part,
                      int (*each)(void *ctx, const struct store_event *event), void *ctx,
                      struct gf_err *err)
{
	return events_each(store,
	                   "SELECT seq, run, host, time, event FROM events"
	                   " WHERE instr(event, ?1) ORDER BY seq",
	                   part, each, ctx, err);
}

char *store_run_last(struct store *store, struct gf_err *err)
{
	sqlite3_stmt *statement = NULL;
	char *run = NULL;

	if (sqlite3_prepare_v2(store->read_db, "SELECT run FROM events ORDER BY seq DESC LIMIT 1",
	                       -1, &statement, NULL) != SQLITE_OK) {
		gf_err_set(err, GF_E_STORE, "%s: %s", store->path, sqlite3_errmsg(store->read_db));
		return NULL;
	}
	if (sqlite3_step(statement) == SQLITE_ROW)
		run = strdup((const char *)sqlite3_column_text(statement, 0));
	sqlite3_finalize(statement);
	return run;
}
