/* task_table.h: the task types and their parameters. */
#ifndef GPUFLEET_TASK_TABLE_H
#define GPUFLEET_TASK_TABLE_H

#include "inventory/fields.h"

struct task_type_row {
	const char *type;
	struct field_set parameters; /* with those that every task has */
	const char *one_of[4];       /* at least one of these must be given; empty: no such rule */
};

/* The row of a type, or NULL. */
const struct task_type_row *task_type_row_find(const char *type);

/* All types, ending in NULL, for messages. */
extern const char *const task_type_names[];

#endif
