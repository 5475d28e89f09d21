/* report_libvirt.h: ready GPUs as libvirt takes them, for guests that no OpenStack makes.
 */
#ifndef GPUFLEET_REPORT_LIBVIRT_H
#define GPUFLEET_REPORT_LIBVIRT_H

#include "controller/report/report.h"

/* One XML document that virt-xml-validate takes: a `<domain>` (a bare `<hostdev>` is no document of
 * libvirt's schemas) with the features that hide KVM and, for every ready card, a `<hostdev>` for
 * each of its functions, all in one slot of the guest. Comments say of which host and device each
 * is. The report of one host is a guest to start from; that of several is a list to take from.
 *
 * REPORT is report_build's, of the COUNT hosts HOSTS. Returns 0, or -1 with *err when OUT can't be
 * written or memory is short. */
int report_libvirt(const json_t *report, const struct report_host *hosts, size_t count, FILE *out,
                   struct gf_err *err);

#endif
