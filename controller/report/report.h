/* report.h: what the fleet's facts say, for people and for programs: readiness host by host, totals
 * and capacity. Pure: it takes facts and time from its caller, reads no store and touches no host.
 * (PCI names come from the controller's pci.ids.)
 */
#ifndef GPUFLEET_REPORT_H
#define GPUFLEET_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "controller/capacity/capacity_what_if.h"
#include "inventory/inventory.h"

/* One host of the report. Everything is borrowed for the call. */
struct report_host {
	const struct inventory_host *host;
	const json_t *facts; /* its newest facts document; NULL: never reached */
	bool reachable;      /* did the last run reach it? */
};

/* The report (a new reference) in its fixed shape: fleet, generated, totals, hosts, capacity.
 * GENERATED is RFC 3339. A host whose facts are of the wrong shape does not spoil the report: its
 * verdict is "unknown" and its check "host.facts" says why. NULL only when out of memory. */
json_t *report_build(const struct inventory *inventory, const struct report_host *hosts,
                     size_t count, const char *generated, struct gf_err *err);

/* Adds `what_if` to REPORT, which report_build made of the same INVENTORY and HOSTS: capacity as it
 * is and as it would be. */
int report_what_if(json_t *report, const struct inventory *inventory,
                   const struct report_host *hosts, size_t count,
                   const struct capacity_what_if *what_if, struct gf_err *err);

/* For an operator at 3 a.m.: totals; hosts with equal verdict and reasons folded, what blocks most
 * GPUs first, each with cause and fix; capacity; the next command. INVENTORY_PATH (for that
 * command) may be NULL. Returns 0, or -1 with *err when OUT can't be written. */
int report_text(const json_t *report, const char *inventory_path, FILE *out, bool color,
                struct gf_err *err);

/* The report as JSON with a newline at its end: indented, or (COMPACT) on one line. */
int report_json(const json_t *report, bool compact, FILE *out, struct gf_err *err);

/* What GPU models the fleet has, and a `"gpus": [ … ]` block that names each, ready to paste into
 * the inventory. */
int report_gpus_block(const struct inventory *inventory, const struct report_host *hosts,
                      size_t count, FILE *out, struct gf_err *err);

/* Calls WRITE with a temporary file beside PATH and renames it over PATH when that succeeded: PATH
 * is either as it was or complete. MODE: of the file; 0: as the user's umask has it, or as the file
 * that is replaced. */
int report_file_write(const char *path, mode_t mode,
                      int (*write)(void *ctx, FILE *out, struct gf_err *err), void *ctx,
                      struct gf_err *err);

#endif
