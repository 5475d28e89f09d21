/* checks_boot.c: what binds a device at the next boot, and what else that takes.
 *
 * Known are gpufleet's list in the initramfs image, driverctl's overrides, and vfio-pci's `ids` on
 * the kernel command line, in modprobe.d and in lists of modules, in the image or beside it. Any
 * other line that names the device or vfio-pci is taken for somebody's arrangement: it is quoted,
 * and nobody is told that his host needs mending.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "controller/readiness/checks.h"

#define DRIVERCTL "/etc/driverctl.d/"

/* "10de:1b06" or with more fields, as in vfio-pci's ids=; any case, leading zeros left out. */
static bool id_matches(const char *id, const struct host_facts_device *device)
{
	unsigned vendor, model;

	return sscanf(id, "%8x:%8x", &vendor, &model) == 2 && vendor == device->ids >> 16 &&
	       model == (device->ids & 0xffff);
}

/* Is the device one of the comma-separated ids after ids= in TEXT? */
static bool ids_name(const char *text, const struct host_facts_device *device)
{
	for (const char *at = strstr(text, "ids="); at; at = strstr(at, "ids=")) {
		at += strlen("ids=");
		for (const char *id = at; id && *id;) {
			size_t length = strcspn(id, ", \t\"'");

			if (id_matches(id + strspn(id, "\"'"), device))
				return true;
			id += length;
			id = *id == ',' ? id + 1 : NULL;
		}
	}
	return false;
}

static bool names_vfio(const char *text)
{
	return strstr(text, "vfio-pci") || strstr(text, "vfio_pci");
}

/* Where something binds by this device's ids; NULL: nowhere that was seen. */
static const char *bound_by_ids(const struct host_facts *facts,
                                const struct host_facts_device *device)
{
	const char *cmdline = facts->cmdline ? facts->cmdline : "";

	for (const char *at = cmdline; (at = strstr(at, "vfio")); at += strlen("vfio")) {
		size_t name = strlen("vfio-pci");
		char word[512];

		if (strncmp(at, "vfio-pci.ids=", name + 5) != 0 &&
		    strncmp(at, "vfio_pci.ids=", name + 5) != 0)
			continue;
		snprintf(word, sizeof(word), "%.*s", (int)strcspn(at, " \n"), at);
		if (ids_name(word, device))
			return "/proc/cmdline";
	}
	for (size_t i = 0; i < facts->line_count; i++) {
		if (names_vfio(facts->lines[i].text) && ids_name(facts->lines[i].text, device))
			return facts->lines[i].where;
	}
	return NULL;
}

/* A line of gpufleet's own list: address, ids, subsystem, driver. */
static bool is_listed(const struct host_facts *facts, const struct host_facts_device *device)
{
	size_t length = strlen(device->address), i;
	const json_t *item;

	json_array_foreach(facts->bind_list, i, item)
	{
		char address[20], vendor[8], model[8], driver[65];
		const char *line = json_string_value(item);

		/* Most lines are of other devices, and sscanf is slow. */
		line += strspn(line, " \t");
		if (strncmp(line, device->address, length) == 0 &&
		    sscanf(line, "%19s %7s %7s %*s %*s %64s", address, vendor, model, driver) ==
		        4 &&
		    strcmp(address, device->address) == 0 && strcmp(vendor, device->vendor) == 0 &&
		    strcmp(model, device->device) == 0 && host_facts_is_vfio(driver))
			return true;
	}
	return false;
}

/* driverctl's file for a device: its bus and its address; that of old ones, its address alone. */
static bool is_override_of(const char *file, const char *address)
{
	return strcmp(file, address) == 0 ||
	       (strncmp(file, "pci-", 4) == 0 && strcmp(file + 4, address) == 0);
}

/* The first line that binds this very device, or (SURE false) one that may. */
static const struct host_facts_line *line_for(const struct host_facts *facts,
                                              const struct host_facts_device *device, bool sure)
{
	for (size_t i = 0; i < facts->line_count; i++) {
		const struct host_facts_line *line = &facts->lines[i];
		bool own = strncmp(line->where, DRIVERCTL, strlen(DRIVERCTL)) == 0;

		if (own && !is_override_of(line->where + strlen(DRIVERCTL), device->address))
			continue;
		if (own || strstr(line->text, device->address))
			return line;
		if (!sure &&
		    (strstr(line->text, "driver_override") || strstr(line->text, "new_id") ||
		     strstr(line->text, "install ") || strstr(line->text, "override")))
			return line;
	}
	return NULL;
}

static void early_absent(const struct check_subject *s, const struct host_facts_device *device,
                         struct check_list *list)
{
	const struct host_facts_line *line = line_for(s->facts, device, false);
	const char *state = s->facts->image_state, *image = s->facts->image;

	if (line)
		check_add(list, CHECK_DEVICE_EARLY, device->address, CHECK_WARN,
		          "Somebody's own arrangement may bind the device at the next boot; it "
		          "does not name it.",
		          "Nothing, if it came back on vfio-pci after former boots; else `gpufleet "
		          "apply` binds it in the initramfs.",
		          "%.80s: %.160s", line->where, line->text);
	else if (!state || !s->facts->cmdline || strcmp(state, "unreadable") == 0)
		check_add(
		    list, CHECK_DEVICE_EARLY, device->address, CHECK_UNKNOWN,
		    "The initramfs could not be looked into: whether the device is on "
		    "vfio-pci after the next boot is not known.",
		    "Run `gpufleet scan` again; if it stays, look with lsinitramfs or lsinitrd.",
		    "%.100s could not be read", image ? image : "the initramfs");
	else
		check_add(list, CHECK_DEVICE_EARLY, device->address, CHECK_PENDING,
		          "vfio-pci has the device now, but nothing that was found gives it the "
		          "device at the next boot.",
		          "`gpufleet apply` binds it in the initramfs.",
		          "%.100s, modprobe.d, driverctl.d, udev's rules and the command line name "
		          "neither the device nor its ids",
		          image ? image : "no initramfs; modules");
}

/* Only asked of a device that vfio-pci has: else device.driver says it. */
static void check_early(const struct check_subject *s, const struct host_facts_device *device,
                        struct check_list *list)
{
	const struct host_facts_line *line = line_for(s->facts, device, true);
	const char *ids = bound_by_ids(s->facts, device);

	if (!host_facts_is_vfio(device->driver))
		return;
	if (is_listed(s->facts, device))
		check_add(list, CHECK_DEVICE_EARLY, device->address, CHECK_PASS, NULL, NULL,
		          "etc/gpufleet/bind.conf in %.100s has it",
		          s->facts->image ? s->facts->image : "the initramfs");
	else if (line)
		check_add(list, CHECK_DEVICE_EARLY, device->address, CHECK_PASS, NULL, NULL,
		          "%.80s: %.120s", line->where, line->text);
	else if (ids)
		check_add(list, CHECK_DEVICE_EARLY, device->address, CHECK_PASS, NULL, NULL,
		          "%.80s: ids= has %s:%s", ids, device->vendor, device->device);
	else
		early_absent(s, device, list);
}

/* A device of the same ids that stays with the host; rather one that vfio-pci has taken. */
static const struct host_facts_device *find_twin(const struct check_subject *s,
                                                 const struct host_facts_device *device)
{
	const struct host_facts_device *found = NULL;
	const struct selection_device *item = s->selection->items;
	const struct selection_device *end = item + s->selection->count;

	/* Both lists are by address: one walk, as the machines with many cards have many alike. */
	for (size_t i = 0; i < s->facts->device_count; i++) {
		const struct host_facts_device *other = &s->facts->devices[i];
		bool wanted;

		if (other->ids != device->ids || other == device)
			continue;
		while (item < end && strcmp(item->address, other->address) < 0)
			item++;
		wanted = item < end && strcmp(item->address, other->address) == 0 && !item->ignored;
		if (wanted && !(s->left_out && s->left_out[item - s->selection->items]))
			continue;
		if (!wanted && host_facts_is_vfio(other->driver))
			return other;
		found = found ? found : other;
	}
	return found;
}

static void check_twin(const struct check_subject *s, const struct host_facts_device *device,
                       struct check_list *list)
{
	const struct host_facts_device *twin = find_twin(s, device);
	const char *ids = twin ? bound_by_ids(s->facts, twin) : NULL;
	bool taken =
	    twin && host_facts_is_vfio(twin->driver) && !checks_is_wanted(s, twin->address);

	if (!twin)
		check_add(list, CHECK_DEVICE_TWIN, device->address, CHECK_PASS, NULL, NULL,
		          "no other %s:%s stays with the host", device->vendor, device->device);
	else if (taken && ids)
		check_add(list, CHECK_DEVICE_TWIN, device->address, CHECK_BLOCKED,
		          "A device of the same ids that the inventory leaves to the host was "
		          "taken by vfio-pci, which is told to bind by id, not by address.",
		          "Take the ids away from there (and from what else names them), rebuild "
		          "the initramfs and reboot; or name the device under `gpus`.",
		          "%s has the ids %s:%s, too, and driver %.40s; %.80s: ids=", twin->address,
		          twin->vendor, twin->device, twin->driver, ids);
	else if (taken && (!s->facts->cmdline || !s->facts->image_state))
		check_add(list, CHECK_DEVICE_TWIN, device->address, CHECK_UNKNOWN,
		          "A device of the same ids is on vfio-pci, and it could not be seen what "
		          "binds it.",
		          "Run `gpufleet scan` again.",
		          "%s has the ids %s:%s, too, and driver %.40s", twin->address,
		          twin->vendor, twin->device, twin->driver);
	else if (taken)
		check_add(list, CHECK_DEVICE_TWIN, device->address, CHECK_WARN,
		          "A device of the same ids that the inventory leaves to the host is on "
		          "vfio-pci.",
		          "Nothing, if somebody gave it away by its address; else name it under "
		          "`gpus`.",
		          "%s has the ids %s:%s, too, and driver %.40s", twin->address,
		          twin->vendor, twin->device, twin->driver);
	else
		check_add(
		    list, CHECK_DEVICE_TWIN, device->address, CHECK_WARN,
		    "A device of the same ids stays with the host: `vfio-pci.ids=` would take "
		    "both.",
		    "Nothing: gpufleet binds by address. Don't add `vfio-pci.ids=` for these ids.",
		    ids ? "%s has the ids %s:%s, too; %.80s: ids= has them"
		        : "%s has the ids %s:%s, too%.0s",
		    twin->address, twin->vendor, twin->device, ids ? ids : "");
}

void checks_boot(const struct check_subject *subject, const struct host_facts_device *device,
                 struct check_list *list)
{
	check_early(subject, device, list);
	check_twin(subject, device, list);
}
