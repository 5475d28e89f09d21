/* hot_input.c: see hot_paths.h. host/ holds what the agent said of a simulated host with eight GPUs
 * and Nova before and after an apply, its plan, and the journal of that apply. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/budget/hot_paths.h"

#define RACK 40

void hot_fail(const char *why, const char *what)
{
	fprintf(stderr, "hot_paths: %s: %s\n", what, why);
	exit(1);
}

void *hot_allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		hot_fail("out of memory", "input");
	return memory;
}

char *hot_file(const char *name, size_t *length)
{
	char path[512], *text = NULL;
	size_t size = 0;
	FILE *file, *out = open_memstream(&text, &size);
	int c;

	snprintf(path, sizeof(path), "%s/tests/budget/host/%s", TEST_SOURCE_DIR, name);
	file = fopen(path, "r");
	if (!file || !out)
		hot_fail("cannot be read", path);
	while ((c = fgetc(file)) != EOF)
		fputc(c, out);
	fclose(file);
	fclose(out);
	*length = size;
	return text;
}

json_t *hot_json(const char *name)
{
	size_t length;
	char *text = hot_file(name, &length);
	json_t *json = json_loadb(text, length, 0, NULL);

	free(text);
	if (!json)
		hot_fail("is not JSON", name);
	return json;
}

/* "0000:1b:00.0", and what follows it, in another domain. */
static json_t *moved(const json_t *address, size_t domain)
{
	return json_sprintf("%04zx%s", domain, json_string_value(address) + 4);
}

static void move_all(json_t *list, size_t domain)
{
	size_t i, count = json_array_size(list);

	for (i = 0; i < count; i++)
		json_array_set_new(list, i, moved(json_array_get(list, i), domain));
}

static json_t *device_moved(const json_t *device, size_t domain, json_int_t groups)
{
	json_t *copy = json_deep_copy(device);
	json_t *group = json_object_get(copy, "iommu_group");

	json_object_set_new(copy, "address", moved(json_object_get(device, "address"), domain));
	move_all(json_object_get(copy, "siblings"), domain);
	move_all(json_object_get(copy, "path"), domain);
	if (group)
		json_integer_set(group, json_integer_value(group) + groups * (json_int_t)domain);
	return copy;
}

json_t *hot_facts_of(const char *name, size_t trees)
{
	json_t *facts = hot_json(name), *host = json_object_get(facts, "host");
	json_t *pci = json_object_get(facts, "pci"), *iommu = json_object_get(host, "iommu");
	json_t *bound = json_object_get(json_object_get(host, "early_binding"), "list");
	json_int_t groups = json_integer_value(json_object_get(iommu, "groups"));
	size_t devices = json_array_size(pci), lines = json_array_size(bound), i;

	for (size_t domain = 1; domain < trees; domain++) {
		for (i = 0; i < devices; i++)
			json_array_append_new(pci,
			                      device_moved(json_array_get(pci, i), domain, groups));
		for (i = 0; i < lines; i++)
			json_array_append_new(bound, moved(json_array_get(bound, i), domain));
	}
	json_object_set_new(iommu, "groups", json_integer(groups * (json_int_t)trees));
	return facts;
}

char *hot_inventory_text(size_t hosts, size_t *length)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, length);

	if (!out)
		hot_fail("out of memory", "inventory");
	fputs("{\"version\": 1, \"fleet\": \"prod-a\", \"playbook\": \"gpu-passthrough\",\n"
	      " \"groups\": {\n",
	      out);
	for (size_t first = 1; first <= hosts; first += RACK)
		fprintf(out,
		        "  \"rack%zu\": {\"hosts\": [\"gpu[%05zu-%05zu]\"], \"domain\": "
		        "\"rack%zu\"}%s\n",
		        first / RACK, first, first + RACK - 1 < hosts ? first + RACK - 1 : hosts,
		        first / RACK, first + RACK <= hosts ? "," : "},");
	fputs(" \"hosts\": {\n", out);
	for (size_t i = 1; i <= hosts; i++)
		fprintf(out, "  \"gpu%05zu\": {\"address\": \"10.%zu.%zu.%zu\"}%s\n", i, i >> 16,
		        i >> 8 & 255, i & 255, i < hosts ? "," : "},");
	fputs(" \"gpus\": [{\"alias\": \"nvidia1080\", \"vendor\": \"10de\", \"device\": "
	      "\"1b06\"}],\n"
	      " \"nova\": {\"release\": \"zed\"},\n"
	      " \"flavors\": [{\"name\": \"gpu.1\", \"vcpus\": 1, \"ram\": 4096, \"disk\": 50, "
	      "\"gpus\": {\"nvidia1080\": 1}},\n"
	      "  {\"name\": \"gpu.4\", \"vcpus\": 2, \"ram\": 16384, \"disk\": 50, "
	      "\"gpus\": {\"nvidia1080\": 4}}]}\n",
	      out);
	fclose(out);
	return text;
}

struct inventory *hot_inventory(size_t hosts)
{
	size_t length;
	char *text = hot_inventory_text(hosts, &length);
	struct gf_err err;
	struct inventory *inventory = inventory_parse("fleet.json", text, length, &err);

	free(text);
	if (!inventory)
		hot_fail(err.msg, "inventory");
	return inventory;
}
