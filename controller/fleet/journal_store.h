/* journal_store.h: the core's journal on a store. */
#ifndef GPUFLEET_JOURNAL_STORE_H
#define GPUFLEET_JOURNAL_STORE_H

#include "controller/host/journal.h"
#include "controller/store/store.h"

struct journal_store {
	struct journal journal; /* first */
	struct store *store;    /* borrowed */
	const char *run;        /* borrowed */
};

void journal_store_init(struct journal_store *on, struct store *store, const char *run);

#endif
