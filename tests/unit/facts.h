/* facts.h: facts documents for tests of what reads them: tests/unit/facts/NAME.json, and an
 * inventory host to judge them for. */
#ifndef TEST_FACTS_H
#define TEST_FACTS_H

#include <jansson.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "inventory/inventory.h"

static inline json_t *facts_load(const char *name)
{
	char path[512];
	json_error_t error;
	json_t *facts;

	snprintf(path, sizeof(path), "%s/tests/unit/facts/%s.json", TEST_SOURCE_DIR, name);
	facts = json_load_file(path, 0, &error);
	if (!facts)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	return facts;
}

/* The device at ADDRESS in a facts document, or in a host entry of a report ("pci" or "devices").
 */
static inline json_t *facts_device(const json_t *document, const char *list, const char *address)
{
	json_t *device;
	size_t i;

	json_array_foreach(json_object_get(document, list), i, device)
	{
		if (strcmp(json_string_value(json_object_get(device, "address")), address) == 0)
			return device;
	}
	fail_msg("no device %s", address);
	return NULL;
}

static char facts_name[] = "gpu01", facts_alias[] = "nvidia1080", facts_vendor[] = "10de",
            facts_model[] = "1b06";

/* One entry: every GTX 1080 Ti with all its functions. */
#define FACTS_GPU                                                                                  \
	{                                                                                          \
		.alias = facts_alias, .vendor = facts_vendor, .device = facts_model,               \
		.functions = FUNCTIONS_ALL, .managed = -1, .live_migratable = -1,                  \
		.one_time_use = -1                                                                 \
	}

static inline struct inventory_host facts_host(struct inventory_gpu *gpus, size_t count)
{
	return (struct inventory_host){
	    .name = facts_name,
	    .address = facts_name,
	    .role = ROLE_COMPUTE,
	    .gpus = {.items = gpus, .count = count, .given = gpus != NULL},
	};
}

#endif
