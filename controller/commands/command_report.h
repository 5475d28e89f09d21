/* command_report.h: the report of what a store knows, as `report` shows it and as a scan keeps it.
 */
#ifndef GPUFLEET_COMMAND_REPORT_H
#define GPUFLEET_COMMAND_REPORT_H

#include "controller/commands/command.h"
#include "controller/commands/report_formats.h"

struct command_report {
	json_t *report;
	struct report_host *hosts; /* of the fleet's selected ones; their facts are owned */
	size_t count;
};

/* Reads what the fleet's store holds of its selected hosts and builds the report. 0, or -1 with
 * *err; command_report_free after either. */
int command_report_build(const struct command_fleet *fleet, struct command_report *built,
                         struct gf_err *err);
void command_report_free(struct command_report *built);

/* The form that --format asks for; NULL with *err. */
const struct report_format *command_report_format(const struct command_context *context,
                                                  struct gf_err *err);

/* Writes BUILT to --output, whole or not at all, or to standard output. 0, or -1 with *err. */
int command_report_write(const struct command_context *context, const struct command_fleet *fleet,
                         const struct report_format *format, const struct command_report *built,
                         struct gf_err *err);

#endif
