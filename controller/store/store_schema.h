/* store_schema.h: the tables of a store, and how a store of an earlier gpufleet gets them. */
#ifndef GPUFLEET_STORE_SCHEMA_H
#define GPUFLEET_STORE_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>

#include "node-agent/wire/error.h"

/* Looks at whose database DB (at PATH) is before anything in it is changed. WRITING: a new one gets
 * its tables, and one of an earlier version what it lacks, in one transaction. *HAS: the
 * version whose tables are there, which is an earlier one where nobody has written since. -1 with
 * *err. */
#define STORE_SCHEMA_HISTORY   2 /* has the tables of the history from this version on */
#define STORE_SCHEMA_SIGHTINGS 3
int store_schema_prepare(sqlite3 *db, const char *path, bool writing, int *has, struct gf_err *err);

#endif
