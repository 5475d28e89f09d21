/* nova_errors.h: what Nova says in its log when it does not take its configuration, and what to do.
 */
#ifndef GPUFLEET_TASKS_NOVA_ERRORS_H
#define GPUFLEET_TASKS_NOVA_ERRORS_H

#include <stdbool.h>

struct nova_error {
	const char *pattern; /* in a line of the log */
	const char *meaning, *fix;
	bool harmless; /* the service runs on: told, not a failure */
};

#define NOVA_QUOTE_SIZE 200

/* The first of the known errors (in the order of the table) that LOG holds, with the last line that
 * has it in QUOTE, from the error's name on and printable; NULL: none. */
const struct nova_error *nova_error_find(const char *log, bool harmless,
                                         char quote[NOVA_QUOTE_SIZE]);

/* The last line of LOG that tells of an error, "" when none does: for what is not in the table. */
void nova_error_last(const char *log, char quote[NOVA_QUOTE_SIZE]);

#endif
