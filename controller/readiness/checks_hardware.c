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

/* What a resizable BAR is and could be, in MiB. */
static void resizable_add(struct check_text *text, const json_t *resizable)
{
	const json_t *bar;
	size_t i;

	json_array_foreach(resizable, i, bar)
	{
		json_int_t size = json_integer_value(json_object_get(bar, "size"));
		json_int_t largest = json_integer_value(json_object_get(bar, "largest"));

		if (i < 3 && size > 0 && largest >= size)
			check_text_add(text, "; BAR %d is resizable: %lld MiB of at most %lld",
			               (int)(json_integer_value(json_object_get(bar, "index")) & 7),
			               (long long)(size >> 20), (long long)(largest >> 20));
	}
}

static void check_bars(const struct host_facts_device *device, struct check_list *list)
{
	struct check_text more = {.used = 0};

	resizable_add(&more, device->resizable);
	if (!device->bars_known)
		check_add(list, CHECK_DEVICE_BARS, device->address, CHECK_UNKNOWN,
		          "The device's memory was not reported.", "Run `gpufleet scan` again.",
		          "the file resource was not read");
	else if (device->bars_unassigned > 0)
		check_add(list, CHECK_DEVICE_BARS, device->address, CHECK_BLOCKED,
		          "The firmware gave part of the device's memory no address.",
		          "Enable \"Above 4G decoding\" (and a large enough MMIO window) in the "
		          "firmware setup.",
		          "%zu of %zu memory BARs are not assigned%s", device->bars_unassigned,
		          device->bars, more.text);
	else
		check_add(list, CHECK_DEVICE_BARS, device->address, CHECK_PASS, NULL, NULL,
		          "all memory BARs are assigned: %zu, %lld KiB%s", device->bars,
		          (long long)(device->bars_size >> 10), more.text);
}

/* Do all functions of the slot go to guests? The one that does not; NULL: all do. */
static const struct host_facts_device *slot_stays(const struct check_subject *s,
                                                  const struct selection_device *item,
                                                  const struct host_facts_device *device,
                                                  size_t *functions)
{
	const struct host_facts_device *slot = host_facts_slot(s->facts, device, functions);

	for (size_t i = 0; i < *functions; i++) {
		if (!checks_goes_to_guests(s, slot[i].address, item->card))
			return &slot[i];
	}
	return NULL;
}

static void check_reset(const struct check_subject *s, const struct selection_device *item,
                        const struct host_facts_device *device, struct check_list *list)
{
	const json_t *methods = device->reset_methods;
	size_t functions, count = json_array_size(methods);
	const struct host_facts_device *stays = slot_stays(s, item, device, &functions);
	const char *first = count ? json_string_value(json_array_get(methods, 0)) : "";
	/* vfio can reset a whole slot when it holds every function in it. */
	bool whole = functions > 1 && !stays && json_array_size(device->path) > 0;
	const char *fix =
	    "Use another slot or card; without a reset a guest's leftovers reach the next one.";

	if (count == 1 && strcmp(first, "bus") == 0 && stays && functions > 1)
		check_add(
		    list, CHECK_DEVICE_RESET, device->address, CHECK_BLOCKED,
		    "The device can only be reset with its whole slot, and another function "
		    "in that stays with the host.",
		    "Set `functions` to \"all\" for the card in the inventory, or use another "
		    "card.",
		    "reset_method is bus; %s stays with the host", stays->address);
	else if (count > 0)
		check_add(list, CHECK_DEVICE_RESET, device->address, CHECK_PASS, NULL, NULL,
		          "reset methods: %zu, the first is %.20s", count, first);
	else if (whole)
		check_add(list, CHECK_DEVICE_RESET, device->address, CHECK_PASS, NULL, NULL,
		          "reset together with its whole slot, all of which goes to guests");
	else if (!methods && (!s->facts->names_resets || !device->resets_said))
		check_add(list, CHECK_DEVICE_RESET, device->address, CHECK_UNKNOWN,
		          "This kernel does not name reset methods.", "", "no reset_method file");
	else if (item->primary)
		/* Where the kernel names methods, a device without any has no such file. */
		check_add(list, CHECK_DEVICE_RESET, device->address, CHECK_BLOCKED,
		          "The device cannot be reset between two guests.", fix, "%s",
		          methods ? "reset_method is empty" : "no reset_method file");
	else
		check_add(list, CHECK_DEVICE_RESET, device->address, CHECK_WARN,
		          "The device has no reset of its own.", fix, "no reset_method file");
}

/* vfio-pci lets a device that nobody uses sleep (disable_idle_d3 says not to). */
static bool asleep(const struct host_facts_device *device)
{
	return host_facts_is_vfio(device->driver) && device->d3cold_allowed != FACT_NO &&
	       device->runtime_status && strcmp(device->runtime_status, "suspended") == 0;
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
	else if (strcmp(state, "D3cold") == 0 && asleep(device))
		check_add(list, CHECK_DEVICE_POWER, device->address, CHECK_WARN,
		          "vfio-pci switched the unused device off; some cards do not wake up from "
		          "that.",
		          "Nothing, if guests start; else `options vfio-pci disable_idle_d3=1`, or "
		          "write 0 to the device's d3cold_allowed.",
		          "power state D3cold, runtime_status suspended");
	else if (strcmp(state, "D3cold") == 0 || strcmp(state, "error") == 0)
		check_add(list, CHECK_DEVICE_POWER, device->address, CHECK_BLOCKED,
		          "The device is switched off or does not answer.",
		          "Power-cycle the host (a reboot may not be enough); if it stays, look at "
		          "the card's power cables and slot.",
		          "power state %s, runtime_status %.20s", state,
		          device->runtime_status ? device->runtime_status : "unknown");
	else
		check_add(list, CHECK_DEVICE_POWER, device->address, CHECK_PASS, NULL, NULL,
		          "power state %.20s", state);
}

/* Where the kernel is told to pretend isolation, does the hardware give it all the same? Every
 * bridge above has ACS, and the slot's other functions go along. */
static bool pretence_is_idle(const struct check_subject *s, const struct selection_device *item,
                             const struct host_facts_device *device,
                             const struct host_facts_device *missing)
{
	size_t functions;

	return device->path && !missing &&
	       (!strstr(s->facts->cmdline, "multifunction") ||
	        !slot_stays(s, item, device, &functions));
}

static void check_acs(const struct check_subject *s, const struct selection_device *item,
                      const struct host_facts_device *device, struct check_list *list)
{
	const struct host_facts_device *missing = NULL;
	const json_t *above;
	size_t i;

	json_array_foreach(device->path, i, above)
	{
		const struct host_facts_device *port =
		    host_facts_find(s->facts, json_string_value(above));

		if (port && port->acs != FACT_YES)
			missing = port;
	}
	if (!s->facts->cmdline || !device->path)
		check_add(list, CHECK_DEVICE_ACS, device->address, CHECK_UNKNOWN,
		          "The bridges above the device, or the kernel command line, were not "
		          "reported.",
		          "Run `gpufleet scan` again.", "no path or no cmdline in the facts");
	else if (strstr(s->facts->cmdline, "pcie_acs_override=") &&
	         !pretence_is_idle(s, item, device, missing))
		check_add(
		    list, CHECK_DEVICE_ACS, device->address, CHECK_BLOCKED,
		    "The kernel is told to pretend isolation that the hardware does not give: "
		    "a guest can reach the memory of what is beside its card.",
		    "Take pcie_acs_override off the kernel command line, reboot, and see "
		    "what device.group-viable says; another slot may have a port with ACS.",
		    "/proc/cmdline holds pcie_acs_override; %s lacks the ACS capability",
		    missing ? missing->address : "a function of the slot");
	else if (strstr(s->facts->cmdline, "pcie_acs_override="))
		check_add(list, CHECK_DEVICE_ACS, device->address, CHECK_WARN,
		          "The kernel is told to pretend isolation; for this device the hardware "
		          "gives it.",
		          "Take pcie_acs_override off the kernel command line.",
		          "/proc/cmdline holds pcie_acs_override; all %zu bridges above have ACS",
		          json_array_size(device->path));
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

/* Will apply keep the firmware's framebuffer from being set up? */
static bool framebuffer_goes(const struct check_subject *s)
{
	for (size_t i = 0; i < s->host->kernel_args_add.count; i++) {
		const char *token = s->host->kernel_args_add.items[i];

		if (strncmp(token, "initcall_blacklist=", 19) == 0 && strstr(token, "sysfb_init"))
			return !checks_cmdline_has(s->facts, token);
	}
	return false;
}

static void check_console(const struct check_subject *s, const struct host_facts_device *device,
                          struct check_list *list)
{
	size_t framebuffers = json_array_size(s->facts->framebuffers);
	const char *there =
	    json_string_value(json_array_get(device->console_memory, 0)); /* NULL: nothing */

	if (!device->console_memory)
		check_add(list, CHECK_DEVICE_CONSOLE, device->address, CHECK_UNKNOWN,
		          "It could not be seen whether the firmware's framebuffer lies in the "
		          "card's memory.",
		          "Connect as root, or set `become` to \"sudo\", and run `gpufleet scan` "
		          "again.",
		          "/proc/iomem was not read");
	else if (there && host_facts_is_vfio(device->driver))
		check_add(
		    list, CHECK_DEVICE_CONSOLE, device->address,
		    framebuffer_goes(s) ? CHECK_PENDING : CHECK_BLOCKED,
		    "The firmware's framebuffer holds part of the card's memory: a guest fails "
		    "with \"can't reserve BAR\".",
		    framebuffer_goes(s)
		        ? "`gpufleet apply` adds initcall_blacklist=sysfb_init and reboots."
		        : "Make the board's own display the primary one in the firmware setup; "
		          "or add initcall_blacklist=sysfb_init under `kernel_args`, `add`.",
		    "/proc/iomem has %.20s in a BAR of %s", there, device->address);
	else if (device->boot_vga == FACT_YES)
		check_add(
		    list, CHECK_DEVICE_CONSOLE, device->address, CHECK_WARN,
		    "The firmware shows the host's console on this GPU: the console goes dark, and "
		    "a firmware framebuffer may hold the card's memory.",
		    "Make the board's own display the primary one in the firmware setup; if a "
		    "guest fails with \"can't reserve BAR\", add initcall_blacklist=sysfb_init "
		    "under `kernel_args`.",
		    "boot_vga is 1; %zu framebuffers%s%.40s", framebuffers,
		    framebuffers ? ", the first is " : "",
		    framebuffers ? json_string_value(json_array_get(s->facts->framebuffers, 0))
		                 : "");
	else
		check_add(list, CHECK_DEVICE_CONSOLE, device->address, CHECK_PASS, NULL, NULL,
		          "not the boot console, and no framebuffer lies in its memory");
}

void checks_hardware(const struct check_subject *subject, const struct selection_device *item,
                     const struct host_facts_device *device, struct check_list *list)
{
	check_reserved(device, list);
	check_bars(device, list);
	check_reset(subject, item, device, list);
	check_power(device, list);
	check_acs(subject, item, device, list);
	if (!item->primary)
		return;
	check_console(subject, device, list);
}
