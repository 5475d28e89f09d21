/* nova_facts.c: see nova_facts.h. An absent key is unknown; a key of another type than the
 * contract's makes the document unusable. */
#include "controller/nova/nova_facts.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int wrong(struct gf_err *err, const char *what)
{
	return gf_err_set(
	    err, GF_E_PROTOCOL,
	    "the host's facts are malformed: nova's %s is not as agreed; run `gpufleet scan` again",
	    what);
}

static int get_text(const json_t *object, const char *key, bool needed, const char **out,
                    struct gf_err *err)
{
	const json_t *value = json_object_get(object, key);

	*out = json_string_value(value);
	if (*out || (!needed && (!value || json_is_null(value))))
		return 0;
	return wrong(err, key);
}

static int get_line(const json_t *object, const char *key, int *out, struct gf_err *err)
{
	const json_t *value = json_object_get(object, key);

	*out = -1;
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    json_integer_value(value) > INT_MAX)
		return wrong(err, key);
	*out = (int)json_integer_value(value);
	return 0;
}

/* An array of objects below KEY, no longer than the bound; absent is empty. */
static int get_array(const json_t *object, const char *key, const json_t **out, struct gf_err *err)
{
	const json_t *item;
	size_t i;

	*out = json_object_get(object, key);
	if (!*out || json_is_null(*out)) {
		*out = NULL;
		return 0;
	}
	if (!json_is_array(*out) || json_array_size(*out) > HOST_FACTS_LIST_MAX)
		return wrong(err, key);
	json_array_foreach(*out, i, item)
	{
		if (!json_is_object(item))
			return wrong(err, key);
	}
	return 0;
}

static void *array_new(const json_t *array, size_t size, struct gf_err *err)
{
	void *items = calloc(json_array_size(array) + 1, size);

	if (!items)
		gf_err_set(err, GF_E_MEMORY, "out of memory");
	return items;
}

static int parse_entries(const json_t *json, struct nova_facts_option *option, struct gf_err *err)
{
	const json_t *entries, *item;
	size_t i;

	if (get_array(json, "entries", &entries, err) < 0)
		return -1;
	option->entries = array_new(entries, sizeof(*option->entries), err);
	if (!option->entries)
		return -1;
	json_array_foreach(entries, i, item)
	{
		struct nova_facts_entry *entry = &option->entries[option->count++];

		if (get_text(item, "value", true, &entry->value, err) < 0 ||
		    get_text(item, "file", false, &entry->file, err) < 0 ||
		    get_text(item, "section", false, &entry->section, err) < 0 ||
		    get_text(item, "name", false, &entry->name, err) < 0 ||
		    get_line(item, "line", &entry->line, err) < 0)
			return -1;
		entry->ours = json_is_true(json_object_get(item, "ours"));
		/* A line that a later one overrides counts for nothing. */
		if (json_is_false(json_object_get(item, "effective")))
			option->count--;
	}
	return 0;
}

static int check_value(const json_t *value, struct gf_err *err)
{
	const json_t *item;
	size_t i;

	if (!value || json_is_string(value))
		return 0;
	if (!json_is_array(value) || json_array_size(value) > HOST_FACTS_LIST_MAX)
		return wrong(err, "value");
	json_array_foreach(value, i, item)
	{
		if (!json_is_string(item))
			return wrong(err, "value");
	}
	return 0;
}

static int parse_options(const json_t *json, struct nova_facts_service *service, struct gf_err *err)
{
	json_t *options = json_object_get(json, "options"), *item;
	const char *key;

	if (!options || json_is_null(options))
		return 0;
	if (!json_is_object(options) || json_object_size(options) > HOST_FACTS_LIST_MAX)
		return wrong(err, "options");
	service->options = calloc(json_object_size(options) + 1, sizeof(*service->options));
	if (!service->options)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	json_object_foreach(options, key, item)
	{
		struct nova_facts_option *option = &service->options[service->option_count];

		if (json_is_null(item))
			continue;
		if (!json_is_object(item))
			return wrong(err, "options");
		service->option_count++;
		option->key = key;
		option->value = json_object_get(item, "value");
		if (json_is_null(option->value))
			option->value = NULL;
		if (check_value(option->value, err) < 0 || parse_entries(item, option, err) < 0)
			return -1;
	}
	return 0;
}

static int parse_services(const json_t *nova, struct nova_facts *out, struct gf_err *err)
{
	const json_t *services, *item;
	size_t i;

	if (get_array(nova, "services", &services, err) < 0)
		return -1;
	out->services = array_new(services, sizeof(*out->services), err);
	if (!out->services)
		return -1;
	json_array_foreach(services, i, item)
	{
		struct nova_facts_service *service = &out->services[out->service_count++];

		if (get_text(item, "name", true, &service->name, err) < 0 ||
		    get_text(item, "state", false, &service->state, err) < 0 ||
		    get_text(item, "substate", false, &service->substate, err) < 0 ||
		    get_line(item, "restarts", &service->restarts, err) < 0 ||
		    parse_options(item, service, err) < 0)
			return -1;
		service->started = json_number_value(json_object_get(item, "started"));
		service->unproven = json_is_true(json_object_get(item, "unproven"));
	}
	return 0;
}

static int parse_files(const json_t *nova, struct nova_facts *out, struct gf_err *err)
{
	const json_t *files, *problems, *item;
	size_t i;

	if (get_array(nova, "files", &files, err) < 0 ||
	    get_array(nova, "problems", &problems, err) < 0)
		return -1;
	out->files = array_new(files, sizeof(*out->files), err);
	out->problems = array_new(problems, sizeof(*out->problems), err);
	if (!out->files || !out->problems)
		return -1;
	json_array_foreach(files, i, item)
	{
		struct nova_facts_file *file = &out->files[out->file_count++];

		if (get_text(item, "path", true, &file->path, err) < 0 ||
		    get_text(item, "managed_by", false, &file->managed_by, err) < 0)
			return -1;
	}
	json_array_foreach(problems, i, item)
	{
		struct nova_facts_problem *problem = &out->problems[out->problem_count++];

		if (get_text(item, "file", false, &problem->file, err) < 0 ||
		    get_text(item, "message", true, &problem->message, err) < 0 ||
		    get_line(item, "line", &problem->line, err) < 0)
			return -1;
	}
	return 0;
}

int nova_facts_parse(const json_t *document, struct nova_facts *out, struct gf_err *err)
{
	const json_t *nova = json_object_get(document, "nova");

	memset(out, 0, sizeof(*out));
	if (!nova || json_is_null(nova))
		return 0;
	out->present = true;
	if (!json_is_object(nova))
		return wrong(err, "part");
	if (get_text(nova, "deployment", false, &out->deployment, err) < 0 ||
	    get_text(nova, "release", false, &out->release, err) < 0 ||
	    parse_services(nova, out, err) < 0 || parse_files(nova, out, err) < 0) {
		nova_facts_free(out);
		return -1;
	}
	return 0;
}

void nova_facts_free(struct nova_facts *facts)
{
	for (size_t i = 0; i < facts->service_count; i++) {
		for (size_t k = 0; k < facts->services[i].option_count; k++)
			free(facts->services[i].options[k].entries);
		free(facts->services[i].options);
	}
	free(facts->services);
	free(facts->files);
	free(facts->problems);
	memset(facts, 0, sizeof(*facts));
}

const struct nova_facts_service *nova_facts_service(const struct nova_facts *facts,
                                                    const char *name)
{
	for (size_t i = 0; i < facts->service_count; i++) {
		if (strcmp(facts->services[i].name, name) == 0)
			return &facts->services[i];
	}
	return NULL;
}

const struct nova_facts_option *nova_facts_option(const struct nova_facts_service *service,
                                                  const char *key)
{
	for (size_t i = 0; service && i < service->option_count; i++) {
		if (strcmp(service->options[i].key, key) == 0)
			return &service->options[i];
	}
	return NULL;
}

enum fact nova_facts_switch(const struct nova_facts_service *service, const char *key)
{
	/* oslo_config.types.Boolean */
	static const char *const yes[] = {"true", "1", "on", "yes"};
	const struct nova_facts_option *option = nova_facts_option(service, key);
	const char *value = option ? json_string_value(option->value) : NULL;

	if (!service)
		return FACT_UNKNOWN;
	for (size_t i = 0; value && i < sizeof(yes) / sizeof(yes[0]); i++) {
		if (strcasecmp(value, yes[i]) == 0)
			return FACT_YES;
	}
	return FACT_NO;
}

/* Packages of other roles may be installed without being in use. */
static bool service_runs(const struct nova_facts_service *service)
{
	return service && service->state &&
	       (strcmp(service->state, "active") == 0 || strcmp(service->state, "activating") == 0);
}

size_t nova_facts_others(const struct nova_facts *facts, bool control, char names[NOVA_OTHERS_SIZE])
{
	static const char *const of_control[] = {"nova-api", "nova-scheduler", "nova-conductor"};
	static const char *const of_compute[] = {"nova-compute"};
	const char *const *others = control ? of_compute : of_control;
	size_t count = control ? 1 : sizeof(of_control) / sizeof(of_control[0]);
	size_t found = 0, used = 0;

	*names = '\0';
	for (size_t i = 0; i < count; i++) {
		if (service_runs(nova_facts_service(facts, others[i])))
			used += (size_t)snprintf(names + used, NOVA_OTHERS_SIZE - used, "%s%s",
			                         found++ ? ", " : "", others[i]);
	}
	return found;
}

const char *nova_facts_place(const struct nova_facts_entry *entry, char buffer[NOVA_PLACE_SIZE])
{
	char *at;

	if (entry->line >= 0)
		snprintf(buffer, NOVA_PLACE_SIZE, "%.160s:%d", entry->file ? entry->file : "a file",
		         entry->line);
	else
		snprintf(buffer, NOVA_PLACE_SIZE, "%.160s", entry->file ? entry->file : "a file");
	for (at = buffer; *at; at++) {
		if (*at < 0x20 || *at > 0x7e)
			*at = '?';
	}
	return buffer;
}
