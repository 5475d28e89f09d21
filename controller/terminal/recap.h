/* recap.h: how a run ended: totals, then what did not go well, folded by cause, failures last; then
 * the command to go on with. */
#ifndef GPUFLEET_RECAP_H
#define GPUFLEET_RECAP_H

#include <stdio.h>

#include "controller/terminal/terminal.h"

struct recap_item {
	const char *host;
	const char *verdict; /* done, pending, drifted, skipped, unreachable, blocked, failed */
	const char *code;    /* of the cause */
	const char *message;
};

/* Items of one verdict and one cause; the host's own name in a message counts as no difference. */
struct recap_group {
	const char *verdict, *code;
	char *message; /* with HOST for the name */
	const char **hosts;
	size_t count;
};

/* Groups what did not end as "done", in the order of recap_item.verdict; the largest of each last.
 * The caller frees it with recap_groups_free. NULL when out of memory; *count 0 is fine. */
struct recap_group *recap_fold(const struct recap_item *items, size_t count, size_t *group_count);
void recap_groups_free(struct recap_group *groups, size_t count);

/* Prints the groups and, if not NULL, "To go on: NEXT". */
void recap_print(const struct terminal *terminal, const struct recap_item *items, size_t count,
                 const char *next);

#endif
