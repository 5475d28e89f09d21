/* plan_text.h: plans for people: what would change on which hosts, equal plans folded. */
#ifndef GPUFLEET_PLAN_TEXT_H
#define GPUFLEET_PLAN_TEXT_H

#include <jansson.h>

#include "controller/plan/plan_groups.h"
#include "controller/terminal/terminal.h"

struct plan_totals {
	size_t hosts; /* with something to do */
	size_t create, modify, remove, other;
	size_t reboots;
};

/* Prints the plans that change something, equal ones once, then the totals. DIFFS: whole, else only
 * how each begins. 0, or -1 with *err when out of memory. */
int plan_text_print(const struct terminal *terminal, const struct plan_item *items, size_t count,
                    bool diffs, struct plan_totals *totals, struct gf_err *err);

#endif
