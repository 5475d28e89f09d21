/* report_formats.h: what `gpufleet report --format` takes: one row of a table a form. */
#ifndef GPUFLEET_REPORT_FORMATS_H
#define GPUFLEET_REPORT_FORMATS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>

#include "controller/report/report.h"
#include "inventory/inventory.h"

/* What a form is written from. Everything is borrowed. */
struct report_output {
	const json_t *report;
	const struct inventory *inventory;
	const struct report_host *hosts;
	size_t count;
	const char *inventory_path; /* as the user gave it */
	bool color;
	bool compact; /* --json: one object a line */
};

struct report_format {
	const char *name;
	/* Writes all of OUTPUT to OUT and flushes it. Returns 0, or -1 with *err. */
	int (*write)(const struct report_output *output, FILE *out, struct gf_err *err);
	mode_t mode; /* of the file of --output; 0: as the user's umask or the former file has it */
};

/* The form of that name; NULL with *err (GF_E_USAGE), which lists those that there are. */
const struct report_format *report_format_find(const char *name, struct gf_err *err);

#endif
