/* waves.h: how many hosts each wave lets in. Pure. */
#ifndef GPUFLEET_WAVES_H
#define GPUFLEET_WAVES_H

#include <stddef.h>

#include "inventory/inventory.h"

/* COUNT hosts under ROLLOUT's waves (cumulative shares, rounded up; none given means one wave of
 * all): a new array of cumulative counts, rising, the last one COUNT; waves that would let nobody
 * new in are left out. NULL when out of memory. The caller frees it. */
size_t *waves_compute(const struct inventory_rollout *rollout, size_t count, size_t *wave_count);

/* "N" or "N%" (rounded down, but at least 1 for max_unavailable) of COUNT hosts. */
size_t waves_limit(unsigned value, bool percent, size_t count, size_t least);

#endif
