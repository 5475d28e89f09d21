/* topology.h: facts of made-up PCI topologies, and what is predicted of them. */
#ifndef TEST_TOPOLOGY_H
#define TEST_TOPOLOGY_H

#include <jansson.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/readiness/iommu_predict.h"

/* "01:00.0" is in domain 0000. */
static inline void full_address(const char *text, char out[32])
{
	snprintf(out, 32, "%s%s", strlen(text) < 12 ? "0000:" : "", text);
}

static inline json_t *path_below(json_t *pci, const char *bridge)
{
	json_t *path, *device;
	size_t i;

	json_array_foreach(pci, i, device)
	{
		if (strcmp(json_string_value(json_object_get(device, "address")), bridge) != 0)
			continue;
		path = json_deep_copy(json_object_get(device, "path"));
		json_array_append_new(path, json_string(bridge));
		return path;
	}
	fail_msg("no bridge %s", bridge);
	return NULL;
}

static inline void device_set(json_t *pci, json_t *device, const char *word)
{
	char address[32];

	if (strcmp(word, "pci") == 0) {
		json_object_set_new(device, "pcie", json_null());
	} else if (strcmp(word, "unread") == 0) {
		json_object_del(device, "pcie");
		json_object_del(device, "multifunction");
	} else if (strcmp(word, "mf") == 0) {
		json_object_set_new(device, "multifunction", json_true());
	} else if (strcmp(word, "acs") == 0) {
		json_object_set_new(device, "acs",
		                    json_pack("{s:i, s:i}", "capable", 31, "enabled", 0));
	} else if (strncmp(word, "vf=", 3) == 0) {
		full_address(word + 3, address);
		json_object_set_new(device, "physical_function", json_string(address));
	} else if (strncmp(word, "in=", 3) == 0) {
		full_address(word + 3, address);
		json_object_set_new(device, "path", path_below(pci, address));
	} else if (strncmp(word, "id=", 3) == 0) {
		json_object_set_new(device, "vendor", json_stringn(word + 3, 4));
		json_object_set_new(device, "device", json_string(word + 8));
	} else if (strncmp(word, "sub=", 4) == 0) {
		json_object_set_new(device, "subsystem_vendor", json_stringn(word + 4, 4));
		json_object_set_new(device, "subsystem_device", json_string(word + 9));
	} else if (strncmp(word, "class=", 6) == 0) {
		json_object_set_new(device, "class", json_string(word + 6));
	} else {
		json_object_set_new(device, "pcie", json_pack("{s:s}", "type", word));
	}
}

static inline json_t *document(json_t *pci, const char *cmdline)
{
	return json_pack("{s:i, s:{s:s, s:{s:[s], s:i}}, s:o}", "facts", 1, "host", "cmdline",
	                 cmdline, "iommu", "tables", "IVRS", "groups", 0, "pci", pci);
}

/* Facts from "ADDRESS WORD…; ADDRESS WORD…". */
static inline json_t *topology(const char *text)
{
	json_t *pci = json_array();
	char *copy = strdup(text), *rest = copy, *line;

	while ((line = strsep(&rest, ";"))) {
		char *save = NULL, *word = strtok_r(line, " ", &save), address[32];
		json_t *device;

		full_address(word, address);
		device = json_pack("{s:s, s:s, s:s, s:s, s:b, s:[]}", "address", address, "vendor",
		                   "8086", "device", "ffff", "class", "0300", "multifunction", 0,
		                   "path");
		while ((word = strtok_r(NULL, " ", &save)))
			device_set(pci, device, word);
		json_array_append_new(pci, device);
	}
	free(copy);
	return document(pci, "quiet");
}

static inline void predict(const json_t *document_, struct host_facts *facts,
                           struct iommu_prediction *prediction)
{
	struct gf_err err = {0};

	if (host_facts_parse(document_, facts, &err))
		fail_msg("%s", err.msg);
	assert_int_equal(iommu_predict(facts, prediction, NULL), 0);
}

#endif
