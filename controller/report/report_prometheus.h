/* report_prometheus.h: the report as metrics, for Prometheus' node exporter or whatever else reads
 * its text format. */
#ifndef GPUFLEET_REPORT_PROMETHEUS_H
#define GPUFLEET_REPORT_PROMETHEUS_H

#include "controller/report/report.h"

/* Prometheus' text format 0.0.4, gauges only, every series with the label `fleet`. Nothing is
 * labelled with a device: a fleet of 5,000 hosts is some 50,000 series. The metrics are listed in
 * docs/guide/reports.md; names and labels stay.
 *
 * REPORT is report_build's, of the COUNT hosts HOSTS. Returns 0, or -1 with *err when OUT can't be
 * written or memory is short. */
int report_prometheus(const json_t *report, const struct report_host *hosts, size_t count,
                      FILE *out, struct gf_err *err);

#endif
