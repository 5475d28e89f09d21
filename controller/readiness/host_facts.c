/* host_facts.c: reads a facts document (see docs/design/contracts.md). A key that is absent is as
 * unknown as one that is null; a key of another type than the contract's makes the whole document
 * unusable, since then nothing in it can be trusted.
 */
#include "controller/readiness/host_facts.h"

#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int wrong(struct gf_err *err, const char *where, const char *expected)
{
	return gf_err_set(err, GF_E_PROTOCOL,
	                  "the host's facts are malformed: %s is not %s; run `gpufleet scan` again",
	                  where, expected);
}

static int get_string(const json_t *object, const char *key, const char **out, struct gf_err *err)
{
	const json_t *value = json_object_get(object, key);

	*out = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return wrong(err, key, "a string");
	*out = json_string_value(value);
	return 0;
}

static int get_fact(const json_t *object, const char *key, enum fact *out, struct gf_err *err)
{
	const json_t *value = json_object_get(object, key);

	*out = FACT_UNKNOWN;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_boolean(value))
		return wrong(err, key, "true or false");
	*out = json_is_true(value) ? FACT_YES : FACT_NO;
	return 0;
}

static int get_int(const json_t *object, const char *key, int unknown, int *out, struct gf_err *err)
{
	const json_t *value = json_object_get(object, key);

	*out = unknown;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < -1 ||
	    json_integer_value(value) > INT_MAX)
		return wrong(err, key, "a small number");
	*out = (int)json_integer_value(value);
	return 0;
}

static int get_strings(const json_t *object, const char *key, const json_t **out,
                       struct gf_err *err)
{
	const json_t *value = json_object_get(object, key), *item;
	size_t i;

	*out = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_array(value) || json_array_size(value) > HOST_FACTS_LIST_MAX)
		return wrong(err, key, "a short array of strings");
	json_array_foreach(value, i, item)
	{
		if (!json_is_string(item))
			return wrong(err, key, "an array of strings");
	}
	*out = value;
	return 0;
}

static int get_object(const json_t *object, const char *key, const json_t **out, struct gf_err *err)
{
	const json_t *value = json_object_get(object, key);

	*out = NULL;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_object(value))
		return wrong(err, key, "an object");
	*out = value;
	return 0;
}

static bool is_hex(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (!isdigit((unsigned char)text[i]) && !(text[i] >= 'a' && text[i] <= 'f'))
			return false;
	}
	return true;
}

/* DOMAIN:BUS:SLOT.FUNCTION; a domain may have more than four digits (Intel VMD). */
static bool is_address(const char *text)
{
	size_t length = strlen(text), domain;

	if (length < 12 || length > 16)
		return false;
	domain = length - 8;
	text += domain;
	/* A bus has 32 slots. */
	return is_hex(text - domain, domain) && text[0] == ':' && is_hex(text + 1, 2) &&
	       text[3] == ':' && is_hex(text + 4, 2) && text[4] <= '1' && text[6] == '.' &&
	       text[7] >= '0' && text[7] <= '7';
}

static int get_hex4(const json_t *object, const char *key, bool needed, const char **out,
                    struct gf_err *err)
{
	if (get_string(object, key, out, err) < 0)
		return -1;
	if (!*out && !needed)
		return 0;
	if (!*out || strlen(*out) != 4 || !is_hex(*out, 4))
		return wrong(err, key, "four lower-case hex digits");
	return 0;
}

/* RFC 3339 in UTC, as the agent writes it: 2026-01-01T00:00:00Z, with or without a fraction. */
static bool is_time(const char *text)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd";
	size_t i;

	for (i = 0; shape[i]; i++) {
		if (shape[i] == 'd' ? !isdigit((unsigned char)text[i]) : text[i] != shape[i])
			return false;
	}
	if (text[i] == '.') {
		size_t digits = strspn(text + i + 1, "0123456789");

		if (!digits)
			return false;
		i += 1 + digits;
	}
	return text[i] == 'Z' && text[i + 1] == '\0';
}

/* `pcie`: absent is unknown, null is conventional PCI; a type that has no name is unknown. */
static int parse_pcie(const json_t *object, enum pcie_type *out, struct gf_err *err)
{
	static const struct {
		const char *name;
		enum pcie_type type;
	} types[] = {
#define X(id, name) {name, id},
	    HOST_FACTS_PCIE(X)
#undef X
	};
	const json_t *pcie;
	const char *type;

	*out = json_object_get(object, "pcie") ? PCIE_NONE : PCIE_UNKNOWN;
	if (get_object(object, "pcie", &pcie, err) < 0 ||
	    (pcie && get_string(pcie, "type", &type, err) < 0))
		return -1;
	if (!pcie)
		return 0;
	*out = PCIE_UNKNOWN;
	for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++) {
		if (strcmp(types[i].name, type) == 0)
			*out = types[i].type;
	}
	return 0;
}

static int parse_bars(const json_t *object, int *unassigned, struct gf_err *err)
{
	const json_t *bars = json_object_get(object, "bars"), *bar;
	size_t i;

	*unassigned = 0;
	if (!bars || json_is_null(bars))
		return 0;
	if (!json_is_array(bars))
		return wrong(err, "bars", "an array");
	json_array_foreach(bars, i, bar)
	{
		enum fact assigned, io;

		if (!json_is_object(bar))
			return wrong(err, "bars", "an array of objects");
		if (get_fact(bar, "assigned", &assigned, err) < 0 ||
		    get_fact(bar, "io", &io, err) < 0)
			return -1;
		/* Port ranges are scarce and no guest needs them. */
		if (assigned == FACT_NO && io != FACT_YES)
			(*unassigned)++;
	}
	return 0;
}

static int parse_device(const json_t *object, struct host_facts_device *device, struct gf_err *err)
{
	const json_t *acs, *sriov;
	const char *header;

	if (!json_is_object(object))
		return wrong(err, "pci", "an array of objects");
	device->json = object;
	if (get_string(object, "address", &device->address, err) < 0)
		return -1;
	if (!device->address || !is_address(device->address))
		return wrong(err, "a device's address", "a PCI address such as 0000:01:00.0");
	if (get_hex4(object, "vendor", true, &device->vendor, err) < 0 ||
	    get_hex4(object, "device", true, &device->device, err) < 0 ||
	    get_hex4(object, "class", true, &device->class_code, err) < 0 ||
	    get_hex4(object, "subsystem_vendor", false, &device->subsystem_vendor, err) < 0 ||
	    get_hex4(object, "subsystem_device", false, &device->subsystem_device, err) < 0 ||
	    get_string(object, "driver", &device->driver, err) < 0 ||
	    get_string(object, "header", &header, err) < 0 ||
	    get_int(object, "iommu_group", -1, &device->group, err) < 0 ||
	    get_int(object, "numa_node", -1, &device->numa_node, err) < 0 ||
	    get_fact(object, "boot_vga", &device->boot_vga, err) < 0 ||
	    get_string(object, "power_state", &device->power_state, err) < 0 ||
	    get_strings(object, "reset_methods", &device->reset_methods, err) < 0 ||
	    get_strings(object, "reserved_regions", &device->reserved_regions, err) < 0 ||
	    get_strings(object, "path", &device->path, err) < 0 ||
	    get_strings(object, "siblings", &device->siblings, err) < 0 ||
	    get_object(object, "acs", &acs, err) < 0 ||
	    get_object(object, "sriov", &sriov, err) < 0 ||
	    get_fact(object, "multifunction", &device->multifunction, err) < 0 ||
	    parse_pcie(object, &device->pcie, err) < 0 ||
	    parse_bars(object, &device->bars_unassigned, err) < 0)
		return -1;
	if (get_string(object, "physical_function", &device->physical_function, err) < 0)
		return -1;
	if (device->physical_function && !is_address(device->physical_function))
		return wrong(err, "a device's physical function", "a PCI address");
	device->endpoint = !header || strcmp(header, "endpoint") == 0;
	device->acs = acs ? FACT_YES : FACT_NO;
	if (sriov && (get_int(sriov, "total", 0, &device->sriov_total, err) < 0 ||
	              get_int(sriov, "used", 0, &device->sriov_used, err) < 0))
		return -1;
	return 0;
}

/* Domains of different lengths compare as numbers would: the longer is the greater. */
static int address_compare(const char *a, const char *b)
{
	size_t la = strlen(a), lb = strlen(b);

	if (la != lb)
		return la < lb ? -1 : 1;
	return strcmp(a, b);
}

static int device_compare(const void *a, const void *b)
{
	return address_compare(((const struct host_facts_device *)a)->address,
	                       ((const struct host_facts_device *)b)->address);
}

static int parse_devices(const json_t *document, struct host_facts *out, struct gf_err *err)
{
	const json_t *pci = json_object_get(document, "pci"), *item;
	size_t i;

	if (!json_is_array(pci))
		return wrong(err, "pci", "an array");
	if (json_array_size(pci) > HOST_FACTS_DEVICES_MAX)
		return gf_err_set(err, GF_E_PROTOCOL,
		                  "the host's facts name more than %d PCI devices",
		                  HOST_FACTS_DEVICES_MAX);
	out->devices = calloc(json_array_size(pci) + 1, sizeof(*out->devices));
	if (!out->devices)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	json_array_foreach(pci, i, item)
	{
		if (parse_device(item, &out->devices[i], err) < 0)
			return -1;
		out->device_count++;
	}
	qsort(out->devices, out->device_count, sizeof(*out->devices), device_compare);
	for (i = 1; i < out->device_count; i++) {
		if (strcmp(out->devices[i - 1].address, out->devices[i].address) == 0)
			return gf_err_set(err, GF_E_PROTOCOL,
			                  "the host's facts name the device %s twice",
			                  out->devices[i].address);
	}
	return 0;
}

static int check_guests(const json_t *guests, struct gf_err *err)
{
	const json_t *guest, *devices;
	const char *name;
	size_t i;

	if (!json_is_array(guests) || json_array_size(guests) > HOST_FACTS_DEVICES_MAX)
		return wrong(err, "guests", "a short array");
	json_array_foreach(guests, i, guest)
	{
		if (!json_is_object(guest))
			return wrong(err, "guests", "an array of objects");
		if (get_string(guest, "name", &name, err) < 0 ||
		    get_strings(guest, "devices", &devices, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_host(const json_t *host, struct host_facts *out, struct gf_err *err)
{
	const json_t *iommu, *guests = json_object_get(host, "guests");

	if (get_string(host, "boot_id", &out->boot_id, err) < 0 ||
	    get_string(host, "kernel", &out->kernel, err) < 0 ||
	    get_string(host, "arch", &out->arch, err) < 0 ||
	    get_string(host, "cmdline", &out->cmdline, err) < 0 ||
	    get_string(host, "cpu_vendor", &out->cpu_vendor, err) < 0 ||
	    get_string(host, "lockdown", &out->lockdown, err) < 0 ||
	    get_fact(host, "cpu_virtualization", &out->virtualization, err) < 0 ||
	    get_fact(host, "secure_boot", &out->secure_boot, err) < 0 ||
	    get_strings(host, "framebuffers", &out->framebuffers, err) < 0 ||
	    get_object(host, "iommu", &iommu, err) < 0)
		return -1;
	if (guests && !json_is_null(guests)) {
		if (check_guests(guests, err) < 0)
			return -1;
		out->guests = guests;
	}
	out->groups = -1;
	out->interrupt_remapping = out->unsafe_interrupts = FACT_UNKNOWN;
	if (!iommu)
		return 0;
	if (get_strings(iommu, "tables", &out->tables, err) < 0 ||
	    get_strings(iommu, "units", &out->units, err) < 0 ||
	    get_int(iommu, "groups", -1, &out->groups, err) < 0 ||
	    get_fact(iommu, "interrupt_remapping", &out->interrupt_remapping, err) < 0 ||
	    get_fact(iommu, "unsafe_interrupts", &out->unsafe_interrupts, err) < 0)
		return -1;
	return 0;
}

int host_facts_parse(const json_t *document, struct host_facts *out, struct gf_err *err)
{
	const json_t *host;

	memset(out, 0, sizeof(*out));
	if (!json_is_object(document))
		return wrong(err, "the document", "an object");
	if (!json_is_integer(json_object_get(document, "facts")))
		return wrong(err, "its version (facts)", "a number");
	if (json_integer_value(json_object_get(document, "facts")) != 1)
		return gf_err_set(
		    err, GF_E_PROTOCOL,
		    "the host's facts are of version %lld, this gpufleet reads version 1",
		    (long long)json_integer_value(json_object_get(document, "facts")));
	host = json_object_get(document, "host");
	if (!json_is_object(host))
		return wrong(err, "host", "an object");
	if (get_string(document, "observed", &out->observed, err) < 0)
		return -1;
	if (out->observed && !is_time(out->observed))
		return wrong(err, "observed", "a time such as 2026-01-01T00:00:00Z");
	if (parse_host(host, out, err) < 0 || parse_devices(document, out, err) < 0) {
		host_facts_free(out);
		return -1;
	}
	return 0;
}

int host_facts_again(const struct host_facts *known, const json_t *document, struct host_facts *out,
                     struct gf_err *err)
{
	if (!known)
		return host_facts_parse(document, out, err);
	*out = *known;
	out->borrowed = true;
	return 0;
}

void host_facts_free(struct host_facts *facts)
{
	if (!facts->borrowed)
		free(facts->devices);
	memset(facts, 0, sizeof(*facts));
}

const struct host_facts_device *host_facts_find(const struct host_facts *facts, const char *address)
{
	struct host_facts_device key = {.address = address};

	if (!facts->device_count)
		return NULL;
	return bsearch(&key, facts->devices, facts->device_count, sizeof(key), device_compare);
}

bool host_facts_has(const json_t *list, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		if (strcmp(json_string_value(item), text) == 0)
			return true;
	}
	return false;
}

bool host_facts_same_slot(const char *a, const char *b)
{
	size_t length = strlen(a);

	return length == strlen(b) && length > 2 && strncmp(a, b, length - 2) == 0;
}

const char *host_facts_guest_of(const struct host_facts *facts, const char *address)
{
	const json_t *guest;
	size_t i;

	json_array_foreach(facts->guests, i, guest)
	{
		const json_t *devices = json_object_get(guest, "devices");
		const char *name = json_string_value(json_object_get(guest, "name"));

		if (host_facts_has(devices, address))
			return name ? name : "unnamed";
	}
	return NULL;
}

bool host_facts_is_vfio(const char *driver)
{
	/* Variant drivers are called by their device: mlx5_vfio_pci, nvgrace-gpu-vfio-pci. */
	return driver && strstr(driver, "vfio") != NULL;
}
