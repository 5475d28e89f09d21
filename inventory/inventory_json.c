/* inventory_json.c: see inventory_json.h. */
#include "inventory/inventory_json.h"

static const char *const host_keys_names[] = {"strict", "accept-new", "pin"};
static const char *const become_names[] = {"none", "sudo"};
static const char *const role_names[] = {"compute", "control"};
static const char *const functions_names[] = {"all", "primary"};

static int text_set(json_t *object, const char *key, const char *text)
{
	return text ? json_object_set_new(object, key, json_string(text)) : 0;
}

static json_t *list_json(const struct string_list *list)
{
	json_t *array = json_array();
	for (size_t i = 0; array && i < list->count; i++)
		if (json_array_append_new(array, json_string(list->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static int list_set(json_t *object, const char *key, const struct string_list *list)
{
	return list->count ? json_object_set_new(object, key, list_json(list)) : 0;
}

static int tristate_set(json_t *object, const char *key, int value)
{
	return value < 0 ? 0 : json_object_set_new(object, key, json_boolean(value));
}

static json_t *gpu_json(const struct inventory_gpu *gpu)
{
	json_t *object = json_object();
	int failed = text_set(object, "alias", gpu->alias);
	failed |= text_set(object, "vendor", gpu->vendor);
	failed |= text_set(object, "device", gpu->device);
	failed |= text_set(object, "class", gpu->class_code);
	failed |= text_set(object, "subsystem", gpu->subsystem);
	failed |= text_set(object, "address", gpu->address);
	failed |= list_set(object, "except", &gpu->except);
	failed |= text_set(object, "functions", functions_names[gpu->functions]);
	failed |= text_set(object, "numa_policy", gpu->numa_policy);
	failed |= text_set(object, "nvswitch", gpu->nvswitch);
	failed |= text_set(object, "resource_class", gpu->resource_class);
	failed |= list_set(object, "traits", &gpu->traits);
	failed |= tristate_set(object, "managed", gpu->managed);
	failed |= tristate_set(object, "live_migratable", gpu->live_migratable);
	failed |= tristate_set(object, "one_time_use", gpu->one_time_use);
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}

json_t *inventory_gpus_json(const struct inventory_gpu_list *list)
{
	json_t *array = json_array();
	for (size_t i = 0; array && i < list->count; i++)
		if (json_array_append_new(array, gpu_json(&list->items[i])) < 0) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static json_t *kernel_args_json(const struct inventory_host *host)
{
	json_t *object = json_object();
	if (list_set(object, "add", &host->kernel_args_add) == 0 &&
	    list_set(object, "remove", &host->kernel_args_remove) == 0)
		return object;
	json_decref(object);
	return NULL;
}

json_t *inventory_host_json(const struct inventory_host *host)
{
	json_t *object = json_object();
	int failed = text_set(object, "name", host->name);
	failed |= text_set(object, "address", host->address);
	if (host->port)
		failed |= json_object_set_new(object, "port", json_integer(host->port));
	failed |= text_set(object, "user", host->user);
	failed |= text_set(object, "identity_file", host->identity_file);
	failed |= text_set(object, "known_hosts", host->known_hosts);
	failed |= text_set(object, "host_key", host->host_key);
	failed |= text_set(object, "jump", host->jump);
	failed |= text_set(object, "domain", host->domain);
	failed |= text_set(object, "host_keys", host_keys_names[host->host_keys]);
	failed |= text_set(object, "become", become_names[host->become]);
	failed |= text_set(object, "role", role_names[host->role]);
	failed |= json_object_set_new(object, "groups", list_json(host->groups));
	if (host->gpus.given)
		failed |= json_object_set_new(object, "gpus", inventory_gpus_json(&host->gpus));
	if (host->kernel_args_add.count || host->kernel_args_remove.count)
		failed |= json_object_set_new(object, "kernel_args", kernel_args_json(host));
	if (!failed)
		return object;
	json_decref(object);
	return NULL;
}
