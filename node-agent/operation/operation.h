/* operation.h: detached work on this host and its journal.
 *
 * An operation is a directory STATE/operations/ID:
 *	request.json	what was asked, with the operation's number on this host; there from the
 *first moment lock		held (flock) by the worker while it lives; its process id inside
 *	events.jsonl	one event a line, numbered from 1, synced
 *	result.json	how it ended; written once, atomically
 *	backup/		what the tasks changed (node-agent/tasks)
 *	undone		there once a later operation has undone it
 *	reserve		room for result.json on a disk that is full by then
 *
 * Happy path: operation_create makes the directory by one rename (so an id exists whole or not at
 *all, and is never started twice), operation_start detaches a worker, operation_follow reads its
 *events until the result is there. Failure modes: the connection is lost (the worker goes on;
 *follow again), the worker or the host dies (the lock is free and there is no result: state
 *"unknown").
 */
#ifndef GPUFLEET_OPERATION_H
#define GPUFLEET_OPERATION_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "node-agent/agent.h"

#define OPERATION_ID_MAX 64

/* [A-Za-z0-9._-]{1,64}, beginning with neither "." nor "-". */
bool operation_id_valid(const char *id);

/* Where ID's FILE lies (FILE "" is the directory itself), as this process sees it. */
struct root_name operation_path(const struct agent *agent, const char *id, const char *file);

/* Records REQUEST (the wire's own object) under ID. *created is false when ID exists already: then
 * nothing was done. */
int operation_create(const struct agent *agent, const char *id, const json_t *request,
                     bool *created, struct gf_err *err);

/* Marks LOCK, an operation's lock that is held: the operation was begun, and is never begun again.
 */
int operation_mark(int lock, struct gf_err *err);

/* Detaches the worker of a newly created operation: a transient systemd unit where systemd runs, so
 * that the end of the connection's session does not end it; elsewhere a process of its own session.
 */
int operation_start(const struct agent *agent, const char *id, struct gf_err *err);

/* The worker: does what ID's request says and writes the result. LOCK is ID's lock, held, or -1 to
 * take it. Returns the process's exit status. */
int operation_work(const struct agent *agent, const char *id, int lock);

enum operation_state {
	OPERATION_STARTING, /* created; no worker was seen yet */
	OPERATION_RUNNING,
	OPERATION_DONE,
	OPERATION_FAILED,
	OPERATION_UNKNOWN, /* its worker is gone and left no result */
};

const char *operation_state_name(enum operation_state state);

/* How ID stands. *result (may be NULL) is set to the result, a new reference, or to NULL when there
 * is none yet; for UNKNOWN it is made up, with a message. GF_E_INPUT when there is no such
 * operation. */
int operation_look(const struct agent *agent, const char *id, enum operation_state *state,
                   json_t **result, struct gf_err *err);

/* Follows ID: calls EVENT for each event with seq >= FROM until the operation has ended, then
 * returns its result. NULL with *err when there is no such operation, and with GF_E_LOST when EVENT
 * or ALIVE (called about 20 times a second) returned false. */
struct operation_follower {
	bool (*event)(void *ctx, const json_t *event);
	bool (*alive)(void *ctx);
	void *ctx;
};
json_t *operation_follow(const struct agent *agent, const char *id, json_int_t from,
                         const struct operation_follower *follower, struct gf_err *err);

/* The recorded request (with "seq", "created" and "request"); NULL with *err. */
json_t *operation_request(const struct agent *agent, const char *id, struct gf_err *err);

/* All operations, oldest first: array of
 * {"operation","request","run","stage","state","changed","undone"}. */
json_t *operation_list(const struct agent *agent, struct gf_err *err);

/* The id of an operation whose worker lives, into ID, or false. */
bool operation_running(const struct agent *agent, const char *run, char id[OPERATION_ID_MAX + 1]);

/* Removes the agent, the journal and the lease: all but operation KEEP (may be NULL). */
void operation_purge(const struct agent *agent, const char *keep);

/* journal.c: files of the journal. Writes are synced. */
struct operation_journal {
	int fd;
	json_int_t seq;
	bool torn; /* the last line could not be written whole */
};
int journal_open(struct operation_journal *journal, const char *path, struct gf_err *err);
int journal_append(struct operation_journal *journal, const json_t *event, struct gf_err *err);
void journal_close(struct operation_journal *journal);
/* Writes PATH whole or not at all. */
int journal_write_file(const char *path, const json_t *value, struct gf_err *err);
/* Reads a JSON object; NULL with *err (errno is kept: ENOENT). */
json_t *journal_read_file(const char *path, struct gf_err *err);
/* Makes PATH and what is missing above it, mode 0700. */
int journal_make_dirs(const char *path, struct gf_err *err);
int journal_remove_tree(const char *path);
void journal_time(char buffer[32]);

#endif
