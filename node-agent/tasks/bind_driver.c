/* bind_driver.c: see bind_driver.h. */
#include "node-agent/tasks/bind_driver.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_LIMIT ((size_t)16 << 20)
#define CONF_LIMIT ((size_t)1 << 20)

/* modprobe takes dashes and underscores for the same. */
static bool same_module(const char *a, const char *b, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		char x = a[i] == '-' ? '_' : a[i], y = b[i] == '-' ? '_' : b[i];
		if (x != y)
			return false;
	}
	return b[length] == '\0';
}

/* "kernel/drivers/vfio/pci/vfio-pci.ko.xz: …", a line of modules.dep or modules.builtin. */
static bool line_names(const char *line, const char *driver)
{
	size_t path = strcspn(line, ":\n"), start = 0;

	for (size_t i = 0; i < path; i++)
		if (line[i] == '/')
			start = i + 1;
	size_t length = 0;
	while (start + length < path && line[start + length] != '.')
		length++;
	return length > 0 && same_module(line + start, driver, length);
}

enum list { LIST_UNKNOWN, LIST_LACKS, LIST_HAS };

static enum list list_look(const struct root *root, const char *kernel, const char *name,
                           const char *driver)
{
	char path[400];

	snprintf(path, sizeof(path), "/lib/modules/%s/%s", kernel, name);
	char *text = root_read_file(root, path, LIST_LIMIT, NULL, NULL);
	enum list found = text ? LIST_LACKS : LIST_UNKNOWN;
	for (const char *line = text; line && *line && found == LIST_LACKS;) {
		if (line_names(line, driver))
			found = LIST_HAS;
		line = strchr(line, '\n');
		line += line ? 1 : 0;
	}
	free(text);
	return found;
}

/* Does none of the installed kernels have the module? Nothing installed: it can't be told. */
static bool no_kernel_has(const struct root *root, const char *driver)
{
	DIR *dir = opendir(root_path(root, "/lib/modules").text);
	size_t lacking = 0;
	bool other = dir == NULL;

	for (struct dirent *entry; !other && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.')
			continue;
		enum list module = list_look(root, entry->d_name, "modules.dep", driver);
		enum list builtin = list_look(root, entry->d_name, "modules.builtin", driver);
		if (module == LIST_LACKS && builtin != LIST_HAS)
			lacking++;
		else if (module != LIST_UNKNOWN || builtin == LIST_HAS)
			other = true;
	}
	if (dir)
		closedir(dir);
	return lacking > 0 && !other;
}

/* The driver itself, and what modprobe loads before vfio's drivers. */
static bool is_needed(const char *module, const char *driver)
{
	static const char *const vfio[] = {"vfio", "vfio_pci_core", "vfio_virqfd"};

	if (same_module(module, driver, strlen(module)))
		return true;
	for (size_t i = 0; strstr(driver, "vfio") && i < sizeof(vfio) / sizeof(vfio[0]); i++)
		if (same_module(module, vfio[i], strlen(module)))
			return true;
	return false;
}

static bool does_nothing(const char *command)
{
	static const char *const programs[] = {"false", "true", ":"};
	const char *base = strrchr(command, '/') ? strrchr(command, '/') + 1 : command;

	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (strcmp(base, programs[i]) == 0)
			return true;
	return false;
}

/* The first line of the file that keeps a needed module from being loaded: its number, and its
 * words in LINE; 0: none. */
static unsigned install_line(const struct root *root, const char *path, const char *driver,
                             char *line, size_t size)
{
	char *text = root_read_file(root, path, CONF_LIMIT, NULL, NULL), *rest = text;
	unsigned number = 0, found = 0;

	for (char *next; !found && (next = strsep(&rest, "\n"));) {
		char *save = NULL, *keyword, *module, *command;
		number++;
		keyword = strtok_r(next, " \t", &save);
		module = keyword ? strtok_r(NULL, " \t", &save) : NULL;
		command = module ? strtok_r(NULL, " \t", &save) : NULL;
		if (!command || strcmp(keyword, "install") != 0 || !is_needed(module, driver) ||
		    !does_nothing(command))
			continue;
		snprintf(line, size, "install %.60s %.60s", module, command);
		found = number;
	}
	free(text);
	return found;
}

static int is_conf(const struct dirent *entry)
{
	return fnmatch("*.conf", entry->d_name, FNM_PERIOD) == 0;
}

static bool install_refuses(const struct root *root, const char *driver, char why[BIND_DRIVER_WHY])
{
	static const char *const dirs[] = {"/etc/modprobe.d", "/run/modprobe.d",
	                                   "/usr/local/lib/modprobe.d", "/lib/modprobe.d"};
	unsigned number = 0;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]) && !number; i++) {
		struct dirent **entries = NULL;
		int count = scandir(root_path(root, dirs[i]).text, &entries, is_conf, alphasort);
		for (int k = 0; k < count; k++) {
			char path[300], line[160];
			snprintf(path, sizeof(path), "%s/%s", dirs[i], entries[k]->d_name);
			free(entries[k]);
			if (number)
				continue;
			number = install_line(root, path, driver, line, sizeof(line));
			if (number)
				snprintf(why, BIND_DRIVER_WHY,
				         "%.200s line %u keeps %.64s from being loaded (%s): take "
				         "that line away, then run `gpufleet apply` again",
				         path, number, driver, line);
		}
		free(entries);
	}
	return number > 0;
}

bool bind_driver_loads(const struct root *root, const char *driver, char why[BIND_DRIVER_WHY])
{
	if (install_refuses(root, driver, why))
		return false;
	if (!no_kernel_has(root, driver))
		return true;
	snprintf(why, BIND_DRIVER_WHY,
	         "no kernel on this host has the module %.64s: install the distribution's full "
	         "kernel (Debian: linux-image-amd64 instead of -cloud-; Ubuntu: "
	         "linux-modules-extra), then run `gpufleet apply` again",
	         driver);
	return false;
}
