/* ini_tool.c: the editor's library for the judge in check_oslo.py: requests on stdin, answers on
 * stdout, one JSON object a line.
 *
 *   {"do":"read","files":[PATH…],"environment":["NAME=VALUE"…],"options":[{"section","name","kind",
 *    "deprecated":[[SECTION or null, NAME or null]…],"defaults":[…] or null,"bounds","quotes"}…]}
 *     -> {"fault":null or
 * {"file","line","message"},"options":[{"source","values","unresolved","invalid",
 *         "entries":[{"file","line","section","name","value","ours","effective"}]}]}
 *   {"do":"edit","file":PATH,"out":PATH,"changes":[{"op":"set|out|back","section","name","values","multi"}…]}
 *   {"do":"unedit","file":PATH,"out":PATH}
 *     -> {"error":null or MESSAGE}
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node-agent/ini/ini_edit.h"
#include "node-agent/ini/oslo_config.h"

#define FORMER 8 /* deprecated names of one option */

/* Of COUNT items of SIZE bytes. */
static void *array(size_t count, size_t size)
{
	void *items = calloc(count + 1, size);

	if (!items)
		exit(2);
	return items;
}

static char *file_read(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	struct stat info;

	if (!file || fstat(fileno(file), &info) != 0) {
		perror(path);
		exit(2);
	}
	*size = (size_t)info.st_size;
	char *text = array(*size, 1);
	if (fread(text, 1, *size, file) != *size)
		exit(2);
	fclose(file);
	return text;
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

/* The strings of an array, ended by NULL: malloc'd, the strings are the array's. */
static const char **strings(const json_t *of)
{
	size_t i;
	const json_t *item;
	const char **list = array(json_array_size(of), sizeof(*list));

	json_array_foreach(of, i, item) list[i] = json_string_value(item);
	return list;
}

static json_t *string_json(struct py_str text)
{
	return json_stringn(text.data, text.size);
}

static json_t *optional(const char *text)
{
	return text ? json_string(text) : json_null();
}

static json_t *value_json(const struct oslo_value *value)
{
	static const char *const sources[] = {"unset", "default", "file", "environment"};
	json_t *values = json_array(), *entries = json_array();

	for (size_t i = 0; i < value->count; i++)
		json_array_append_new(values, string_json(value->values[i]));
	for (size_t i = 0; i < value->entry_count; i++) {
		const struct oslo_entry *entry = &value->entries[i];
		json_array_append_new(entries,
		                      json_pack("{ss si ss ss so so sb sb}", "file", entry->file,
		                                "line", (int)entry->line, "section", entry->section,
		                                "name", entry->name, "raw", string_json(entry->raw),
		                                "value", string_json(entry->value), "ours",
		                                entry->ours, "effective", entry->effective));
	}
	return json_pack("{ss so so so so}", "source", sources[value->source], "values", values,
	                 "unresolved", optional(value->unresolved), "invalid",
	                 optional(value->invalid), "entries", entries);
}

static void option_fill(const json_t *from, struct oslo_option *option, struct oslo_name *names)
{
	static const char *const kinds[] = {"string", "bool", "list", "multi"};
	size_t i;
	const json_t *pair;

	*option = (struct oslo_option){.section = text_of(from, "section"),
	                               .name = text_of(from, "name")};
	for (size_t kind = 0; kind < 4; kind++) {
		if (strcmp(kinds[kind], text_of(from, "kind")) == 0)
			option->kind = (enum oslo_kind)kind;
	}
	json_array_foreach(json_object_get(from, "deprecated"), i, pair)
	{
		names[i] = (struct oslo_name){json_string_value(json_array_get(pair, 0)),
		                              json_string_value(json_array_get(pair, 1))};
	}
	names[i] = (struct oslo_name){NULL, NULL};
	option->deprecated = names;
	if (json_is_array(json_object_get(from, "defaults")))
		option->defaults = strings(json_object_get(from, "defaults"));
	option->list_bounds = json_is_true(json_object_get(from, "bounds"));
	option->list_quotes = json_is_true(json_object_get(from, "quotes"));
}

static json_t *do_read(const json_t *request)
{
	const json_t *wanted = json_object_get(request, "options"), *item;
	const char **environment = strings(json_object_get(request, "environment"));
	json_t *answer = json_pack("{sn s[]}", "fault", "options");
	struct gf_err err = {0};
	size_t i, count = json_array_size(wanted);
	struct oslo_option *options = array(count, sizeof(*options));
	struct oslo_name(*names)[FORMER + 1] = array(count, sizeof(*names));

	json_array_foreach(wanted, i, item) option_fill(item, &options[i], names[i]);
	struct oslo_config *config = oslo_config_new(options, count, environment, &err);
	json_array_foreach(json_object_get(request, "files"), i, item)
	{
		size_t size;
		unsigned line;
		char *text = file_read(json_string_value(item), &size);
		if (oslo_config_add(config, json_string_value(item), text, size, &line, &err) != 0)
			json_object_set_new(answer, "fault",
			                    json_pack("{sO si ss}", "file", item, "line", (int)line,
			                              "message", err.msg));
		free(text);
	}
	for (i = 0; i < count; i++) {
		struct oslo_value value;
		if (oslo_config_get(config, &options[i], &value, &err) != 0) {
			fprintf(stderr, "%s\n", err.msg);
			exit(2);
		}
		json_array_append_new(json_object_get(answer, "options"), value_json(&value));
		oslo_value_free(&value);
	}
	for (i = 0; i < count; i++)
		free((void *)(uintptr_t)options[i].defaults);
	oslo_config_free(config);
	free(options);
	free(names);
	free(environment);
	return answer;
}

static json_t *do_edit(const json_t *request)
{
	const json_t *wanted = json_object_get(request, "changes"), *item;
	struct gf_err err = {0};
	size_t i, size, count = json_array_size(wanted), result_size = 0;
	char *text = file_read(text_of(request, "file"), &size), *result = NULL;
	struct ini_change *changes = array(count, sizeof(*changes));

	json_array_foreach(wanted, i, item)
	{
		const char *op = text_of(item, "op");
		changes[i] =
		    (struct ini_change){.op = strcmp(op, "set") == 0   ? INI_SET
		                              : strcmp(op, "out") == 0 ? INI_TAKE_OUT
		                                                       : INI_PUT_BACK,
		                        .section = text_of(item, "section"),
		                        .name = text_of(item, "name"),
		                        .values = strings(json_object_get(item, "values")),
		                        .count = json_array_size(json_object_get(item, "values")),
		                        .multi = json_is_true(json_object_get(item, "multi"))};
	}
	int failed = wanted ? ini_edit(text, size, changes, count, &result, &result_size, &err)
	                    : ini_unedit(text, size, &result, &result_size, &err);
	if (failed == 0) {
		FILE *out = fopen(text_of(request, "out"), "wb");
		if (!out || fwrite(result, 1, result_size, out) != result_size ||
		    fclose(out) != 0) {
			perror(text_of(request, "out"));
			exit(2);
		}
	}
	for (i = 0; i < count; i++)
		free((void *)(uintptr_t)changes[i].values);
	free(changes);
	free(result);
	free(text);
	return json_pack("{so}", "error", optional(failed ? err.msg : NULL));
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		json_error_t error;
		json_t *request = json_loads(line, 0, &error);
		if (!request) {
			fprintf(stderr, "not JSON: %s\n", error.text);
			return 2;
		}
		json_t *answer = strcmp(text_of(request, "do"), "read") == 0 ? do_read(request)
		                                                             : do_edit(request);
		if (!answer || json_dumpf(answer, stdout, JSON_COMPACT) != 0)
			return 2;
		putchar('\n');
		fflush(stdout);
		json_decref(answer);
		json_decref(request);
	}
	free(line);
	return 0;
}
