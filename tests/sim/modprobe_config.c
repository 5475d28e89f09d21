/* modprobe_config.c: what kmod reads of modprobe.d, modules.softdep and the kernel command line.
 */
#include "sim.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void modprobe_name_normalise(char *out, size_t room, const char *name)
{
	size_t i;

	for (i = 0; i + 1 < room && name[i]; i++)
		out[i] = name[i] == '-' ? '_' : name[i];
	out[i] = '\0';
}

bool modprobe_name_equal(const char *a, const char *b)
{
	char x[64], y[64];

	modprobe_name_normalise(x, sizeof(x), a);
	modprobe_name_normalise(y, sizeof(y), b);
	return !strcmp(x, y);
}

static char *files_read(const char *root, const char *kernel)
{
	static const char *const dirs[] = {"lib/modprobe.d", "usr/lib/modprobe.d", "etc/modprobe.d",
	                                   "run/modprobe.d"};
	char *text, pattern[SIM_PATH];

	sim_path(pattern, "%.800s/lib/modules/%s/modules.softdep", root, kernel);
	text = sim_read_or_empty(pattern);

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

void modprobe_config_open(struct modprobe_config *config, const char *root, const char *kernel)
{
	char path[SIM_PATH];

	config->text = files_read(root, kernel);
	sim_path(path, "%.900s/proc/cmdline", root);
	config->cmdline = sim_read_or_empty(path);
}

void modprobe_config_close(struct modprobe_config *config)
{
	free(config->text);
	free(config->cmdline);
}

bool modprobe_line_next(const char **cursor, const char *keyword, char *line, size_t room,
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
		if (modprobe_name_equal(item, name))
			return true;
	return false;
}

/* NAME=LIST on the kernel's line, with MODULE in the list. */
static bool cmdline_lists(const struct modprobe_config *config, const char *name,
                          const char *module)
{
	size_t length = strlen(name);
	char copy[2048], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", config->cmdline);
	for (char *word = strtok_r(copy, " \n", &save); word; word = strtok_r(NULL, " \n", &save))
		if (!strncmp(word, name, length) && list_has(word + length, module))
			return true;
	return false;
}

bool modprobe_kernel_refuses(const struct modprobe_config *config, const char *module)
{
	return cmdline_lists(config, "module_blacklist=", module);
}

bool modprobe_blacklisted(const struct modprobe_config *config, const char *module)
{
	const char *cursor = config->text;
	char line[1024], *words[32];
	size_t count;

	while (modprobe_line_next(&cursor, "blacklist", line, sizeof(line), words, &count))
		if (count > 1 && modprobe_name_equal(words[1], module))
			return true;
	return cmdline_lists(config, "modprobe.blacklist=", module);
}

bool modprobe_install_refused(const struct modprobe_config *config, const char *module)
{
	const char *cursor = config->text;
	char line[1024], *words[32];
	size_t count;

	while (modprobe_line_next(&cursor, "install", line, sizeof(line), words, &count))
		if (count > 2 && modprobe_name_equal(words[1], module) &&
		    (strstr(words[2], "/false") || strstr(words[2], "/true")))
			return true;
	return false;
}

/* VALUE becomes what the word NAME=VALUE has; other words leave it alone. */
static void value_take(const char *word, const char *name, char *value, size_t size)
{
	size_t length = strlen(name);

	if (!strncmp(word, name, length) && word[length] == '=')
		snprintf(value, size, "%s", word + length + 1);
}

void modprobe_option(const struct modprobe_config *config, const char *module, const char *name,
                     const char *more, char *value, size_t size)
{
	const char *cursor = config->text;
	char line[1024], *words[32], copy[2048], *save = NULL;
	size_t count;

	*value = '\0';
	while (modprobe_line_next(&cursor, "options", line, sizeof(line), words, &count))
		for (size_t i = 2; i < count && modprobe_name_equal(words[1], module); i++)
			value_take(words[i], name, value, size);
	snprintf(copy, sizeof(copy), "%s", config->cmdline);
	for (char *word = strtok_r(copy, " \n", &save); word; word = strtok_r(NULL, " \n", &save)) {
		char *dot = strchr(word, '.');

		if (!dot)
			continue;
		*dot = '\0';
		if (modprobe_name_equal(word, module))
			value_take(dot + 1, name, value, size);
	}
	snprintf(copy, sizeof(copy), "%s", more);
	for (char *word = strtok_r(copy, " \t", &save); word; word = strtok_r(NULL, " \t", &save))
		value_take(word, name, value, size);
}
