/* nova_options.c: see nova_options.h. */
#include "node-agent/facts/nova_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node-agent/facts/nova.h"
#include "node-agent/wire/frame.h"

#define VALUE_LIMIT   ((size_t)64 << 10)
#define ENTRIES_LIMIT 256

static const struct oslo_name former_alias[] = {{"DEFAULT", "pci_alias"}, {NULL, NULL}};
static const struct oslo_name former_spec[] = {
    {"pci", "passthrough_whitelist"}, {"DEFAULT", "pci_passthrough_whitelist"}, {NULL, NULL}};
static const struct oslo_name former_whitelist[] = {{"DEFAULT", "pci_passthrough_whitelist"},
                                                    {NULL, NULL}};
static const struct oslo_name former_enabled[] = {{"DEFAULT", "scheduler_default_filters"},
                                                  {NULL, NULL}};
static const struct oslo_name former_available[] = {{"DEFAULT", "scheduler_available_filters"},
                                                    {NULL, NULL}};

#define OPTION(group, option, oslo, names)                                                         \
	{                                                                                          \
		.section = (group), .name = (option), .kind = (oslo), .deprecated = (names)        \
	}

static const struct nova_option options[] = {
    {"pci.device_spec", "multi", 26, 0, OPTION("pci", "device_spec", OSLO_MULTI, former_spec)},
    {"pci.device_spec", "multi", 1, 25,
     OPTION("pci", "passthrough_whitelist", OSLO_MULTI, former_whitelist)},
    {"pci.alias", "multi", 0, 0, OPTION("pci", "alias", OSLO_MULTI, former_alias)},
    {"pci.report_in_placement", "set", 26, 0,
     OPTION("pci", "report_in_placement", OSLO_BOOL, NULL)},
    {"filter_scheduler.enabled_filters", "list", 24, 0,
     OPTION("filter_scheduler", "enabled_filters", OSLO_LIST, NULL)},
    {"filter_scheduler.enabled_filters", "list", 1, 23,
     OPTION("filter_scheduler", "enabled_filters", OSLO_LIST, former_enabled)},
    {"filter_scheduler.available_filters", "multi", 24, 0,
     OPTION("filter_scheduler", "available_filters", OSLO_MULTI, NULL)},
    {"filter_scheduler.available_filters", "multi", 1, 23,
     OPTION("filter_scheduler", "available_filters", OSLO_MULTI, former_available)},
    {"filter_scheduler.pci_in_placement", "set", 27, 0,
     OPTION("filter_scheduler", "pci_in_placement", OSLO_BOOL, NULL)},
    {"DEFAULT.reserved_host_cpus", "set", 0, 0,
     OPTION("DEFAULT", "reserved_host_cpus", OSLO_STRING, NULL)},
    {"DEFAULT.reserved_host_memory_mb", "set", 0, 0,
     OPTION("DEFAULT", "reserved_host_memory_mb", OSLO_STRING, NULL)},
    {"DEFAULT.cpu_allocation_ratio", "set", 0, 0,
     OPTION("DEFAULT", "cpu_allocation_ratio", OSLO_STRING, NULL)},
    {"DEFAULT.ram_allocation_ratio", "set", 0, 0,
     OPTION("DEFAULT", "ram_allocation_ratio", OSLO_STRING, NULL)},
    {"DEFAULT.initial_cpu_allocation_ratio", "set", 19, 0,
     OPTION("DEFAULT", "initial_cpu_allocation_ratio", OSLO_STRING, NULL)},
    {"DEFAULT.initial_ram_allocation_ratio", "set", 19, 0,
     OPTION("DEFAULT", "initial_ram_allocation_ratio", OSLO_STRING, NULL)},
    {"DEFAULT.reserved_huge_pages", "multi", 0, 0,
     OPTION("DEFAULT", "reserved_huge_pages", OSLO_MULTI, NULL)},
    {"DEFAULT.vcpu_pin_set", "set", 0, 0, OPTION("DEFAULT", "vcpu_pin_set", OSLO_STRING, NULL)},
    /* Before Train (20) cpu_shared_set was for emulator threads alone. */
    {"compute.cpu_shared_set", "set", 20, 0,
     OPTION("compute", "cpu_shared_set", OSLO_STRING, NULL)},
    {"compute.cpu_dedicated_set", "set", 20, 0,
     OPTION("compute", "cpu_dedicated_set", OSLO_STRING, NULL)},
};

#define COUNT (sizeof(options) / sizeof(options[0]))

int nova_release_number(const char *release)
{
	long number = release ? strtol(release, NULL, 10) : 0;
	return number > 0 && number < 1000 ? (int)number : 0;
}

static bool option_holds(const struct nova_option *option, int release)
{
	/* Unknown: names that a release may still have are taken for its own. */
	if (release == 0)
		return option->until == 0 ? option->as.deprecated || option->from != 24
		                          : option->until == 23;
	return release >= option->from && (option->until == 0 || release <= option->until);
}

const struct nova_option *nova_option_at(int release, size_t index)
{
	for (size_t i = 0; i < COUNT; i++)
		if (option_holds(&options[i], release) && index-- == 0)
			return &options[i];
	return NULL;
}

static bool name_is(const char *section, const char *name, const char *wanted_section,
                    const char *wanted_name)
{
	return strcasecmp(section, wanted_section) == 0 && strcmp(name, wanted_name) == 0;
}

const struct nova_option *nova_option_named(int release, const char *section, const char *name)
{
	const struct nova_option *option;
	for (size_t i = 0; (option = nova_option_at(release, i)); i++) {
		if (name_is(option->as.section, option->as.name, section, name))
			return option;
		for (const struct oslo_name *former = option->as.deprecated; former && former->name;
		     former++)
			if (name_is(former->section, former->name, section, name))
				return option;
	}
	return NULL;
}

/* ---- files ---- */

int nova_texts_read(const struct root *root, const json_t *service, struct nova_texts *texts,
                    json_t *problems, struct gf_err *err)
{
	size_t i;
	json_t *path;
	const json_t *read = json_object_get(service, "read");
	memset(texts, 0, sizeof(*texts));
	texts->items = calloc(json_array_size(read) + 1, sizeof(*texts->items));
	if (!texts->items)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	json_array_foreach(read, i, path)
	{
		struct nova_text *item = &texts->items[texts->count];
		const char *name = json_string_value(path);
		item->text = root_read_file(root, name, NOVA_FILE_LIMIT, &item->size, NULL);
		if (!item->text) {
			if (problems)
				nova_problem(problems, name, 0, "cannot be read: %s",
				             errno == EFBIG ? "it is too large" : strerror(errno));
			continue;
		}
		item->path = strdup(name);
		texts->count++;
		if (!item->path)
			return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	return 0;
}

void nova_texts_free(struct nova_texts *texts)
{
	for (size_t i = 0; texts->items && i < texts->count; i++) {
		free(texts->items[i].path);
		free(texts->items[i].text);
	}
	free(texts->items);
	for (size_t i = 0; texts->environment && texts->environment[i]; i++)
		free(texts->environment[i]);
	free(texts->environment);
	memset(texts, 0, sizeof(*texts));
}

struct oslo_config *nova_texts_config(const struct nova_texts *texts, int release, json_t *problems,
                                      struct gf_err *err)
{
	(void)release;
	struct oslo_config *config =
	    oslo_config_new(NULL, 0, (const char *const *)texts->environment, err);
	for (size_t i = 0; config && i < texts->count; i++) {
		struct gf_err why;
		unsigned line = 0;
		const struct nova_text *item = &texts->items[i];
		if (oslo_config_add(config, item->path, item->text, item->size, &line, &why) == 0)
			continue;
		if (why.code == GF_E_MEMORY) {
			if (err)
				*err = why;
			oslo_config_free(config);
			return NULL;
		}
		if (problems)
			nova_problem(problems, item->path, line, "Nova cannot read this file: %s",
			             why.msg);
	}
	return config;
}

/* ---- facts ---- */

/* A value that was put together from others must not carry a secret away. */
static bool refers_to_secret(struct py_str raw)
{
	static const char *const words[] = {"pass",       "secret",  "token", "credential", "url",
	                                    "connection", "private", "key",   "auth"};
	if (!memchr(raw.data, '$', raw.size))
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		for (size_t at = 0; at + strlen(words[i]) <= raw.size; at++)
			if (strncasecmp(raw.data + at, words[i], strlen(words[i])) == 0)
				return true;
	return false;
}

static json_t *text_value(struct py_str text)
{
	return frame_text(text.data, text.size);
}

static json_t *entry_facts(const struct oslo_entry *entry, bool *told)
{
	bool secret = refers_to_secret(entry->raw);
	*told |= secret;
	return json_pack("{s:o, s:o, s:i, s:o, s:o, s:b, s:b}", "value",
	                 text_value(secret ? entry->raw : entry->value), "file",
	                 frame_text(entry->file, strlen(entry->file)), "line", (int)entry->line,
	                 "section", frame_text(entry->section, strlen(entry->section)), "name",
	                 frame_text(entry->name, strlen(entry->name)), "ours", entry->ours,
	                 "effective", entry->effective);
}

/* The effective value: a text, a list, or null where nothing sets it. */
static json_t *value_facts(const struct nova_option *option, const struct oslo_value *value)
{
	if (value->source == OSLO_UNSET || value->source == OSLO_DEFAULT || value->invalid)
		return json_null();
	if (strcmp(option->kind, "set") == 0)
		return value->count == 1 ? text_value(value->values[0]) : json_null();
	json_t *list = json_array();
	for (size_t i = 0; i < value->count && i < ENTRIES_LIMIT; i++)
		json_array_append_new(list, text_value(value->values[i]));
	return list;
}

static void value_problems(const struct nova_option *option, const struct oslo_value *value,
                           bool secret, json_t *problems)
{
	const struct oslo_entry *last =
	    value->entry_count > 0 ? &value->entries[value->entry_count - 1] : NULL;
	const char *file = last ? last->file : "";
	unsigned line = last ? last->line : 0;
	if (value->invalid)
		nova_problem(problems, file, line, "%s: Nova does not take this value: %s",
		             option->key, value->invalid);
	if (value->unresolved)
		nova_problem(problems, file, line, "%s refers to $%s, which nothing sets",
		             option->key, value->unresolved);
	if (secret)
		nova_problem(
		    problems, file, line,
		    "%s refers to an option that may hold a secret: shown as it is written",
		    option->key);
}

static json_t *option_facts(const struct nova_option *option, const struct oslo_value *value,
                            json_t *problems)
{
	bool secret = false;
	size_t size = 0;
	json_t *entries = json_array();
	for (size_t i = 0; i < value->entry_count; i++) {
		size += value->entries[i].value.size + value->entries[i].raw.size;
		if (i < ENTRIES_LIMIT && size <= VALUE_LIMIT)
			json_array_append_new(entries, entry_facts(&value->entries[i], &secret));
	}
	bool shown = size <= VALUE_LIMIT && value->entry_count <= ENTRIES_LIMIT;
	if (!shown)
		nova_problem(problems, value->entries[0].file, value->entries[0].line,
		             "%s has too many or too long values: not all are looked at",
		             option->key);
	value_problems(option, value, secret, problems);
	return json_pack("{s:s, s:o, s:o}", "kind", option->kind, "value",
	                 shown && !secret ? value_facts(option, value) : json_null(), "entries",
	                 entries);
}

static int environment_copy(struct nova_texts *texts, const json_t *environment)
{
	size_t i;
	json_t *item;
	texts->environment = calloc(json_array_size(environment) + 1, sizeof(char *));
	if (!texts->environment)
		return -1;
	json_array_foreach(environment, i, item)
	{
		texts->environment[i] = strdup(json_string_value(item));
		if (!texts->environment[i])
			return -1;
	}
	return 0;
}

json_t *nova_options_facts(const struct root *root, const json_t *service, int release,
                           const json_t *environment, json_t *problems)
{
	struct nova_texts texts;
	struct oslo_config *config = NULL;
	const struct nova_option *option;
	json_t *facts = json_object();
	if (nova_texts_read(root, service, &texts, problems, NULL) == 0 &&
	    environment_copy(&texts, environment) == 0)
		config = nova_texts_config(&texts, release, problems, NULL);
	for (size_t i = 0; config && (option = nova_option_at(release, i)); i++) {
		struct oslo_value value;
		if (oslo_config_get(config, &option->as, &value, NULL) != 0) {
			nova_problem(problems, "", 0, "%s cannot be worked out", option->key);
			continue;
		}
		json_object_set_new(facts, option->key, option_facts(option, &value, problems));
		oslo_value_free(&value);
	}
	oslo_config_free(config);
	nova_texts_free(&texts);
	return facts;
}
