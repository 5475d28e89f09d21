/* store_writer.c: see store_writer.h.
 *
 * The happy path: the loop queues jobs; the thread takes all of them, writes them in one
 * transaction and puts them on the finished list; an async handle wakes the loop, which calls
 * `done` in order. A lazy one lets half a second pass between the first job and the commit, unless
 * it is told to hurry or to stop, or half a megabyte waits. Possible failure modes: a statement or
 * the commit fails (disk full, file gone): the transaction is rolled back and every job in it is
 * told why; nothing of the group is then in the journal.
 */
#include "controller/store/store_writer.h"

#include <stdlib.h>
#include <string.h>

#include "controller/store/store_body.h"
#include "controller/store/store_history.h"

#define TELLING_NS  (UINT64_C(10) * 1000000)  /* in one turn of the loop */
#define LINGER_NS   (UINT64_C(500) * 1000000) /* of a lazy writer, before a commit */
#define LINGER_MOST ((size_t)512 << 10)       /* bytes that wait: they are written at once */

/* By the kind of job, and two more. */
enum { FACTS_PACKED = STORE_JOB_EXPECTED + 1, SIGHTING, STATEMENTS };

struct store_job {
	struct store_job *next;
	enum store_job_kind kind;
	char *run, *host, *body;
	char time[32];
	store_done_cb done;
	void *ctx;
	int64_t seq;
	bool failed; /* its commit was; writer->failure says why */
};

struct store_job_queue {
	struct store_job *first, **last;
};

struct store_writer {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENTS];
	struct store_history *history;
	uv_thread_t thread;
	uv_mutex_t lock;
	uv_cond_t wake;
	uv_async_t finished_async;
	struct store_job_queue waiting, finished; /* both under the lock */
	size_t waiting_bytes;                     /* bodies in the former; likewise */
	struct gf_err failure;                    /* of the newest commit that failed; likewise */
	struct store_job_queue telling;           /* finished, and not yet told; the loop's own */
	bool stopping;
	bool lazy, lingering; /* waits before a commit for more to come; does so now */
	bool hurried;         /* not before the next one */
	size_t outstanding;   /* jobs put and not yet told; the loop's own */
};

static const char *const statement_sql[STATEMENTS] = {
    [STORE_JOB_EVENT] = "INSERT INTO events (run, host, time, event) VALUES (?1, ?2, ?3, ?4)",
    [STORE_JOB_FACTS] = "INSERT OR REPLACE INTO facts (host, time, body) VALUES (?2, ?3, ?4)",
    [STORE_JOB_EXPECTED] = "INSERT OR REPLACE INTO expected (host, time, body) VALUES (?2, ?3, ?4)",
    [FACTS_PACKED] = "SELECT 1 FROM facts WHERE host = ?2 AND typeof(body) = 'blob'",
    [SIGHTING] = "INSERT OR REPLACE INTO sightings (host, observed) VALUES (?2, ?3)",
};

static void store_job_free(struct store_job *job)
{
	free(job->run);
	free(job->host);
	free(job->body);
	free(job);
}

static void queue_init(struct store_job_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

static void queue_append(struct store_job_queue *queue, struct store_job *jobs)
{
	*queue->last = jobs;
	while (*queue->last)
		queue->last = &(*queue->last)->next;
}

static struct store_job *queue_take_all(struct store_job_queue *queue)
{
	struct store_job *jobs = queue->first;
	queue_init(queue);
	return jobs;
}

static struct store_job *queue_take(struct store_job_queue *queue)
{
	struct store_job *job = queue->first;
	if (job && !(queue->first = job->next))
		queue->last = &queue->first;
	return job;
}

static int row_write(struct store_writer *writer, struct store_job *job)
{
	sqlite3_stmt *statement = writer->statements[job->kind];

	sqlite3_bind_text(statement, 2, job->host, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 3, job->time, -1, SQLITE_STATIC);
	sqlite3_bind_text(statement, 4, job->body, -1, SQLITE_STATIC);
	if (job->kind == STORE_JOB_EVENT)
		sqlite3_bind_text(statement, 1, job->run, -1, SQLITE_STATIC);
	int rc = sqlite3_step(statement);
	job->seq = sqlite3_last_insert_rowid(writer->db);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc == SQLITE_DONE ? 0 : -1;
}

/* Steps STATEMENT for HOST; SQLITE_ROW, SQLITE_DONE or a fault. */
static int host_step(sqlite3_stmt *statement, const char *host)
{
	int rc;

	sqlite3_bind_text(statement, 2, host, -1, SQLITE_STATIC);
	rc = sqlite3_step(statement);
	sqlite3_reset(statement);
	sqlite3_clear_bindings(statement);
	return rc;
}

static int facts_pack(struct store_writer *writer, const struct store_job *job,
                      struct store_history_body *body)
{
	sqlite3_stmt *statement = writer->statements[STORE_JOB_FACTS];

	if (store_history_pack(writer->history, body))
		return -1;
	sqlite3_bind_text(statement, 3, job->time, -1, SQLITE_STATIC);
	sqlite3_bind_blob(statement, 4, body->packed, (int)body->packed_size, SQLITE_STATIC);
	return host_step(statement, job->host) == SQLITE_DONE ? 0 : -1;
}

/* What has not changed since is not written again: only when it was seen. */
static int facts_write(struct store_writer *writer, struct store_job *job)
{
	sqlite3_stmt *sighting = writer->statements[SIGHTING];
	struct store_history_body body = {.text = job->body};
	const char *time = NULL;
	size_t length = 0;
	bool same;
	int rc = store_history_facts(writer->history, job->run, job->host, job->time, &body, &same);

	if (rc == 0 && same && host_step(writer->statements[FACTS_PACKED], job->host) == SQLITE_ROW)
		time = store_body_time(job->body, &length);
	else if (rc == 0)
		rc = facts_pack(writer, job, &body);
	free(body.packed);
	if (time)
		sqlite3_bind_text(sighting, 3, time, (int)length, SQLITE_STATIC);
	return rc == 0 && host_step(sighting, job->host) == SQLITE_DONE ? 0 : -1;
}

static int job_write(struct store_writer *writer, struct store_job *job)
{
	switch (job->kind) {
	case STORE_JOB_SCAN_END:
		return store_history_end(writer->history, job->run, job->time, job->body);
	case STORE_JOB_FACTS:
		return facts_write(writer, job);
	default:
		return row_write(writer, job);
	}
}

/* One transaction for the whole list; every job gets the same verdict. */
static void jobs_commit(struct store_writer *writer, struct store_job *jobs)
{
	struct gf_err err = {.code = GF_OK};
	if (sqlite3_exec(writer->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK)
		goto failed;
	for (struct store_job *job = jobs; job; job = job->next) {
		if (job_write(writer, job))
			goto failed;
		/* The rest of the group, the disk and the loop are waited for without it. */
		free(job->body);
		job->body = NULL;
	}
	if (sqlite3_exec(writer->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
		return;
failed:
	gf_err_set(
	    &err, GF_E_STORE,
	    "the journal %s could not be written: %s; mend that, then the same command goes on",
	    sqlite3_db_filename(writer->db, "main"), sqlite3_errmsg(writer->db));
	sqlite3_exec(writer->db, "ROLLBACK", NULL, NULL, NULL);
	uv_mutex_lock(&writer->lock);
	writer->failure = err;
	uv_mutex_unlock(&writer->lock);
	for (struct store_job *job = jobs; job; job = job->next)
		job->failed = true;
}

/* Under the lock. A row costs the pages that it lies on, which others may lie on as well. */
static void writer_linger(struct store_writer *writer)
{
	uint64_t until = uv_hrtime() + LINGER_NS, now;

	writer->lingering = writer->lazy;
	while (writer->lingering && !writer->hurried && !writer->stopping &&
	       (now = uv_hrtime()) < until)
		uv_cond_timedwait(&writer->wake, &writer->lock, until - now);
	writer->lingering = writer->hurried = false;
}

static void writer_main(void *arg)
{
	struct store_writer *writer = arg;

	uv_mutex_lock(&writer->lock);
	for (;;) {
		while (!writer->waiting.first && !writer->stopping)
			uv_cond_wait(&writer->wake, &writer->lock);
		if (!writer->waiting.first)
			break;
		writer_linger(writer);
		struct store_job *jobs = queue_take_all(&writer->waiting);
		writer->waiting_bytes = 0;
		uv_mutex_unlock(&writer->lock);
		jobs_commit(writer, jobs);
		uv_mutex_lock(&writer->lock);
		queue_append(&writer->finished, jobs);
		uv_async_send(&writer->finished_async);
	}
	uv_mutex_unlock(&writer->lock);
}

static void writer_finished_cb(uv_async_t *async)
{
	struct store_writer *writer = async->data;

	uint64_t began = uv_hrtime();
	struct gf_err failure;
	struct store_job *job;

	uv_mutex_lock(&writer->lock);
	job = queue_take_all(&writer->finished);
	queue_append(&writer->telling, job);
	failure = writer->failure;
	uv_mutex_unlock(&writer->lock);
	while ((job = queue_take(&writer->telling))) {
		if (--writer->outstanding == 0)
			uv_unref((uv_handle_t *)&writer->finished_async);
		if (job->done)
			job->done(job->ctx, job->seq, job->failed ? &failure : NULL);
		store_job_free(job);
		/* A host that may go on does a good deal at once, and hundreds can be in one
		 * commit: the others have their turn after the loop has looked at everything else.
		 */
		if (writer->telling.first && uv_hrtime() - began > TELLING_NS) {
			uv_async_send(&writer->finished_async);
			break;
		}
	}
}

static void writer_closed_cb(uv_handle_t *handle)
{
	struct store_writer *writer = handle->data;
	uv_cond_destroy(&writer->wake);
	uv_mutex_destroy(&writer->lock);
	free(writer);
}

static void statements_finalize(struct store_writer *writer)
{
	for (size_t i = 0; i < sizeof(writer->statements) / sizeof(writer->statements[0]); i++)
		sqlite3_finalize(writer->statements[i]);
	store_history_free(writer->history);
}

struct store_writer *store_writer_start(sqlite3 *db, uv_loop_t *loop, struct gf_err *err)
{
	struct store_writer *writer = calloc(1, sizeof(*writer));
	if (!writer) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	writer->db = db;
	queue_init(&writer->waiting);
	queue_init(&writer->finished);
	queue_init(&writer->telling);
	for (size_t i = 0; i < sizeof(writer->statements) / sizeof(writer->statements[0]); i++)
		if (sqlite3_prepare_v2(db, statement_sql[i], -1, &writer->statements[i], NULL) !=
		    SQLITE_OK) {
			gf_err_set(err, GF_E_STORE, "%s", sqlite3_errmsg(db));
			goto err_after_prepare;
		}
	writer->history = store_history_new(db);
	if (!writer->history) {
		gf_err_set(err, GF_E_STORE, "%s", sqlite3_errmsg(db));
		goto err_after_prepare;
	}
	if (uv_mutex_init(&writer->lock)) {
		gf_err_set(err, GF_E_INTERNAL, "cannot create a lock");
		goto err_after_prepare;
	}
	if (uv_cond_init(&writer->wake)) {
		gf_err_set(err, GF_E_INTERNAL, "cannot create a condition variable");
		goto err_after_lock;
	}
	if (uv_async_init(loop, &writer->finished_async, writer_finished_cb)) {
		gf_err_set(err, GF_E_INTERNAL, "cannot create the store's wake-up handle");
		goto err_after_cond;
	}
	writer->finished_async.data = writer;
	/* A commit that nobody waits for must not keep the loop alive: store_writer_stop flushes.
	 */
	uv_unref((uv_handle_t *)&writer->finished_async);
	if (uv_thread_create(&writer->thread, writer_main, writer)) {
		gf_err_set(err, GF_E_INTERNAL, "cannot start the store's writer thread");
		statements_finalize(writer);
		uv_close((uv_handle_t *)&writer->finished_async, writer_closed_cb);
		return NULL;
	}
	return writer;

err_after_cond:
	uv_cond_destroy(&writer->wake);
err_after_lock:
	uv_mutex_destroy(&writer->lock);
err_after_prepare:
	statements_finalize(writer);
	free(writer);
	return NULL;
}

static void time_now_rfc3339(char *out, size_t size)
{
	time_t now = time(NULL);
	struct tm tm;
	gmtime_r(&now, &tm);
	strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

int store_writer_put(struct store_writer *writer, enum store_job_kind kind, const char *run,
                     const char *host, char *body, store_done_cb done, void *ctx,
                     struct gf_err *err)
{
	struct store_job *job = calloc(1, sizeof(*job));
	size_t size = strlen(body);
	if (!job) {
		free(body);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	job->kind = kind;
	job->body = body;
	job->run = strdup(run ? run : "");
	job->host = strdup(host);
	job->done = done;
	job->ctx = ctx;
	if (!job->run || !job->host) {
		store_job_free(job);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	time_now_rfc3339(job->time, sizeof(job->time));
	if (writer->outstanding++ == 0)
		uv_ref((uv_handle_t *)&writer->finished_async);
	uv_mutex_lock(&writer->lock);
	queue_append(&writer->waiting, job);
	writer->waiting_bytes += size;
	if (writer->waiting_bytes > LINGER_MOST)
		writer->hurried = true;
	if (!writer->lingering || writer->hurried)
		uv_cond_signal(&writer->wake);
	uv_mutex_unlock(&writer->lock);
	return 0;
}

void store_writer_hurry(struct store_writer *writer)
{
	uv_mutex_lock(&writer->lock);
	if (writer->waiting.first && !writer->hurried) {
		writer->hurried = true;
		uv_cond_signal(&writer->wake);
	}
	uv_mutex_unlock(&writer->lock);
}

void store_writer_be_lazy(struct store_writer *writer)
{
	uv_mutex_lock(&writer->lock);
	writer->lazy = true;
	uv_mutex_unlock(&writer->lock);
}

void store_writer_stop(struct store_writer *writer)
{
	uv_mutex_lock(&writer->lock);
	writer->stopping = true;
	uv_cond_signal(&writer->wake);
	uv_mutex_unlock(&writer->lock);
	uv_thread_join(&writer->thread);

	struct store_job *job = queue_take_all(&writer->finished);
	queue_append(&writer->telling, job);
	while ((job = queue_take(&writer->telling)))
		store_job_free(job);
	statements_finalize(writer);
	uv_close((uv_handle_t *)&writer->finished_async, writer_closed_cb);
}
