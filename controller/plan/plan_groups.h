/* plan_groups.h: the plans of many hosts, equal ones together. */
#ifndef GPUFLEET_PLAN_GROUPS_H
#define GPUFLEET_PLAN_GROUPS_H

#include <jansson.h>
#include <stdbool.h>

#include "node-agent/wire/error.h"

struct plan_item {
	const char *host;
	const json_t *plan; /* {"stages": [STAGE_PLAN…]}, from the host: not trusted */
};

struct plan_group {
	const json_t *plan; /* the first one's; borrowed */
	const char **hosts; /* in the order of the items; the names are borrowed */
	size_t count;
};

/* Groups ITEMS by what their plans hold, in the order of first appearance. *groups, of *count, is
 * the caller's (plan_groups_free). 0, or -1 with *err when out of memory. */
int plan_groups_make(const struct plan_item *items, size_t item_count, struct plan_group **groups,
                     size_t *count, struct gf_err *err);
void plan_groups_free(struct plan_group *groups, size_t count);

/* Does the plan change or reboot anything? */
bool plan_pending(const json_t *plan);

#endif
