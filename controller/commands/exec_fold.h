/* exec_fold.h: what a command left on many hosts, equal outcomes kept once and shown once. */
#ifndef GPUFLEET_EXEC_FOLD_H
#define GPUFLEET_EXEC_FOLD_H

#include <stdbool.h>
#include <stdio.h>

#include "inventory/inventory.h"
#include "node-agent/wire/error.h"

enum exec_kind { EXEC_OK, EXEC_EXIT, EXEC_FAILED, EXEC_UNREACHABLE, EXEC_KINDS };

struct exec_bytes {
	char *data;
	size_t size;
};

/* One host's outcome. */
struct exec_result {
	const struct inventory_host *host;
	enum exec_kind kind;
	int status;               /* of the command, for EXEC_OK and EXEC_EXIT */
	const struct gf_err *err; /* for the others */
	struct exec_bytes out, errors;
	bool truncated;
};

struct exec_fold;

struct exec_fold *exec_fold_new(void);
void exec_fold_free(struct exec_fold *fold);

/* Takes an outcome; copies what no other host has left before. 0, or -1 with *err. */
int exec_fold_add(struct exec_fold *fold, const struct exec_result *result, struct gf_err *err);

/* Prints the outcomes, equal ones under one node set, failures last. `safe`: escape control
 * characters (a terminal would act on them). */
void exec_fold_print(const struct exec_fold *fold, FILE *to, bool safe);

/* How many hosts ended so. */
size_t exec_fold_count(const struct exec_fold *fold, enum exec_kind kind);

/* One outcome as a line of JSON. */
void exec_result_json(const struct exec_result *result, FILE *to);

/* Writes bytes from a host with control characters, other than tab and newline, as \xNN. */
void exec_print_safe(FILE *to, const char *data, size_t size);

#endif
