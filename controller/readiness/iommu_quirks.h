/* iommu_quirks.h: devices that isolate although they don't say so, or don't although they do, and
 * devices whose DMA carries the id of another function: the kernel's tables for them.
 */
#ifndef GPUFLEET_IOMMU_QUIRKS_H
#define GPUFLEET_IOMMU_QUIRKS_H

#include "controller/readiness/iommu_topology.h"

enum quirk_acs { QUIRK_ACS_NONE, QUIRK_ACS_YES, QUIRK_ACS_NO, QUIRK_ACS_UNKNOWN };

/* What the kernel knows of NODE's isolation beyond its ACS capability (parent, type and
 * multifunction are those that the kernel sees). UNKNOWN: it depends on what FACTS don't say. */
enum quirk_acs iommu_quirk_acs(const struct host_facts *facts, const struct iommu_node *node);

enum quirk_alias {
	QUIRK_ALIAS_NONE,
	QUIRK_ALIAS_FUNCTION_0, /* of its own slot */
	QUIRK_ALIAS_FUNCTION_1,
	QUIRK_ALIAS_SLOT_1, /* 01.0 of its bus */
	QUIRK_ALIAS_MIC,    /* 10.0, 11.0 and 12.3 */
	QUIRK_ALIAS_VCA,    /* functions 0 to 4 of every slot */
	QUIRK_ALIAS_BUS,    /* every function of its bus */
	QUIRK_ALIAS_SECRET, /* some of its bus: its own registers say which */
};

enum quirk_alias iommu_quirk_alias(const struct iommu_node *node);

/* Does DMA of NODE, which has ALIAS, carry the id of function DEVFN of its bus? For SECRET,
 * perhaps: yes. */
bool iommu_quirk_alias_has(const struct iommu_node *node, enum quirk_alias alias, uint8_t devfn);

#endif
