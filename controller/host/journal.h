/* journal.h: the durable record as the core sees it: append, keep facts, keep what is expected.
 * journal_store.c puts it on a store; a test puts it on an array.
 */
#ifndef GPUFLEET_JOURNAL_H
#define GPUFLEET_JOURNAL_H

#include <jansson.h>

#include "node-agent/wire/error.h"

/* ERR NULL: it is on the disk. On the loop's thread, never from within the call that asked for it.
 */
typedef void (*journal_done_fn)(void *ctx, const struct gf_err *err);

struct journal {
	/* Appends EVENT (borrowed) for HOST ("" for the run's own). DONE may be NULL. Returns 0 or
	 * -1. */
	int (*append)(struct journal *journal, const char *host, const json_t *event,
	              journal_done_fn done, void *ctx, struct gf_err *err);
	/* FACTS is a JSON object of SIZE bytes, kept as it is (copied). */
	int (*facts_put)(struct journal *journal, const char *host, const char *facts, size_t size,
	                 struct gf_err *err);
	/* What facts_put kept, a new reference; NULL where there is nothing (err untouched) or on a
	 * fault. */
	json_t *(*facts_get)(struct journal *journal, const char *host, struct gf_err *err);
	int (*expected_put)(struct journal *journal, const char *host, const json_t *expected,
	                    struct gf_err *err);
	/* A new reference, or NULL where there is none (err untouched) or on a fault. */
	json_t *(*expected_get)(struct journal *journal, const char *host, struct gf_err *err);
	/* What was appended so far is waited for: no more should be waited for before it is
	 * written. */
	void (*hurry)(struct journal *journal);
};

#endif
