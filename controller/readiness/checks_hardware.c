/* checks_hardware.c: what the card, its slot and the firmware allow. */
#include <string.h>

#include "controller/readiness/checks.h"

static void check_reserved(const struct host_facts_device *device, struct check_list *list)
{
	if (!device->reserved_regions)
		check_add(list, CHECK_DEVICE_RESERVED, device->address, CHECK_UNKNOWN,
		          "Groups are only known once the IOMMU is on.", "See device.iommu-group.",
		          "no reserved_regions were read");
	else if (host_facts_has(device->reserved_regions, "direct"))
		check_add(list, CHECK_DEVICE_RESERVED, device->address, CHECK_BLOCKED,
		          "The firmware reserves memory for the device (RMRR or IVMD): the kernel "
		          "refuses to "
		          "assign it.",
		          "Look in the firmware setup for an option that frees it (on HPE: "
		          "\"shared memory features\" of the slot), or ask the vendor for firmware "
		          "without it.",
		          "the group's reserved_regions hold a direct region");
	else
		check_add(list, CHECK_DEVICE_RESERVED, device->address, CHECK_PASS, NULL, NULL,
		          "no direct region in the group's reserved_regions");
}

static void check_sriov(const struct host_facts_device *device, struct check_list *list)
{
	if (device->sriov_used > 0)
		check_add(
		    list, CHECK_DEVICE_SRIOV, device->address, CHECK_BLOCKED,
		    "Virtual functions are enabled: vfio refuses the physical function.",
		    "Write 0 to the device's sriov_numvfs, and disable what enables them at boot.",
		    "sriov_numvfs is %d of %d", device->sriov_used, device->sriov_total);
	else if (device->sriov_total > 0)
		check_add(list, CHECK_DEVICE_SRIOV, device->address, CHECK_PASS, NULL, NULL,
		          "0 of %d virtual functions enabled; Nova will see it as type-PF",
		          device->sriov_total);
	else
		check_add(list, CHECK_DEVICE_SRIOV, device->address, CHECK_PASS, NULL, NULL,
		          "no SR-IOV; Nova will see it as type-PCI");
}

static void check_bars(const struct host_facts_device *device, struct check_list *list)
{
	if (device->bars_unassigned > 0)
		check_add(list, CHECK_DEVICE_BARS, device->address, CHECK_BLOCKED,
		          "The firmware gave part of the device's memory no address.",
		          "Enable \"Above 4G decoding\" (and a large enough MMIO window) in the "
		          "firmware setup.",
		          "%d memory BARs are not assigned", device->bars_unassigned);
	else
		check_add(list, CHECK_DEVICE_BARS, device->address, CHECK_PASS, NULL, NULL,
		          "all memory BARs are assigned");
}

/* Does this kernel name reset methods at all (5.15 and newer)? Where it does, a device without any
 * has no such file. */
static bool kernel_names_resets(const struct host_facts *facts)
{
	for (size_t i = 0; i < facts->device_count; i++) {
		if (facts->devices[i].reset_methods &&
		    json_array_size(facts->devices[i].reset_methods) > 0)
			return true;
	}
	return false;
}

/* vfio can reset a whole slot when it holds every function in it. */
static bool slot_is_ours(const struct check_subject *s, const struct selection_device *item,
                         const struct host_facts_device *device)
{
	size_t functions = 0;

	if (json_array_size(device->path) == 0)
		return false;
	for (size_t i = 0; i < s->facts->device_count; i++) {
		const struct host_facts_device *other = &s->facts->devices[i];

		if (!host_facts_same_slot(other->address, device->address))
			continue;
		functions++;
		if (!checks_goes_to_guests(s, other->address, item->card))
			return false;
	}
	return functions > 1;
}

static void check_reset(const struct check_subject *s, const struct selection_device *item,
                        const struct host_facts_device *device, struct check_list *list)
{
	const json_t *methods = device->reset_methods;
	const char *fix =
	    "Use another slot or card; without a reset a guest's leftovers reach the next one.";

	if (json_array_size(methods) > 0)
		check_add(list, CHECK_DEVICE_RESET, device->address, CHECK_PASS, NULL, NULL,
		          "reset methods: %zu, the first is %.20s", json_array_size(methods),
		          json_string_value(json_array_get(methods, 0)));
	else if (slot_is_ours(s, item, device))
		check_add(list, CHECK_DEVICE_RESET, device->address, CHECK_PASS, NULL, NULL,
		          "reset together with its whole slot, all of which goes to guests");
	else if (!methods && !kernel_names_resets(s->facts))
		check_add(list, CHECK_DEVICE_RESET, device->address, CHECK_UNKNOWN,
		          "This kernel does not name reset methods.", "", "no reset_method file");
	else if (methods && item->primary)
		check_add(list, CHECK_DEVICE_RESET, device->address, CHECK_BLOCKED,
		          "The device cannot be reset between two guests.", fix,
		          "reset_method is empty");
	else
		check_add(list, CHECK_DEVICE_RESET, device->address, CHECK_WARN,
		          "The device has no reset of its own.", fix, "no reset_method file");
}

static void check_power(const struct host_facts_device *device, struct check_list *list)
{
	const char *state = device->power_state;

	if (!state)
		check_add(list, CHECK_DEVICE_POWER, device->address, CHECK_UNKNOWN,
		          "The power state was not reported.", "", "no power_state file");
	else if (strcmp(state, "unknown") == 0)
		/* Until a driver enables a device the kernel does not look (pci_setup_device in
		 * drivers/pci/probe.c), and when one lets go it forgets (pci_device_remove). */
		check_add(list, CHECK_DEVICE_POWER, device->address, CHECK_UNKNOWN,
		          "No driver has switched the device on, so the kernel has not looked.", "",
		          "power state unknown");
	else if (strcmp(state, "D3cold") == 0 || strcmp(state, "error") == 0)
		check_add(list, CHECK_DEVICE_POWER, device->address, CHECK_WARN,
		          "The device is switched off or does not answer.",
		          "If it is not meant to sleep, power-cycle the host (a reboot may not be "
		          "enough).",
		          "power state %s", state);
	else
		check_add(list, CHECK_DEVICE_POWER, device->address, CHECK_PASS, NULL, NULL,
		          "power state %.20s", state);
}

static void check_acs(const struct check_subject *s, const struct host_facts_device *device,
                      struct check_list *list)
{
	const struct host_facts_device *missing = NULL;
	const json_t *item;
	size_t i;

	if (s->facts->cmdline && strstr(s->facts->cmdline, "pcie_acs_override=")) {
		check_add(list, CHECK_DEVICE_ACS, device->address, CHECK_WARN,
		          "The kernel is told to pretend isolation that the hardware may not give.",
		          "Take pcie_acs_override off the kernel command line.",
		          "the command line holds pcie_acs_override");
		return;
	}
	json_array_foreach(device->path, i, item)
	{
		const struct host_facts_device *port =
		    host_facts_find(s->facts, json_string_value(item));

		if (port && port->acs != FACT_YES)
			missing = port;
	}
	if (!device->path)
		check_add(list, CHECK_DEVICE_ACS, device->address, CHECK_UNKNOWN,
		          "The bridges above the device were not reported.", "",
		          "no path in the facts");
	else if (missing)
		check_add(
		    list, CHECK_DEVICE_ACS, device->address, CHECK_WARN,
		    "A bridge above the device has no ACS: devices behind it may share its group.",
		    "Nothing, if device.group-viable passes; else move the card to another slot.",
		    "%s lacks the capability", missing->address);
	else
		check_add(list, CHECK_DEVICE_ACS, device->address, CHECK_PASS, NULL, NULL,
		          "all %zu bridges above it have ACS", json_array_size(device->path));
}

static void check_console(const struct check_subject *s, const struct host_facts_device *device,
                          struct check_list *list)
{
	size_t framebuffers = json_array_size(s->facts->framebuffers);

	if (device->boot_vga == FACT_YES)
		check_add(
		    list, CHECK_DEVICE_CONSOLE, device->address, CHECK_WARN,
		    "The firmware shows the host's console on this GPU: the console goes dark, and "
		    "a "
		    "firmware framebuffer may hold the card's memory.",
		    "Make the board's own display the primary one in the firmware setup; if a "
		    "guest "
		    "fails with \"can't reserve BAR\", add initcall_blacklist=sysfb_init under "
		    "`kernel_args`.",
		    "boot_vga is 1; %zu framebuffers%s%.40s", framebuffers,
		    framebuffers ? ", the first is " : "",
		    framebuffers ? json_string_value(json_array_get(s->facts->framebuffers, 0))
		                 : "");
	else
		check_add(list, CHECK_DEVICE_CONSOLE, device->address, CHECK_PASS, NULL, NULL,
		          "not the boot console");
}

static void check_nvswitch(const struct check_subject *s, const struct host_facts_device *device,
                           struct check_list *list)
{
	size_t switches = 0;

	if (strcmp(device->vendor, "10de") != 0)
		return;
	for (size_t i = 0; i < s->facts->device_count; i++) {
		switches += strcmp(s->facts->devices[i].vendor, "10de") == 0 &&
		            strcmp(s->facts->devices[i].class_code, "0680") == 0;
	}
	if (switches > 0)
		check_add(list, CHECK_DEVICE_NVSWITCH, device->address, CHECK_WARN,
		          "The GPUs are joined by NVSwitch: a guest gets all of the board, or "
		          "needs a Fabric "
		          "Manager.",
		          "Decide on a Fabric Manager model before offering single GPUs.",
		          "%zu NVSwitch devices on the host", switches);
	else
		check_add(list, CHECK_DEVICE_NVSWITCH, device->address, CHECK_PASS, NULL, NULL,
		          "no NVSwitch on the host");
}

void checks_hardware(const struct check_subject *subject, const struct selection_device *item,
                     const struct host_facts_device *device, struct check_list *list)
{
	check_reserved(device, list);
	check_sriov(device, list);
	check_bars(device, list);
	check_reset(subject, item, device, list);
	check_power(device, list);
	check_acs(subject, device, list);
	if (!item->primary)
		return;
	check_console(subject, device, list);
	check_nvswitch(subject, device, list);
}
