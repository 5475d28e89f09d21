/* module_model.c: what kmod, udev and the driver core do with PCI devices, modelled on their
 * documents: aliases, blacklists (which only stop loading by alias), softdep, install, options,
 * driver_override, and binding on registration. All state is in the files below ROOT, so that the
 * modprobe stand-in can call it as a program of its own.
 */
#include "sim.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct model {
	const char *root;
	char kernel[128];
	char *config;  /* every modprobe.d file, one after the other */
	char *aliases; /* modules.alias */
	char *deps;    /* modules.dep */
	char *cmdline;
	glob_t devices;
};

/* modprobe takes dashes and underscores for the same. */
static void name_normalise(char *out, size_t room, const char *name)
{
	size_t i;

	for (i = 0; i + 1 < room && name[i]; i++)
		out[i] = name[i] == '-' ? '_' : name[i];
	out[i] = '\0';
}

static bool name_equal(const char *a, const char *b)
{
	char x[64], y[64];

	name_normalise(x, sizeof(x), a);
	name_normalise(y, sizeof(y), b);
	return !strcmp(x, y);
}

static char *directory_config(const char *root)
{
	static const char *const dirs[] = {"lib/modprobe.d", "usr/lib/modprobe.d", "etc/modprobe.d",
	                                   "run/modprobe.d"};
	char *text = calloc(1, 1), pattern[SIM_PATH];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		glob_t files;

		sim_path(pattern, "%.900s/%s/*.conf", root, dirs[i]);
		if (glob(pattern, 0, NULL, &files) == 0) {
			for (size_t j = 0; j < files.gl_pathc; j++) {
				char *file = sim_read(files.gl_pathv[j]), *joined;

				if (file && asprintf(&joined, "%s%s\n", text, file) > 0) {
					free(text);
					text = joined;
				}
				free(file);
			}
			globfree(&files);
		}
	}
	return text;
}

static char *read_or_empty(const char *path)
{
	char *text = sim_read(path);

	return text ? text : calloc(1, 1);
}

static void model_open(struct model *model, const char *root)
{
	char path[SIM_PATH];
	struct dirent *entry;
	DIR *dir;

	memset(model, 0, sizeof(*model));
	model->root = root;
	sim_path(path, "%.900s/lib/modules", root);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			snprintf(model->kernel, sizeof(model->kernel), "%s", entry->d_name);
	if (dir)
		closedir(dir);
	model->config = directory_config(root);
	sim_path(path, "%.800s/lib/modules/%s/modules.alias", root, model->kernel);
	model->aliases = read_or_empty(path);
	sim_path(path, "%.800s/lib/modules/%s/modules.dep", root, model->kernel);
	model->deps = read_or_empty(path);
	sim_path(path, "%.900s/proc/cmdline", root);
	model->cmdline = read_or_empty(path);
	sim_path(path, "%.900s/sys/bus/pci/devices/*", root);
	if (glob(path, 0, NULL, &model->devices))
		model->devices.gl_pathc = 0;
}

static void model_close(struct model *model)
{
	free(model->config);
	free(model->aliases);
	free(model->deps);
	free(model->cmdline);
	if (model->devices.gl_pathc)
		globfree(&model->devices);
}

/* The next line of TEXT that starts with KEYWORD, split into words; *cursor moves on. */
static bool line_next(const char **cursor, const char *keyword, char *line, size_t room,
                      char **words, size_t *count)
{
	while (**cursor) {
		size_t length = strcspn(*cursor, "\n");
		char *save = NULL;

		snprintf(line, room, "%.*s", (int)length, *cursor);
		*cursor += length + ((*cursor)[length] == '\n');
		*count = 0;
		for (char *word = strtok_r(line, " \t", &save); word && *count < 32;
		     word = strtok_r(NULL, " \t", &save))
			words[(*count)++] = word;
		if (*count && !strcmp(words[0], keyword))
			return true;
	}
	return false;
}

static bool list_has(const char *list, const char *name)
{
	char copy[512], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", list);
	for (char *item = strtok_r(copy, ",", &save); item; item = strtok_r(NULL, ",", &save))
		if (name_equal(item, name))
			return true;
	return false;
}

static bool model_blacklisted(const struct model *model, const char *module)
{
	const char *cursor = model->config;
	char line[1024], *words[32], copy[2048], *save = NULL;
	size_t count;

	while (line_next(&cursor, "blacklist", line, sizeof(line), words, &count))
		if (count > 1 && name_equal(words[1], module))
			return true;
	snprintf(copy, sizeof(copy), "%s", model->cmdline);
	for (char *word = strtok_r(copy, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
		if (!strncmp(word, "modprobe.blacklist=", 19) && list_has(word + 19, module))
			return true;
	return false;
}

static bool model_install_refused(const struct model *model, const char *module)
{
	const char *cursor = model->config;
	char line[1024], *words[32];
	size_t count;

	while (line_next(&cursor, "install", line, sizeof(line), words, &count))
		if (count > 2 && name_equal(words[1], module) &&
		    (strstr(words[2], "/false") || strstr(words[2], "/true")))
			return true;
	return false;
}

/* vfio-pci's ids= from `options` lines and from the kernel command line: "10de:1b06,10de:10ef". */
static bool model_dynamic_id(const struct model *model, const char *vendor_device)
{
	const char *cursor = model->config;
	char line[1024], *words[32], copy[2048], *save = NULL;
	size_t count;

	while (line_next(&cursor, "options", line, sizeof(line), words, &count)) {
		for (size_t i = 2; i < count && name_equal(words[1], "vfio_pci"); i++)
			if (!strncmp(words[i], "ids=", 4) && list_has(words[i] + 4, vendor_device))
				return true;
	}
	snprintf(copy, sizeof(copy), "%s", model->cmdline);
	for (char *word = strtok_r(copy, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
		if ((!strncmp(word, "vfio-pci.ids=", 13) || !strncmp(word, "vfio_pci.ids=", 13)) &&
		    list_has(word + 13, vendor_device))
			return true;
	return false;
}

static const char *const driver_names[][2] = {
    {"vfio_pci", "vfio-pci"},     {"xhci_pci", "xhci_hcd"},   {"i2c_nvidia_gpu", "nvidia-gpu"},
    {"virtio_pci", "virtio-pci"}, {"i2c_i801", "i801_smbus"}, {"bochs", "bochs-drm"}};

/* A module's driver may have another name than the module. */
static const char *driver_of(const char *module)
{
	for (size_t i = 0; i < sizeof(driver_names) / sizeof(driver_names[0]); i++)
		if (!strcmp(module, driver_names[i][0]))
			return driver_names[i][1];
	return module;
}

static const char *module_of(const char *driver)
{
	for (size_t i = 0; i < sizeof(driver_names) / sizeof(driver_names[0]); i++)
		if (!strcmp(driver, driver_names[i][1]))
			return driver_names[i][0];
	return driver;
}

static void device_attribute(const char *device, const char *name, char *out, size_t room)
{
	char path[SIM_PATH], *text;

	sim_path(path, "%.900s/%s", device, name);
	text = sim_read(path);
	snprintf(out, room, "%s", text ? text : "");
	out[strcspn(out, "\n")] = '\0';
	free(text);
}

static bool alias_matches(const struct model *model, const char *module, const char *modalias)
{
	const char *cursor = model->aliases;
	char line[1024], *words[32];
	size_t count;

	while (line_next(&cursor, "alias", line, sizeof(line), words, &count))
		if (count == 3 && name_equal(words[2], module) && !fnmatch(words[1], modalias, 0))
			return true;
	return false;
}

static bool driver_matches(const struct model *model, const char *device, const char *module)
{
	char override[64], modalias[256], vendor[16], number[16], id[40];

	device_attribute(device, "driver_override", override, sizeof(override));
	if (*override && strcmp(override, "(null)"))
		return !strcmp(override, driver_of(module));
	if (!strcmp(module, "vfio_pci")) {
		device_attribute(device, "vendor", vendor, sizeof(vendor));
		device_attribute(device, "device", number, sizeof(number));
		snprintf(id, sizeof(id), "%s:%s", vendor + 2, number + 2);
		return model_dynamic_id(model, id);
	}
	device_attribute(device, "modalias", modalias, sizeof(modalias));
	return alias_matches(model, module, modalias);
}

static bool probe_succeeds(const struct model *model, const char *device, const char *module)
{
	static const char *const drm[] = {"nouveau", "amdgpu", "ast", "radeon", "bochs"};
	char path[SIM_PATH];

	sim_path(path, "%.900s/iommu_group", device);
	if (!strcmp(module, "vfio_pci"))
		return access(path, F_OK) == 0;
	for (size_t i = 0; i < sizeof(drm) / sizeof(drm[0]); i++)
		if (!strcmp(module, drm[i]) && strstr(model->cmdline, "nomodeset"))
			return false;
	return true;
}

/* The driver's directory, its bind files, and `driver` and back links of the device. */
static void driver_bind(const char *driver_dir, const char *device)
{
	char real[SIM_PATH * 4], link[SIM_PATH];
	char *resolved = realpath(device, NULL), *driver = realpath(driver_dir, NULL);

	if (!resolved || !driver)
		sim_die("cannot resolve %s", device);
	snprintf(real, sizeof(real), "%s", resolved);
	sim_path(link, "%.1000s/driver", resolved);
	sim_link(driver, link);
	sim_path(link, "%.900s/%s", driver, strrchr(resolved, '/') + 1);
	sim_link(real, link);
	free(resolved);
	free(driver);
}

static void driver_register(const struct model *model, const char *module)
{
	static const char *const files[] = {"bind", "unbind", "new_id", "remove_id"};
	char dir[SIM_PATH], path[SIM_PATH];
	bool hangs;

	sim_path(path, "%.900s/../control/fault/hang-unbind", model->root);
	hangs = access(path, F_OK) == 0;
	sim_path(dir, "%.900s/sys/bus/pci/drivers/%s", model->root, driver_of(module));
	sim_mkdir(dir);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		sim_path(path, "%.1000s/%s", dir, files[i]);
		if (hangs && !strcmp(files[i], "unbind"))
			mkfifo(path, 0200); /* nobody ever reads it: a writer blocks */
		else
			sim_write(path, "%s", "");
	}
	for (size_t i = 0; i < model->devices.gl_pathc; i++) {
		const char *device = model->devices.gl_pathv[i];

		sim_path(path, "%.900s/driver", device);
		if (access(path, F_OK) && driver_matches(model, device, module) &&
		    probe_succeeds(model, device, module))
			driver_bind(dir, device);
	}
}

static bool has_pci_driver(const struct model *model, const char *module)
{
	const char *cursor = model->aliases;
	char line[1024], *words[32];
	size_t count;

	while (line_next(&cursor, "alias", line, sizeof(line), words, &count))
		if (count == 3 && name_equal(words[2], module))
			return true;
	return false;
}

/* The line of modules.dep about MODULE: its dependencies, last first; false when the module isn't
 * there. */
static bool deps_find(const struct model *model, const char *module, char *out, size_t room)
{
	const char *line = model->deps;

	while (*line) {
		size_t length = strcspn(line, "\n"), colon = strcspn(line, ":");
		char file[256], *base;

		snprintf(file, sizeof(file), "%.*s", (int)(colon < length ? colon : length), line);
		base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
		base[strcspn(base, ".")] = '\0';
		if (name_equal(base, module)) {
			snprintf(out, room, "%.*s", (int)(length - colon - 1), line + colon + 1);
			return true;
		}
		line += length + (line[length] == '\n');
	}
	return false;
}

static int model_load(struct model *model, const char *name, int depth);

static void softdeps_load(struct model *model, const char *module, const char *part, int depth)
{
	const char *cursor = model->config;
	char line[1024], *words[32];
	size_t count;

	while (line_next(&cursor, "softdep", line, sizeof(line), words, &count)) {
		bool in = false;

		for (size_t i = 2; i < count && name_equal(words[1], module); i++) {
			size_t length = strlen(words[i]);

			if (words[i][length - 1] == ':')
				in = !strncmp(words[i], part, length - 1);
			else if (in)
				model_load(model, words[i], depth + 1);
		}
	}
}

static int model_load(struct model *model, const char *name, int depth)
{
	char module[64], path[SIM_PATH], needed[1024], *save = NULL;
	FILE *list;

	name_normalise(module, sizeof(module), name);
	sim_path(path, "%.900s/sys/module/%s", model->root, module);
	if (depth > 8 || access(path, F_OK) == 0)
		return 0;
	if (model_install_refused(model, module))
		return 0;
	if (!deps_find(model, module, needed, sizeof(needed)))
		return -1;
	softdeps_load(model, module, "pre", depth);
	for (char *file = strtok_r(needed, " ", &save); file; file = strtok_r(NULL, " ", &save)) {
		char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;

		base[strcspn(base, ".")] = '\0';
		model_load(model, base, depth + 1);
	}
	sim_mkdir(path);
	sim_path(path, "%.900s/proc/modules", model->root);
	list = fopen(path, "a");
	if (list) {
		fprintf(list, "%s 16384 0 - Live 0x0000000000000000\n", module);
		fclose(list);
	}
	if (has_pci_driver(model, module))
		driver_register(model, module);
	softdeps_load(model, module, "post", depth);
	return 0;
}

int module_model_load(const char *root, const char *module)
{
	struct model model;
	int status;

	model_open(&model, root);
	status = model_load(&model, module, 0);
	model_close(&model);
	return status;
}

void module_model_coldplug(const char *root)
{
	struct model model;
	char line[1024], *words[32], modalias[256];
	size_t count;

	model_open(&model, root);
	for (size_t i = 0; i < model.devices.gl_pathc; i++) {
		const char *cursor = model.aliases;

		udev_rules_apply(root, model.devices.gl_pathv[i]);
		device_attribute(model.devices.gl_pathv[i], "modalias", modalias, sizeof(modalias));
		while (line_next(&cursor, "alias", line, sizeof(line), words, &count))
			if (count == 3 && !fnmatch(words[1], modalias, 0) &&
			    !model_blacklisted(&model, words[2]))
				model_load(&model, words[2], 0);
	}
	model_close(&model);
}

void module_model_attach(const char *root, const char *driver, const char *address)
{
	char dir[SIM_PATH], device[SIM_PATH];

	sim_path(dir, "%.900s/sys/bus/pci/drivers/%s", root, driver);
	sim_mkdir(dir);
	sim_path(device, "%.900s/sys/bus/pci/devices/%s", root, address);
	driver_bind(dir, device);
}

void module_model_detach(const char *root, const char *driver, const char *address)
{
	char path[SIM_PATH];

	sim_path(path, "%.800s/sys/bus/pci/drivers/%s/%s", root, driver, address);
	if (unlink(path))
		return;
	sim_path(path, "%.900s/sys/bus/pci/devices/%s/driver", root, address);
	unlink(path);
}

void module_model_drivers(const char *root, int inotify, struct sim_host *host,
                          void (*each)(int inotify, struct sim_host *host, const char *driver))
{
	char path[SIM_PATH];
	struct dirent *entry;
	DIR *dir;

	sim_path(path, "%.900s/sys/bus/pci/drivers", root);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			each(inotify, host, entry->d_name);
	if (dir)
		closedir(dir);
}

void module_model_probe(const char *root, const char *driver, const char *address)
{
	char device[SIM_PATH], path[SIM_PATH], dir[SIM_PATH], module[64];
	struct dirent *entry;
	struct model model;
	DIR *drivers;

	sim_path(device, "%.900s/sys/bus/pci/devices/%.32s", root, address);
	sim_path(path, "%.1000s/driver", device);
	if (access(device, F_OK) || access(path, F_OK) == 0)
		return;
	model_open(&model, root);
	sim_path(path, "%.900s/sys/bus/pci/drivers", root);
	drivers = opendir(path);
	while (drivers && (entry = readdir(drivers))) {
		if (entry->d_name[0] == '.' || (driver && strcmp(driver, entry->d_name)))
			continue;
		name_normalise(module, sizeof(module), module_of(entry->d_name));
		if (driver_matches(&model, device, module) &&
		    probe_succeeds(&model, device, module)) {
			sim_path(dir, "%.800s/sys/bus/pci/drivers/%s", root, entry->d_name);
			driver_bind(dir, device);
			break;
		}
	}
	if (drivers)
		closedir(drivers);
	model_close(&model);
}

void module_model_forget(const char *root)
{
	static const char *const script =
	    "cd \"$1\" && rm -rf sys/module/* sys/bus/pci/drivers/* sys/bus/pci/devices/*/driver "
	    "proc/modules && "
	    ": >proc/modules && for f in sys/bus/pci/devices/*/driver_override; do echo '(null)' "
	    ">\"$f\"; done";
	const char *argv[] = {"sh", "-c", script, "sh", root, NULL};

	sim_run(argv, NULL);
}
