/* capacity_cpus.h: sets of processors, as the kernel and Nova write them.
 */
#ifndef GPUFLEET_CAPACITY_CPUS_H
#define GPUFLEET_CAPACITY_CPUS_H

#include <stdbool.h>
#include <stdint.h>

#define CAPACITY_CPUS_MAX 8192

struct capacity_cpus {
	uint64_t bits[CAPACITY_CPUS_MAX / 64];
};

/* "4-12,^8,15" (parse_cpu_spec in nova/virt/hardware.py): what stands behind ^ is taken out of all
 * the rest, wherever it stands. -1: it is no such list, or names a processor beyond
 * CAPACITY_CPUS_MAX. */
int capacity_cpus_parse(const char *text, struct capacity_cpus *out);

unsigned capacity_cpus_count(const struct capacity_cpus *cpus);
/* How many of A are in B, too. */
unsigned capacity_cpus_common(const struct capacity_cpus *a, const struct capacity_cpus *b);
void capacity_cpus_add(struct capacity_cpus *to, const struct capacity_cpus *from);

#endif
