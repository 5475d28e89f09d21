/* report_openstack.h: what is left to do in OpenStack once GPUs are ready, as a shell script.
 */
#ifndef GPUFLEET_REPORT_OPENSTACK_H
#define GPUFLEET_REPORT_OPENSTACK_H

#include "controller/report/report.h"

/* A POSIX sh script that makes the inventory's flavors with the `openstack` command, and sets their
 * GPUs, their NUMA policy and the hiding of the hypervisor by the names that the fleet's Nova
 * release has for it. Running it twice is the same as once. Its comments say how many GPUs of each
 * alias are ready, and where. An inventory without flavors gets one proposed for each alias, in
 * comments.
 *
 * The release is the inventory's; else the oldest known one (nova_release_from_version) that the
 * hosts' facts (facts.nova.release) name; else the newest is taken and a comment says so. REPORT is
 * report_build's, of the COUNT hosts HOSTS. Returns 0, or -1 with *err when OUT can't be written or
 * memory is short. */
int report_openstack(const json_t *report, const struct inventory *inventory,
                     const struct report_host *hosts, size_t count, FILE *out, struct gf_err *err);

/* TEXT as one word of a POSIX shell, whatever is in it: between single quotes, each of its own
 * single quotes as '\''. */
void report_openstack_quote(const char *text, FILE *out);

#endif
