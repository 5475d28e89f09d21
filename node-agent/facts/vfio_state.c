/* vfio_state.c: has the kernel vfio, and how is it set? The driver's place in sysfs says so, or the
 * module's file: never the list of loaded modules, in which what is built in does not appear.
 */
#include "node-agent/facts/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT ((size_t)16 << 20)
#define TYPE1      "/sys/module/vfio_iommu_type1"

/* modprobe takes dashes and underscores for the same. */
static bool starts_with_module(const char *text, const char *module)
{
	for (; *module; text++, module++)
		if ((*text == '-' ? '_' : *text) != *module)
			return false;
	return strncmp(text, ".ko", 3) == 0;
}

/* "kernel/drivers/vfio/pci/vfio-pci.ko.xz: …" of modules.dep or modules.builtin: does a line name
 * MODULE (with underscores)? With FILES its file has to be there, too. */
static bool list_has(const struct root *root, const char *kernel, const char *list,
                     const char *module, bool files)
{
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "/lib/modules/%s/%s", kernel, list);
	char *text = root_read_file(root, path, LIST_LIMIT, NULL, NULL), *rest = text;
	bool found = false;
	for (char *line; !found && (line = strsep(&rest, "\n"));) {
		line[strcspn(line, ":")] = '\0';
		const char *base = strrchr(line, '/') ? strrchr(line, '/') + 1 : line;
		if (!starts_with_module(base, module))
			continue;
		snprintf(path, sizeof(path), "/lib/modules/%s/%s", kernel, line);
		found = !files || root_exists(root, *line == '/' ? line : path);
	}
	free(text);
	return found;
}

struct other_kernels {
	const struct root *root;
	const char *running, *module;
	bool any, found; /* is there one at all; has one of them the module? */
};

static void kernel_each(void *ctx, const char *kernel)
{
	struct other_kernels *other = ctx;
	other->any = true;
	if (!other->found && strcmp(kernel, other->running) != 0)
		other->found =
		    list_has(other->root, kernel, "modules.dep", other->module, true) ||
		    list_has(other->root, kernel, "modules.builtin", other->module, false);
}

/* "registered", "module", "builtin", "other" (another kernel has it), "absent", or NULL. */
static const char *state_of(const struct root *root, const char *kernel, const char *place,
                            const char *module)
{
	struct other_kernels other = {root, kernel, module, false, false};
	if (root_exists(root, place))
		return "registered";
	if (*kernel && list_has(root, kernel, "modules.builtin", module, false))
		return "builtin";
	if (*kernel && list_has(root, kernel, "modules.dep", module, true))
		return "module";
	facts_each_entry(root, "/lib/modules", kernel_each, &other);
	if (!other.any)
		return NULL; /* nothing to look at: a kernel without modules, or no access */
	return other.found ? "other" : "absent";
}

json_t *vfio_facts(const struct root *root, const char *kernel)
{
	char line[32];
	json_t *vfio = json_object();
	const char *type1 = state_of(root, kernel, TYPE1, "vfio_iommu_type1");
	/* Kernels whose containers are iommufd's need no type1. */
	if (type1 && strcmp(type1, "absent") == 0 && root_exists(root, "/sys/class/vfio-dev"))
		type1 = "iommufd";
	facts_set_text(vfio, "pci",
	               state_of(root, kernel, "/sys/bus/pci/drivers/vfio-pci", "vfio_pci"));
	facts_set_text(vfio, "type1", type1);
	json_t *limit = json_null();
	if (root_read_line(root, TYPE1 "/parameters/dma_entry_limit", line, sizeof(line)) == 0) {
		unsigned long entries = strtoul(line, NULL, 10);
		limit = json_integer(entries < INT_MAX ? (json_int_t)entries : INT_MAX);
	}
	json_object_set_new(vfio, "dma_entry_limit", limit);
	bool known = root_read_line(root, "/sys/module/vfio_pci/parameters/disable_idle_d3", line,
	                            sizeof(line)) == 0;
	json_object_set_new(vfio, "disable_idle_d3",
	                    known ? json_boolean(line[0] == 'Y') : json_null());
	return vfio;
}
