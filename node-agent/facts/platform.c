/* platform.c: firmware and boot: IOMMU, Secure Boot, boot loader, initramfs tool. Effects are
 * looked at (groups, units), never the kernel command line: "IOMMU enabled" is logged without one
 * as well. */
#include "node-agent/facts/facts.h"

#include <stdlib.h>
#include <string.h>

#include "node-agent/boot/boot_loader.h"
#include "node-agent/boot/initramfs_tool.h"
#include "node-agent/wire/frame.h"

static void name_each(void *ctx, const char *name)
{
	json_array_append_new(ctx, frame_text(name, strlen(name)));
}

static void count_each(void *ctx, const char *name)
{
	(void)name;
	(*(json_int_t *)ctx)++;
}

static json_t *interrupt_remapping(const struct root *root)
{
	char *text = root_read_file(root, "/proc/interrupts", (size_t)64 << 20, NULL, NULL);
	json_t *value = text ? json_boolean(strstr(text, " IR-") != NULL) : json_null();
	free(text);
	return value;
}

static json_t *unsafe_interrupts(const struct root *root)
{
	char line[16];
	if (root_read_line(root, "/sys/module/vfio_iommu_type1/parameters/allow_unsafe_interrupts",
	                   line, sizeof(line)) != 0)
		return json_null();
	return json_boolean(line[0] == 'Y');
}

json_t *platform_iommu(const struct root *root)
{
	json_t *iommu = json_object(), *tables = json_array(), *units = json_array();
	if (root_exists(root, "/sys/firmware/acpi/tables/DMAR"))
		json_array_append_new(tables, json_string("DMAR"));
	if (root_exists(root, "/sys/firmware/acpi/tables/IVRS"))
		json_array_append_new(tables, json_string("IVRS"));
	facts_each_entry(root, "/sys/class/iommu", name_each, units);
	json_int_t groups = 0;
	facts_each_entry(root, "/sys/kernel/iommu_groups", count_each, &groups);
	json_object_set_new(iommu, "tables", tables);
	json_object_set_new(iommu, "units", units);
	json_object_set_new(iommu, "groups", json_integer(groups));
	json_object_set_new(iommu, "interrupt_remapping", interrupt_remapping(root));
	json_object_set_new(iommu, "unsafe_interrupts", unsafe_interrupts(root));
	return iommu;
}

json_t *platform_secure_boot(const struct root *root)
{
	if (!root_exists(root, "/sys/firmware"))
		return json_null();
	if (!root_exists(root, "/sys/firmware/efi"))
		return json_false(); /* legacy BIOS */
	size_t size;
	char *variable = root_read_file(
	    root, "/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", 4096,
	    &size, NULL);
	/* Four bytes of attributes, then the value. */
	json_t *value = variable && size >= 5 ? json_boolean(variable[4] == 1) : json_null();
	free(variable);
	return value;
}

const char *platform_boot_loader(const struct root *root)
{
	if (boot_is_systemd_boot(root))
		return "systemd-boot";
	if (root_exists(root, "/etc/default/grub") || root_exists(root, "/boot/grub/grub.cfg") ||
	    root_exists(root, "/boot/grub2/grub.cfg"))
		return "grub";
	return NULL;
}

const char *platform_boot_tool(const struct root *root)
{
	const struct boot_loader *loader = boot_loader_detect(root);

	return loader ? loader->name : NULL;
}

const char *platform_initramfs(const struct root *root)
{
	const struct initramfs_tool *tool = initramfs_tool_detect(root);

	if (tool)
		return tool->name;
	return root_program_exists(root, "mkinitcpio") ? "mkinitcpio" : NULL;
}
