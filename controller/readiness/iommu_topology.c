/* iommu_topology.c: see iommu_topology.h. Bridges are found by the last name of a device's path,
 * and only where that bridge's own path is one shorter: so a path that a host made up can hold no
 * loop, and every bridge comes before what is behind it.
 */
#include "controller/readiness/iommu_topology.h"

#include <stdlib.h>
#include <string.h>

#include "controller/readiness/iommu_quirks.h"

static uint16_t hex_number(const char *text)
{
	return text ? (uint16_t)strtoul(text, NULL, 16) : 0;
}

/* "0000:01:00.1": up to and with the bus. */
static size_t bus_length(const char *address)
{
	return strlen(address) - strlen("00.1");
}

static bool same_bus(const char *a, const char *b)
{
	size_t length = bus_length(a);

	return length == bus_length(b) && strncmp(a, b, length) == 0;
}

static bool same_domain(const char *a, const char *b)
{
	size_t length = strlen(a);

	return length == strlen(b) && strncmp(a, b, length - strlen("01:00.1")) == 0;
}

static uint8_t devfn_of(const char *address)
{
	const char *slot = address + bus_length(address);

	return (uint8_t)(strtoul(slot, NULL, 16) << 3 | (unsigned)(slot[3] - '0'));
}

static void nodes_fill(const struct host_facts *facts, struct iommu_topology *topology)
{
	size_t first = 0;

	for (size_t i = 0; i < topology->count; i++) {
		const struct host_facts_device *device = &facts->devices[i];
		struct iommu_node *node = &topology->nodes[i];

		if (!same_bus(device->address, facts->devices[first].address))
			first = i;
		*node = (struct iommu_node){
		    .device = device,
		    .vendor = hex_number(device->vendor),
		    .model = hex_number(device->device),
		    .subsystem_vendor = hex_number(device->subsystem_vendor),
		    .subsystem_model = hex_number(device->subsystem_device),
		    .devfn = devfn_of(device->address),
		    .bus_first = first,
		    .parent = IOMMU_NODE_NONE,
		    .owner = IOMMU_NODE_NONE,
		    .depth = json_array_size(device->path),
		    .type = device->pcie,
		    .is_virtual = device->physical_function != NULL,
		    .certain = device->path && device->pcie != PCIE_UNKNOWN &&
		               device->multifunction != FACT_UNKNOWN,
		};
	}
	for (size_t i = topology->count; i-- > 0;) {
		struct iommu_node *node = &topology->nodes[i];
		bool last =
		    i + 1 == topology->count || topology->nodes[i + 1].bus_first != node->bus_first;

		node->bus_count = last ? i - node->bus_first + 1 : topology->nodes[i + 1].bus_count;
	}
}

/* Bridges before what is behind them, functions of a bus by number (pci_scan_child_bus_extend in
 * drivers/pci/probe.c); virtual functions come when a driver makes them. */
static int node_compare(const struct iommu_node *a, const struct iommu_node *b)
{
	if (a->is_virtual != b->is_virtual)
		return a->is_virtual ? 1 : -1;
	if (a->depth != b->depth)
		return a->depth < b->depth ? -1 : 1;
	return a < b ? -1 : a > b;
}

static int order_compare(const void *a, const void *b, void *nodes)
{
	const struct iommu_node *all = nodes;

	return node_compare(&all[*(const size_t *)a], &all[*(const size_t *)b]);
}

static void parent_find(const struct host_facts *facts, struct iommu_topology *topology,
                        struct iommu_node *node)
{
	const char *name;
	const struct host_facts_device *bridge;
	size_t index;

	if (node->depth == 0)
		return;
	name = json_string_value(json_array_get(node->device->path, node->depth - 1));
	bridge = host_facts_find(facts, name);
	index = bridge ? (size_t)(bridge - facts->devices) : IOMMU_NODE_NONE;
	if (!bridge || topology->nodes[index].depth + 1 != node->depth) {
		node->certain = false;
		return;
	}
	/* A domain below a device of another one is a VMD's, and every request from there carries
	 * the VMD's id (pci_real_dma_dev in arch/x86/pci/common.c, since 5.6). */
	if (!same_domain(name, node->device->address)) {
		node->owner = index;
		return;
	}
	node->parent = index;
	node->owner = topology->nodes[index].owner;
}

static bool is_downstream_port(enum pcie_type type)
{
	return type == PCIE_ROOT_PORT || type == PCIE_DOWNSTREAM || type == PCI_TO_PCIE;
}

/* set_pcie_port_type in drivers/pci/probe.c: a port that cannot be what it says it is. */
static enum pcie_type type_corrected(const struct iommu_node *node, const struct iommu_node *parent)
{
	if (parent && node->type == PCIE_DOWNSTREAM && is_downstream_port(parent->type))
		return PCIE_UPSTREAM;
	if (parent && node->type == PCIE_UPSTREAM && parent->type == PCIE_UPSTREAM)
		return PCIE_DOWNSTREAM;
	return node->type;
}

/* The header's bit; but pci_scan_slot (drivers/pci/probe.c) sets it for every function that it
 * finds after the first (behind a port all of the bus is one device), and pci_iov_add_virtfn
 * (drivers/pci/iov.c) never for virtual ones. */
static bool multifunction_seen(const struct iommu_node *node, const struct iommu_node *parent)
{
	if (node->is_virtual)
		return false;
	if (node->devfn & 7 || (node->devfn && parent && is_downstream_port(parent->type)))
		return true;
	return node->device->multifunction != FACT_NO;
}

/* pci_acs_enabled in drivers/pci/pci.c, asked for SV, RR, CR and UF. It wants those of them on that
 * the capability has (pci_acs_flags_enabled), and with an IOMMU the kernel switches these on
 * (pci_std_enable_acs, asked for by detect_intel_iommu and amd_iommu_detect): so that there is a
 * capability is all that counts, whatever is on now. */
static bool acs_isolates(const struct host_facts *facts, struct iommu_node *node)
{
	switch (iommu_quirk_acs(facts, node)) {
	case QUIRK_ACS_YES:
		return true;
	case QUIRK_ACS_NO:
		return false;
	case QUIRK_ACS_UNKNOWN:
		node->certain = false;
		return false;
	case QUIRK_ACS_NONE:
		break;
	}
	switch (node->type) {
	case PCIE_DOWNSTREAM:
	case PCIE_ROOT_PORT:
		return node->device->acs == FACT_YES;
	case PCIE_ENDPOINT:
	case PCIE_LEGACY_ENDPOINT:
	case PCIE_UPSTREAM:
	case PCIE_RC_ENDPOINT:
		return !node->multifunction || node->device->acs == FACT_YES;
	case PCIE_UNKNOWN: /* the worst */
	case PCIE_NONE:
	case PCIE_TO_PCI:
	case PCI_TO_PCIE:
	case PCIE_RC_EVENT_COLLECTOR:
		break;
	}
	return false;
}

int iommu_topology_build(const struct host_facts *facts, struct iommu_topology *out,
                         struct gf_err *err)
{
	out->count = facts->device_count;
	out->nodes = calloc(out->count + 1, sizeof(*out->nodes));
	out->order = calloc(out->count + 1, sizeof(*out->order));
	if (!out->nodes || !out->order) {
		iommu_topology_free(out);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	nodes_fill(facts, out);
	for (size_t i = 0; i < out->count; i++)
		out->order[i] = i;
	qsort_r(out->order, out->count, sizeof(*out->order), order_compare, out->nodes);
	for (size_t i = 0; i < out->count; i++) {
		struct iommu_node *node = &out->nodes[out->order[i]];
		const struct iommu_node *parent;

		parent_find(facts, out, node);
		parent = node->parent == IOMMU_NODE_NONE ? NULL : &out->nodes[node->parent];
		node->type = type_corrected(node, parent);
		node->multifunction = multifunction_seen(node, parent);
		node->isolated = acs_isolates(facts, node);
		/* What is above one whose bridge is not known might let requests through. */
		node->path_isolated =
		    node->isolated && node->certain && (!parent || parent->path_isolated);
	}
	return 0;
}

void iommu_topology_free(struct iommu_topology *topology)
{
	free(topology->nodes);
	free(topology->order);
	*topology = (struct iommu_topology){0};
}
