/* inventory_fields.c: every key an inventory may hold, where it may stand and what it must be. */
#include "inventory/inventory_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/nodeset.h"
#include "inventory/text_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SET(rows)                                                                                  \
	{                                                                                          \
		rows, COUNT(rows)                                                                  \
	}
#define HOST(member)    offsetof(struct inventory_host, member)
#define GPU(member)     offsetof(struct inventory_gpu, member)
#define ROLLOUT(member) offsetof(struct inventory_rollout, member)
#define FLAVOR(member)  offsetof(struct inventory_flavor, member)
#define FLEET(member)   offsetof(struct inventory, member)

#define LIST_MAX 10000 /* entries of gpus and flavors */

static const char *const host_keys_names[] = {"strict", "accept-new", "pin", NULL};
static const char *const become_names[] = {"none", "sudo", NULL};
static const char *const role_names[] = {"compute", "control", NULL};
static const char *const functions_names[] = {"all", "primary", NULL};
static const char *const numa_names[] = {"required", "preferred", "legacy", "socket", NULL};
static const char *const deployment_names[] = {"auto", "debian", "rdo", "kolla", "none", NULL};
static const char *const day_names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun", NULL};

/* ---- gpus ---- */

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

static int read_gpus(struct field_reader *reader, const struct json_path *at, const json_t *value,
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
	if (!list->items)
		return field_no_memory(reader);
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
static int read_gpus_shared(struct field_reader *reader, const struct json_path *at,
                            const json_t *value, const struct field *field, void *out)
{
	(void)field;
	/* A host's settings stand at /hosts/NAME/gpus. */
	bool own = at->parent && at->parent->parent && at->parent->parent->key &&
	           !strcmp(at->parent->parent->key, "hosts");
	struct field section = {.min = own ? IN_HOST : IN_GROUP};
	return read_gpus(reader, at, value, &section, out);
}

/* ---- defaults, groups.*, hosts.* ---- */

static const struct field kernel_args_fields[] = {
    {.name = "add",
     .read = field_texts,
     .offset = HOST(kernel_args_add),
     .rule = &rule_kernel_arg,
     .max = LIST_MAX},
    {.name = "remove",
     .read = field_texts,
     .offset = HOST(kernel_args_remove),
     .rule = &rule_kernel_arg,
     .max = LIST_MAX},
};
static const struct field_set kernel_args_set = SET(kernel_args_fields);

static int read_kernel_args(struct field_reader *reader, const struct json_path *at,
                            const json_t *value, const struct field *field, void *out)
{
	struct inventory_host *host = out;
	(void)field;
	if (fields_read(reader, at, value, &kernel_args_set, 0, host, NULL) < 0)
		return -1;
	for (size_t i = 0; i < host->kernel_args_add.count; i++)
		for (size_t j = 0; j < host->kernel_args_remove.count; j++)
			if (!strcmp(host->kernel_args_add.items[i],
			            host->kernel_args_remove.items[j]))
				return field_error(reader, at, JSON_VALUE,
				                   "\"%s\" is both added and removed",
				                   host->kernel_args_add.items[i]);
	return 0;
}

static const struct field settings_fields[] = {
    /* SETTING_COUNT rows that are inherited; setting_copy knows their kinds. */
    {.name = "user", .read = field_text, .offset = HOST(user), .rule = &rule_user},
    {.name = "port", .read = field_port, .offset = HOST(port)},
    {.name = "identity_file",
     .read = field_text,
     .offset = HOST(identity_file),
     .rule = &rule_path},
    {.name = "known_hosts", .read = field_text, .offset = HOST(known_hosts), .rule = &rule_path},
    {.name = "jump", .read = field_text, .offset = HOST(jump), .rule = &rule_jump},
    {.name = "become", .read = field_choice, .offset = HOST(become), .rule = become_names},
    {.name = "host_keys", .read = field_choice, .offset = HOST(host_keys), .rule = host_keys_names},
    {.name = "domain", .read = field_text, .offset = HOST(domain), .rule = &rule_name},
    {.name = "gpus", .read = read_gpus_shared, .offset = HOST(gpus)},
    {.name = "kernel_args", .read = read_kernel_args},
    /* These are not. */
    {.name = "address",
     .read = field_text,
     .offset = HOST(address),
     .where = IN_HOST,
     .rule = &rule_host_name,
     .elsewhere = "an address belongs to one host: write it in hosts.NAME"},
    {.name = "host_key",
     .read = field_text,
     .offset = HOST(host_key),
     .where = IN_HOST,
     .rule = &rule_host_key,
     .elsewhere = "a host key belongs to one host: write it in hosts.NAME"},
    {.name = "role",
     .read = field_choice,
     .offset = HOST(role),
     .where = IN_GROUP,
     .rule = role_names,
     .elsewhere = "roles are given to groups: write it in groups.NAME"},
    {.name = "hosts",
     .read = field_any,
     .where = IN_GROUP,
     .required = true,
     .elsewhere = "hosts are listed by groups: write it in groups.NAME"},
};
const struct field_set settings_set = SET(settings_fields);
_Static_assert(COUNT(settings_fields) == SETTING_ROLE + 2, "role is the last row but one");

static int text_copy_to(char **to, const char *from)
{
	free(*to);
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -1 : 0;
}

static int list_copy(const struct string_list *from, struct string_list *to)
{
	string_list_free(to);
	for (size_t i = 0; i < from->count; i++)
		if (string_list_append(to, from->items[i]) < 0)
			return -1;
	return 0;
}

int setting_copy(size_t row, const struct inventory_host *from, struct inventory_host *to)
{
	const struct field *field = &settings_fields[row];
	const void *source = (const char *)from + field->offset;
	void *target = (char *)to + field->offset;
	if (field->read == field_text)
		return text_copy_to(target, *(char *const *)source);
	if (field->read == read_gpus_shared)
		return gpu_list_copy(source, target);
	if (field->read == read_kernel_args)
		return list_copy(&from->kernel_args_add, &to->kernel_args_add) < 0 ||
		               list_copy(&from->kernel_args_remove, &to->kernel_args_remove) < 0
		           ? -1
		           : 0;
	memcpy(target, source, field->read == field_port ? sizeof(from->port) : sizeof(int));
	return 0;
}

static int gpu_copy(const struct inventory_gpu *from, struct inventory_gpu *to)
{
	*to = (struct inventory_gpu){.functions = from->functions,
	                             .managed = from->managed,
	                             .live_migratable = from->live_migratable,
	                             .one_time_use = from->one_time_use};
	int failed = text_copy_to(&to->alias, from->alias);
	failed |= text_copy_to(&to->vendor, from->vendor);
	failed |= text_copy_to(&to->device, from->device);
	failed |= text_copy_to(&to->class_code, from->class_code);
	failed |= text_copy_to(&to->subsystem, from->subsystem);
	failed |= text_copy_to(&to->address, from->address);
	failed |= text_copy_to(&to->numa_policy, from->numa_policy);
	failed |= text_copy_to(&to->resource_class, from->resource_class);
	failed |= list_copy(&from->except, &to->except);
	failed |= list_copy(&from->traits, &to->traits);
	return failed;
}

int gpu_list_copy(const struct inventory_gpu_list *from, struct inventory_gpu_list *to)
{
	gpu_list_free(to);
	to->given = from->given;
	if (from->count == 0)
		return 0;
	to->items = calloc(from->count, sizeof(*to->items));
	if (!to->items)
		return -1;
	for (size_t i = 0; i < from->count; i++)
		if (gpu_copy(&from->items[i], &to->items[to->count++]) < 0)
			return -1;
	return 0;
}

void gpu_list_free(struct inventory_gpu_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		gpu_clear(&list->items[i]);
	free(list->items);
	*list = (struct inventory_gpu_list){0};
}

void host_clear(struct inventory_host *host)
{
	free(host->name);
	free(host->address);
	free(host->user);
	free(host->identity_file);
	free(host->known_hosts);
	free(host->host_key);
	free(host->jump);
	free(host->domain);
	string_list_free(&host->groups);
	gpu_list_free(&host->gpus);
	string_list_free(&host->kernel_args_add);
	string_list_free(&host->kernel_args_remove);
	*host = (struct inventory_host){0};
}

/* ---- rollout ---- */

/* A count, or a share as "10%". */
static int amount_read(struct field_reader *reader, const struct json_path *at, const json_t *value,
                       unsigned min, unsigned *amount, bool *percent)
{
	const char *text = json_string_value(value);
	char *end;
	if (json_is_integer(value) && json_integer_value(value) >= (json_int_t)min &&
	    json_integer_value(value) <= NODESET_MAX) {
		*amount = (unsigned)json_integer_value(value);
		*percent = false;
		return 0;
	}
	if (text && *text >= '0' && *text <= '9' && strlen(text) <= 4) {
		unsigned long share = strtoul(text, &end, 10);
		if (!strcmp(end, "%") && share >= min && share <= 100) {
			*amount = (unsigned)share;
			*percent = true;
			return 0;
		}
	}
	char what[96];
	snprintf(what, sizeof(what),
	         "a whole number from %u to %d, or a share from \"%u%%\" to \"100%%\"", min,
	         NODESET_MAX, min);
	return field_mismatch(reader, at, value, what);
}

static int read_waves(struct field_reader *reader, const struct json_path *at, const json_t *value,
                      const struct field *field, void *out)
{
	struct inventory_rollout *rollout = out;
	size_t i;
	const json_t *item;
	(void)field;
	if (!json_is_array(value))
		return field_mismatch(reader, at, value, "a list such as [1, \"10%\", \"100%\"]");
	if (json_array_size(value) == 0 || json_array_size(value) > 1000)
		return field_error(reader, at, JSON_VALUE, "\"waves\" needs 1 to 1000 entries");
	free(rollout->waves);
	rollout->wave_count = 0;
	rollout->waves = calloc(json_array_size(value), sizeof(*rollout->waves));
	if (!rollout->waves)
		return field_no_memory(reader);
	json_array_foreach(value, i, item)
	{
		struct json_path here = {.parent = at, .index = i};
		struct inventory_wave *wave = &rollout->waves[rollout->wave_count++];
		if (amount_read(reader, &here, item, 1, &wave->value, &wave->percent) < 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (rollout->waves[j].percent == wave->percent &&
			    rollout->waves[j].value >= wave->value)
				return field_error(
				    reader, &here, JSON_VALUE,
				    "waves are cumulative: %u%s must be more than the "
				    "%u%s before it",
				    wave->value, wave->percent ? "%" : "", rollout->waves[j].value,
				    wave->percent ? "%" : "");
	}
	return 0;
}

static int read_max_unavailable(struct field_reader *reader, const struct json_path *at,
                                const json_t *value, const struct field *field, void *out)
{
	struct inventory_rollout *rollout = out;
	return amount_read(reader, at, value, field->min, &rollout->max_unavailable,
	                   &rollout->max_unavailable_percent);
}

static int read_max_failures(struct field_reader *reader, const struct json_path *at,
                             const json_t *value, const struct field *field, void *out)
{
	struct inventory_rollout *rollout = out;
	return amount_read(reader, at, value, field->min, &rollout->max_failures,
	                   &rollout->max_failures_percent);
}

static int read_days(struct field_reader *reader, const struct json_path *at, const json_t *value,
                     const struct field *field, void *out)
{
	unsigned seen = 0;
	size_t i;
	const json_t *item;
	(void)out;
	if (!json_is_array(value) || json_array_size(value) == 0)
		return field_mismatch(reader, at, value,
		                      "a list of days such as [\"sat\", \"sun\"]");
	json_array_foreach(value, i, item)
	{
		struct json_path here = {.parent = at, .index = i};
		struct field day = {.name = field->name, .rule = day_names};
		int index;
		if (field_choice(reader, &here, item, &day, &index) < 0)
			return -1;
		if (seen & 1u << index)
			return field_error(reader, &here, JSON_VALUE,
			                   "\"%s\" stands twice in \"days\"", day_names[index]);
		seen |= 1u << index;
	}
	return 0;
}

static const struct field window_fields[] = {
    {.name = "days", .read = read_days, .required = true},
    {.name = "from", .read = field_text, .rule = &rule_clock, .required = true},
    {.name = "to", .read = field_text, .rule = &rule_clock, .required = true},
    {.name = "tz", .read = field_text, .rule = &rule_time_zone},
};
static const struct field_set window_set = SET(window_fields);

static int read_windows(struct field_reader *reader, const struct json_path *at,
                        const json_t *value, const struct field *field, void *out)
{
	size_t i;
	const json_t *item;
	(void)field;
	if (!json_is_array(value) || json_array_size(value) == 0)
		return field_mismatch(reader, at, value, "a list of at least one window");
	json_array_foreach(value, i, item)
	{
		struct json_path here = {.parent = at, .index = i};
		if (fields_read(reader, &here, item, &window_set, 0, NULL, NULL) < 0)
			return -1;
		if (json_equal(json_object_get(item, "from"), json_object_get(item, "to")))
			return field_error(
			    reader, &here, JSON_VALUE,
			    "the window is empty: \"from\" and \"to\" are the same time");
	}
	((struct inventory_rollout *)out)->has_windows = true;
	return 0;
}

static const struct field rollout_fields[] = {
    {.name = "waves", .read = read_waves},
    {.name = "max_unavailable", .read = read_max_unavailable, .min = 1},
    {.name = "max_failures", .read = read_max_failures},
    {.name = "per_domain",
     .read = field_number,
     .offset = ROLLOUT(per_domain),
     .min = 1,
     .max = NODESET_MAX},
    {.name = "windows", .read = read_windows},
    {.name = "drain",
     .read = field_argv,
     .offset = ROLLOUT(drain),
     .rule = &rule_argument,
     .min = 1,
     .max = 256},
    {.name = "undrain",
     .read = field_argv,
     .offset = ROLLOUT(undrain),
     .rule = &rule_argument,
     .min = 1,
     .max = 256},
    {.name = "health",
     .read = field_argv,
     .offset = ROLLOUT(health),
     .rule = &rule_argument,
     .min = 1,
     .max = 256},
    {.name = "power_cycle",
     .read = field_argv,
     .offset = ROLLOUT(power_cycle),
     .rule = &rule_argument,
     .min = 1,
     .max = 256},
    {.name = "boot_timeout", .read = field_duration, .offset = ROLLOUT(boot_timeout_s)},
    {.name = "confirm_timeout", .read = field_duration, .offset = ROLLOUT(confirm_timeout_s)},
};
static const struct field_set rollout_set = SET(rollout_fields);

/* ---- nova and flavors ---- */

static const struct field nova_fields[] = {
    {.name = "release", .read = field_text, .offset = FLEET(nova_release), .rule = &rule_release},
    {.name = "deployment",
     .read = field_choice_text,
     .offset = FLEET(nova_deployment),
     .rule = deployment_names},
    {.name = "report_in_placement", .read = field_bool, .offset = FLEET(report_in_placement)},
    {.name = "pci_in_placement", .read = field_bool, .offset = FLEET(pci_in_placement)},
};
static const struct field_set nova_set = SET(nova_fields);

static int read_flavor_gpus(struct field_reader *reader, const struct json_path *at,
                            const json_t *value, const struct field *field, void *out)
{
	struct inventory_flavor *flavor = out;
	const char *alias;
	json_t *count;
	(void)field;
	if (!json_is_object(value) || json_object_size(value) > 1000)
		return field_mismatch(reader, at, value, "an object such as {\"alias\": 1}");
	flavor->gpus = calloc(json_object_size(value) + 1, sizeof(*flavor->gpus));
	if (!flavor->gpus)
		return field_no_memory(reader);
	json_object_foreach((json_t *)(uintptr_t)value, alias, count)
	{
		struct json_path here = {.parent = at, .key = alias};
		struct inventory_flavor_gpu *gpu = &flavor->gpus[flavor->gpu_count++];
		static const struct field number = {.min = 1, .max = 1024};
		if (field_number(reader, &here, count, &number, &gpu->count) < 0)
			return -1;
		gpu->alias = strdup(alias);
		if (!gpu->alias)
			return field_no_memory(reader);
	}
	return 0;
}

static const struct field flavor_fields[] = {
    {.name = "name",
     .read = field_text,
     .offset = FLAVOR(name),
     .rule = &rule_name,
     .required = true},
    {.name = "vcpus",
     .read = field_number,
     .offset = FLAVOR(vcpus),
     .min = 1,
     .max = 4096,
     .required = true},
    {.name = "ram",
     .read = field_number,
     .offset = FLAVOR(ram_mb),
     .min = 1,
     .max = 1u << 30,
     .required = true},
    {.name = "disk", .read = field_number, .offset = FLAVOR(disk_gb), .max = 1u << 30},
    {.name = "gpus", .read = read_flavor_gpus},
};
static const struct field_set flavor_set = SET(flavor_fields);

static int read_flavors(struct field_reader *reader, const struct json_path *at,
                        const json_t *value, const struct field *field, void *out)
{
	struct inventory *inventory = out;
	size_t i;
	const json_t *item;
	(void)field;
	if (!json_is_array(value) || json_array_size(value) > LIST_MAX)
		return field_mismatch(reader, at, value, "a list of objects");
	inventory->flavors = calloc(json_array_size(value) + 1, sizeof(*inventory->flavors));
	if (!inventory->flavors)
		return field_no_memory(reader);
	json_array_foreach(value, i, item)
	{
		struct json_path here = {.parent = at, .index = i};
		struct inventory_flavor *flavor = &inventory->flavors[inventory->flavor_count++];
		if (fields_read(reader, &here, item, &flavor_set, 0, flavor, NULL) < 0)
			return -1;
		for (size_t j = 0; j < i; j++)
			if (!strcmp(inventory->flavors[j].name, flavor->name))
				return field_error(reader, &here, JSON_VALUE,
				                   "flavor \"%s\" stands here twice", flavor->name);
	}
	return 0;
}

/* ---- the file ---- */

static int read_version(struct field_reader *reader, const struct json_path *at,
                        const json_t *value, const struct field *field, void *out)
{
	(void)field, (void)out;
	if (!json_is_integer(value) || json_integer_value(value) != 1)
		return field_mismatch(reader, at, value,
		                      "1, the only version that this program knows");
	return 0;
}

static int read_rollout(struct field_reader *reader, const struct json_path *at,
                        const json_t *value, const struct field *field, void *out)
{
	(void)field;
	return fields_read(reader, at, value, &rollout_set, 0, out, NULL);
}

static const struct field fleet_fields[] = {
    {.name = "version", .read = read_version, .required = true},
    {.name = "fleet",
     .read = field_text,
     .offset = FLEET(fleet),
     .rule = &rule_name,
     .required = true},
    {.name = "playbook", .read = field_text, .offset = FLEET(playbook), .rule = &rule_playbook},
    {.name = "defaults", .read = field_any},
    {.name = "groups", .read = field_any, .required = true},
    {.name = "hosts", .read = field_any},
    {.name = "gpus", .read = read_gpus, .offset = FLEET(gpus), .min = IN_FLEET},
    {.name = "nova", .read = field_object, .rule = &nova_set},
    {.name = "flavors", .read = read_flavors},
    {.name = "rollout", .read = read_rollout, .offset = FLEET(rollout)},
};
const struct field_set fleet_set = SET(fleet_fields);
