/* pci_layout.c: /sys/devices and /sys/bus/pci of a simulated host: for every device the files that
 * a kernel shows, with a configuration space that libpci can read.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONFIG_SIZE 4096

static unsigned address_bus(const char *address)
{
	return (unsigned)strtoul(address + 5, NULL, 16);
}

static void put16(unsigned char *config, size_t at, unsigned value)
{
	config[at] = (unsigned char)value;
	config[at + 1] = (unsigned char)(value >> 8);
}

static void put32(unsigned char *config, size_t at, uint64_t value)
{
	put16(config, at, (unsigned)value & 0xffff);
	put16(config, at + 2, (unsigned)(value >> 16) & 0xffff);
}

/* The device's directory under sys/devices: below the bridges that lead to its bus. */
static void device_path(const struct sim_host *host, const struct sim_device *device, char *out)
{
	unsigned bus = address_bus(device->address);
	char parent[SIM_PATH];

	sim_path(parent, "%.800s/sys/devices/pci0000:00", host->root);
	for (size_t i = 0; bus && i < host->device_count; i++) {
		if (host->devices[i].bridge && host->devices[i].secondary_bus == (int)bus) {
			device_path(host, &host->devices[i], parent);
			break;
		}
	}
	sim_path(out, "%.1000s/%s", parent, device->address);
}

static unsigned bus_last(const struct sim_host *host, unsigned bus)
{
	unsigned last = bus;

	for (size_t i = 0; i < host->device_count; i++) {
		const struct sim_device *device = &host->devices[i];

		if (device->bridge && address_bus(device->address) == bus) {
			unsigned below = bus_last(host, (unsigned)device->secondary_bus);

			last = below > last ? below : last;
		}
	}
	return last;
}

/* Places the BARs of every device one after the other, in bus order; writes them to `config` and
 * `resource`. */
static void bars_write(const struct sim_device *device, unsigned char *config, char *resource,
                       size_t room, uint64_t next[3])
{
	size_t used = 0;

	for (size_t i = 0; i < 13; i++) {
		const struct sim_bar *bar = i < SIM_BARS ? &device->bars[i] : NULL;
		uint64_t flags, start, *at;

		if (!bar || bar->size == 0) {
			used += (size_t)snprintf(resource + used, room - used,
			                         "0x%016x 0x%016x 0x%016x\n", 0, 0, 0);
			continue;
		}
		at = bar->io ? &next[0] : bar->wide && bar->prefetchable ? &next[2] : &next[1];
		start = (*at + bar->size - 1) / bar->size * bar->size;
		*at = start + bar->size;
		flags = bar->io ? 0x40101 : 0x40200;
		flags |= bar->wide ? 0x100004u : 0;
		flags |= bar->prefetchable ? 0x2008u : 0;
		used += (size_t)snprintf(
		    resource + used, room - used, "0x%016llx 0x%016llx 0x%016llx\n",
		    (unsigned long long)start, (unsigned long long)(start + bar->size - 1),
		    (unsigned long long)flags);
		put32(config, 0x10 + 4 * i, start | (flags & 0xf));
		if (bar->wide)
			put32(config, 0x14 + 4 * i, start >> 32);
	}
}

/* The device/port type of the PCI Express capability. Below a root port a bridge is a switch's
 * upstream port, below that its downstream port. */
static unsigned express_type(const struct sim_host *host, const struct sim_device *device)
{
	unsigned bus = address_bus(device->address);

	if (!device->bridge)
		return 0;
	for (size_t i = 0; bus && i < host->device_count; i++) {
		if (host->devices[i].bridge && host->devices[i].secondary_bus == (int)bus)
			return express_type(host, &host->devices[i]) == 5 ? 6 : 5;
	}
	return 4;
}

static void capabilities_write(const struct sim_host *host, const struct sim_device *device,
                               unsigned char *config)
{
	size_t at = 0x100, previous = 0;

	if (!device->power_management && !device->pcie)
		return;
	put16(config, 0x06, 0x0010); /* status: has a capability list */
	config[0x34] = device->power_management ? 0x60 : 0x78;
	if (device->power_management) {
		put16(config, 0x60, 0x0001 | (device->pcie ? 0x78 << 8 : 0));
		put16(config, 0x62, 0x0003);
	}
	if (!device->pcie)
		return;
	put16(config, 0x78, 0x0010); /* PCI Express, the last one */
	put16(config, 0x7a, 2 | express_type(host, device) << 4);
	put32(config, 0x7c, strstr(device->reset_method, "flr") ? 1u << 28 : 0);
	if (device->acs) {
		put32(config, at, 0x000d | 1u << 16);
		put16(config, at + 4, 0x1f); /* can do SV, TB, RR, CR, UF */
		put16(config, at + 6, 0x1d); /* and the kernel switched them on */
		previous = at;
		at += 0x20;
	}
	if (device->serial) {
		put32(config, at, 0x0003 | 1u << 16);
		put32(config, at + 4, device->serial & 0xffffffff);
		put32(config, at + 8, device->serial >> 32);
		if (previous)
			put16(config, previous + 2, 1u | (unsigned)at << 4);
		previous = at;
		at += 0x20;
	}
	if (device->sriov_total) {
		put32(config, at, 0x0010 | 1u << 16);
		put16(config, at + 0x0e, device->sriov_total);
		if (previous)
			put16(config, previous + 2, 1u | (unsigned)at << 4);
	}
}

static void config_write(const struct sim_host *host, const struct sim_device *device,
                         unsigned char *config)
{
	put16(config, 0x00, device->vendor);
	put16(config, 0x02, device->device);
	put16(config, 0x04, 0x0007);
	config[0x08] = (unsigned char)device->revision;
	config[0x09] = (unsigned char)device->class_code;
	put16(config, 0x0a, device->class_code >> 8);
	config[0x0e] = device->bridge ? 1 : 0;
	if (device->bridge) {
		config[0x18] = (unsigned char)address_bus(device->address);
		config[0x19] = (unsigned char)device->secondary_bus;
		config[0x1a] = (unsigned char)bus_last(host, (unsigned)device->secondary_bus);
	} else {
		put16(config, 0x2c, device->subsystem_vendor);
		put16(config, 0x2e, device->subsystem_device);
	}
	for (size_t i = 0; i < host->device_count; i++) { /* multifunction when it has a sibling */
		const char *other = host->devices[i].address;

		if (&host->devices[i] != device && !strncmp(other, device->address, 10))
			config[0x0e] |= 0x80;
	}
	capabilities_write(host, device, config);
}

#define FILE_WRITE(name, ...)                                                                      \
	do {                                                                                       \
		char file_[SIM_PATH];                                                              \
		sim_path(file_, "%.1000s/" name, dir);                                             \
		sim_write(file_, __VA_ARGS__);                                                     \
	} while (0)

static void device_create(const struct sim_host *host, const struct sim_device *device,
                          uint64_t next[3])
{
	unsigned char config[CONFIG_SIZE] = {0};
	char dir[SIM_PATH], path[SIM_PATH], link[SIM_PATH], resource[1024];
	unsigned class_code = device->class_code;

	device_path(host, device, dir);
	sim_mkdir(dir);
	config_write(host, device, config);
	bars_write(device, config, resource, sizeof(resource), next);
	sim_path(path, "%.1000s/config", dir);
	sim_write_bytes(path, config, device->pcie ? CONFIG_SIZE : 256);
	FILE_WRITE("vendor", "0x%04x\n", device->vendor);
	FILE_WRITE("device", "0x%04x\n", device->device);
	FILE_WRITE("subsystem_vendor", "0x%04x\n", device->subsystem_vendor);
	FILE_WRITE("subsystem_device", "0x%04x\n", device->subsystem_device);
	FILE_WRITE("class", "0x%06x\n", class_code);
	FILE_WRITE("revision", "0x%02x\n", device->revision);
	FILE_WRITE("modalias", "pci:v%08Xd%08Xsv%08Xsd%08Xbc%02Xsc%02Xi%02X\n", device->vendor,
	           device->device, device->subsystem_vendor, device->subsystem_device,
	           class_code >> 16, class_code >> 8 & 0xff, class_code & 0xff);
	FILE_WRITE("resource", "%s", resource);
	FILE_WRITE("irq", "%d\n", 16);
	FILE_WRITE("numa_node", "%d\n", device->numa_node);
	FILE_WRITE("enable", "%d\n", 1);
	FILE_WRITE("driver_override", "(null)\n");
	FILE_WRITE("power_state", "unknown\n");
	FILE_WRITE(".power_state", "%s\n", device->power_state); /* once a driver has enabled it */
	FILE_WRITE("d3cold_allowed", "1\n");
	if (*device->reset_method)
		FILE_WRITE("reset_method", "%s\n", device->reset_method);
	if (class_code >> 8 == 0x0300) /* of VGA controllers only */
		FILE_WRITE("boot_vga", "%d\n", device->boot_vga);
	if (device->sriov_total) {
		FILE_WRITE("sriov_totalvfs", "%u\n", device->sriov_total);
		FILE_WRITE("sriov_numvfs", "0\n");
	}
	sim_path(link, "%.900s/sys/bus/pci/devices/%s", host->root, device->address);
	sim_link(dir, link);
}

void pci_layout_create(const struct sim_host *host)
{
	uint64_t next[3] = {0x3000, 0x80000000, 0x6000000000};
	static const char *const dirs[] = {
	    "sys/bus/pci/devices",       "sys/bus/pci/drivers/pcieport",
	    "sys/kernel/iommu_groups",   "sys/class/iommu",
	    "sys/firmware/acpi/tables",  "sys/devices/pci0000:00",
	    "sys/devices/virtual/iommu", "sys/module",
	    "sys/kernel/security"};
	char path[SIM_PATH];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		sim_path(path, "%.900s/%s", host->root, dirs[i]);
		sim_mkdir(path);
	}
	sim_path(path, "%.900s/sys/kernel/security/lockdown", host->root);
	sim_write(path, "[none] integrity confidentiality\n");
	sim_path(path, "%.900s/sys/bus/pci/drivers_probe", host->root);
	sim_write(path, "%s", "");
	for (size_t i = 0; i < host->device_count; i++)
		device_create(host, &host->devices[i], next);
	if (host->firmware_iommu) {
		sim_path(path, "%.900s/sys/firmware/acpi/tables/%s", host->root,
		         !strcmp(host->cpu, "amd") ? "IVRS" : "DMAR");
		sim_write(path, "%s", !strcmp(host->cpu, "amd") ? "IVRS" : "DMAR");
		chmod(path, 0400);
	}
}

static void groups_clear(const struct sim_host *host)
{
	static const char *const script =
	    "rm -rf \"$1\"/sys/kernel/iommu_groups/* \"$1\"/sys/class/iommu/* "
	    "\"$1\"/sys/devices/virtual/iommu/*";
	const char *argv[] = {"sh", "-c", script, "sh", host->root, NULL};

	sim_run(argv, NULL);
}

void pci_layout_groups(const struct sim_host *host, bool on)
{
	char path[SIM_PATH], link[SIM_PATH], dir[SIM_PATH];
	bool amd = !strcmp(host->cpu, "amd");
	const char *unit = amd ? "ivhd0" : "dmar0";
	/* HyperTransport's own range */
	const char *amd_reserved = amd ? "0x000000fd00000000 0x000000ffffffffff reserved\n" : "";

	groups_clear(host);
	for (size_t i = 0; i < host->device_count; i++) {
		const struct sim_device *device = &host->devices[i];

		device_path(host, device, dir);
		sim_path(link, "%.1000s/iommu_group", dir);
		unlink(link);
		if (!on || device->group < 0)
			continue;
		sim_path(path, "%.900s/sys/kernel/iommu_groups/%d/devices", host->root,
		         device->group);
		sim_mkdir(path);
		sim_path(path, "%.900s/sys/kernel/iommu_groups/%d", host->root, device->group);
		sim_link(path, link);
		sim_path(link, "%.900s/sys/kernel/iommu_groups/%d/type", host->root, device->group);
		sim_write(link, "DMA-FQ\n");
		sim_path(link, "%.900s/sys/kernel/iommu_groups/%d/reserved_regions", host->root,
		         device->group);
		if (access(link, F_OK) || *device->reserved)
			sim_write(link, "%s0x00000000fee00000 0x00000000feefffff msi\n%s",
			          device->reserved, amd_reserved);
		sim_path(link, "%.900s/sys/kernel/iommu_groups/%d/devices/%s", host->root,
		         device->group, device->address);
		sim_link(dir, link);
	}
	if (!on)
		return;
	sim_path(path, "%.900s/sys/devices/virtual/iommu/%s", host->root, unit);
	sim_mkdir(path);
	sim_path(link, "%.900s/sys/class/iommu/%s", host->root, unit);
	sim_link(path, link);
}
