/* oslo_config.c: see oslo_config.h. */
#include "node-agent/ini/oslo_config.h"

#include <stdlib.h>
#include <string.h>

#include "node-agent/ini/oslo_read.h"

void *oslo_take(struct oslo_reading *reading, size_t size)
{
	struct oslo_memory *memory = malloc(sizeof(*memory) + size);

	if (!memory) {
		gf_err_set(reading->err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	memory->next = reading->memory;
	reading->memory = memory;
	return memory + 1;
}

static void memory_free(struct oslo_memory *memory)
{
	while (memory) {
		struct oslo_memory *next = memory->next;
		free(memory);
		memory = next;
	}
}

struct py_str oslo_copy(struct oslo_reading *reading, struct py_str text)
{
	char *copy = oslo_take(reading, text.size + 1);

	if (!copy)
		return (struct py_str){0};
	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	return (struct py_str){.data = copy, .size = text.size};
}

int oslo_append(struct oslo_reading *reading, struct oslo_buffer *buffer, struct py_str text)
{
	if (buffer->size + text.size > OSLO_LIMIT)
		return gf_err_set(reading->err, GF_E_INPUT,
		                  "a value is larger than 1 MiB when its $names are put in");
	if (!buffer->data || buffer->size + text.size >= buffer->room) {
		size_t room = 2 * (buffer->size + text.size) + 64;
		char *grown = oslo_take(reading, room);
		if (!grown)
			return -1;
		if (buffer->data)
			memcpy(grown, buffer->data, buffer->size);
		buffer->data = grown;
		buffer->room = room;
	}
	memcpy(buffer->data + buffer->size, text.data, text.size);
	buffer->size += text.size;
	buffer->data[buffer->size] = '\0';
	return 0;
}

struct oslo_config *oslo_config_new(const struct oslo_option *known, size_t count,
                                    const char *const *environment, struct gf_err *err)
{
	struct oslo_config *config = calloc(1, sizeof(*config));

	if (!config) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	config->known = known;
	config->known_count = count;
	config->environment = environment;
	return config;
}

void oslo_config_free(struct oslo_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->file_count; i++) {
		ini_text_free(&config->files[i].ini);
		free(config->files[i].path);
		free(config->files[i].text);
	}
	free(config->files);
	free(config);
}

int oslo_config_add(struct oslo_config *config, const char *path, const char *text, size_t size,
                    unsigned *line, struct gf_err *err)
{
	struct oslo_file *grown =
	    realloc(config->files, (config->file_count + 1) * sizeof(*config->files));
	char *own_path = strdup(path), *own_text = malloc(size + 1);
	struct ini_text ini = {0};
	int result = -1;

	if (grown)
		config->files = grown;
	if (!grown || !own_path || !own_text) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
	} else {
		if (size > 0)
			memcpy(own_text, text, size);
		result = ini_text_parse(&ini, own_text, size, err);
	}
	if (line)
		*line = ini.fault_line;
	if (result != 0) {
		ini_text_free(&ini);
		free(own_path);
		free(own_text);
		return -1;
	}
	config->files[config->file_count++] =
	    (struct oslo_file){.path = own_path, .text = own_text, .ini = ini};
	return 0;
}

/* Each entry with its $names put in; what fails in one that does not count is not told. */
static int entries_fill(struct oslo_reading *reading, const struct oslo_option *option,
                        struct oslo_value *value, size_t winner)
{
	const char *unresolved = reading->unresolved, *invalid = reading->invalid;
	bool file = value->source == OSLO_FILE, fatal = reading->fatal;

	for (size_t i = 0; i < value->entry_count; i++) {
		struct oslo_entry *entry = &value->entries[i];
		reading->steps = 0;
		reading->fatal = false;
		if (oslo_substitute(reading, option->section, entry->raw, &entry->value) != 0)
			return -1;
		entry->effective = file && (option->kind == OSLO_MULTI || i == winner);
	}
	reading->unresolved = unresolved;
	reading->invalid = invalid;
	reading->fatal = fatal;
	return 0;
}

int oslo_config_get(const struct oslo_config *config, const struct oslo_option *option,
                    struct oslo_value *value, struct gf_err *err)
{
	struct oslo_reading reading = {.config = config, .err = err};
	struct oslo_items items;
	size_t winner = 0;

	*value = (struct oslo_value){0};
	int result = oslo_option_read(&reading, option, option->section, NULL, &items,
	                              &value->entries, &value->entry_count, &winner);
	value->source = items.source;
	if (result == 0)
		result = entries_fill(&reading, option, value, winner);
	value->memory = reading.memory;
	if (result != 0) {
		oslo_value_free(value);
		return -1;
	}
	value->values = items.items;
	value->count = reading.invalid ? 0 : items.count;
	value->unresolved = reading.unresolved;
	value->invalid = reading.invalid;
	return 0;
}

void oslo_value_free(struct oslo_value *value)
{
	memory_free(value->memory);
	*value = (struct oslo_value){0};
}
