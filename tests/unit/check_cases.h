/* check_cases.h: the cases of tests/unit/checks/cases.json: for every published check what takes
 * its precondition away from a host, as changes of a facts document and of the inventory.
 *
 * A change has "when" (values at JSON pointers without which there is nothing to change), "set"
 * (values at JSON pointers), "append" (one more item of an array), "gpu" (keys of the inventory's
 * entry) and "twin" (a device with the ids of the one at hand that the inventory does not want).
 * /device is the card at hand, /sibling its next function, /port the bridge above it, /other an
 * endpoint that is none of them. DEVICE, IDS and GROUP stand for the card's own.
 */
#ifndef TEST_CHECK_CASES_H
#define TEST_CHECK_CASES_H

#include "tests/unit/facts.h"

#include <stdlib.h>

#include "controller/readiness/readiness.h"
#include "node-agent/wire/json_text.h"

#define CASE_EXCEPT_MAX 4

struct check_case {
	json_t *facts; /* a copy that is changed */
	struct inventory_gpu gpu;
	struct inventory_host host;
	char *except[CASE_EXCEPT_MAX],
	    twin[16]; /* addresses that the inventory leaves to the host */
	char address[16];
};

static inline json_t *cases_load(const char *name)
{
	char path[512];
	json_error_t error;
	json_t *json;

	snprintf(path, sizeof(path), "%s/%s", TEST_SOURCE_DIR, name);
	json = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
	if (!json)
		fail_msg("%s:%d: %s", path, error.line, error.text);
	return json;
}

static inline json_t *case_find(const struct check_case *c, const char *address)
{
	json_t *device;
	size_t i;

	json_array_foreach(json_object_get(c->facts, "pci"), i, device)
	{
		if (strcmp(json_text(device, "address"), address) == 0)
			return device;
	}
	return NULL;
}

static inline json_t *case_other(const struct check_case *c)
{
	json_t *device;
	size_t i;

	json_array_foreach(json_object_get(c->facts, "pci"), i, device)
	{
		if (strcmp(json_text(device, "header"), "endpoint") == 0 &&
		    strncmp(json_text(device, "address"), c->address, 10) != 0)
			return device;
	}
	return NULL;
}

/* The object that a pointer's first part names; NULL: the host has no such thing. *rest is what
 * follows. */
static inline json_t *case_base(const struct check_case *c, const char *pointer, const char **rest)
{
	json_t *device = case_find(c, c->address), *path = json_object_get(device, "path");

	*rest = strchr(pointer + 1, '/');
	if (strncmp(pointer, "/device/", 8) == 0)
		return device;
	if (strncmp(pointer, "/sibling/", 9) == 0)
		return case_find(
		    c,
		    json_string_value(json_array_get(json_object_get(device, "siblings"), 0))
		        ? json_string_value(json_array_get(json_object_get(device, "siblings"), 0))
		        : "");
	if (strncmp(pointer, "/port/", 6) == 0)
		return json_array_size(path) ? case_find(c, json_string_value(json_array_get(
		                                                path, json_array_size(path) - 1)))
		                             : NULL;
	if (strncmp(pointer, "/other/", 7) == 0)
		return case_other(c);
	*rest = pointer;
	return c->facts;
}

/* The object that holds the pointer's last key, which *key then is. */
static inline json_t *case_holder(const struct check_case *c, const char *pointer, char key[64])
{
	const char *rest, *slash;
	json_t *object = case_base(c, pointer, &rest);

	while (object && (slash = strchr(rest + 1, '/'))) {
		snprintf(key, 64, "%.*s", (int)(slash - rest - 1), rest + 1);
		object = json_object_get(object, key);
		rest = slash;
	}
	snprintf(key, 64, "%s", rest + 1);
	return object;
}

/* A copy of VALUE with the placeholders filled in. */
static inline json_t *case_value(const struct check_case *c, const json_t *value)
{
	const json_t *device = case_find(c, c->address);
	char ids[16], *text = json_dumps(value, JSON_ENCODE_ANY), *at, *filled;
	json_t *result;

	snprintf(ids, sizeof(ids), "%.4s:%.4s", json_text(device, "vendor"),
	         json_text(device, "device"));
	filled = calloc(strlen(text) + 64, 1);
	if ((at = strstr(text, "\"GROUP\"")))
		sprintf(filled, "%.*s%lld%s", (int)(at - text), text,
		        json_integer_value(json_object_get(device, "iommu_group")), at + 7);
	else if ((at = strstr(text, "DEVICE")))
		sprintf(filled, "%.*s%s%s", (int)(at - text), text, c->address, at + 6);
	else if ((at = strstr(text, "IDS")))
		sprintf(filled, "%.*s%s%s", (int)(at - text), text, ids, at + 3);
	else
		strcpy(filled, text);
	result = json_loads(filled, JSON_DECODE_ANY, NULL);
	assert_non_null(result);
	free(filled);
	free(text);
	return result;
}

static inline void case_gpu(struct check_case *c, const json_t *keys)
{
	char *policy = (char *)(uintptr_t)json_string_value(json_object_get(keys, "numa_policy"));
	char *device = (char *)(uintptr_t)json_string_value(json_object_get(keys, "device"));
	char *class_code = (char *)(uintptr_t)json_string_value(json_object_get(keys, "class"));

	if (policy)
		c->gpu.numa_policy = policy;
	if (device)
		c->gpu.device = device;
	if (class_code) {
		c->gpu.class_code = class_code;
		c->gpu.vendor = c->gpu.device = NULL;
	}
}

/* The inventory leaves ADDRESS to the host, too. */
static inline void case_except(struct check_case *c, const char *address)
{
	assert_true(c->gpu.except.count < CASE_EXCEPT_MAX);
	c->gpu.except.items = c->except;
	c->except[c->gpu.except.count++] = (char *)(uintptr_t)address;
}

/* One more device with the ids of the card, which the inventory leaves to the host. */
static inline void case_twin(struct check_case *c, const json_t *keys)
{
	json_t *twin = json_deep_copy(case_find(c, c->address));

	snprintf(c->twin, sizeof(c->twin), "0000:7d:00.0");
	json_object_update(twin, (json_t *)(uintptr_t)keys);
	json_object_set_new(twin, "address", json_string(c->twin));
	json_object_set_new(twin, "iommu_group", json_integer(9999));
	json_object_set_new(twin, "siblings", json_array());
	json_array_append_new(json_object_get(c->facts, "pci"), twin);
	case_except(c, c->twin);
}

/* Does what CHANGE says. False: the host has nothing to change so. */
static inline bool case_change(struct check_case *c, const json_t *change)
{
	const char *pointer;
	json_t *value, *holder;
	char key[64];

	json_object_foreach(json_object_get(change, "when"), pointer, value)
	{
		holder = case_holder(c, pointer, key);
		if (!json_equal(json_object_get(holder, key), value))
			return false;
	}
	json_object_foreach(json_object_get(change, "set"), pointer, value)
	{
		holder = case_holder(c, pointer, key);
		if (!holder)
			return false;
		json_object_set_new(holder, key, case_value(c, value));
	}
	json_object_foreach(json_object_get(change, "append"), pointer, value)
	{
		holder = case_holder(c, pointer, key);
		if (!json_is_array(json_object_get(holder, key)))
			json_object_set_new(holder, key, json_array());
		json_array_append_new(json_object_get(holder, key), case_value(c, value));
	}
	case_gpu(c, json_object_get(change, "gpu"));
	if (json_object_get(change, "twin"))
		case_twin(c, json_object_get(change, "twin"));
	return true;
}

/* A fresh copy of FACTS and an inventory that wants the model of its device at ADDRESS. */
static inline void case_open(struct check_case *c, const json_t *facts, const char *address)
{
	const json_t *device;

	memset(c, 0, sizeof(*c));
	c->facts = json_deep_copy(facts);
	snprintf(c->address, sizeof(c->address), "%s", address);
	device = case_find(c, address);
	c->gpu = (struct inventory_gpu)FACTS_GPU;
	c->gpu.vendor = (char *)(uintptr_t)json_text(device, "vendor");
	c->gpu.device = (char *)(uintptr_t)json_text(device, "device");
	c->host = facts_host(&c->gpu, 1);
}

static inline void case_close(struct check_case *c)
{
	json_decref(c->facts);
}

#endif
