/* host_facts_device.c: the "pci" array of a facts document. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/readiness/device_pool.h"
#include "controller/readiness/host_facts.h"
#include "controller/readiness/host_facts_read.h"

static int parse_bars(const json_t *object, struct host_facts_device *device, struct gf_err *err)
{
	const json_t *bars, *bar;
	size_t i;

	if (facts_objects(object, "bars", &bars, err) < 0)
		return -1;
	device->bars_known = bars != NULL;
	json_array_foreach(bars, i, bar)
	{
		const json_t *size = json_object_get(bar, "size");
		enum fact assigned, io;

		if (facts_fact(bar, "assigned", &assigned, err) < 0 ||
		    facts_fact(bar, "io", &io, err) < 0)
			return -1;
		if (io == FACT_YES) /* port ranges are scarce and no guest needs them */
			continue;
		device->bars++;
		device->bars_unassigned += assigned == FACT_NO;
		/* A hostile host's sizes must not overflow their sum. */
		if (json_is_integer(size) && json_integer_value(size) > 0 &&
		    json_integer_value(size) <= INT64_MAX / 2 - device->bars_size)
			device->bars_size += json_integer_value(size);
	}
	return facts_objects(object, "resizable", &device->resizable, err);
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
	if (facts_object(object, "pcie", &pcie, err) < 0 ||
	    (pcie && facts_string(pcie, "type", &type, err) < 0))
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

static int parse_sharing(const json_t *object, struct host_facts_device *device, struct gf_err *err)
{
	const json_t *sriov, *vgpu;

	device->sriov_known = json_object_get(object, "sriov") != NULL;
	device->vgpu_known = json_object_get(object, "vgpu") != NULL;
	if (facts_object(object, "sriov", &sriov, err) < 0 ||
	    facts_object(object, "vgpu", &vgpu, err) < 0)
		return -1;
	if (sriov && (facts_int(sriov, "total", 0, &device->sriov_total, err) < 0 ||
	              facts_int(sriov, "used", 0, &device->sriov_used, err) < 0))
		return -1;
	if (vgpu && (facts_int(vgpu, "types", 0, &device->vgpu_types, err) < 0 ||
	             facts_int(vgpu, "instances", 0, &device->vgpu_instances, err) < 0 ||
	             facts_int(vgpu, "mig", 0, &device->mig_instances, err) < 0))
		return -1;
	return 0;
}

static int parse_probe(const json_t *object, struct host_facts_device *device, struct gf_err *err)
{
	const json_t *probe;

	if (facts_object(object, "probe", &probe, err) < 0)
		return -1;
	if (!probe)
		return 0;
	if (facts_string(probe, "result", &device->probe_result, err) < 0 ||
	    facts_string(probe, "step", &device->probe_step, err) < 0 ||
	    facts_string(probe, "message", &device->probe_message, err) < 0)
		return -1;
	return device->probe_result ? 0 : facts_wrong(err, "a probe's result", "a string");
}

static int parse_identity(const json_t *object, struct host_facts_device *device,
                          struct gf_err *err)
{
	if (facts_string(object, "address", &device->address, err) < 0)
		return -1;
	if (!device->address || !facts_is_address(device->address))
		return facts_wrong(err, "a device's address", "a PCI address such as 0000:01:00.0");
	if (facts_hex4(object, "vendor", true, &device->vendor, err) < 0 ||
	    facts_hex4(object, "device", true, &device->device, err) < 0 ||
	    facts_hex4(object, "class", true, &device->class_code, err) < 0 ||
	    facts_hex4(object, "subsystem_vendor", false, &device->subsystem_vendor, err) < 0 ||
	    facts_hex4(object, "subsystem_device", false, &device->subsystem_device, err) < 0 ||
	    facts_string(object, "physical_function", &device->physical_function, err) < 0)
		return -1;
	if (device->physical_function && !facts_is_address(device->physical_function))
		return facts_wrong(err, "a device's physical function", "a PCI address");
	device->ids =
	    (uint32_t)(strtoul(device->vendor, NULL, 16) << 16 | strtoul(device->device, NULL, 16));
	return 0;
}

static int parse_device(const json_t *object, struct device_pool *pool,
                        struct host_facts_device *device, struct gf_err *err)
{
	const struct host_facts_device *known = device_pool_find(pool, object);
	const json_t *acs;
	const char *header;

	if (known) {
		*device = *known;
		return 0;
	}
	if (!json_is_object(object))
		return facts_wrong(err, "pci", "an array of objects");
	device->json = object;
	if (parse_identity(object, device, err) < 0 ||
	    facts_string(object, "driver", &device->driver, err) < 0 ||
	    facts_string(object, "header", &header, err) < 0 ||
	    facts_int(object, "iommu_group", -1, &device->group, err) < 0 ||
	    facts_int(object, "numa_node", -1, &device->numa_node, err) < 0 ||
	    facts_fact(object, "boot_vga", &device->boot_vga, err) < 0 ||
	    facts_string(object, "power_state", &device->power_state, err) < 0 ||
	    facts_string(object, "runtime_status", &device->runtime_status, err) < 0 ||
	    facts_fact(object, "d3cold_allowed", &device->d3cold_allowed, err) < 0 ||
	    facts_string(object, "vfio_driver", &device->vfio_driver, err) < 0 ||
	    facts_strings(object, "reset_methods", &device->reset_methods, err) < 0 ||
	    facts_strings(object, "reserved_regions", &device->reserved_regions, err) < 0 ||
	    facts_strings(object, "path", &device->path, err) < 0 ||
	    facts_strings(object, "siblings", &device->siblings, err) < 0 ||
	    facts_strings(object, "console_memory", &device->console_memory, err) < 0 ||
	    facts_object(object, "acs", &acs, err) < 0 ||
	    facts_fact(object, "multifunction", &device->multifunction, err) < 0 ||
	    parse_pcie(object, &device->pcie, err) < 0 || parse_bars(object, device, err) < 0 ||
	    parse_sharing(object, device, err) < 0 || parse_probe(object, device, err) < 0)
		return -1;
	device->resets_said = json_object_get(object, "reset_methods") != NULL;
	device->said = json_object_get(object, "driver") && json_object_get(object, "iommu_group");
	device->endpoint = !header || strcmp(header, "endpoint") == 0;
	device->acs = acs ? FACT_YES : FACT_NO;
	device_pool_keep(pool, device);
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

int facts_by_address(const void *a, const void *b)
{
	return address_compare(((const struct host_facts_device *)a)->address,
	                       ((const struct host_facts_device *)b)->address);
}

static int group_compare(const void *a, const void *b)
{
	const struct host_facts_device *x = *(const struct host_facts_device *const *)a,
	                               *y = *(const struct host_facts_device *const *)b;

	if (x->group != y->group)
		return x->group < y->group ? -1 : 1;
	return x < y ? -1 : x > y; /* the devices lie by address */
}

/* Linux 5.15 gave every device that can be reset a file reset_method; distributions took it into
 * older kernels, too. */
static bool kernel_names_resets(const char *release)
{
	int major = 0, minor = 0;

	return release && sscanf(release, "%d.%d", &major, &minor) == 2 &&
	       (major > 5 || (major == 5 && minor >= 15));
}

static int sum_up(struct host_facts *out, struct gf_err *err)
{
	out->by_group = calloc(out->device_count + 1, sizeof(*out->by_group));
	if (!out->by_group)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	out->groups_said = true;
	out->names_resets = kernel_names_resets(out->kernel);
	for (size_t i = 0; i < out->device_count; i++) {
		const struct host_facts_device *device = &out->devices[i];

		if (device->group >= 0)
			out->by_group[out->grouped_count++] = device;
		out->nvswitches +=
		    device->ids >> 16 == 0x10de && strcmp(device->class_code, "0680") == 0;
		out->names_resets |= json_array_size(device->reset_methods) > 0;
		out->groups_said &= device->said || !device->endpoint;
	}
	qsort(out->by_group, out->grouped_count, sizeof(struct host_facts_device *), group_compare);
	return 0;
}

int facts_devices(const json_t *document, struct device_pool *pool, struct host_facts *out,
                  struct gf_err *err)
{
	const json_t *pci = json_object_get(document, "pci"), *item;
	size_t i;

	if (!json_is_array(pci))
		return facts_wrong(err, "pci", "an array");
	if (json_array_size(pci) > HOST_FACTS_DEVICES_MAX)
		return gf_err_set(err, GF_E_PROTOCOL,
		                  "the host's facts name more than %d PCI devices",
		                  HOST_FACTS_DEVICES_MAX);
	out->devices = calloc(json_array_size(pci) + 1, sizeof(*out->devices));
	if (!out->devices)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	json_array_foreach(pci, i, item)
	{
		if (parse_device(item, pool, &out->devices[i], err) < 0)
			return -1;
		out->device_count++;
	}
	qsort(out->devices, out->device_count, sizeof(*out->devices), facts_by_address);
	for (i = 1; i < out->device_count; i++) {
		if (strcmp(out->devices[i - 1].address, out->devices[i].address) == 0)
			return gf_err_set(err, GF_E_PROTOCOL,
			                  "the host's facts name the device %s twice",
			                  out->devices[i].address);
	}
	return sum_up(out, err);
}
