/* udev_model.c: the part of udev's rules that decides about PCI drivers: ATTR{driver_override} set
 * for matching devices. */
#include "sim.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Does KEY=="VALUE" hold for the "add" event of the device? */
static bool match(const char *device, const char *key, const char *value)
{
	char path[SIM_PATH], attribute[64], *text;
	bool same;

	if (!strcmp(key, "ACTION"))
		return !fnmatch(value, "add", 0) || strstr(value, "add") != NULL;
	if (!strcmp(key, "SUBSYSTEM"))
		return !strcmp(value, "pci");
	if (!strcmp(key, "KERNEL"))
		return !fnmatch(value, strrchr(device, '/') + 1, 0);
	if (sscanf(key, "ATTR{%63[^}]}", attribute) != 1)
		return false;
	sim_path(path, "%.900s/%s", device, attribute);
	text = sim_read(path);
	if (!text)
		return false;
	text[strcspn(text, "\n")] = '\0';
	same = !fnmatch(value, text, 0);
	free(text);
	return same;
}

static void rule_apply(const char *device, char *rule)
{
	char *save = NULL;

	for (char *term = strtok_r(rule, ",", &save); term; term = strtok_r(NULL, ",", &save)) {
		char key[128], operator[3], value[128] = "", path[SIM_PATH];

		if (sscanf(term, " %127[^=!+ ]%2[=!+]\"%127[^\"]\"", key, operator, value) < 2)
			return;
		if (!strcmp(operator, "==")) {
			if (!match(device, key, value))
				return;
		} else if (!strcmp(operator, "!=")) {
			if (match(device, key, value))
				return;
		} else if (!strcmp(key, "ATTR{driver_override}")) {
			sim_path(path, "%.900s/driver_override", device);
			sim_write(path, "%s\n", value);
		}
	}
}

void udev_rules_apply(const char *root, const char *device)
{
	char pattern[SIM_PATH];
	glob_t files;

	sim_path(pattern, "%.900s/etc/udev/rules.d/*.rules", root);
	if (glob(pattern, 0, NULL, &files))
		return;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		char *text = sim_read(files.gl_pathv[i]), *save = NULL;

		for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
		     line = strtok_r(NULL, "\n", &save))
			if (*line != '#')
				rule_apply(device, line);
		free(text);
	}
	globfree(&files);
}
