/* host_facts.c: reads a facts document (see docs/design/contracts.md). A key that is absent is as
 * unknown as one that is null; a key of another type than the contract's makes the whole document
 * unusable, since then nothing in it can be trusted.
 */
#include "controller/readiness/host_facts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "controller/readiness/host_facts_read.h"

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

static int check_guests(const json_t *guests, struct gf_err *err)
{
	const json_t *guest, *devices;
	const char *name;
	size_t i;

	if (!json_is_array(guests) || json_array_size(guests) > HOST_FACTS_DEVICES_MAX)
		return facts_wrong(err, "guests", "a short array");
	json_array_foreach(guests, i, guest)
	{
		if (!json_is_object(guest))
			return facts_wrong(err, "guests", "an array of objects");
		if (facts_string(guest, "name", &name, err) < 0 ||
		    facts_strings(guest, "devices", &devices, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_host(const json_t *host, struct host_facts *out, struct gf_err *err)
{
	const json_t *iommu, *guests = json_object_get(host, "guests");

	if (facts_string(host, "boot_id", &out->boot_id, err) < 0 ||
	    facts_string(host, "kernel", &out->kernel, err) < 0 ||
	    facts_string(host, "arch", &out->arch, err) < 0 ||
	    facts_string(host, "cmdline", &out->cmdline, err) < 0 ||
	    facts_string(host, "cpu_vendor", &out->cpu_vendor, err) < 0 ||
	    facts_string(host, "lockdown", &out->lockdown, err) < 0 ||
	    facts_fact(host, "cpu_virtualization", &out->virtualization, err) < 0 ||
	    facts_fact(host, "secure_boot", &out->secure_boot, err) < 0 ||
	    facts_strings(host, "framebuffers", &out->framebuffers, err) < 0 ||
	    facts_object(host, "iommu", &iommu, err) < 0)
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
	if (facts_strings(iommu, "tables", &out->tables, err) < 0 ||
	    facts_strings(iommu, "units", &out->units, err) < 0 ||
	    facts_int(iommu, "groups", -1, &out->groups, err) < 0 ||
	    facts_fact(iommu, "interrupt_remapping", &out->interrupt_remapping, err) < 0 ||
	    facts_fact(iommu, "unsafe_interrupts", &out->unsafe_interrupts, err) < 0)
		return -1;
	return 0;
}

int host_facts_parse(const json_t *document, struct host_facts *out, struct gf_err *err)
{
	return host_facts_parse_pooled(document, NULL, out, err);
}

int host_facts_parse_pooled(const json_t *document, struct device_pool *pool,
                            struct host_facts *out, struct gf_err *err)
{
	const json_t *host;

	memset(out, 0, sizeof(*out));
	if (!json_is_object(document))
		return facts_wrong(err, "the document", "an object");
	if (!json_is_integer(json_object_get(document, "facts")))
		return facts_wrong(err, "its version (facts)", "a number");
	if (json_integer_value(json_object_get(document, "facts")) != 1)
		return gf_err_set(
		    err, GF_E_PROTOCOL,
		    "the host's facts are of version %lld, this gpufleet reads version 1",
		    (long long)json_integer_value(json_object_get(document, "facts")));
	host = json_object_get(document, "host");
	if (!json_is_object(host))
		return facts_wrong(err, "host", "an object");
	if (facts_string(document, "observed", &out->observed, err) < 0)
		return -1;
	if (out->observed && !is_time(out->observed))
		return facts_wrong(err, "observed", "a time such as 2026-01-01T00:00:00Z");
	if (parse_host(host, out, err) < 0 || facts_state(host, out, err) < 0 ||
	    facts_devices(document, pool, out, err) < 0) {
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
	if (!facts->borrowed) {
		free(facts->devices);
		free(facts->by_group);
		free(facts->lines);
	}
	memset(facts, 0, sizeof(*facts));
}

const struct host_facts_device *host_facts_find(const struct host_facts *facts, const char *address)
{
	struct host_facts_device key = {.address = address};

	if (!facts->device_count)
		return NULL;
	return bsearch(&key, facts->devices, facts->device_count, sizeof(key), facts_by_address);
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

const struct host_facts_device *const *host_facts_group(const struct host_facts *facts, int group,
                                                        size_t *count)
{
	size_t first = 0, end = facts->grouped_count, last;

	while (first < end) {
		size_t middle = first + (end - first) / 2;

		if (facts->by_group[middle]->group < group)
			first = middle + 1;
		else
			end = middle;
	}
	last = first;
	while (last < facts->grouped_count && facts->by_group[last]->group == group)
		last++;
	*count = last - first;
	return *count ? &facts->by_group[first] : NULL;
}

const struct host_facts_device *host_facts_slot(const struct host_facts *facts,
                                                const struct host_facts_device *device,
                                                size_t *count)
{
	const struct host_facts_device *first = device, *last = device + 1;
	const struct host_facts_device *end = facts->devices + facts->device_count;

	while (first > facts->devices && host_facts_same_slot(first[-1].address, device->address))
		first--;
	while (last < end && host_facts_same_slot(last->address, device->address))
		last++;
	*count = (size_t)(last - first);
	return first;
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
