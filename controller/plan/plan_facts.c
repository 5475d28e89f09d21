/* plan_facts.c: see plan_facts.h. */
#include "controller/plan/plan_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/json_text.h"
#include "node-agent/wire/sha256.h"

#define DIGEST_SIZE 16 /* hex digits of each device's digest that are kept */

static const char *const host_keys[] = {
    "hostname",           "kernel",   "arch",         "cmdline",     "cpu_vendor",
    "cpu_virtualization", "cpus",     "distribution", "boot_loader", "initramfs",
    "secure_boot",        "lockdown", "iommu",        NULL};
static const char *const device_keys[] = {
    "vendor", "device",      "subsystem_vendor", "subsystem_device", "class",    "revision",
    "driver", "iommu_group", "driver_override",  "boot_vga",         "siblings", "path",
    NULL};

static json_t *object_pick(const json_t *object, const char *const *keys)
{
	json_t *picked = json_object();

	for (; picked && *keys; keys++) {
		json_t *value = json_object_get(object, *keys);

		if (value && json_object_set(picked, *keys, value) < 0) {
			json_decref(picked);
			return NULL;
		}
	}
	return picked;
}

/* ADDRESS=DIGEST of one device; 0, or -1 when out of memory. */
static int device_print(const json_t *device, FILE *out)
{
	const char *address = json_string_value(json_object_get(device, "address"));
	json_t *picked = object_pick(device, device_keys);
	char *text = picked ? json_dumps(picked, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
	char digest[SHA256_HEX_SIZE];

	json_decref(picked);
	if (!text)
		return -1;
	sha256_hex(text, strlen(text), digest);
	free(text);
	/* An address with a blank or an "=" in it is none. */
	if (address && address[strcspn(address, " =")] == '\0')
		fprintf(out, "%s%s=%.*s", ftell(out) > 0 ? " " : "", address, DIGEST_SIZE, digest);
	return 0;
}

static char *devices_text(const json_t *devices)
{
	const json_t *device;
	char *text = NULL;
	size_t size = 0, i;
	FILE *out = open_memstream(&text, &size);
	int rc = out ? 0 : -1;

	json_array_foreach(devices, i, device)
	{
		if (rc == 0)
			rc = device_print(device, out);
	}
	if (out && fclose(out) != 0)
		rc = -1;
	if (rc == 0)
		return text;
	free(text);
	return NULL;
}

json_t *plan_facts(const json_t *facts, struct gf_err *err)
{
	char *devices = devices_text(json_object_get(facts, "pci"));
	json_t *host = object_pick(json_object_get(facts, "host"), host_keys);
	json_t *result = NULL;

	if (devices && host)
		result = json_pack("{s:O, s:s}", "host", host, "devices", devices);
	if (!result)
		gf_err_set(err, GF_E_MEMORY, "out of memory");
	json_decref(host);
	free(devices);
	return result;
}

/* The length of the "ADDRESS=DIGEST" that *text begins with; skips blanks before it. */
static size_t entry_length(const char **text)
{
	*text += strspn(*text, " ");
	return strcspn(*text, " ");
}

/* Finds the entry of ADDRESS (LENGTH bytes, with the "=") in TEXT; NULL when there is none. */
static const char *entry_find(const char *text, const char *address, size_t length)
{
	for (size_t size; (size = entry_length(&text)) > 0; text += size) {
		if (size > length && memcmp(text, address, length) == 0)
			return text;
	}
	return NULL;
}

/* The first device of A that B lacks or has otherwise. Both are in the same order, but for what
 * came and went: each is looked for behind the one before it first. */
static int devices_compare(const char *a, const char *b, const char *lacking, struct gf_err *err)
{
	const char *rest = b;

	for (size_t size; (size = entry_length(&a)) > 0; a += size) {
		size_t address = strcspn(a, "=");
		const char *other;

		if (address >= size)
			continue;
		other = entry_find(rest, a, address + 1);
		if (!other)
			other = entry_find(b, a, address + 1);
		if (!other)
			return gf_err_set(err, GF_E_BLOCKED, "the PCI device %.*s %s", (int)address,
			                  a, lacking);
		if (strcspn(other, " ") != size || memcmp(other, a, size) != 0)
			return gf_err_set(err, GF_E_BLOCKED,
			                  "the PCI device %.*s, or its driver, is another",
			                  (int)address, a);
		rest = other + size;
	}
	return 0;
}

static char *value_text(const json_t *value)
{
	if (json_is_string(value))
		return strdup(json_string_value(value));
	return value ? json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
}

static int host_compare(const json_t *then, const json_t *now, struct gf_err *err)
{
	for (const char *const *key = host_keys; *key; key++) {
		const json_t *was = json_object_get(then, *key), *is = json_object_get(now, *key);
		char *was_text, *is_text;

		if (json_equal(was, is) || (!was && !is))
			continue;
		was_text = value_text(was);
		is_text = value_text(is);
		gf_err_set(err, GF_E_BLOCKED, "its %s was %.120s and is %.120s", *key,
		           was_text ? was_text : "unknown", is_text ? is_text : "unknown");
		free(was_text);
		free(is_text);
		return -1;
	}
	return 0;
}

int plan_facts_compare(const json_t *then, const json_t *now, struct gf_err *err)
{
	if (host_compare(json_object_get(then, "host"), json_object_get(now, "host"), err))
		return -1;
	if (devices_compare(json_text(then, "devices"), json_text(now, "devices"), "is gone", err))
		return -1;
	return devices_compare(json_text(now, "devices"), json_text(then, "devices"), "is new",
	                       err);
}
