/* iommu_quirks.c: facts from Linux 6.1 (6.1.192), drivers/pci/quirks.c: pci_dev_acs_enabled[] and
 * the functions that it names, and the fixups that call pci_add_dma_alias. Older kernels lack some
 * rows. Firmware can add aliases on AMD (IVRS, setup_aliases in drivers/iommu/amd/iommu.c); facts
 * don't tell of these.
 */
#include "controller/readiness/iommu_quirks.h"

#include <string.h>

/* When a row's device isolates. */
enum acs_rule {
	ACS_ALWAYS,
	ACS_AMD_SOUTHBRIDGE, /* pci_quirk_amd_sb_acs: multifunction, on a root bus, with an IVRS */
	ACS_INTEGRATED,      /* pci_quirk_rciep_acs: a root complex endpoint */
	ACS_ROOT_PORT,
	ACS_ROOT_PORT_DWORDS, /* pci_quirk_intel_spt_pch_acs: a root port with the capability, whose
	                         registers lie elsewhere but are switched on alike */
	ACS_PORT,             /* a root port or a switch's downstream port */
	ACS_PORT_NEVER,       /* one of these never, whatever its capability says */
	ACS_NEVER,
};

/* The first row that applies counts. An Intel PCH's root ports isolate once the kernel has written
 * to the LPC bridge (pci_quirk_enable_intel_pch_acs), which it can where that bridge's RCBA is on:
 * firmware always leaves it on. */
static const struct acs_row {
	uint16_t vendor, first, last;
	enum acs_rule rule;
} acs_rows[] = {
    {0x1002, 0x4383, 0x4385, ACS_AMD_SOUTHBRIDGE},
    {0x1002, 0x4399, 0x4399, ACS_AMD_SOUTHBRIDGE},
    {0x1002, 0x439c, 0x439d, ACS_AMD_SOUTHBRIDGE},
    {0x1022, 0x7809, 0x7809, ACS_AMD_SOUTHBRIDGE},
    {0x1022, 0x780f, 0x780f, ACS_AMD_SOUTHBRIDGE},
    {0x1924, 0x0903, 0x0903, ACS_ALWAYS}, /* Solarflare */
    {0x1924, 0x0923, 0x0923, ACS_ALWAYS},
    {0x1924, 0x0a03, 0x0a03, ACS_ALWAYS},
    {0x8086, 0x105e, 0x1060, ACS_ALWAYS}, /* Intel network cards, from here */
    {0x8086, 0x10a7, 0x10a7, ACS_ALWAYS},
    {0x8086, 0x10a9, 0x10a9, ACS_ALWAYS},
    {0x8086, 0x10c6, 0x10c6, ACS_ALWAYS},
    {0x8086, 0x10c9, 0x10c9, ACS_ALWAYS},
    {0x8086, 0x10d6, 0x10d6, ACS_ALWAYS},
    {0x8086, 0x10d9, 0x10d9, ACS_ALWAYS},
    {0x8086, 0x10db, 0x10db, ACS_ALWAYS},
    {0x8086, 0x10dd, 0x10dd, ACS_ALWAYS},
    {0x8086, 0x10e1, 0x10e1, ACS_ALWAYS},
    {0x8086, 0x10e6, 0x10e8, ACS_ALWAYS},
    {0x8086, 0x10f1, 0x10f1, ACS_ALWAYS},
    {0x8086, 0x10f7, 0x10fc, ACS_ALWAYS},
    {0x8086, 0x1507, 0x1507, ACS_ALWAYS},
    {0x8086, 0x1509, 0x150a, ACS_ALWAYS},
    {0x8086, 0x150d, 0x1511, ACS_ALWAYS},
    {0x8086, 0x1514, 0x1514, ACS_ALWAYS},
    {0x8086, 0x1516, 0x1516, ACS_ALWAYS},
    {0x8086, 0x1518, 0x1518, ACS_ALWAYS},
    {0x8086, 0x151c, 0x151c, ACS_ALWAYS},
    {0x8086, 0x1521, 0x1524, ACS_ALWAYS},
    {0x8086, 0x1526, 0x1527, ACS_ALWAYS},
    {0x8086, 0x1529, 0x152a, ACS_ALWAYS},
    {0x8086, 0x154d, 0x154d, ACS_ALWAYS},
    {0x8086, 0x154f, 0x154f, ACS_ALWAYS},
    {0x8086, 0x1551, 0x1551, ACS_ALWAYS},
    {0x8086, 0x1558, 0x1558, ACS_ALWAYS},
    {0x8086, 0x15b7, 0x15b8, ACS_ALWAYS},
    {0x8086, 0x0000, 0xffff, ACS_INTEGRATED},
    {0x8086, 0x1c10, 0x1c1f, ACS_ROOT_PORT}, /* PCHs: pci_quirk_intel_pch_acs_ids, from here */
    {0x8086, 0x1d10, 0x1d10, ACS_ROOT_PORT},
    {0x8086, 0x1d12, 0x1d12, ACS_ROOT_PORT},
    {0x8086, 0x1d14, 0x1d14, ACS_ROOT_PORT},
    {0x8086, 0x1d16, 0x1d16, ACS_ROOT_PORT},
    {0x8086, 0x1d18, 0x1d18, ACS_ROOT_PORT},
    {0x8086, 0x1d1a, 0x1d1a, ACS_ROOT_PORT},
    {0x8086, 0x1d1c, 0x1d1c, ACS_ROOT_PORT},
    {0x8086, 0x1d1e, 0x1d1e, ACS_ROOT_PORT},
    {0x8086, 0x1e10, 0x1e1f, ACS_ROOT_PORT},
    {0x8086, 0x3b42, 0x3b51, ACS_ROOT_PORT},
    {0x8086, 0x8c10, 0x8c1f, ACS_ROOT_PORT},
    {0x8086, 0x8c90, 0x8c90, ACS_ROOT_PORT},
    {0x8086, 0x8c92, 0x8c92, ACS_ROOT_PORT},
    {0x8086, 0x8c94, 0x8c94, ACS_ROOT_PORT},
    {0x8086, 0x8c96, 0x8c96, ACS_ROOT_PORT},
    {0x8086, 0x8c98, 0x8c98, ACS_ROOT_PORT},
    {0x8086, 0x8c9a, 0x8c9a, ACS_ROOT_PORT},
    {0x8086, 0x8c9c, 0x8c9c, ACS_ROOT_PORT},
    {0x8086, 0x8c9e, 0x8c9e, ACS_ROOT_PORT},
    {0x8086, 0x8d10, 0x8d1e, ACS_ROOT_PORT},
    {0x8086, 0x9c10, 0x9c1b, ACS_ROOT_PORT},
    {0x8086, 0x9c90, 0x9c9b, ACS_ROOT_PORT},
    {0x8086, 0x9d10, 0x9d1b, ACS_ROOT_PORT_DWORDS}, /* and the later ones' own registers */
    {0x8086, 0xa110, 0xa11f, ACS_ROOT_PORT_DWORDS},
    {0x8086, 0xa167, 0xa16a, ACS_ROOT_PORT_DWORDS},
    {0x8086, 0xa290, 0xa29f, ACS_ROOT_PORT_DWORDS},
    {0x8086, 0xa2e7, 0xa2ee, ACS_ROOT_PORT_DWORDS},
    {0x17cb, 0x0111, 0x0111, ACS_ALWAYS}, /* Qualcomm */
    {0x17cb, 0x0115, 0x0115, ACS_ALWAYS},
    {0x17cb, 0x0120, 0x0120, ACS_ALWAYS},
    {0x17cb, 0x0400, 0x0401, ACS_ALWAYS},
    {0x1dbf, 0x0401, 0x0401, ACS_ALWAYS}, /* HXT */
    {0x19a2, 0x0710, 0x0710, ACS_ALWAYS}, /* Emulex */
    {0x10df, 0x0720, 0x0720, ACS_ALWAYS},
    {0x177d, 0xa000, 0xa7ff, ACS_ROOT_PORT}, /* Cavium ThunderX, X2, X3 */
    {0x177d, 0xaf84, 0xaf84, ACS_ROOT_PORT},
    {0x177d, 0xb884, 0xb884, ACS_ROOT_PORT},
    {0x177d, 0xa026, 0xa026, ACS_ALWAYS},
    {0x177d, 0xa059, 0xa059, ACS_ALWAYS},
    {0x177d, 0xa060, 0xa060, ACS_ALWAYS},
    {0x10e8, 0xe004, 0xe004, ACS_ALWAYS}, /* X-Gene, Ampere */
    {0x1def, 0xe005, 0xe00c, ACS_ALWAYS},
    {0x14e4, 0x16d7, 0x16d7, ACS_ALWAYS}, /* Broadcom */
    {0x14e4, 0x1750, 0x1752, ACS_ALWAYS},
    {0x14e4, 0x1760, 0x1763, ACS_ALWAYS},
    {0x14e4, 0xd714, 0xd714, ACS_ALWAYS},
    {0x0014, 0x3c09, 0x3c09, ACS_ALWAYS}, /* Loongson */
    {0x0014, 0x3c19, 0x3c19, ACS_ALWAYS},
    {0x0014, 0x3c29, 0x3c29, ACS_ALWAYS},
    {0x0014, 0x7a09, 0x7a09, ACS_ALWAYS},
    {0x0014, 0x7a19, 0x7a19, ACS_ALWAYS},
    {0x0014, 0x7a29, 0x7a29, ACS_ALWAYS},
    {0x0014, 0x7a39, 0x7a39, ACS_ALWAYS},
    {0x0014, 0x7a49, 0x7a49, ACS_ALWAYS},
    {0x0014, 0x7a59, 0x7a59, ACS_ALWAYS},
    {0x0014, 0x7a69, 0x7a69, ACS_ALWAYS},
    {0x1c36, 0x0031, 0x0031, ACS_ROOT_PORT}, /* Annapurna Labs */
    {0x1d17, 0x3038, 0x3038, ACS_ALWAYS},    /* Zhaoxin */
    {0x1d17, 0x3104, 0x3104, ACS_ALWAYS},
    {0x1d17, 0x9083, 0x9083, ACS_ALWAYS},
    {0x1d17, 0x0710, 0x071e, ACS_PORT},
    {0x1d17, 0x0721, 0x0721, ACS_PORT},
    {0x1d17, 0x0723, 0x0752, ACS_PORT},
    {0x1d17, 0x0000, 0xffff, ACS_PORT_NEVER},
    {0x1957, 0x8d80, 0x8d83, ACS_ALWAYS}, /* NXP LX2160A */
    {0x1957, 0x8d88, 0x8d8b, ACS_ALWAYS},
    {0x1957, 0x8d90, 0x8d93, ACS_ALWAYS},
    {0x1957, 0x8d98, 0x8d9b, ACS_ALWAYS},
    {0x1957, 0x8da0, 0x8da1, ACS_ALWAYS},
    {0x1957, 0x8da8, 0x8da9, ACS_ALWAYS},
    {0x1957, 0x8db0, 0x8db1, ACS_ALWAYS},
    {0x1957, 0x8db8, 0x8db9, ACS_ALWAYS},
    {0x8088, 0x0100, 0x010f, ACS_ALWAYS}, /* Wangxun */
    {0x8088, 0x1001, 0x1001, ACS_ALWAYS},
    {0x8088, 0x2001, 0x2001, ACS_ALWAYS},
    {0x8088, 0x5010, 0x5010, ACS_ALWAYS},
    {0x8088, 0x5025, 0x5025, ACS_ALWAYS},
    {0x8088, 0x5040, 0x5040, ACS_ALWAYS},
    {0x8088, 0x5110, 0x5110, ACS_ALWAYS},
    {0x8088, 0x5125, 0x5125, ACS_ALWAYS},
    {0x8088, 0x5140, 0x5140, ACS_ALWAYS},
    {0x8088, 0x0000, 0xffff, ACS_NEVER},
};

static const struct alias_row {
	uint16_t vendor, model;
	uint16_t subsystem_vendor, subsystem_model; /* 0: any */
	enum quirk_alias alias;
} alias_rows[] = {
    {0x1180, 0xe832, 0, 0, QUIRK_ALIAS_FUNCTION_0}, /* Ricoh */
    {0x1180, 0xe476, 0, 0, QUIRK_ALIAS_FUNCTION_0},
    {0x6766, 0x3d40, 0, 0, QUIRK_ALIAS_FUNCTION_0}, /* Glenfly */
    {0x6766, 0x3d41, 0, 0, QUIRK_ALIAS_FUNCTION_0},
    {0x1b4b, 0x9120, 0, 0, QUIRK_ALIAS_FUNCTION_1}, /* Marvell */
    {0x1b4b, 0x9123, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x9125, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x9128, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x9130, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x9170, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x9172, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x917a, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x9182, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x9183, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x91a0, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x9215, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x9220, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x9230, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1b4b, 0x9235, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x1103, 0x0642, 0, 0, QUIRK_ALIAS_FUNCTION_1}, /* HighPoint */
    {0x1103, 0x0645, 0, 0, QUIRK_ALIAS_FUNCTION_1},
    {0x197b, 0x2392, 0, 0, QUIRK_ALIAS_FUNCTION_1},       /* JMicron */
    {0x1c28, 0x0122, 0, 0, QUIRK_ALIAS_FUNCTION_1},       /* Lite-On */
    {0x9005, 0x0285, 0x9005, 0x02bb, QUIRK_ALIAS_SLOT_1}, /* Adaptec */
    {0x9005, 0x0285, 0x9005, 0x02bc, QUIRK_ALIAS_SLOT_1},
    {0x8086, 0x2260, 0, 0, QUIRK_ALIAS_MIC},
    {0x8086, 0x2264, 0, 0, QUIRK_ALIAS_MIC},
    {0x8086, 0x2954, 0, 0, QUIRK_ALIAS_VCA},
    {0x8086, 0x2955, 0, 0, QUIRK_ALIAS_VCA},
    {0x8086, 0x2956, 0, 0, QUIRK_ALIAS_VCA},
    {0x8086, 0x2958, 0, 0, QUIRK_ALIAS_VCA},
    {0x8086, 0x2959, 0, 0, QUIRK_ALIAS_VCA},
    {0x8086, 0x295a, 0, 0, QUIRK_ALIAS_VCA},
    {0x10b5, 0x87b0, 0, 0, QUIRK_ALIAS_BUS}, /* PLX */
    {0x10b5, 0x87b1, 0, 0, QUIRK_ALIAS_BUS},
};

static enum quirk_acs southbridge(const struct host_facts *facts, const struct iommu_node *node)
{
	if (!node->multifunction || node->parent != IOMMU_NODE_NONE)
		return QUIRK_ACS_NONE;
	if (!facts->tables)
		return QUIRK_ACS_UNKNOWN;
	return host_facts_has(facts->tables, "IVRS") ? QUIRK_ACS_YES : QUIRK_ACS_NONE;
}

static enum quirk_acs rule_apply(enum acs_rule rule, const struct host_facts *facts,
                                 const struct iommu_node *node)
{
	bool root = node->type == PCIE_ROOT_PORT, port = root || node->type == PCIE_DOWNSTREAM;

	switch (rule) {
	case ACS_ALWAYS:
		return QUIRK_ACS_YES;
	case ACS_AMD_SOUTHBRIDGE:
		return southbridge(facts, node);
	case ACS_INTEGRATED:
		return node->type == PCIE_RC_ENDPOINT ? QUIRK_ACS_YES : QUIRK_ACS_NONE;
	case ACS_ROOT_PORT:
		return root ? QUIRK_ACS_YES : QUIRK_ACS_NONE;
	case ACS_ROOT_PORT_DWORDS:
		return root && node->device->acs == FACT_YES ? QUIRK_ACS_YES : QUIRK_ACS_NONE;
	case ACS_PORT:
		return port ? QUIRK_ACS_YES : QUIRK_ACS_NONE;
	case ACS_PORT_NEVER:
		return port ? QUIRK_ACS_NO : QUIRK_ACS_NONE;
	case ACS_NEVER:
		return QUIRK_ACS_NO;
	}
	return QUIRK_ACS_NONE;
}

enum quirk_acs iommu_quirk_acs(const struct host_facts *facts, const struct iommu_node *node)
{
	for (size_t i = 0; i < sizeof(acs_rows) / sizeof(acs_rows[0]); i++) {
		const struct acs_row *row = &acs_rows[i];
		enum quirk_acs found;

		if (row->vendor != node->vendor || node->model < row->first ||
		    node->model > row->last)
			continue;
		found = rule_apply(row->rule, facts, node);
		if (found != QUIRK_ACS_NONE)
			return found;
	}
	return QUIRK_ACS_NONE;
}

enum quirk_alias iommu_quirk_alias(const struct iommu_node *node)
{
	/* Microchip's Switchtec bridges to other hosts: quirk_switchtec_ntb_dma_alias. */
	if ((node->vendor == 0x11f8 || node->vendor == 0x1055) &&
	    strcmp(node->device->class_code, "0680") == 0)
		return QUIRK_ALIAS_SECRET;
	for (size_t i = 0; i < sizeof(alias_rows) / sizeof(alias_rows[0]); i++) {
		const struct alias_row *row = &alias_rows[i];

		if (row->vendor == node->vendor && row->model == node->model &&
		    (!row->subsystem_vendor || (row->subsystem_vendor == node->subsystem_vendor &&
		                                row->subsystem_model == node->subsystem_model)))
			return row->alias;
	}
	return QUIRK_ALIAS_NONE;
}

bool iommu_quirk_alias_has(const struct iommu_node *node, enum quirk_alias alias, uint8_t devfn)
{
	switch (alias) {
	case QUIRK_ALIAS_NONE:
		break;
	case QUIRK_ALIAS_FUNCTION_0:
		return devfn == (node->devfn & ~7);
	case QUIRK_ALIAS_FUNCTION_1:
		return devfn == ((node->devfn & ~7) | 1);
	case QUIRK_ALIAS_SLOT_1:
		return devfn == 0x08;
	case QUIRK_ALIAS_MIC:
		return devfn == 0x80 || devfn == 0x88 || devfn == 0x93;
	case QUIRK_ALIAS_VCA:
		return (devfn & 7) <= 4;
	case QUIRK_ALIAS_BUS:
	case QUIRK_ALIAS_SECRET:
		return true;
	}
	return false;
}
