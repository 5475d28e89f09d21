/* fuzz_inventory.c: any bytes as an inventory. What is taken can be selected from and shown as
 * JSON; what is refused says why. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/inventory_json.h"
#include "inventory/nodeset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gf_err err = {0};
	struct inventory *inventory = inventory_parse("fuzz.json", (const char *)data, size, &err);
	if (!inventory) {
		if (!err.msg[0] || strchr(err.msg, '\n'))
			abort();
		return 0;
	}
	size_t *indexes, count;
	if (inventory_select(inventory, "@*", &indexes, &count, &err) < 0 ||
	    count != inventory->host_count)
		abort();
	free(indexes);
	for (size_t i = 0; i < inventory->host_count && i < 64; i++) {
		if (inventory_host_find(inventory, inventory->hosts[i].name) !=
		    &inventory->hosts[i])
			abort();
		json_t *json = inventory_host_json(&inventory->hosts[i]);
		if (!json)
			abort();
		json_decref(json);
	}
	inventory_free(inventory);
	return 0;
}
