/* store_fixture.h: a folder of its own for a store, a loop, and what the store acknowledged. */
#ifndef GPUFLEET_TESTS_STORE_FIXTURE_H
#define GPUFLEET_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "controller/store/store.h"

struct fixture {
	char folder[64], path[128];
	uv_loop_t loop;
	struct store *store; /* closed at the end; NULL: none is open */
	int acknowledged;    /* since fixture_wait */
	int64_t last_seq;    /* of events, where the test looks at it */
	json_t *seen;        /* what the test's callbacks put there */
};

static int fixture_setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/gpufleet-store-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	snprintf(f->path, sizeof(f->path), "%s/fleet.db", f->folder);
	uv_loop_init(&f->loop);
	*state = f;
	return 0;
}

static int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	char command[128];

	if (f->store)
		store_close(f->store);
	json_decref(f->seen);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	snprintf(command, sizeof(command), "rm -rf %s", f->folder);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static void acknowledged_cb(void *ctx, int64_t seq, const struct gf_err *err)
{
	struct fixture *f = ctx;

	(void)seq;
	if (err)
		fail_msg("%s", err->msg);
	f->acknowledged++;
}

/* Until COUNT more were acknowledged. */
static void fixture_wait(struct fixture *f, int count)
{
	while (f->acknowledged < count)
		uv_run(&f->loop, UV_RUN_ONCE);
	f->acknowledged -= count;
}

/* Does TEXT to the file of the store, behind its back. */
static inline void fixture_sql(struct fixture *f, const char *text)
{
	sqlite3 *db;
	char *message = NULL;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
		fail_msg("%s", message);
	sqlite3_close(db);
}

/* Keeps FACTS (stolen) as HOST's, found by RUN, and waits until they are on the disk. */
static inline void fixture_facts_put(struct fixture *f, struct store *store, const char *run,
                                     const char *host, json_t *facts)
{
	char *text = json_dumps(facts, JSON_COMPACT);

	assert_int_equal(
	    store_facts_put(store, run, host, text, strlen(text), acknowledged_cb, f, NULL), 0);
	fixture_wait(f, 1);
	free(text);
	json_decref(facts);
}

#endif
