/* inventory_gpus.c: the entries of `gpus`: which devices are wanted, and what Nova is told of them.
 */
#include "inventory/inventory_fields.h"

#include <stdlib.h>
#include <string.h>

#include "inventory/nodeset.h"
#include "inventory/text_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SET(rows)                                                                                  \
	{                                                                                          \
		rows, COUNT(rows)                                                                  \
	}
#define GPU(member) offsetof(struct inventory_gpu, member)
#define LIST_MAX    10000

static const char *const functions_names[] = {"all", "primary", NULL};
static const char *const numa_names[] = {"required", "preferred", "legacy", "socket", NULL};

static const char *const nvswitch_names[] = {"board", "split", NULL};

static const struct field gpu_fields[] = {
    {.name = "alias",
     .read = field_text,
     .offset = GPU(alias),
     .rule = &rule_name,
     .required = true},
    {.name = "vendor", .read = field_text, .offset = GPU(vendor), .rule = &rule_hex4},
    {.name = "device", .read = field_text, .offset = GPU(device), .rule = &rule_hex4},
    {.name = "class", .read = field_text, .offset = GPU(class_code), .rule = &rule_hex4},
    {.name = "subsystem", .read = field_text, .offset = GPU(subsystem), .rule = &rule_subsystem},
    {.name = "address",
     .read = field_text,
     .offset = GPU(address),
     .where = IN_HOST,
     .rule = &rule_pci_address,
     .elsewhere = "a PCI address belongs to one host: write it in hosts.NAME.gpus"},
    {.name = "except",
     .read = field_texts,
     .offset = GPU(except),
     .rule = &rule_pci_address,
     .max = LIST_MAX},
    {.name = "functions", .read = field_choice, .offset = GPU(functions), .rule = functions_names},
    {.name = "numa_policy",
     .read = field_choice_text,
     .offset = GPU(numa_policy),
     .rule = numa_names},
    {.name = "nvswitch",
     .read = field_choice_text,
     .offset = GPU(nvswitch),
     .rule = nvswitch_names},
    {.name = "resource_class",
     .read = field_text,
     .offset = GPU(resource_class),
     .rule = &rule_resource},
    {.name = "traits",
     .read = field_texts,
     .offset = GPU(traits),
     .rule = &rule_resource,
     .max = LIST_MAX},
    {.name = "managed", .read = field_tristate, .offset = GPU(managed)},
    {.name = "live_migratable", .read = field_tristate, .offset = GPU(live_migratable)},
    {.name = "one_time_use", .read = field_tristate, .offset = GPU(one_time_use)},
};
static const struct field_set gpu_set = SET(gpu_fields);

static void gpu_clear(struct inventory_gpu *gpu)
{
	free(gpu->alias);
	free(gpu->vendor);
	free(gpu->device);
	free(gpu->class_code);
	free(gpu->subsystem);
	free(gpu->address);
	free(gpu->numa_policy);
	free(gpu->nvswitch);
	free(gpu->resource_class);
	string_list_free(&gpu->except);
	string_list_free(&gpu->traits);
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static int gpu_check(struct field_reader *reader, const struct json_path *at,
                     const struct inventory_gpu_list *list)
{
	const struct inventory_gpu *gpu = &list->items[list->count - 1];
	if (gpu->device && !gpu->vendor)
		return field_error(reader, at, JSON_VALUE, "\"device\" needs \"vendor\" beside it");
	if (!gpu->device && !gpu->class_code && !gpu->subsystem && !gpu->address)
		return field_error(
		    reader, at, JSON_VALUE,
		    "nothing says which devices are meant: add \"device\"%s, \"class\" or "
		    "\"subsystem\"",
		    gpu->vendor ? "" : " with \"vendor\"");
	for (size_t i = 0; i + 1 < list->count; i++) {
		const struct inventory_gpu *other = &list->items[i];
		if (text_equal(gpu->vendor, other->vendor) &&
		    text_equal(gpu->device, other->device) &&
		    text_equal(gpu->class_code, other->class_code) &&
		    text_equal(gpu->subsystem, other->subsystem) &&
		    text_equal(gpu->address, other->address))
			return field_error(
			    reader, at, JSON_VALUE,
			    "alias \"%s\" wants the same devices as alias \"%s\" above", gpu->alias,
			    other->alias);
	}
	return 0;
}

int gpus_read(struct field_reader *reader, const struct json_path *at, const json_t *value,
              const struct field *field, void *out)
{
	struct inventory_gpu_list *list = out;
	size_t count = json_array_size(value), i;
	const json_t *item;
	if (!json_is_array(value))
		return field_mismatch(reader, at, value, "a list of objects");
	if (count > 1000)
		return field_error(reader, at, JSON_VALUE, "\"gpus\" has more than 1000 entries");
	list->items = calloc(count ? count : 1, sizeof(*list->items));
	list->holders = malloc(sizeof(*list->holders));
	if (!list->items || !list->holders) {
		free(list->items);
		free(list->holders);
		*list = (struct inventory_gpu_list){0};
		return field_no_memory(reader);
	}
	*list->holders = 1;
	list->given = true;
	json_array_foreach(value, i, item)
	{
		struct json_path here = {.parent = at, .index = i};
		struct inventory_gpu *gpu = &list->items[list->count++];
		gpu->managed = gpu->live_migratable = gpu->one_time_use = -1;
		if (fields_read(reader, &here, item, &gpu_set, field->min, gpu, NULL) < 0 ||
		    gpu_check(reader, &here, list) < 0)
			return -1;
	}
	return 0;
}

/* `gpus` stands in four sections; only a host's own list may hold addresses. */
int gpus_read_section(struct field_reader *reader, const struct json_path *at, const json_t *value,
                      const struct field *field, void *out)
{
	(void)field;
	/* A host's settings stand at /hosts/NAME/gpus. */
	bool own = at->parent && at->parent->parent && at->parent->parent->key &&
	           !strcmp(at->parent->parent->key, "hosts");
	struct field section = {.min = own ? IN_HOST : IN_GROUP};
	return gpus_read(reader, at, value, &section, out);
}

/* Thousands of hosts have the list of their group or fleet. */
void gpu_list_share(const struct inventory_gpu_list *from, struct inventory_gpu_list *to)
{
	struct inventory_gpu_list before = *to;
	if (from->holders)
		++*from->holders;
	*to = *from;
	gpu_list_free(&before);
}

void gpu_list_free(struct inventory_gpu_list *list)
{
	if (list->holders && --*list->holders == 0) {
		for (size_t i = 0; i < list->count; i++)
			gpu_clear(&list->items[i]);
		free(list->items);
		free(list->holders);
	}
	*list = (struct inventory_gpu_list){0};
}
