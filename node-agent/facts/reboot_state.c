/* reboot_state.c: what makes the next boot another than this one: configuration that is newer than
 * the boot, a newer kernel beside the running one, what a package asked for.
 *
 * What gpufleet's own commit of a proven trial writes is what runs already: files of that time
 * don't count.
 */
#include "node-agent/facts/facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node-agent/boot/initramfs_tool.h"
#include "node-agent/wire/frame.h"

#define REASONS_MAX 32
#define COMMITS_MAX 16
#define OPERATIONS  "/var/lib/gpufleet/operations"

struct reboot_scan {
	const struct root *root;
	json_t *reasons;
	time_t booted;
	const char *dir, *suffix; /* of the directory at hand */
	char kernel[128], newest[128];
	size_t commit_count;
	struct {
		time_t from, to;
	} commits[COMMITS_MAX];
};

static void reason_add(struct reboot_scan *scan, const char *middle, const char *a, const char *b)
{
	char text[400];
	if (json_array_size(scan->reasons) >= REASONS_MAX)
		return;
	snprintf(text, sizeof(text), "%.200s%.80s%.110s", a, middle, b);
	json_array_append_new(scan->reasons, frame_text(text, strlen(text)));
}

static time_t changed_at(const struct root *root, const char *path)
{
	struct stat st;
	return stat(root_path(root, path).text, &st) == 0 ? st.st_mtime : 0;
}

static void file_look(struct reboot_scan *scan, const char *path)
{
	time_t changed = changed_at(scan->root, path);
	if (changed <= scan->booted)
		return;
	for (size_t i = 0; i < scan->commit_count; i++)
		if (changed >= scan->commits[i].from && changed <= scan->commits[i].to)
			return;
	reason_add(scan, " is newer than the boot", path, "");
}

static void file_each(void *ctx, const char *name)
{
	struct reboot_scan *scan = ctx;
	char path[512];
	size_t length = strlen(name), suffix = strlen(scan->suffix);
	if (length < suffix || strcmp(name + length - suffix, scan->suffix) != 0)
		return;
	snprintf(path, sizeof(path), "%s/%s", scan->dir, name);
	file_look(scan, path);
}

/* Operations of gpufleet's in this boot that made a proven trial the default. */
static void operation_each(void *ctx, const char *id)
{
	struct reboot_scan *scan = ctx;
	char path[512];
	snprintf(path, sizeof(path), OPERATIONS "/%.200s/result.json", id);
	time_t to = changed_at(scan->root, path);
	snprintf(path, sizeof(path), OPERATIONS "/%.200s/request.json", id);
	time_t from = changed_at(scan->root, path);
	if (from < scan->booted || to < from || scan->commit_count == COMMITS_MAX)
		return;
	char *text = root_read_file(scan->root, path, (size_t)4 << 20, NULL, NULL);
	json_t *record = text ? json_loads(text, 0, NULL) : NULL;
	const char *request =
	    json_string_value(json_object_get(json_object_get(record, "request"), "request"));
	if (request && strcmp(request, "commit") == 0) {
		scan->commits[scan->commit_count].from = from;
		scan->commits[scan->commit_count++].to = to;
	}
	json_decref(record);
	free(text);
}

/* What follows the last dash: the flavour of a kernel ("amd64", "generic"). */
static const char *flavour(const char *version)
{
	const char *dash = strrchr(version, '-');
	return dash ? dash : "";
}

static void kernel_each(void *ctx, const char *version)
{
	struct reboot_scan *scan = ctx;
	char path[400];
	snprintf(path, sizeof(path), "/lib/modules/%.200s/modules.dep", version);
	if (root_exists(scan->root, path) && strcmp(flavour(version), flavour(scan->kernel)) == 0 &&
	    strverscmp(version, scan->newest) > 0)
		snprintf(scan->newest, sizeof(scan->newest), "%.127s", version);
}

static void kernels_look(struct reboot_scan *scan)
{
	char path[256];
	if (!*scan->kernel || !root_exists(scan->root, "/lib/modules"))
		return;
	snprintf(path, sizeof(path), "/lib/modules/%.128s", scan->kernel);
	if (!root_exists(scan->root, path))
		reason_add(scan, " is gone: the running kernel can load no more modules", path, "");
	snprintf(scan->newest, sizeof(scan->newest), "%s", scan->kernel);
	facts_each_entry(scan->root, "/lib/modules", kernel_each, scan);
	if (strcmp(scan->newest, scan->kernel) != 0)
		reason_add(scan, " is installed, the running kernel is ", scan->newest,
		           scan->kernel);
}

static bool boot_time(const struct root *root, time_t *booted)
{
	char *text = root_read_file(root, "/proc/stat", (size_t)16 << 20, NULL, NULL);
	const char *line = text ? strstr(text, "\nbtime ") : NULL;
	*booted = line ? (time_t)strtoll(line + strlen("\nbtime "), NULL, 10) : 0;
	free(text);
	return *booted > 0;
}

json_t *reboot_facts(const struct root *root, const char *kernel)
{
	static const char *const files[] = {"/etc/default/grub", "/etc/kernel/cmdline",
	                                    "/boot/grub/grub.cfg", "/boot/grub2/grub.cfg",
	                                    BIND_LIST};
	static const struct {
		const char *dir, *suffix;
	} dirs[] = {{"/etc/modprobe.d", ".conf"},
	            {"/etc/modules-load.d", ".conf"},
	            {"/etc/default/grub.d", ".cfg"},
	            {"/boot/loader/entries", ".conf"}};
	struct reboot_scan scan = {.root = root};
	if (!boot_time(root, &scan.booted))
		return json_null();
	scan.reasons = json_array();
	snprintf(scan.kernel, sizeof(scan.kernel), "%.127s", kernel);
	facts_each_entry(root, OPERATIONS, operation_each, &scan);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		file_look(&scan, files[i]);
	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		scan.dir = dirs[i].dir;
		scan.suffix = dirs[i].suffix;
		facts_each_entry(root, dirs[i].dir, file_each, &scan);
	}
	const struct initramfs_tool *tool = initramfs_tool_detect(root);
	char image[PATH_MAX];
	if (tool && *kernel && tool->image(root, kernel, image))
		file_look(&scan, image);
	kernels_look(&scan);
	if (root_exists(root, "/run/reboot-required"))
		reason_add(&scan, " is there: a package asks for a reboot", "/run/reboot-required",
		           "");
	return scan.reasons;
}
