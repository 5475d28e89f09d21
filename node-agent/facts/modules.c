/* modules.c: kernel modules: loaded, built in, and which of them claim a PCI device.
 *
 * modules.alias holds tens of thousands of patterns such as "pci:v000010DEd*sv*sd*bc03sc*i*"; only
 * those of the device's vendor (or of any) are matched in full.
 */
#include "node-agent/facts/facts.h"

#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/frame.h"

#define MODULES_FILE_LIMIT ((size_t)64 << 20)
#define VENDOR_ANY         UINT32_MAX
#define VENDOR_PREFIX      "pci:v"
#define VFIO_PREFIX        "vfio_"
#define VFIO_ALIASES_MAX   128

struct module_alias {
	uint32_t vendor;
	const char *pattern, *module; /* into a text of the index */
};

struct module_index {
	char *alias_text, *builtin_text;
	struct module_alias *aliases;
	size_t count, capacity;
	/* "vfio_pci:v…" patterns: few. */
	struct module_alias vfio[VFIO_ALIASES_MAX];
	size_t vfio_count;
};

static uint32_t alias_vendor(const char *alias)
{
	char digits[9] = "";
	const char *start = alias + strlen(VENDOR_PREFIX);
	if (strnlen(start, 8) < 8)
		return VENDOR_ANY;
	memcpy(digits, start, 8);
	char *end;
	unsigned long vendor = strtoul(digits, &end, 16);
	return *end || *start == '*' ? VENDOR_ANY : (uint32_t)vendor;
}

/* "vfio_pci:v…" are drivers for guests: matched as "pci:v…", but kept apart. */
static void index_add_vfio(struct module_index *index, const char *pattern, char *module)
{
	if (strncmp(pattern, VENDOR_PREFIX, strlen(VENDOR_PREFIX)) == 0 &&
	    index->vfio_count < VFIO_ALIASES_MAX)
		index->vfio[index->vfio_count++] =
		    (struct module_alias){alias_vendor(pattern), pattern, module};
}

static void index_add(struct module_index *index, const char *pattern, char *module)
{
	if (strncmp(pattern, VFIO_PREFIX, strlen(VFIO_PREFIX)) == 0) {
		index_add_vfio(index, pattern + strlen(VFIO_PREFIX), module);
		return;
	}
	if (strncmp(pattern, VENDOR_PREFIX, strlen(VENDOR_PREFIX)) != 0 || !*module)
		return;
	if (index->count == index->capacity) {
		size_t capacity = index->capacity ? index->capacity * 2 : 4096;
		struct module_alias *larger =
		    reallocarray(index->aliases, capacity, sizeof(*larger));
		if (!larger)
			return;
		index->aliases = larger;
		index->capacity = capacity;
	}
	for (char *p = module; *p; p++)
		if (*p == '-')
			*p = '_';
	index->aliases[index->count++] =
	    (struct module_alias){alias_vendor(pattern), pattern, module};
}

/* "alias PATTERN MODULE" lines. */
static void index_read_alias(struct module_index *index)
{
	char *save = NULL;
	for (char *line = strtok_r(index->alias_text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *word_save = NULL;
		char *keyword = strtok_r(line, " ", &word_save);
		char *pattern = strtok_r(NULL, " ", &word_save);
		char *module = strtok_r(NULL, " ", &word_save);
		if (module && strcmp(keyword, "alias") == 0)
			index_add(index, pattern, module);
	}
}

/* "MODULE.alias=PATTERN" entries that end in NUL. */
static void index_read_builtin(struct module_index *index, size_t size)
{
	char *end = index->builtin_text + size, *next;
	for (char *entry = index->builtin_text; entry < end; entry = next) {
		next = entry + strlen(entry) + 1;
		char *dot = strstr(entry, ".alias=" VENDOR_PREFIX);
		dot = dot ? dot : strstr(entry, ".alias=" VFIO_PREFIX VENDOR_PREFIX);
		if (!dot)
			continue;
		*dot = '\0';
		index_add(index, dot + strlen(".alias="), entry);
	}
}

struct module_index *module_index_open(const struct root *root, const char *kernel)
{
	struct module_index *index = calloc(1, sizeof(*index));
	if (!index || !*kernel)
		return index;
	char path[PATH_MAX];
	size_t size;
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.alias", kernel);
	index->alias_text = root_read_file(root, path, MODULES_FILE_LIMIT, NULL, NULL);
	if (index->alias_text)
		index_read_alias(index);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin.modinfo", kernel);
	index->builtin_text = root_read_file(root, path, MODULES_FILE_LIMIT, &size, NULL);
	if (index->builtin_text)
		index_read_builtin(index, size);
	return index;
}

static bool array_has(const json_t *array, const char *text)
{
	size_t i;
	json_t *item;
	json_array_foreach(array, i, item)
	{
		const char *value = json_string_value(item);
		if (value && strcmp(value, text) == 0)
			return true;
	}
	return false;
}

void module_index_match(const struct module_index *index, const char *modalias, json_t *names)
{
	if (!index || strncmp(modalias, VENDOR_PREFIX, strlen(VENDOR_PREFIX)) != 0)
		return;
	uint32_t vendor = alias_vendor(modalias);
	for (size_t i = 0; i < index->count; i++) {
		const struct module_alias *alias = &index->aliases[i];
		if (alias->vendor != VENDOR_ANY && alias->vendor != vendor)
			continue;
		if (fnmatch(alias->pattern, modalias, 0) == 0 && !array_has(names, alias->module))
			json_array_append_new(names,
			                      frame_text(alias->module, strlen(alias->module)));
	}
}

void module_index_vfio(const struct module_index *index, const char *modalias, char *name,
                       size_t size)
{
	size_t best = 0;
	*name = '\0';
	for (size_t i = 0; index && i < index->vfio_count; i++) {
		const struct module_alias *alias = &index->vfio[i];
		/* The pattern with the most of its characters fixed knows the device best. */
		size_t weight = 1;
		for (const char *p = alias->pattern; *p; p++)
			weight += *p != '*';
		if (weight > best && fnmatch(alias->pattern, modalias, 0) == 0) {
			best = weight;
			snprintf(name, size, "%s", alias->module);
		}
	}
	for (char *p = name; *p; p++)
		*p = *p == '-' ? '_' : *p;
}

void module_index_free(struct module_index *index)
{
	if (!index)
		return;
	free(index->alias_text);
	free(index->builtin_text);
	free(index->aliases);
	free(index);
}

json_t *module_list_loaded(const struct root *root)
{
	char *text = root_read_file(root, "/proc/modules", (size_t)4 << 20, NULL, NULL);
	if (!text)
		return json_array(); /* a kernel without loadable modules */
	json_t *names = json_array();
	char *save = NULL;
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		json_array_append_new(names, frame_text(line, strcspn(line, " ")));
	free(text);
	return names;
}

json_t *module_list_builtin(const struct root *root, const char *kernel)
{
	json_t *names = json_array();
	if (!*kernel)
		return names;
	char path[PATH_MAX];
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.builtin", kernel);
	char *text = root_read_file(root, path, (size_t)4 << 20, NULL, NULL);
	char *save = NULL;
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *name = strrchr(line, '/') ? strrchr(line, '/') + 1 : line;
		size_t length = strcspn(name, ".");
		for (size_t i = 0; i < length; i++)
			if (name[i] == '-')
				name[i] = '_';
		json_array_append_new(names, frame_text(name, length));
	}
	free(text);
	return names;
}
