/* store_internal.h: a store, for the files that make it up. */
#ifndef GPUFLEET_STORE_INTERNAL_H
#define GPUFLEET_STORE_INTERNAL_H

#include <sqlite3.h>

#include "controller/store/json_share.h"
#include "controller/store/store.h"
#include "controller/store/store_writer.h"

struct store {
	char *path;
	sqlite3 *read_db;
	sqlite3 *write_db; /* the writer thread's; NULL in a read-only store */
	struct store_writer *writer;
	int lock_fd;              /* -1 in a read-only store */
	struct json_share *share; /* of the documents that are read */
	int schema; /* of the read connection: an earlier one in a store of an earlier gpufleet */
};

/* Fills *err with what the read connection says of its last fault; returns -1. */
int store_read_failed(const struct store *store, struct gf_err *err);

#endif
