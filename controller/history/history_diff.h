/* history_diff.h: what changed on a host between two scans. Pure: a function of two facts documents
 * and what was judged of them.
 */
#ifndef GPUFLEET_HISTORY_DIFF_H
#define GPUFLEET_HISTORY_DIFF_H

#include <jansson.h>
#include <stdbool.h>

#include "inventory/inventory.h"

/* How a host stood at one of the two. */
struct history_sight {
	bool known;          /* it had been looked at */
	bool reachable;      /* … and reached when last tried */
	const json_t *facts; /* as last seen; NULL: never reached */
	const json_t *entry; /* its entry in a report of these facts; or NULL */
};

/* What changed from BEFORE to AFTER on HOST: an array (a new reference; empty: nothing) of {"what",
 * "device", "before", "after"} as docs/design/contracts.md lists them. Facts of the wrong shape
 * are compared as far as they can be read. NULL when out of memory. */
json_t *history_diff_host(const struct inventory_host *host, const struct history_sight *before,
                          const struct history_sight *after);

#endif
