/* inventory_json.h: resolved hosts as JSON, for `gpufleet check --json`. */
#ifndef GPUFLEET_INVENTORY_JSON_H
#define GPUFLEET_INVENTORY_JSON_H

#include <jansson.h>

#include "inventory/inventory.h"

/* One host with everything that applies to it, under the inventory's own keys; what nothing gives
 * is left out. A new reference; NULL when out of memory. */
json_t *inventory_host_json(const struct inventory_host *host);

/* A list of selectors as `gpus` has it. A new reference; NULL when out of memory. */
json_t *inventory_gpus_json(const struct inventory_gpu_list *list);

#endif
