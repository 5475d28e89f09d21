/* nova.h: hosts, facts and fleets for the tests of controller/nova. */
#ifndef TEST_NOVA_H
#define TEST_NOVA_H

#include <jansson.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_fleet.h"

/* An inventory: TEXT is what follows `"version": 1, "fleet": "lab", `. */
static inline struct inventory *nova_inventory(const char *text)
{
	struct gf_err err = {0};
	struct inventory *inventory;
	char *whole = NULL;

	if (asprintf(&whole, "{\"version\": 1, \"fleet\": \"lab\", %s}", text) < 0)
		fail();
	inventory = inventory_parse("lab.json", whole, strlen(whole), &err);
	if (!inventory)
		fail_msg("%s", err.msg);
	free(whole);
	return inventory;
}

/* A facts document with these DEVICES: "ADDRESS VENDOR:DEVICE CLASS[ key=value …]", separated by
 * ';'. Keys: sriov (total, or TOTAL/USED), of (the physical function), boot (1). NOVA (stolen, may
 * be NULL) is its part about Nova. */
static inline json_t *nova_document(const char *devices, json_t *nova)
{
	json_t *pci = json_array(), *facts;
	char *copy = strdup(devices), *rest = copy, *line;

	while ((line = strsep(&rest, ";"))) {
		char address[32], vendor[8], device[8], class_code[8];
		json_t *item;
		char *extra;
		int at = 0;

		if (sscanf(line, " %20s %4[^:]:%4s %4s%n", address, vendor, device, class_code,
		           &at) != 4)
			continue;
		item = json_pack("{s:s, s:s, s:s, s:s, s:s, s:n, s:n}", "address", address,
		                 "vendor", vendor, "device", device, "class", class_code, "header",
		                 strncmp(class_code, "06", 2) ? "endpoint" : "bridge", "sriov",
		                 "driver");
		extra = line + at;
		for (char *word; (word = strsep(&extra, " "));) {
			int total = 0, used = 0;

			if (sscanf(word, "sriov=%d/%d", &total, &used) >= 1)
				json_object_set_new(
				    item, "sriov",
				    json_pack("{s:i, s:i}", "total", total, "used", used));
			else if (strncmp(word, "of=", 3) == 0)
				json_object_set_new(item, "physical_function",
				                    json_string(word + 3));
			else if (strcmp(word, "boot=1") == 0)
				json_object_set_new(item, "boot_vga", json_true());
		}
		json_array_append_new(pci, item);
	}
	free(copy);
	facts = json_pack("{s:i, s:s, s:{s:s, s:[]}, s:o}", "facts", 1, "observed",
	                  "2026-01-01T00:00:00Z", "host", "arch", "x86_64", "guests", "pci", pci);
	json_object_set_new(facts, "nova", nova ? nova : json_null());
	return facts;
}

/* Adds a running guest that holds ADDRESS. */
static inline void nova_guest(json_t *facts, const char *name, const char *address)
{
	json_array_append_new(json_object_get(json_object_get(facts, "host"), "guests"),
	                      json_pack("{s:s, s:[s]}", "name", name, "devices", address));
}

/* The part about Nova: RELEASE (may be NULL) and SERVICES, an array that is stolen. */
static inline json_t *nova_part(const char *release, json_t *services)
{
	return json_pack("{s:s, s:s?, s:o, s:[], s:[]}", "deployment", "debian", "release", release,
	                 "services", services, "files", "problems");
}

/* A service with OPTIONS (stolen; an object). */
static inline json_t *nova_service(const char *name, json_t *options)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:i, s:o}", "name", name, "unit", name, "state",
	                 "active", "substate", "running", "restarts", 0, "options", options);
}

/* Sets OPTIONS[KEY] to entries "FILE:LINE VALUE", one a line of TEXT; a leading '+' is one of ours.
 */
static inline void nova_entries(json_t *options, const char *key, const char *text)
{
	json_t *entries = json_array();
	char *copy = strdup(text), *rest = copy, *line;

	while ((line = strsep(&rest, "\n"))) {
		char *value = strchr(line, ' ');
		char *number;
		bool ours = *line == '+';

		if (!value)
			continue;
		*value++ = '\0';
		line += ours;
		number = strrchr(line, ':');
		*number++ = '\0';
		json_array_append_new(entries,
		                      json_pack("{s:s, s:s, s:i, s:b}", "value", value, "file",
		                                line, "line", atoi(number), "ours", ours));
	}
	free(copy);
	json_object_set_new(options, key,
	                    json_pack("{s:s, s:o}", "kind", "multi", "entries", entries));
}

static inline void nova_value(json_t *options, const char *key, json_t *value)
{
	json_object_set_new(options, key,
	                    json_pack("{s:s, s:o, s:[{s:s, s:s, s:i}]}", "kind", "set", "value",
	                              value, "entries", "value", "", "file", "/etc/nova/nova.conf",
	                              "line", 7));
}

#endif
