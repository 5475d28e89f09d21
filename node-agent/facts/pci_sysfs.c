/* pci_sysfs.c: see pci_sysfs.h. */
#include "node-agent/facts/pci_sysfs.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node-agent/wire/frame.h"
#include "node-agent/wire/json_text.h"

#define DEVICES_DIR "/sys/bus/pci/devices"

/* From the kernel's include/linux/ioport.h. */
#define RESOURCE_IO       UINT64_C(0x100)
#define RESOURCE_MEM      UINT64_C(0x200)
#define RESOURCE_PREFETCH UINT64_C(0x2000)
#define RESOURCE_UNSET    UINT64_C(0x20000000)

struct device {
	const struct root *root;
	const char *address;
	json_t *facts;
};

static int device_line(const struct device *dev, const char *file, char *buffer, size_t size)
{
	char path[512];
	snprintf(path, sizeof(path), DEVICES_DIR "/%s/%s", dev->address, file);
	return root_read_line(dev->root, path, buffer, size);
}

/* What a link points at, "" where there is none. FILE: of the device, or "", the device's own link.
 */
static void device_target(const struct device *dev, const char *file, char target[PATH_MAX])
{
	ssize_t n = readlink(
	    root_pathf(dev->root, DEVICES_DIR "/%s%s%s", dev->address, *file ? "/" : "", file).text,
	    target, PATH_MAX - 1);
	target[n > 0 ? n : 0] = '\0';
}

/* The base name of what a link of the device points at, or "". */
static void device_link(const struct device *dev, const char *file, char *buffer, size_t size)
{
	char target[PATH_MAX];
	device_target(dev, file, target);
	const char *base = strrchr(target, '/');
	snprintf(buffer, size, "%s", base ? base + 1 : target);
}

/* "0x10de" → WIDTH hex digits, or null. */
static void set_hex(const struct device *dev, const char *file, const char *key, int width)
{
	char line[64], text[16], *end;
	json_t *value = json_null();
	if (device_line(dev, file, line, sizeof(line)) == 0) {
		unsigned long number = strtoul(line, &end, 16);
		if (end != line && number < 1UL << (4 * width)) {
			snprintf(text, sizeof(text), "%0*lx", width, number);
			value = json_string(text);
		}
	}
	json_object_set_new(dev->facts, key, value);
}

/* "0x030000": class and programming interface. */
static void set_class(const struct device *dev)
{
	char line[64], class[8], prog_if[8], *end;
	json_t *class_value = json_null(), *prog_value = json_null(), *header = json_null();
	if (device_line(dev, "class", line, sizeof(line)) == 0) {
		unsigned long number = strtoul(line, &end, 16);
		if (end != line && number <= 0xffffff) {
			snprintf(class, sizeof(class), "%04lx", number >> 8);
			snprintf(prog_if, sizeof(prog_if), "%02lx", number & 0xff);
			class_value = json_string(class);
			prog_value = json_string(prog_if);
			header = json_string(number >> 8 == 0x0604 ? "bridge" : "endpoint");
		}
	}
	json_object_set_new(dev->facts, "class", class_value);
	json_object_set_new(dev->facts, "prog_if", prog_value);
	json_object_set_new(dev->facts, "header", header);
}

static json_t *number_value(const struct device *dev, const char *file)
{
	char line[64], *end;
	if (device_line(dev, file, line, sizeof(line)) != 0)
		return json_null();
	long long number = strtoll(line, &end, 10);
	return end == line ? json_null() : json_integer(number);
}

/* A file of "0" or "1"; MISSING is what no such file means. */
static json_t *flag_value(const struct device *dev, const char *file, json_t *missing)
{
	char line[16];
	if (device_line(dev, file, line, sizeof(line)) != 0)
		return missing;
	json_decref(missing);
	return line[0] == '0' || line[0] == '1' ? json_boolean(line[0] == '1') : json_null();
}

static json_t *words_value(const struct device *dev, const char *file)
{
	char line[256], *save = NULL;
	if (device_line(dev, file, line, sizeof(line)) != 0)
		return json_null();
	json_t *words = json_array();
	for (char *word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save))
		json_array_append_new(words, frame_text(word, strlen(word)));
	return words;
}

/* Which types of region the device's group reserves, each once. */
static json_t *reserved_regions(const struct root *root, const char *group)
{
	char path[128];
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/reserved_regions", group);
	char *text = root_read_file(root, path, 65536, NULL, NULL);
	if (!text)
		return json_null();
	json_t *types = json_array();
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char type[32];
		if (sscanf(line, "%*s %*s %31s", type) != 1)
			continue;
		size_t i;
		json_t *item;
		bool known = false;
		json_array_foreach(types, i, item) known |=
		    strcmp(json_string_value(item), type) == 0;
		if (!known)
			json_array_append_new(types, frame_text(type, strlen(type)));
	}
	free(text);
	return types;
}

static void set_group(const struct device *dev)
{
	char group[32], *end;
	device_link(dev, "iommu_group", group, sizeof(group));
	long number = strtol(group, &end, 10);
	bool known = *group && !*end;
	json_object_set_new(dev->facts, "iommu_group", known ? json_integer(number) : json_null());
	json_object_set_new(dev->facts, "reserved_regions",
	                    known ? reserved_regions(dev->root, group) : json_null());
}

static json_t *bar_value(int index, uint64_t start, uint64_t end, uint64_t flags)
{
	bool sized = end > start || start != 0;
	return json_pack("{s:i,s:I,s:b,s:b,s:b}", "index", index, "size",
	                 (json_int_t)(sized ? end - start + 1 : 0), "assigned",
	                 start != 0 && !(flags & RESOURCE_UNSET), "prefetchable",
	                 (flags & RESOURCE_PREFETCH) != 0, "io", (flags & RESOURCE_IO) != 0);
}

static json_t *bars_value(const struct device *dev)
{
	char path[512];
	snprintf(path, sizeof(path), DEVICES_DIR "/%s/resource", dev->address);
	char *text = root_read_file(dev->root, path, 65536, NULL, NULL);
	if (!text)
		return json_null();
	json_t *bars = json_array();
	const char *line = text;
	for (int index = 0; index < 6 && line && *line; index++) {
		uint64_t start, end, flags;
		if (sscanf(line, "%" SCNx64 " %" SCNx64 " %" SCNx64, &start, &end, &flags) == 3 &&
		    flags & (RESOURCE_IO | RESOURCE_MEM))
			json_array_append_new(bars, bar_value(index, start, end, flags));
		line = strchr(line, '\n');
		line = line ? line + 1 : NULL;
	}
	free(text);
	return bars;
}

static bool is_address(const char *text, size_t length)
{
	unsigned domain, bus, slot, function;
	int used = 0;
	char copy[32];
	if (length >= sizeof(copy))
		return false;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return sscanf(copy, "%x:%2x:%2x.%1x%n", &domain, &bus, &slot, &function, &used) == 4 &&
	       (size_t)used == length;
}

/* The bridges above, from the root down: the components of the device's own place in /sys/devices.
 */
static json_t *path_value(const struct device *dev)
{
	char target[PATH_MAX];
	json_t *path = json_array();
	device_target(dev, "", target);
	for (const char *part = target; part; part = strchr(part, '/')) {
		part += *part == '/';
		size_t length = strcspn(part, "/");
		if (part[length] == '/' && is_address(part, length))
			json_array_append_new(path, frame_text(part, length));
	}
	return path;
}

static json_t *modules_value(const struct device *dev, const struct module_index *modules)
{
	char modalias[256];
	json_t *names = json_array();
	if (device_line(dev, "modalias", modalias, sizeof(modalias)) == 0)
		module_index_match(modules, modalias, names);
	return names;
}

static void set_drivers(const struct device *dev, const struct module_index *modules)
{
	char text[256], modalias[256];
	device_link(dev, "driver", text, sizeof(text));
	facts_set_text(dev->facts, "driver", text);
	json_object_set_new(dev->facts, "modules", modules_value(dev, modules));
	text[0] = '\0';
	if (device_line(dev, "modalias", modalias, sizeof(modalias)) == 0)
		module_index_vfio(modules, modalias, text, sizeof(text));
	facts_set_text(dev->facts, "vfio_driver", text);
}

/* Reading sriov_numvfs (and driver_override) takes the device's lock in the kernel, which a driver
 * that hangs in `unbind` never gives back: whoever reads them then hangs, too, and cannot be
 * killed. Links don't. */
static json_t *virtual_functions_value(const struct device *dev)
{
	int count = 0;
	while (access(root_pathf(dev->root, DEVICES_DIR "/%s/virtfn%d", dev->address, count).text,
	              F_OK) == 0)
		count++;
	return json_integer(count);
}

json_t *pci_sysfs_facts(const struct root *root, const char *address,
                        const struct module_index *modules)
{
	struct device dev = {.root = root, .address = address, .facts = json_object()};
	char text[64];
	if (device_line(&dev, "vendor", text, sizeof(text)) != 0) {
		json_decref(dev.facts);
		return NULL;
	}
	json_object_set_new(dev.facts, "address", json_string(address));
	set_hex(&dev, "vendor", "vendor", 4);
	set_hex(&dev, "device", "device", 4);
	set_hex(&dev, "subsystem_vendor", "subsystem_vendor", 4);
	set_hex(&dev, "subsystem_device", "subsystem_device", 4);
	set_class(&dev);
	set_hex(&dev, "revision", "revision", 2);
	set_drivers(&dev, modules);
	set_group(&dev);
	json_object_set_new(dev.facts, "numa_node", number_value(&dev, "numa_node"));
	json_object_set_new(dev.facts, "boot_vga", flag_value(&dev, "boot_vga", json_false()));
	json_object_set_new(dev.facts, "bars", bars_value(&dev));
	json_object_set_new(dev.facts, "resizable_bar", json_null());
	json_object_set_new(dev.facts, "resizable", json_null());
	json_object_set_new(dev.facts, "vgpu", pci_vgpu_facts(root, address));
	json_object_set_new(dev.facts, "acs", json_null());
	json_t *total = number_value(&dev, "sriov_totalvfs");
	json_object_set_new(dev.facts, "sriov",
	                    json_is_null(total) ? json_null()
	                                        : json_pack("{s:O,s:o}", "total", total, "used",
	                                                    virtual_functions_value(&dev)));
	json_decref(total);
	device_link(&dev, "physfn", text, sizeof(text));
	facts_set_text(dev.facts, "physical_function", is_address(text, strlen(text)) ? text : "");
	device_line(&dev, "power_state", text, sizeof(text));
	facts_set_text(dev.facts, "power_state", text);
	device_line(&dev, "power/runtime_status", text, sizeof(text));
	facts_set_text(dev.facts, "runtime_status", text);
	json_object_set_new(dev.facts, "d3cold_allowed",
	                    flag_value(&dev, "d3cold_allowed", json_null()));
	json_object_set_new(dev.facts, "reset_methods", words_value(&dev, "reset_method"));
	json_object_set_new(dev.facts, "serial", json_null());
	json_object_set_new(dev.facts, "path", path_value(&dev));
	json_object_set_new(dev.facts, "siblings", json_array());
	return dev.facts;
}

static bool class_is_card(const char *class)
{
	return strncmp(class, "03", 2) == 0 || strncmp(class, "12", 2) == 0;
}

static bool class_is_sibling(const char *class)
{
	return strcmp(class, "0403") == 0 || strcmp(class, "0c03") == 0 ||
	       strcmp(class, "0c80") == 0;
}

static void sibling_add(json_t *siblings, const char *address)
{
	size_t i;
	json_t *item;
	json_array_foreach(siblings, i, item)
	{
		if (strcmp(json_string_value(item), address) == 0)
			return;
	}
	json_array_append_new(siblings, frame_text(address, strlen(address)));
}

/* A device link of a card's other function: "consumer:pci:0000:01:00.1". */
static void consumer_each(void *ctx, const char *name)
{
	static const char prefix[] = "consumer:pci:";
	const char *address = name + sizeof(prefix) - 1;
	if (strncmp(name, prefix, sizeof(prefix) - 1) == 0 && is_address(address, strlen(address)))
		sibling_add(ctx, address);
}

void pci_sysfs_siblings(const struct root *root, json_t *devices)
{
	size_t i, j;
	json_t *card, *other;
	json_array_foreach(devices, i, card)
	{
		const char *address = json_text(card, "address");
		json_t *siblings = json_object_get(card, "siblings");
		if (!class_is_card(json_text(card, "class")))
			continue;
		size_t slot = strcspn(address, ".");
		json_array_foreach(devices, j, other)
		{
			const char *name = json_text(other, "address");
			if (j != i && strncmp(name, address, slot) == 0 && name[slot] == '.' &&
			    class_is_sibling(json_text(other, "class")))
				sibling_add(siblings, name);
		}
		char path[128];
		snprintf(path, sizeof(path), DEVICES_DIR "/%s", address);
		facts_each_entry(root, path, consumer_each, siblings);
	}
}
