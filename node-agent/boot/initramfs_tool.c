/* initramfs_tool.c: see initramfs_tool.h. */
#include "node-agent/boot/initramfs_tool.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/boot/boot_loader.h"

static const struct initramfs_tool *const tools[] = {&initramfs_debian, &initramfs_dracut};

#define COUNT (sizeof(tools) / sizeof(tools[0]))

const struct initramfs_tool *initramfs_tool_find(const char *name)
{
	for (size_t i = 0; i < COUNT; i++)
		if (strcmp(tools[i]->name, name) == 0)
			return tools[i];
	return NULL;
}

bool initramfs_tool_is_there(const struct root *root, const struct initramfs_tool *tool)
{
	return root_program_exists(root, tool->program) && root_program_exists(root, tool->second);
}

const struct initramfs_tool *initramfs_tool_detect(const struct root *root)
{
	for (size_t i = 0; i < COUNT; i++)
		if (initramfs_tool_is_there(root, tools[i]))
			return tools[i];
	return NULL;
}

static bool starts_with(const char *path, const char *prefix)
{
	return strncmp(path, prefix, strlen(prefix)) == 0;
}

bool initramfs_tool_takes(const char *path)
{
	if (starts_with(path, MODPROBE_DIR "/") || starts_with(path, "/etc/gpufleet/"))
		return true;
	for (size_t i = 0; i < COUNT; i++)
		for (const char *const *place = tools[i]->places; *place; place++)
			if (starts_with(path, *place))
				return true;
	return false;
}

static bool is_version(const char *name)
{
	size_t length =
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+~-");

	return length > 0 && length < 128 && name[length] == '\0' && name[0] != '.' &&
	       name[0] != '-';
}

static int entry_is_version(const struct dirent *entry)
{
	return is_version(entry->d_name);
}

static int entry_compare(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

json_t *initramfs_images(const struct root *root, const struct initramfs_tool *tool)
{
	json_t *list = json_array();
	const struct boot_loader *loader = boot_loader_detect(root);
	struct dirent **entries = NULL;
	/* From the modules on: images without any are leftovers such as
	 * initrd.img-VERSION.old-dkms.
	 */
	int count = scandir(root_path(root, "/lib/modules").text, &entries, entry_is_version,
	                    entry_compare);

	for (int i = 0; i < count; i++) {
		char path[PATH_MAX], copy[PATH_MAX];
		const char *version = entries[i]->d_name;
		if (tool->image(root, version, path) && root_exists(root, path)) {
			bool copied = loader && loader->image && loader->image(root, version, copy);
			json_array_append_new(list,
			                      json_pack("{ssssss}", "kernel", version, "path", path,
			                                "booted", copied ? copy : path));
		}
		free(entries[i]);
	}
	free(entries);
	return list;
}
