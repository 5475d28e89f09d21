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
	struct modprobe_config config;
	char *aliases; /* modules.alias */
	char *deps;    /* modules.dep */
	glob_t devices;
};

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
	modprobe_config_open(&model->config, root, model->kernel);
	sim_path(path, "%.800s/lib/modules/%s/modules.alias", root, model->kernel);
	model->aliases = sim_read_or_empty(path);
	sim_path(path, "%.800s/lib/modules/%s/modules.dep", root, model->kernel);
	model->deps = sim_read_or_empty(path);
	sim_path(path, "%.900s/sys/bus/pci/devices/*", root);
	if (glob(path, 0, NULL, &model->devices))
		model->devices.gl_pathc = 0;
}

static void model_close(struct model *model)
{
	modprobe_config_close(&model->config);
	free(model->aliases);
	free(model->deps);
	if (model->devices.gl_pathc)
		globfree(&model->devices);
}

static const char *const driver_names[][2] = {
    {"vfio_pci", "vfio-pci"},     {"pci_stub", "pci-stub"},
    {"xhci_pci", "xhci_hcd"},     {"i2c_nvidia_gpu", "nvidia-gpu"},
    {"virtio_pci", "virtio-pci"}, {"i2c_i801", "i801_smbus"},
    {"bochs", "bochs-drm"}};

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

	while (modprobe_line_next(&cursor, "alias", line, sizeof(line), words, &count))
		if (count == 3 && modprobe_name_equal(words[2], module) &&
		    !fnmatch(words[1], modalias, 0))
			return true;
	return false;
}

/* Drivers that claim nothing but what ids= gave them when they were loaded. */
static bool has_ids_only(const char *module)
{
	return !strcmp(module, "vfio_pci") || !strcmp(module, "pci_stub");
}

static void ids_path(const struct model *model, const char *module, char path[SIM_PATH])
{
	sim_path(path, "%.900s/sys/module/%s/.ids", model->root, module);
}

/* As vfio_pci_fill_ids and pci_stub_init read them: in hexadecimal, with 0x or without, in capitals
 * or not. What follows vendor and device is left out of account. */
static bool ids_have(const struct model *model, const char *module, const char *device)
{
	char path[SIM_PATH], vendor[16], number[16], *ids, *save = NULL;
	unsigned id_vendor, id_device;
	bool found = false;

	device_attribute(device, "vendor", vendor, sizeof(vendor));
	device_attribute(device, "device", number, sizeof(number));
	ids_path(model, module, path);
	ids = sim_read_or_empty(path);
	for (char *id = strtok_r(ids, ",\n", &save); id && !found;
	     id = strtok_r(NULL, ",\n", &save))
		found = sscanf(id, "%x:%x", &id_vendor, &id_device) == 2 &&
		        id_vendor == strtoul(vendor, NULL, 16) &&
		        id_device == strtoul(number, NULL, 16);
	free(ids);
	return found;
}

static bool driver_matches(const struct model *model, const char *device, const char *module)
{
	char override[64], modalias[256];

	device_attribute(device, "driver_override", override, sizeof(override));
	if (*override && strcmp(override, "(null)"))
		return !strcmp(override, driver_of(module));
	if (has_ids_only(module))
		return ids_have(model, module, device);
	device_attribute(device, "modalias", modalias, sizeof(modalias));
	return alias_matches(model, module, modalias);
}

static bool probe_succeeds(const struct model *model, const char *device, const char *module)
{
	static const char *const drm[] = {"nouveau", "amdgpu", "ast", "radeon", "bochs"};
	char path[SIM_PATH], number[16];

	sim_path(path, "%.900s/iommu_group", device);
	if (!strcmp(module, "vfio_pci"))
		return access(path, F_OK) == 0;
	for (size_t i = 0; i < sizeof(drm) / sizeof(drm[0]); i++)
		if (!strcmp(module, drm[i]) && strstr(model->config.cmdline, "nomodeset"))
			return false;
	/* amdgpu claims every ATI display by its class, and refuses those that radeon is for
	 * (amdgpu_unsupported_pciidlist): of the simulated ones, RV100. */
	device_attribute(device, "device", number, sizeof(number));
	return strcmp(module, "amdgpu") != 0 || strcmp(number, "0x5159") != 0;
}

/* The kernel knows a device's state of power from when a driver enables it until that lets go.
 * pci-stub enables nothing. */
static void power_state_set(const char *device, const char *driver)
{
	char path[SIM_PATH], state[32] = "unknown";

	if (driver && strcmp(driver, "pci-stub") != 0)
		device_attribute(device, ".power_state", state, sizeof(state));
	sim_path(path, "%.1000s/power_state", device);
	sim_write(path, "%s\n", state);
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
	power_state_set(resolved, strrchr(driver, '/') + 1);
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

	while (modprobe_line_next(&cursor, "alias", line, sizeof(line), words, &count))
		if (count == 3 && modprobe_name_equal(words[2], module))
			return true;
	return has_ids_only(module);
}

/* What the module was given when it was loaded counts until it goes. */
static void parameters_set(const struct model *model, const char *module, const char *options)
{
	char path[SIM_PATH], value[512];

	if (has_ids_only(module)) {
		modprobe_option(&model->config, module, "ids", options, value, sizeof(value));
		ids_path(model, module, path);
		sim_write(path, "%s\n", value);
	} else if (!strcmp(module, "vfio_iommu_type1")) {
		modprobe_option(&model->config, module, "allow_unsafe_interrupts", options, value,
		                sizeof(value));
		sim_path(path, "%.900s/sys/module/%s/parameters", model->root, module);
		sim_mkdir(path);
		sim_path(path, "%.900s/sys/module/%s/parameters/allow_unsafe_interrupts",
		         model->root, module);
		sim_write(path, "%s\n", *value && strchr("1yY", *value) ? "Y" : "N");
		sim_path(path, "%.900s/sys/module/%s/parameters/dma_entry_limit", model->root,
		         module);
		modprobe_option(&model->config, module, "dma_entry_limit", options, value,
		                sizeof(value));
		sim_write(path, "%s\n", *value ? value : "65535");
	}
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
		if (modprobe_name_equal(base, module)) {
			snprintf(out, room, "%.*s", (int)(length - colon - 1), line + colon + 1);
			return true;
		}
		line += length + (line[length] == '\n');
	}
	return false;
}

static int model_load(struct model *model, const char *name, const char *options, int depth);

static void softdeps_load(struct model *model, const char *module, const char *part, int depth)
{
	const char *cursor = model->config.text;
	char line[1024], *words[32];
	size_t count;

	while (modprobe_line_next(&cursor, "softdep", line, sizeof(line), words, &count)) {
		bool in = false;

		for (size_t i = 2; i < count && modprobe_name_equal(words[1], module); i++) {
			size_t length = strlen(words[i]);

			if (words[i][length - 1] == ':')
				in = !strncmp(words[i], part, length - 1);
			else if (in)
				model_load(model, words[i], "", depth + 1);
		}
	}
}

static int model_load(struct model *model, const char *name, const char *options, int depth)
{
	char module[64], path[SIM_PATH], needed[1024], *save = NULL;
	FILE *list;

	modprobe_name_normalise(module, sizeof(module), name);
	sim_path(path, "%.900s/sys/module/%s", model->root, module);
	if (depth > 8 || access(path, F_OK) == 0)
		return 0;
	if (modprobe_install_refused(&model->config, module))
		return 0;
	if (modprobe_kernel_refuses(&model->config, module))
		return -1;
	if (!deps_find(model, module, needed, sizeof(needed)))
		return -1;
	softdeps_load(model, module, "pre", depth);
	for (char *file = strtok_r(needed, " ", &save); file; file = strtok_r(NULL, " ", &save)) {
		char *base = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;

		base[strcspn(base, ".")] = '\0';
		model_load(model, base, "", depth + 1);
	}
	sim_mkdir(path);
	parameters_set(model, module, options);
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

int module_model_load(const char *root, const char *module, const char *options)
{
	struct model model;
	int status;

	model_open(&model, root);
	status = model_load(&model, module, options, 0);
	model_close(&model);
	return status;
}

int module_model_load_listed(const char *root, const char *module)
{
	struct model model;
	int status = 0;

	model_open(&model, root);
	if (!modprobe_blacklisted(&model.config, module))
		status = model_load(&model, module, "", 0);
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
		while (modprobe_line_next(&cursor, "alias", line, sizeof(line), words, &count))
			if (count == 3 && !fnmatch(words[1], modalias, 0) &&
			    !modprobe_blacklisted(&model.config, words[2]))
				model_load(&model, words[2], "", 0);
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
	sim_path(path, "%.900s/sys/bus/pci/devices/%s", root, address);
	power_state_set(path, NULL);
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
		modprobe_name_normalise(module, sizeof(module), module_of(entry->d_name));
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
	    ": >proc/modules && for d in sys/bus/pci/devices/*; do echo '(null)' "
	    ">\"$d/driver_override\"; echo unknown >\"$d/power_state\"; done";
	const char *argv[] = {"sh", "-c", script, "sh", root, NULL};

	sim_run(argv, NULL);
}
