/* inventory_fields.c: every key an inventory may hold, where it may stand and what it must be. */
#include "inventory/inventory_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/nodeset.h"
#include "inventory/shared_text.h"
#include "inventory/text_rules.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define SET(rows)                                                                                  \
	{                                                                                          \
		rows, COUNT(rows)                                                                  \
	}
#define HOST(member)   offsetof(struct inventory_host, member)
#define FLAVOR(member) offsetof(struct inventory_flavor, member)
#define FLEET(member)  offsetof(struct inventory, member)

#define LIST_MAX 10000 /* entries of gpus and flavors */

static const char *const host_keys_names[] = {"strict", "accept-new", "pin", NULL};
static const char *const become_names[] = {"none", "sudo", NULL};
static const char *const role_names[] = {"compute", "control", NULL};

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

static int field_shared_text(struct field_reader *reader, const struct json_path *at,
                             const json_t *value, const struct field *field, void *out)
{
	char *text = NULL, **shared = out;
	int rc = field_text(reader, at, value, field, out ? &text : NULL);
	if (rc == 0 && out) {
		shared_text_drop(shared);
		*shared = shared_text_new(text);
		rc = *shared ? 0 : field_no_memory(reader);
	}
	free(text);
	return rc;
}

static const struct field settings_fields[] = {
    /* SETTING_COUNT rows that are inherited; setting_copy knows their kinds. */
    {.name = "user", .read = field_shared_text, .offset = HOST(user), .rule = &rule_user},
    {.name = "port", .read = field_port, .offset = HOST(port)},
    {.name = "identity_file",
     .read = field_shared_text,
     .offset = HOST(identity_file),
     .rule = &rule_path},
    {.name = "known_hosts",
     .read = field_shared_text,
     .offset = HOST(known_hosts),
     .rule = &rule_path},
    {.name = "jump", .read = field_shared_text, .offset = HOST(jump), .rule = &rule_jump},
    {.name = "become", .read = field_choice, .offset = HOST(become), .rule = become_names},
    {.name = "host_keys", .read = field_choice, .offset = HOST(host_keys), .rule = host_keys_names},
    {.name = "domain", .read = field_shared_text, .offset = HOST(domain), .rule = &rule_name},
    [SETTING_GPUS] = {.name = "gpus", .read = gpus_read_section, .offset = HOST(gpus)},
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

void setting_texts_share(const struct inventory_host *former, struct inventory_host *host)
{
	for (size_t row = 0; row < SETTING_COUNT; row++) {
		const struct field *field = &settings_fields[row];
		const void *source = (const char *)former + field->offset;
		void *target = (char *)host + field->offset;
		if (field->read != field_shared_text)
			continue;
		char *text = *(char *const *)source, **own = target;
		if (text && *own && strcmp(text, *own) == 0)
			shared_text_share(own, text);
	}
}

int setting_list_copy(const struct string_list *from, struct string_list *to)
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
	if (field->read == field_shared_text) {
		shared_text_share(target, *(char *const *)source);
		return 0;
	}
	if (field->read == gpus_read_section) {
		gpu_list_share(source, target);
		return 0;
	}
	if (field->read == read_kernel_args)
		return setting_list_copy(&from->kernel_args_add, &to->kernel_args_add) < 0 ||
		               setting_list_copy(&from->kernel_args_remove,
		                                 &to->kernel_args_remove) < 0
		           ? -1
		           : 0;
	memcpy(target, source, field->read == field_port ? sizeof(from->port) : sizeof(int));
	return 0;
}

void host_clear(struct inventory_host *host)
{
	free(host->name);
	free(host->address);
	free(host->host_key);
	shared_text_drop(&host->user);
	shared_text_drop(&host->identity_file);
	shared_text_drop(&host->known_hosts);
	shared_text_drop(&host->jump);
	shared_text_drop(&host->domain);
	string_list_free(&host->identity_files);
	gpu_list_free(&host->gpus);
	string_list_free(&host->kernel_args_add);
	string_list_free(&host->kernel_args_remove);
	*host = (struct inventory_host){0};
}

/* ---- flavors ---- */

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
    {.name = "gpus", .read = gpus_read, .offset = FLEET(gpus), .min = IN_FLEET},
    {.name = "nova", .read = nova_read},
    {.name = "flavors", .read = read_flavors},
    {.name = "rollout", .read = read_rollout, .offset = FLEET(rollout)},
};
const struct field_set fleet_set = SET(fleet_fields);
