/* pci.c: every PCI device of the host.
 *
 * libpci lists the devices and reads their configuration space; the rest is sysfs. libpci ends the
 * process on an error unless its error callback does not return: here it jumps back to the device
 * at hand, whose facts stay null. A configuration space can be short (not root, a virtual machine)
 * or all ones (a device that fell off the bus): what was to be read there is null then.
 */
#include "node-agent/facts/facts.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <pci/pci.h>

#include "node-agent/facts/pci_sysfs.h"

static jmp_buf pci_failed;
static char pci_message[200];

static void pci_error_cb(char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

static void pci_error_cb(char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(pci_message, sizeof(pci_message), format, args);
	va_end(args);
	longjmp(pci_failed, 1);
}

static void pci_quiet_cb(char *format, ...) __attribute__((format(printf, 1, 2)));

static void pci_quiet_cb(char *format, ...)
{
	(void)format;
}

static void set_serial(json_t *facts, struct pci_dev *dev, const struct pci_cap *cap)
{
	u32 low = pci_read_long(dev, (int)cap->addr + 4),
	    high = pci_read_long(dev, (int)cap->addr + 8);
	char serial[32];
	if ((low == 0 && high == 0) || (low == UINT32_MAX && high == UINT32_MAX))
		return;
	snprintf(serial, sizeof(serial), "%02x-%02x-%02x-%02x-%02x-%02x-%02x-%02x", high >> 24,
	         high >> 16 & 0xff, high >> 8 & 0xff, high & 0xff, low >> 24, low >> 16 & 0xff,
	         low >> 8 & 0xff, low & 0xff);
	json_object_set_new(facts, "serial", json_string(serial));
}

static void set_header(json_t *facts, struct pci_dev *dev)
{
	static const char *const headers[] = {"endpoint", "bridge", "cardbus"};
	u8 byte = pci_read_byte(dev, PCI_HEADER_TYPE), type = byte & 0x7f;
	json_object_set_new(facts, "header", type < 3 ? json_string(headers[type]) : json_null());
	json_object_set_new(facts, "multifunction", json_boolean(byte & 0x80));
}

/* The device/port type of the PCI Express capability (pci_regs.h, PCI_EXP_TYPE_*), which the
 * kernel's IOMMU groups depend on. Without the right to read past the first 64 bytes nobody can
 * tell whether there is a capability: then there is no key. */
static void set_express(json_t *facts, struct pci_dev *dev)
{
	static const char *const types[16] = {"endpoint",    "legacy_endpoint",   NULL,
	                                      NULL,          "root_port",         "upstream",
	                                      "downstream",  "pcie_to_pci",       "pci_to_pcie",
	                                      "rc_endpoint", "rc_event_collector"};
	u32 word = 0;
	if (pci_read_block(dev, 0x40, (u8 *)&word, sizeof(word)) == 0)
		return;
	struct pci_cap *cap = pci_find_cap(dev, PCI_CAP_ID_EXP, PCI_CAP_NORMAL);
	if (!cap) {
		json_object_set_new(facts, "pcie", json_null());
		return;
	}
	const char *type = types[pci_read_word(dev, (int)cap->addr + PCI_EXP_FLAGS) >> 4 & 0xf];
	json_object_set_new(facts, "pcie",
	                    json_pack("{s:o}", "type", type ? json_string(type) : json_null()));
}

/* Extended capabilities exist only for PCI Express, and can be seen only if more than 256 bytes can
 * be read; without that nothing is known about them. */
static bool extended_readable(struct pci_dev *dev)
{
	u32 word = 0;
	return !pci_find_cap(dev, PCI_CAP_ID_EXP, PCI_CAP_NORMAL) ||
	       pci_read_block(dev, 0x100, (u8 *)&word, sizeof(word)) != 0;
}

/* Resizable BARs (PCI Express base specification, 7.8.6): for each a word with the sizes that it
 * can have (bit 4: 1 MiB, bit 5: 2 MiB, …) and one with its number and present size. */
static json_t *resizable_value(struct pci_dev *dev, const struct pci_cap *cap)
{
	json_t *bars = json_array();
	unsigned count = pci_read_long(dev, (int)cap->addr + 8) >> 5 & 7;
	for (unsigned i = 0; i < count && i < 6; i++) {
		u32 can = pci_read_long(dev, (int)(cap->addr + 4 + 8 * i)) >> 4;
		u32 control = pci_read_long(dev, (int)(cap->addr + 8 + 8 * i));
		int largest = -1;
		for (u32 sizes = can & 0x0fffffff; sizes; sizes >>= 1)
			largest++;
		unsigned now = control >> 8 & 0x3f;
		if (largest < 0 || now > 40)
			continue;
		json_array_append_new(bars, json_pack("{s:i,s:I,s:I}", "index", (int)(control & 7),
		                                      "size", (json_int_t)1 << (20 + now),
		                                      "largest", (json_int_t)1 << (20 + largest)));
	}
	return bars;
}

static void set_capabilities(json_t *facts, struct pci_dev *dev)
{
	/* A virtual function's vendor reads all ones, too; its class doesn't. */
	if (pci_read_long(dev, PCI_CLASS_REVISION) == UINT32_MAX)
		return;
	set_header(facts, dev);
	pci_fill_info(dev, PCI_FILL_CAPS | PCI_FILL_EXT_CAPS);
	set_express(facts, dev);
	if (!extended_readable(dev))
		return;
	struct pci_cap *cap = pci_find_cap(dev, PCI_EXT_CAP_ID_REBAR, PCI_CAP_EXTENDED);
	json_object_set_new(facts, "resizable_bar", json_boolean(cap != NULL));
	if (cap)
		json_object_set_new(facts, "resizable", resizable_value(dev, cap));
	cap = pci_find_cap(dev, PCI_EXT_CAP_ID_ACS, PCI_CAP_EXTENDED);
	if (cap)
		json_object_set_new(facts, "acs",
		                    json_pack("{s:i,s:i}", "capable",
		                              pci_read_word(dev, (int)cap->addr + 4), "enabled",
		                              pci_read_word(dev, (int)cap->addr + 6)));
	cap = pci_find_cap(dev, PCI_EXT_CAP_ID_SRIOV, PCI_CAP_EXTENDED);
	if (cap && json_is_null(json_object_get(facts, "sriov")))
		json_object_set_new(facts, "sriov",
		                    json_pack("{s:i,s:i}", "total",
		                              pci_read_word(dev, (int)cap->addr + 0x0e), "used",
		                              pci_read_word(dev, (int)cap->addr + 0x10)));
	cap = pci_find_cap(dev, PCI_EXT_CAP_ID_DSN, PCI_CAP_EXTENDED);
	if (cap)
		set_serial(facts, dev, cap);
}

static json_t *device_facts(const struct root *root, struct pci_dev *dev,
                            const struct module_index *modules)
{
	char address[32];
	snprintf(address, sizeof(address), "%04x:%02x:%02x.%x", (unsigned)dev->domain, dev->bus,
	         dev->dev, dev->func);
	/* Before its configuration space is touched: that would wake a sleeping device. */
	json_t *volatile facts = pci_sysfs_facts(root, address, modules);
	if (facts && setjmp(pci_failed) == 0)
		set_capabilities(facts, dev);
	return facts;
}

static int device_compare(const void *a, const void *b)
{
	const struct pci_dev *x = *(struct pci_dev *const *)a, *y = *(struct pci_dev *const *)b;
	uint64_t left =
	    (uint64_t)(unsigned)x->domain << 32 | (uint64_t)(x->bus << 16 | x->dev << 8 | x->func);
	uint64_t right =
	    (uint64_t)(unsigned)y->domain << 32 | (uint64_t)(y->bus << 16 | y->dev << 8 | y->func);
	return left < right ? -1 : left > right;
}

/* Which firmware framebuffers lie in each device's memory. */
static void console_fill(const struct root *root, json_t *devices)
{
	struct console_ranges *ranges = pci_console_open(root);
	size_t i;
	json_t *device;
	json_array_foreach(devices, i, device)
	{
		const char *address = json_string_value(json_object_get(device, "address"));
		json_object_set_new(device, "console_memory",
		                    pci_console_facts(ranges, root, address));
	}
	pci_console_close(ranges);
}

static json_t *devices_facts(const struct root *root, struct pci_access *access,
                             const struct module_index *modules)
{
	size_t count = 0;
	for (struct pci_dev *dev = access->devices; dev; dev = dev->next)
		count++;
	struct pci_dev **sorted = calloc(count + 1, sizeof(struct pci_dev *));
	json_t *devices = json_array();
	if (!sorted) {
		json_decref(devices);
		return NULL;
	}
	size_t n = 0;
	for (struct pci_dev *dev = access->devices; dev; dev = dev->next)
		sorted[n++] = dev;
	qsort(sorted, count, sizeof(struct pci_dev *), device_compare);
	for (size_t i = 0; i < count; i++) {
		json_t *facts = device_facts(root, sorted[i], modules);
		if (facts)
			json_array_append_new(devices, facts);
	}
	free(sorted);
	pci_sysfs_siblings(root, devices);
	console_fill(root, devices);
	return devices;
}

json_t *pci_facts(const struct root *root, const struct module_index *modules, struct gf_err *err)
{
	if (!root_exists(root, "/sys/bus/pci/devices"))
		return json_array(); /* a machine without PCI */
	struct pci_access *volatile access = pci_alloc();
	access->error = pci_error_cb;
	access->warning = pci_quiet_cb;
	access->debug = pci_quiet_cb;
	access->method = PCI_ACCESS_SYS_BUS_PCI;
	char name[] = "sysfs.path";
	struct root_name path = root_path(root, "/sys/bus/pci");
	pci_set_param(access, name, path.text);
	if (setjmp(pci_failed) != 0) {
		gf_err_set(err, GF_E_TASK, "cannot list the PCI devices: %s", pci_message);
		/* Not cleaned up: libpci was left in the middle of something. */
		return NULL;
	}
	pci_init(access);
	pci_scan_bus(access);
	json_t *devices = devices_facts(root, access, modules);
	pci_cleanup(access);
	if (!devices)
		gf_err_set(err, GF_E_MEMORY, "no memory for the list of PCI devices");
	return devices;
}
