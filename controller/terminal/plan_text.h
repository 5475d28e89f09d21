/* plan_text.h: plans for people: what would change on which hosts, equal plans folded. */
#ifndef GPUFLEET_PLAN_TEXT_H
#define GPUFLEET_PLAN_TEXT_H

#include <jansson.h>

#include "controller/terminal/terminal.h"

struct plan_item {
	const char *host;
	const json_t *plan; /* {"stages": [STAGE_PLAN…]}, from the host: not trusted */
};

struct plan_totals {
	size_t hosts; /* with something to do */
	size_t create, modify, remove, other;
	size_t reboots;
};

/* Does the plan change anything? */
bool plan_text_pending(const json_t *plan);

/* Prints the plans that change something, then the totals. DIFFS: whole, else only how each begins.
 */
void plan_text_print(const struct terminal *terminal, const struct plan_item *items, size_t count,
                     bool diffs, struct plan_totals *totals);

#endif
