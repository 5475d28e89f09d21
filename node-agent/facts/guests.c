/* guests.c: what runs on this host that a reboot would take down: QEMU processes with the devices
 * that they were given, libvirt domains whose process is not visible as QEMU, and anybody else who
 * holds a /dev/vfio group open.
 */
#include "node-agent/facts/facts.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node-agent/wire/frame.h"

#define CMDLINE_LIMIT ((size_t)4 << 20)

struct guest_scan {
	const struct root *root;
	json_t *guests;
	struct holders *holders;
	/* of the process at hand */
	long pid;
	char name[256];
	json_t *devices;
	struct guest_size size;
	bool holds_vfio;
};

static void devices_add(json_t *devices, const char *address, size_t length)
{
	char full[64];
	unsigned domain = 0, bus, slot, function;
	if (length >= sizeof(full))
		return;
	memcpy(full, address, length);
	full[length] = '\0';
	if (sscanf(full, "%4x:%2x:%2x.%1x", &domain, &bus, &slot, &function) != 4) {
		domain = 0; /* QEMU lets it be left out */
		if (sscanf(full, "%2x:%2x.%1x", &bus, &slot, &function) != 3)
			return;
	}
	snprintf(full, sizeof(full), "%04x:%02x:%02x.%x", domain, bus, slot, function);
	size_t i;
	json_t *item;
	json_array_foreach(devices, i, item)
	{
		if (strcmp(json_string_value(item), full) == 0)
			return;
	}
	json_array_append_new(devices, json_string(full));
}

/* The value of KEY in "a,key=value,…", cut at the comma. */
static const char *option_value(const char *options, const char *key, size_t *length)
{
	size_t key_length = strlen(key);
	for (const char *p = options; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncmp(p, key, key_length) == 0 && p[key_length] == '=') {
			*length = strcspn(p + key_length + 1, ",");
			return p + key_length + 1;
		}
	}
	return NULL;
}

static const char *after_slash(const char *path, size_t *length)
{
	for (size_t i = *length; i > 0; i--) {
		if (path[i - 1] == '/') {
			*length -= i;
			return path + i;
		}
	}
	return path;
}

/* -device vfio-pci,host=0000:01:00.0 or the JSON form that newer libvirt writes. */
static void scan_device(struct guest_scan *scan, const char *value)
{
	size_t length;
	const char *address;
	if (*value == '{') {
		json_t *device = json_loads(value, 0, NULL);
		const char *driver = json_string_value(json_object_get(device, "driver"));
		address = json_string_value(json_object_get(device, "host"));
		if (!address)
			address = json_string_value(json_object_get(device, "sysfsdev"));
		if (driver && strncmp(driver, "vfio-pci", 8) == 0 && address) {
			length = strlen(address);
			address = after_slash(address, &length);
			devices_add(scan->devices, address, length);
		}
		json_decref(device);
		return;
	}
	if (strncmp(value, "vfio-pci", 8) != 0)
		return;
	address = option_value(value, "host", &length);
	if (!address)
		address = option_value(value, "sysfsdev", &length);
	if (address) {
		address = after_slash(address, &length);
		devices_add(scan->devices, address, length);
	}
}

static void scan_name(struct guest_scan *scan, const char *value)
{
	size_t length;
	const char *name = option_value(value, "guest", &length);
	if (!name) {
		name = value;
		length = strcspn(value, ",");
	}
	snprintf(scan->name, sizeof(scan->name), "%.*s", (int)(length < 255 ? length : 255), name);
}

/* Is it QEMU? Then its name, devices and size are taken from its arguments. */
static bool scan_arguments(struct guest_scan *scan, const char *text, size_t size)
{
	const char *base = strrchr(text, '/') ? strrchr(text, '/') + 1 : text;
	if (strncmp(base, "qemu-system-", 12) != 0 && strcmp(base, "qemu-kvm") != 0 &&
	    strcmp(base, "kvm") != 0)
		return false;
	snprintf(scan->name, sizeof(scan->name), "%.255s", base);
	const char *previous = "";
	for (const char *arg = text; arg < text + size; arg += strlen(arg) + 1) {
		if (strcmp(previous, "-device") == 0 || strcmp(previous, "--device") == 0)
			scan_device(scan, arg);
		else if (strcmp(previous, "-name") == 0 || strcmp(previous, "--name") == 0)
			scan_name(scan, arg);
		else
			guest_size_option(&scan->size, previous, arg);
		previous = arg;
	}
	return true;
}

static void group_device_each(void *ctx, const char *name)
{
	struct guest_scan *scan = ctx;
	char target[PATH_MAX];
	ssize_t n = readlink(root_pathf(scan->root, "/sys/bus/pci/devices/%s/driver", name).text,
	                     target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	/* Bridges are members of a group, but nobody uses them through vfio. */
	if (strstr(target, "vfio"))
		devices_add(scan->devices, name, strlen(name));
}

/* iommufd: /dev/vfio/devices/vfioN is one device; /sys/class/vfio-dev/vfioN/device leads to it. */
static void cdev_device(struct guest_scan *scan, const char *name)
{
	char target[PATH_MAX];
	ssize_t n = readlink(root_pathf(scan->root, "/sys/class/vfio-dev/%s/device", name).text,
	                     target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	const char *base = strrchr(target, '/');
	if (base)
		devices_add(scan->devices, base + 1, strlen(base + 1));
}

static void fd_each(void *ctx, const char *name)
{
	struct guest_scan *scan = ctx;
	char target[PATH_MAX], path[128];
	ssize_t n = readlink(root_pathf(scan->root, "/proc/%ld/fd/%s", scan->pid, name).text,
	                     target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	holders_see(scan->holders, scan->pid, target);
	const char *cdev = target + strlen("/dev/vfio/devices/");
	if (strncmp(target, "/dev/vfio/devices/vfio", strlen("/dev/vfio/devices/vfio")) == 0 &&
	    !strchr(cdev, '/')) {
		scan->holds_vfio = true;
		cdev_device(scan, cdev);
		return;
	}
	const char *group = target + strlen("/dev/vfio/");
	if (strncmp(target, "/dev/vfio/", strlen("/dev/vfio/")) != 0 ||
	    !isdigit((unsigned char)*group) || strspn(group, "0123456789") != strlen(group) ||
	    strlen(group) > 9)
		return;
	scan->holds_vfio = true;
	snprintf(path, sizeof(path), "/sys/kernel/iommu_groups/%s/devices", group);
	facts_each_entry(scan->root, path, group_device_each, scan);
}

static void process_each(void *ctx, const char *entry)
{
	struct guest_scan *scan = ctx;
	char path[128], *end;
	scan->pid = strtol(entry, &end, 10);
	if (!isdigit((unsigned char)*entry) || *end)
		return;
	snprintf(path, sizeof(path), "/proc/%ld/cmdline", scan->pid);
	size_t size = 0;
	char *text = root_read_file(scan->root, path, CMDLINE_LIMIT, &size, NULL);
	if (!text)
		return;
	scan->devices = json_array();
	scan->size = (struct guest_size){-1, -1, NULL};
	scan->holds_vfio = false;
	scan->name[0] = '\0';
	bool qemu = size > 0 && scan_arguments(scan, text, size);
	snprintf(path, sizeof(path), "/proc/%ld/fd", scan->pid);
	facts_each_entry(scan->root, path, fd_each, scan);
	if (qemu || scan->holds_vfio) {
		if (!qemu) {
			snprintf(path, sizeof(path), "/proc/%ld/comm", scan->pid);
			root_read_line(scan->root, path, scan->name, sizeof(scan->name));
		}
		json_t *guest = json_pack("{s:I,s:o,s:s,s:O}", "pid", (json_int_t)scan->pid, "name",
		                          frame_text(scan->name, strlen(scan->name)), "source",
		                          qemu ? "qemu" : "vfio", "devices", scan->devices);
		/* Another holder of a group is no guest: it has no size. */
		if (qemu)
			guest_size_take(&scan->size, guest);
		json_array_append_new(scan->guests, guest);
	}
	json_decref(scan->devices);
	json_decref(scan->size.numa_nodes);
	free(text);
}

static bool pid_known(const json_t *guests, long pid)
{
	size_t i;
	json_t *guest;
	json_array_foreach(guests, i, guest)
	{
		if (json_integer_value(json_object_get(guest, "pid")) == pid)
			return true;
	}
	return false;
}

/* libvirt keeps /run/libvirt/qemu/NAME.xml (with the process id) while a domain runs. */
static void domain_each(void *ctx, const char *file)
{
	struct guest_scan *scan = ctx;
	char path[512];
	size_t length = strlen(file);
	if (length < 5 || length > 250 || strcmp(file + length - 4, ".xml") != 0)
		return;
	snprintf(path, sizeof(path), "/run/libvirt/qemu/%s", file);
	char *text = root_read_file(scan->root, path, CMDLINE_LIMIT, NULL, NULL);
	const char *status = text ? strstr(text, "<domstatus") : NULL;
	const char *pid_at = status ? strstr(status, " pid='") : NULL;
	long pid = pid_at ? strtol(pid_at + strlen(" pid='"), NULL, 10) : 0;
	snprintf(path, sizeof(path), "/proc/%ld", pid);
	if (pid > 0 && !pid_known(scan->guests, pid) && root_exists(scan->root, path)) {
		json_t *guest =
		    json_pack("{s:I,s:o,s:s,s:[]}", "pid", (json_int_t)pid, "name",
		              frame_text(file, length - 4), "source", "libvirt", "devices");
		struct guest_size size = {-1, -1, NULL};
		guest_size_domain(&size, text);
		guest_size_take(&size, guest);
		json_array_append_new(scan->guests, guest);
	}
	free(text);
}

json_t *guest_facts(const struct root *root, struct holders *holders)
{
	struct guest_scan scan = {.root = root, .guests = json_array(), .holders = holders};
	if (facts_each_entry(root, "/proc", process_each, &scan) != 0) {
		json_decref(scan.guests);
		return json_null();
	}
	facts_each_entry(root, "/run/libvirt/qemu", domain_each, &scan);
	return scan.guests;
}
