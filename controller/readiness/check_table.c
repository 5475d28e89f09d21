/* check_table.c: see check_table.h. */
#include "controller/readiness/check_table.h"

#include "controller/readiness/readiness.h"

#define NOVA_WHY                                                                                   \
	"The device is judged, not Nova's configuration: it can be ready while Nova is not told "  \
	"of it yet."

/* clang-format off */
#define GATES(id, of, must) [id] = {CHECK_ABOUT_##of, CHECK_GATES, true, must, NULL}
#define GATES_IF_SEEN(id, of, must, why) [id] = {CHECK_ABOUT_##of, CHECK_GATES, false, must, why}
#define ADVISES(id, of, must, why) [id] = {CHECK_ABOUT_##of, CHECK_ADVISES, false, must, why}
#define OF_NOVA(id, must) [id] = {CHECK_ABOUT_HOST, CHECK_NOVA, false, must, NOVA_WHY}

static const struct check_rule rules[CHECK_COUNT] = {
    GATES(CHECK_HOST_FACTS, HOST, "The host was reached, and its facts make sense."),
    GATES(CHECK_HOST_ARCH, HOST, "The host is an x86_64 machine."),
    GATES(CHECK_HOST_GPUS, HOST, "The host has a device that the inventory names."),
    ADVISES(CHECK_HOST_GUESTS, HOST, "No guest runs on the host.",
        "Guests beside a free card do not hinder it; a card that one of"
        " them holds is in use."),
    ADVISES(CHECK_HOST_LOCKDOWN, HOST, "The kernel's lockdown is not at its strictest.",
        "vfio works under lockdown; nothing was seen to fail under the "
        "strictest."),
    ADVISES(CHECK_HOST_SECURE_BOOT, HOST, "Secure Boot is off.",
        "The distributions' vfio modules are signed; one that is not "
        "shows as a device that is not on vfio-pci."),
    GATES(CHECK_HOST_TAINT, HOST, "The running kernel is whole: no oops, bad page or machine "
          "check."),
    ADVISES(CHECK_HOST_REBOOT, HOST, "Nothing that counts at boot is newer than the boot.",
        "What runs now is judged; what the next boot does with a device"
        " is device.early-binding's."),
    GATES(CHECK_HOST_VFIO, HOST, "The running kernel has vfio-pci and vfio_iommu_type1."),
    GATES(CHECK_HOST_DMA_LIMIT, HOST, "vfio lets a guest map its memory (dma_entry_limit)."),
    GATES(CHECK_CPU_VIRTUALIZATION, HOST, "The CPU can virtualize."),
    GATES_IF_SEEN(CHECK_IOMMU_TABLES, HOST, "The firmware describes an IOMMU.",
        "Groups at work prove the tables; where there are none, "
        "iommu.groups decides."),
    GATES(CHECK_IOMMU_GROUPS, HOST, "The kernel has IOMMU groups, and units that made them."),
    GATES(CHECK_IOMMU_INTERRUPTS, HOST, "Interrupts are remapped."),
    GATES(CHECK_DEVICE_IN_USE, DEVICE, "No running guest holds the device."),
    GATES(CHECK_DEVICE_HOLDERS, DEVICE, "No program of the host's has the device open."),
    GATES(CHECK_DEVICE_HOST_DEVICE, DEVICE, "It is not a disk, network card or bridge that the host uses."),
    GATES(CHECK_DEVICE_IOMMU_GROUP, DEVICE, "The device is in an IOMMU group."),
    GATES(CHECK_DEVICE_GROUP_VIABLE, DEVICE, "Nothing else in its group serves the host."),
    ADVISES(CHECK_DEVICE_GROUP_PREDICTED, DEVICE, "Its group is the one that the hardware gives reason to expect.",
        "The group that is there is judged, by device.group-viable; "
        "this judges the predictions."),
    GATES(CHECK_DEVICE_DRIVER, DEVICE, "vfio-pci, or a variant of it, holds the device."),
    GATES(CHECK_DEVICE_EARLY, DEVICE, "Something gives the device to vfio-pci at the next boot, too."),
    GATES(CHECK_DEVICE_SIBLINGS, DEVICE, "The card's other functions are on vfio-pci, too."),
    GATES(CHECK_DEVICE_RESERVED, DEVICE, "The firmware reserves no memory for the device."),
    GATES(CHECK_DEVICE_SRIOV, DEVICE, "None of its virtual functions is enabled."),
    GATES(CHECK_DEVICE_VGPU, DEVICE, "The card is not divided into virtual GPUs or MIG instances."),
    GATES(CHECK_DEVICE_BARS, DEVICE, "Each of its memory BARs has an address."),
    GATES_IF_SEEN(CHECK_DEVICE_RESET, DEVICE, "It can be reset between two guests, without what stays with "
          "the host.",
        "Kernels before 5.15 name no methods of any device; vfio resets"
        " it all the same, where it can."),
    GATES_IF_SEEN(CHECK_DEVICE_POWER, DEVICE, "It is switched on, or put to sleep by vfio-pci.",
        "Kernels before 5.11 show no power state, and no kernel that of"
        " a device that no driver has enabled."),
    GATES(CHECK_DEVICE_ACS, DEVICE, "Its isolation is the hardware's, not pretended "
          "(pcie_acs_override)."),
    GATES(CHECK_DEVICE_CONSOLE, DEVICE, "No framebuffer of the firmware's lies in its memory."),
    GATES(CHECK_DEVICE_TWIN, DEVICE, "Nothing took a device of the host's that has the same ids."),
    GATES(CHECK_DEVICE_NUMA, DEVICE, "It has a NUMA node where its alias requires one."),
    GATES(CHECK_DEVICE_NVSWITCH, DEVICE, "It is on no NVSwitch board that nobody manages."),
    GATES_IF_SEEN(CHECK_DEVICE_PROBE, DEVICE, "The kernel gives the device to a program that asks for it.",
        "Only `gpufleet scan --probe` asks, and only for what nobody "
        "uses; else the other checks decide."),
    OF_NOVA(CHECK_NOVA_RELEASE, "Nova's release is known."),
    OF_NOVA(CHECK_NOVA_SERVICE, "Nova's services run."),
    OF_NOVA(CHECK_NOVA_FILES, "Nova's files can be read, and nothing else writes them."),
    OF_NOVA(CHECK_NOVA_CONFIG, "Nova offers the ready devices, and no others."),
    OF_NOVA(CHECK_NOVA_ALIAS, "Nova's aliases name the devices by the right type."),
    OF_NOVA(CHECK_NOVA_FILTER, "The scheduler has PciPassthroughFilter."),
};
/* clang-format on */

const struct check_rule *check_rule(enum check_id id)
{
	return &rules[id];
}

json_t *readiness_check_list(void)
{
	static const char *const effects[] = {"verdict", "advice", "nova"};
	json_t *list = json_array();

	for (int id = 0; id < CHECK_COUNT; id++) {
		const struct check_rule *rule = &rules[id];

		json_array_append_new(
		    list, json_pack("{ss, ss, ss, ss, ss, ss*}", "id", check_name(id), "about",
		                    rule->about == CHECK_ABOUT_HOST ? "host" : "device", "effect",
		                    effects[rule->effect], "unknown",
		                    rule->unknown_gates ? "not ready" : "no matter", "precondition",
		                    rule->precondition, "why", rule->why));
	}
	return list;
}
