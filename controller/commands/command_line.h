/* command_line.h: from argv to a command and its context. */
#ifndef GPUFLEET_COMMAND_LINE_H
#define GPUFLEET_COMMAND_LINE_H

#include "controller/commands/command.h"

/* Fills *context (its strings are argv's). *status is set to 0 when there is nothing left to do
 * (--help, --version: printed), and left alone otherwise. -1 with *err for a mistake. */
int command_line_parse(int argc, char **argv, struct command_context *context, int *status,
                       struct gf_err *err);

/* The command line that was given, quoted for a shell, with " EXTRA" if not NULL. The caller frees
 * it; NULL when out of memory. */
char *command_line_text(const struct command_context *context, const char *extra);

#endif
