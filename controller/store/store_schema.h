/* store_schema.h: the tables of a store, and how a store of an earlier gpufleet gets them. */
#ifndef GPUFLEET_STORE_SCHEMA_H
#define GPUFLEET_STORE_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>

#include "node-agent/wire/error.h"

/* Looks at whose database DB (at PATH) is before anything in it is changed. WRITING: a new one gets
 * its tables, and one of an earlier version what it lacks, in one transaction. Otherwise *HISTORY
 * says whether it has the tables of the history, which a store has once a later gpufleet has
 * written to it. -1 with *err. */
int store_schema_prepare(sqlite3 *db, const char *path, bool writing, bool *history,
                         struct gf_err *err);

#endif
