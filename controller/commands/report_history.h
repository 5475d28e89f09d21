/* report_history.h: what `report --since` and `--history` add to a report from the history. */
#ifndef GPUFLEET_REPORT_HISTORY_H
#define GPUFLEET_REPORT_HISTORY_H

#include <jansson.h>

#include "controller/commands/command.h"

/* Looks at --since and --history before anything is read. 0, or -1 with *err (GF_E_USAGE). */
int report_history_check(const struct command_context *context, struct gf_err *err);

/* Adds "history" and "changes" to REPORT where they were asked for. 0, or -1 with *err. */
int report_history_add(const struct command_context *context, const struct command_fleet *fleet,
                       json_t *report, struct gf_err *err);

#endif
