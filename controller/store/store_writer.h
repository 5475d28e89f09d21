/* store_writer.h: the one thread that writes to a store, so that no fsync is ever waited for on the
 * loop. Jobs that have queued up while a commit was on its way share the next one.
 */
#ifndef GPUFLEET_STORE_WRITER_H
#define GPUFLEET_STORE_WRITER_H

#include <sqlite3.h>
#include <uv.h>

#include "controller/store/store.h"

struct store_writer;

enum store_job_kind { STORE_JOB_EVENT, STORE_JOB_FACTS, STORE_JOB_EXPECTED, STORE_JOB_SCAN_END };

/* Starts the thread on DB, which it uses alone until store_writer_stop. NULL with *err. */
struct store_writer *store_writer_start(sqlite3 *db, uv_loop_t *loop, struct gf_err *err);

/* From now on it waits a little before each commit, so that more goes into one. */
void store_writer_be_lazy(struct store_writer *writer);

/* Queues a write. RUN may be NULL for what is expected; BODY is serialised JSON and becomes the
 * writer's. */
int store_writer_put(struct store_writer *writer, enum store_job_kind kind, const char *run,
                     const char *host, char *body, store_done_cb done, void *ctx,
                     struct gf_err *err);

/* What is queued is waited for: a lazy writer commits it now. */
void store_writer_hurry(struct store_writer *writer);

/* Writes what is queued, ends the thread and frees the writer once the loop has closed its handle.
 */
void store_writer_stop(struct store_writer *writer);

#endif
