/* iommu_topology.h: a host's PCI devices as the kernel's grouping sees them: which bridge is above
 * each, which share its bus, and whether ACS isolates it. What the facts leave open is taken for
 * the worst, and said. A pure function of facts.
 *
 * The rules are those of Linux 6.1, named here by file and function. As read up to 6.17 the newer
 * ones group alike; a kernel that does not is told by the comparison after the reboot
 * (iommu_predict.h).
 */
#ifndef GPUFLEET_IOMMU_TOPOLOGY_H
#define GPUFLEET_IOMMU_TOPOLOGY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controller/readiness/host_facts.h"

#define IOMMU_NODE_NONE SIZE_MAX

struct iommu_node {
	const struct host_facts_device *device;
	uint16_t vendor, model, subsystem_vendor, subsystem_model;
	uint8_t devfn;               /* slot << 3 | function */
	size_t bus_first, bus_count; /* the nodes of its bus, itself among them */
	size_t parent;               /* the bridge above, in the same domain; NONE: on a root bus */
	size_t owner; /* the device whose requester id its DMA carries, of another domain (Intel
	                 VMD); NONE: its own */
	size_t depth; /* bridges above, of any domain */
	enum pcie_type type;
	bool is_virtual;    /* an SR-IOV virtual function */
	bool multifunction; /* as the kernel has it, which is not always what the header says */
	bool isolated;      /* pci_acs_enabled: it lets no request through to its neighbours */
	bool path_isolated; /* and so does every bridge above */
	bool certain;       /* the facts say enough; else the worst was taken */
};

struct iommu_topology {
	struct iommu_node *nodes; /* by address, as facts->devices */
	size_t *order;            /* in which the kernel comes to them */
	size_t count;
};

/* Fills *out from FACTS (borrowed as long as *out lives). -1 only when out of memory. */
int iommu_topology_build(const struct host_facts *facts, struct iommu_topology *out,
                         struct gf_err *err);
void iommu_topology_free(struct iommu_topology *topology);

#endif
