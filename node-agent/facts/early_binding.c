/* early_binding.c: what gives devices to vfio-pci at the next boot. Looked into is the running
 * kernel's own initramfs image (in a trial boot the trial's), not what should be in it; and, beside
 * it, whatever configuration of the host's names vfio. No judgement: lines are passed on with the
 * file that they stand in.
 *
 * To unpack an image takes seconds. What was found is kept with the image's size, time and inode in
 * IMAGE_SEEN, so that only a new image is unpacked.
 */
#include "node-agent/facts/early_binding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node-agent/boot/boot_loader.h"
#include "node-agent/boot/initramfs_tool.h"
#include "node-agent/facts/facts.h"
#include "node-agent/file_place.h"
#include "node-agent/trial/trial_boot.h"
#include "node-agent/trial/trial_marker.h"
#include "node-agent/wire/frame.h"

#define LINES_MAX  64
#define LIST_MAX   256
#define LINE_SIZE  240
#define FILE_LIMIT ((size_t)256 << 10)

/* One tree that is looked through: the host's, or an unpacked image. */
struct early_scan {
	const struct root *root;
	const char *prefix; /* before each file's name in the facts */
	const char *dir;
	json_t *lines;
};

static void line_add(struct early_scan *scan, const char *file, const char *line)
{
	char where[300];
	if (json_array_size(scan->lines) >= LINES_MAX)
		return;
	snprintf(where, sizeof(where), "%s%s", scan->prefix, file);
	size_t length = strnlen(line, LINE_SIZE);
	json_array_append_new(scan->lines,
	                      json_pack("{s:o,s:o}", "where", frame_text(where, strlen(where)),
	                                "line", frame_text(line, length)));
}

/* Lines of a file that name vfio, without comments. */
static void file_look(struct early_scan *scan, const char *file)
{
	char *text = root_read_file(scan->root, file, FILE_LIMIT, NULL, NULL), *rest = text;
	for (char *line; (line = strsep(&rest, "\n"));) {
		line += strspn(line, " \t");
		if (*line != '#' && *line != ';' && strstr(line, "vfio"))
			line_add(scan, file, line);
	}
	free(text);
}

static void file_each(void *ctx, const char *name)
{
	struct early_scan *scan = ctx;
	char path[512];
	struct stat st;
	/* gpufleet's own files count by what they do: the list in the image. */
	if (strncmp(name, "gpufleet", strlen("gpufleet")) == 0 || strstr(name, "gpufleet-bind") ||
	    (size_t)snprintf(path, sizeof(path), "%s/%s", scan->dir, name) >= sizeof(path) ||
	    stat(root_path(scan->root, path).text, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	file_look(scan, path);
}

static void dirs_look(struct early_scan *scan, const char *const *dirs)
{
	for (; *dirs; dirs++) {
		scan->dir = *dirs;
		facts_each_entry(scan->root, *dirs, file_each, scan);
	}
}

static void host_look(const struct root *root, json_t *lines)
{
	static const char *const dirs[] = {"/etc/modprobe.d",
	                                   "/run/modprobe.d",
	                                   "/usr/local/lib/modprobe.d",
	                                   "/lib/modprobe.d",
	                                   "/etc/modules-load.d",
	                                   "/etc/udev/rules.d",
	                                   "/etc/driverctl.d",
	                                   "/etc/dracut.conf.d",
	                                   "/etc/initramfs-tools/scripts/init-top",
	                                   "/etc/initramfs-tools/scripts/init-premount",
	                                   "/etc/systemd/system",
	                                   NULL};
	struct early_scan scan = {.root = root, .prefix = "", .lines = lines};
	dirs_look(&scan, dirs);
	file_look(&scan, "/etc/modules");
	file_look(&scan, "/etc/initramfs-tools/modules");
	file_look(&scan, "/etc/rc.local");
}

/* gpufleet's list, where the script that reads it runs before udev and finds the driver. */
static json_t *list_of(const struct initramfs_tool *tool, const char *tree, const json_t *builtin)
{
	json_t *list = json_array();
	char why[200], *text = initramfs_tree_read(tree, BIND_LIST, NULL), *rest = text;
	bool early = text && tool->is_early(tree, why, sizeof(why));
	for (char *line; early && (line = strsep(&rest, "\n"));) {
		char driver[65];
		if (*line == '#' || json_array_size(list) >= LIST_MAX ||
		    sscanf(line, "%*s %*s %*s %*s %*s %64s", driver) != 1 ||
		    !initramfs_tree_has_driver(tree, builtin, driver))
			continue;
		json_array_append_new(list, frame_text(line, strnlen(line, LINE_SIZE)));
	}
	free(text);
	return list;
}

/* Looks through the unpacked image TREE (a path as the process sees it). */
static void tree_look(const struct initramfs_tool *tool, const char *tree, const char *image,
                      const json_t *builtin, json_t *found)
{
	static const char *const dirs[] = {"/etc/modprobe.d",
	                                   "/lib/modprobe.d",
	                                   "/usr/lib/modprobe.d",
	                                   "/etc/modules-load.d",
	                                   "/etc/udev/rules.d",
	                                   "/scripts/init-top",
	                                   "/scripts/init-premount",
	                                   "/usr/lib/dracut/hooks/pre-udev",
	                                   "/var/lib/dracut/hooks/pre-udev",
	                                   "/usr/lib/dracut/hooks/pre-trigger",
	                                   NULL};
	struct root inside = {.path = ""};
	char prefix[300];
	json_t *lines = json_array();
	snprintf(inside.path, sizeof(inside.path), "%s", tree);
	snprintf(prefix, sizeof(prefix), "%.200s: ", image);
	struct early_scan scan = {.root = &inside, .prefix = prefix, .lines = lines};
	dirs_look(&scan, dirs);
	file_look(&scan, "/conf/modules");
	json_object_set_new(found, "lines", lines);
	json_object_set_new(found, "list", list_of(tool, tree, builtin));
}

/* The name, size, time and inode by which an image is known again. */
static json_t *image_mark(const struct root *root, const char *image)
{
	struct stat st;
	char text[128];
	if (stat(root_path(root, image).text, &st) != 0)
		return NULL;
	snprintf(text, sizeof(text), "%lld %lld.%09ld %llu", (long long)st.st_size,
	         (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (unsigned long long)st.st_ino);
	return json_pack("{s:i,s:s,s:s}", "format", 1, "image", image, "file", text);
}

static json_t *seen_before(const struct root *root, const json_t *mark)
{
	char *text = root_read_file(root, IMAGE_SEEN, (size_t)1 << 20, NULL, NULL);
	json_t *seen = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	free(text);
	if (seen && json_equal(json_object_get(seen, "mark"), mark) &&
	    json_is_array(json_object_get(json_object_get(seen, "found"), "list")) &&
	    json_is_array(json_object_get(json_object_get(seen, "found"), "lines"))) {
		json_t *found = json_incref(json_object_get(seen, "found"));
		json_decref(seen);
		return found;
	}
	json_decref(seen);
	return NULL;
}

/* Best effort: without it the next look unpacks the image again. */
static void seen_write(const struct root *root, json_t *mark, json_t *found)
{
	const char *name;
	struct file_place_meta meta = {.mode = 0600, .uid = geteuid(), .gid = getegid()};
	json_t *seen = json_pack("{s:O,s:O}", "mark", mark, "found", found);
	char *text = seen ? json_dumps(seen, JSON_COMPACT) : NULL;
	int dir = text ? file_place_parent(root, IMAGE_SEEN, &name, NULL) : -1;
	if (dir >= 0) {
		file_place_write(dir, name, IMAGE_SEEN, text, strlen(text), &meta, NULL);
		close(dir);
	}
	json_decref(seen);
	free(text);
}

static json_t *image_unpack(const struct root *root, const struct initramfs_tool *tool,
                            const char *image, const json_t *builtin)
{
	struct root_name where = root_path(root, "/var/tmp/gpufleet-image-XXXXXX");
	char tree[PATH_MAX];
	const char *below = "";
	if (!mkdtemp(where.text))
		return NULL;
	json_t *found = NULL;
	if (tool->unpack(root, image, where.text + strlen(root->path), &below, NULL) == 0) {
		snprintf(tree, sizeof(tree), "%.*s%s", (int)sizeof(tree) - 32, where.text, below);
		found = json_object();
		tree_look(tool, tree, image, builtin, found);
	}
	initramfs_tree_remove(where.text);
	return found;
}

/* The image that the running kernel was, and would be, started with. */
static bool image_path(const struct root *root, const struct initramfs_tool *tool,
                       const char *kernel, char path[PATH_MAX])
{
	char cmdline[4096], copy[PATH_MAX];
	const struct boot_loader *loader = boot_loader_detect(root);
	root_read_line(root, "/proc/cmdline", cmdline, sizeof(cmdline));
	if (strstr(cmdline, TRIAL_ARGUMENT) && root_exists(root, "/boot/" TRIAL_IMAGE)) {
		snprintf(path, PATH_MAX, "/boot/" TRIAL_IMAGE);
		return true;
	}
	if (!*kernel || !tool->image(root, kernel, path))
		return false;
	if (loader && loader->image && loader->image(root, kernel, copy))
		snprintf(path, PATH_MAX, "%s", copy);
	return root_exists(root, path);
}

/* Fills in what the image says: "looked", or "unreadable". */
static void image_look(const struct root *root, const struct initramfs_tool *tool,
                       const char *image, const char *kernel, json_t *early)
{
	json_t *mark = image_mark(root, image);
	json_t *found = mark ? seen_before(root, mark) : NULL;
	if (mark && !found) {
		json_t *builtin = module_list_builtin(root, kernel);
		found = image_unpack(root, tool, image, builtin);
		json_decref(builtin);
		if (found)
			seen_write(root, mark, found);
	}
	json_object_set_new(early, "state", json_string(found ? "looked" : "unreadable"));
	if (found)
		json_object_update(early, found);
	json_decref(mark);
	json_decref(found);
}

json_t *early_facts(const struct root *root, const char *kernel)
{
	char image[PATH_MAX] = "";
	const struct initramfs_tool *tool = initramfs_tool_detect(root);
	json_t *early = json_pack("{s:n,s:s,s:[],s:[]}", "image", "state",
	                          tool ? "none" : "unreadable", "list", "lines");
	if (tool && image_path(root, tool, kernel, image)) {
		facts_set_text(early, "image", image);
		image_look(root, tool, image, kernel, early);
	}
	/* The seen file's array is not shared: lines are appended to it. */
	json_t *lines = json_copy(json_object_get(early, "lines"));
	host_look(root, lines);
	json_object_set_new(early, "lines", lines);
	return early;
}
