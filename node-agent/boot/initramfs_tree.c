/* initramfs_tree.c: looking into an image. It is unpacked by the distribution's own program into a
 * directory of its own, which is removed again whatever happens. */
#include "node-agent/boot/initramfs_tool.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CONTENT_LIMIT ((size_t)1 << 20)

static int tree_remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	remove(path);
	return 0;
}

void initramfs_tree_remove(const char *path)
{
	nftw(path, tree_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

char *initramfs_tree_read(const char *tree, const char *path, size_t *size)
{
	struct root inside = {.path = ""};

	snprintf(inside.path, sizeof(inside.path), "%s", tree);
	return root_read_file(&inside, path, CONTENT_LIMIT, size, NULL);
}

/* Is HOST_PATH on the host the same as IMAGE_PATH in the image? */
static bool same_file(const struct root *root, const char *host_path, const char *tree,
                      const char *image_path, char *why, size_t size)
{
	size_t host_size = 0, image_size = 0;
	char *host = root_read_file(root, host_path, CONTENT_LIMIT, &host_size, NULL);
	char *image = initramfs_tree_read(tree, image_path, &image_size);
	bool same = !host == !image &&
	            (!host || (host_size == image_size && memcmp(host, image, host_size) == 0));

	if (!same)
		snprintf(why, size, "%s %s", image_path,
		         !image  ? "is not in it"
		         : !host ? "is in it, though it should not be"
		                 : "in it is another than the host's");
	free(host);
	free(image);
	return same;
}

/* "vfio-pci.ko.xz" is module vfio_pci */
static bool is_module_file(const char *file, const char *module)
{
	for (; *module; file++, module++)
		if ((*file == '-' ? '_' : *file) != (*module == '-' ? '_' : *module))
			return false;
	return strncmp(file, ".ko", 3) == 0;
}

static bool tree_has_module(const char *path, const char *module, int depth)
{
	bool found = false;
	DIR *dir = depth < 12 ? opendir(path) : NULL;

	for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
		char below[PATH_MAX];
		struct stat st;
		if (entry->d_name[0] == '.' ||
		    (size_t)snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >=
		        sizeof(below) ||
		    lstat(below, &st) != 0)
			continue;
		found = S_ISDIR(st.st_mode) ? tree_has_module(below, module, depth + 1)
		                            : is_module_file(entry->d_name, module);
	}
	if (dir)
		closedir(dir);
	return found;
}

static bool is_builtin(const json_t *builtin, const char *module)
{
	size_t i;
	const json_t *item;

	json_array_foreach(builtin, i, item)
	{
		char name[96];
		snprintf(name, sizeof(name), "%s.ko",
		         json_is_string(item) ? json_string_value(item) : "");
		if (is_module_file(name, module))
			return true;
	}
	return false;
}

bool initramfs_tree_has_driver(const char *tree, const json_t *builtin, const char *driver)
{
	static const char *const places[] = {"usr/lib/modules", "lib/modules"};
	bool found = is_builtin(builtin, driver);
	char path[PATH_MAX];

	for (size_t i = 0; i < 2 && !found; i++)
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", tree, places[i]) < sizeof(path))
			found = tree_has_module(path, driver, 0);
	return found;
}

/* Is every driver of the list in the image? */
static bool drivers_are_there(const struct root *root, const char *tree, const json_t *builtin,
                              char *why, size_t size)
{
	char *list = root_read_file(root, BIND_LIST, CONTENT_LIMIT, NULL, NULL), *save = NULL;
	bool there = true;

	for (char *line = list ? strtok_r(list, "\n", &save) : NULL; line && there;
	     line = strtok_r(NULL, "\n", &save)) {
		char driver[65];
		if (sscanf(line, "%*s %*s %*s %*s %*s %64s", driver) != 1 || line[0] == '#')
			continue;
		if (!initramfs_tree_has_driver(tree, builtin, driver)) {
			snprintf(why, size, "the module of driver %s is not in it", driver);
			there = false;
		}
	}
	free(list);
	return there;
}

/* Are our modprobe.d files in the image as on the host, and no other ones of ours? */
static bool options_are_right(const struct root *root, const char *tree, char *why, size_t size)
{
	bool right = true;
	char there[PATH_MAX];
	struct root_name host = root_path(root, MODPROBE_DIR);
	const char *const dirs[] = {host.text, there};

	if ((size_t)snprintf(there, sizeof(there), "%s%s", tree, MODPROBE_DIR) >= sizeof(there))
		return false;
	for (size_t i = 0; i < 2 && right; i++) {
		DIR *dir = opendir(dirs[i]);
		for (struct dirent *entry; dir && right && (entry = readdir(dir));) {
			char path[400];
			if (strncmp(entry->d_name, "gpufleet-", 9) != 0)
				continue;
			snprintf(path, sizeof(path), MODPROBE_DIR "/%s", entry->d_name);
			right = same_file(root, path, tree, path, why, size);
		}
		if (dir)
			closedir(dir);
	}
	return right;
}

static bool tree_is_right(const struct root *root, const struct initramfs_tool *tool,
                          const char *tree, const json_t *builtin, char *why, size_t size)
{
	if (!same_file(root, BIND_LIST, tree, BIND_LIST, why, size) ||
	    !same_file(root, tool->bind_source, tree, tool->bind_target, why, size) ||
	    !options_are_right(root, tree, why, size))
		return false;
	return !root_exists(root, BIND_LIST) || (tool->is_early(tree, why, size) &&
	                                         drivers_are_there(root, tree, builtin, why, size));
}

int initramfs_inspect(const struct root *root, const struct initramfs_tool *tool, const char *image,
                      const json_t *builtin, char *why, size_t size, struct gf_err *err)
{
	struct root_name where = root_path(root, "/var/tmp/gpufleet-initramfs-XXXXXX");
	char tree[PATH_MAX];
	const char *below = "";

	if (!mkdtemp(where.text))
		return gf_err_errno(err, GF_E_IO,
		                    "cannot make a directory in /var/tmp to look into %s", image);
	int result = tool->unpack(root, image, where.text + strlen(root->path), &below, err);
	if (result == 0) {
		snprintf(tree, sizeof(tree), "%.*s%s", (int)sizeof(tree) - 32, where.text, below);
		result = tree_is_right(root, tool, tree, builtin, why, size);
	}
	initramfs_tree_remove(where.text);
	return result;
}
