/* journal_store.c: see journal_store.h. */
#include "controller/fleet/journal_store.h"

#include <stdlib.h>

struct waiter {
	journal_done_fn done;
	void *ctx;
};

static void waiter_done(void *ctx, int64_t seq, const struct gf_err *err)
{
	struct waiter waiter = *(struct waiter *)ctx;

	(void)seq;
	free(ctx);
	waiter.done(waiter.ctx, err);
}

static int journal_store_append(struct journal *journal, const char *host, const json_t *event,
                                journal_done_fn done, void *ctx, struct gf_err *err)
{
	struct journal_store *on = (struct journal_store *)journal;
	struct waiter *waiter = NULL;

	if (done) {
		waiter = malloc(sizeof(*waiter));
		if (!waiter)
			return gf_err_set(err, GF_E_MEMORY, "out of memory");
		*waiter = (struct waiter){done, ctx};
	}
	if (store_event_append(on->store, on->run, host, event, waiter ? waiter_done : NULL, waiter,
	                       err)) {
		free(waiter);
		return -1;
	}
	return 0;
}

static int journal_store_facts_put(struct journal *journal, const char *host, const char *facts,
                                   size_t size, struct gf_err *err)
{
	struct journal_store *on = (struct journal_store *)journal;

	return store_facts_put(on->store, on->run, host, facts, size, NULL, NULL, err);
}

static json_t *journal_store_facts_get(struct journal *journal, const char *host,
                                       struct gf_err *err)
{
	struct journal_store *on = (struct journal_store *)journal;
	bool found = false;

	return store_facts_get(on->store, host, &found, err);
}

static int journal_store_expected_put(struct journal *journal, const char *host,
                                      const json_t *expected, struct gf_err *err)
{
	struct journal_store *on = (struct journal_store *)journal;

	return store_expected_put(on->store, host, expected, NULL, NULL, err);
}

static json_t *journal_store_expected_get(struct journal *journal, const char *host,
                                          struct gf_err *err)
{
	struct journal_store *on = (struct journal_store *)journal;
	bool found = false;

	return store_expected_get(on->store, host, &found, err);
}

static void journal_store_hurry(struct journal *journal)
{
	store_hurry(((struct journal_store *)journal)->store);
}

void journal_store_init(struct journal_store *on, struct store *store, const char *run)
{
	on->journal = (struct journal){
	    .append = journal_store_append,
	    .facts_put = journal_store_facts_put,
	    .facts_get = journal_store_facts_get,
	    .expected_put = journal_store_expected_put,
	    .expected_get = journal_store_expected_get,
	    .hurry = journal_store_hurry,
	};
	on->store = store;
	on->run = run;
}
