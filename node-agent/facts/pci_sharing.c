/* pci_sharing.c: is a card divided into virtual ones, and does the firmware's framebuffer lie in
 * its memory? */
#include "node-agent/facts/pci_sysfs.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/frame.h"

#define DEVICES_DIR  "/sys/bus/pci/devices"
#define CAPABILITIES "/proc/driver/nvidia/capabilities"
#define RANGES_MAX   8

static void count_each(void *ctx, const char *name)
{
	(void)name;
	(*(int *)ctx)++;
}

struct type_count {
	const struct root *root;
	const char *dir;
	int types, instances;
};

static void type_each(void *ctx, const char *type)
{
	struct type_count *count = ctx;
	char path[512];
	count->types++;
	snprintf(path, sizeof(path), "%s/%.128s/devices", count->dir, type);
	facts_each_entry(count->root, path, count_each, &count->instances);
}

/* Kernels from 6.8 on: NVIDIA's own folder instead of mdev's. Its list has a head line. */
static void nvidia_look(const struct root *root, const char *address, struct type_count *count)
{
	char path[256], line[64];
	snprintf(path, sizeof(path), DEVICES_DIR "/%s/nvidia/creatable_vgpu_types", address);
	char *text = root_read_file(root, path, 65536, NULL, NULL);
	for (const char *p = text; p && *p; p = strchr(p, '\n'), p += p ? 1 : 0)
		count->types += isdigit((unsigned char)p[strspn(p, " \t")]) != 0;
	free(text);
	snprintf(path, sizeof(path), DEVICES_DIR "/%s/nvidia/current_vgpu_type", address);
	if (root_read_line(root, path, line, sizeof(line)) == 0)
		count->instances += strtoul(line, NULL, 10) != 0;
}

static void gi_each(void *ctx, const char *name)
{
	*(int *)ctx += strncmp(name, "gi", 2) == 0 && isdigit((unsigned char)name[2]);
}

json_t *pci_vgpu_facts(const struct root *root, const char *address)
{
	char dir[256], path[256];
	snprintf(dir, sizeof(dir), DEVICES_DIR "/%s/mdev_supported_types", address);
	struct type_count count = {.root = root, .dir = dir};
	facts_each_entry(root, dir, type_each, &count);
	nvidia_look(root, address, &count);
	int minor = holders_nvidia_minor(root, address), mig = 0;
	snprintf(path, sizeof(path), CAPABILITIES "/gpu%d/mig", minor);
	if (minor >= 0)
		facts_each_entry(root, path, gi_each, &mig);
	if (!count.types && !count.instances && !mig)
		return json_null();
	return json_pack("{s:i,s:i,s:i}", "types", count.types, "instances", count.instances, "mig",
	                 mig);
}

struct console_ranges {
	bool known;
	size_t count;
	struct {
		uint64_t start, end;
		const char *name;
	} items[RANGES_MAX];
};

/* What firmware framebuffers are called in /proc/iomem: by drivers/firmware/sysfb (BOOTFB) and the
 * drivers that take it. */
static const char *framebuffer_name(const char *text)
{
	static const char *const names[] = {"BOOTFB",   "efifb",     "vesafb",
	                                    "simplefb", "simpledrm", "simple-framebuffer"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(text, names[i], strlen(names[i])) == 0)
			return names[i];
	return NULL;
}

struct console_ranges *pci_console_open(const struct root *root)
{
	struct console_ranges *ranges = calloc(1, sizeof(*ranges));
	char *text = root_read_file(root, "/proc/iomem", (size_t)4 << 20, NULL, NULL), *rest = text;
	for (char *line; ranges && (line = strsep(&rest, "\n"));) {
		uint64_t start, end;
		int used = 0;
		if (sscanf(line, " %" SCNx64 "-%" SCNx64 " : %n", &start, &end, &used) != 2 ||
		    !used)
			continue;
		/* Who may not know sees zeros. */
		ranges->known = ranges->known || end != 0;
		const char *name = framebuffer_name(line + used);
		if (!name || ranges->count == RANGES_MAX)
			continue;
		ranges->items[ranges->count].start = start;
		ranges->items[ranges->count].end = end;
		ranges->items[ranges->count++].name = name;
	}
	free(text);
	return ranges;
}

json_t *pci_console_facts(const struct console_ranges *ranges, const struct root *root,
                          const char *address)
{
	char path[256];
	if (!ranges || !ranges->known)
		return json_null();
	snprintf(path, sizeof(path), DEVICES_DIR "/%s/resource", address);
	char *text = root_read_file(root, path, 65536, NULL, NULL), *rest = text;
	json_t *names = text ? json_array() : json_null();
	for (char *line; (line = strsep(&rest, "\n"));) {
		uint64_t start, end;
		if (sscanf(line, "%" SCNx64 " %" SCNx64, &start, &end) != 2 || end == 0)
			continue;
		for (size_t i = 0; i < ranges->count; i++)
			if (ranges->items[i].start <= end && ranges->items[i].end >= start)
				json_array_append_new(names, json_string(ranges->items[i].name));
	}
	free(text);
	return names;
}

void pci_console_close(struct console_ranges *ranges)
{
	free(ranges);
}
