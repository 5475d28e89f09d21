/* nova_config.c: brings about what context.nova wants of a service's configuration files, and says
 * who else writes them. Happy path: the files are read, edited as texts (nova_edit.c), shown as
 * diffs without their secrets, and written one by one, each recorded before. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/facts/nova_options.h"
#include "node-agent/tasks/backup.h"
#include "node-agent/tasks/config_mask.h"
#include "node-agent/tasks/diff.h"
#include "node-agent/tasks/nova_edit.h"
#include "node-agent/tasks/nova_task.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"
#include "node-agent/wire/json_text.h"
#include "node-agent/wire/sha256.h"

static const json_t *nova_facts_of(const struct task_run *run)
{
	return json_object_get(run->ctx->facts, "nova");
}

const char *nova_task_service(const struct task_run *run)
{
	return task_text(run, "service", "");
}

const json_t *nova_task_find(const json_t *nova, const char *name, size_t *index)
{
	const json_t *services = json_object_get(nova, "services");
	for (; *index < json_array_size(services); (*index)++) {
		const json_t *service = json_array_get(services, *index);
		if (strcmp(json_text(service, "name"), name) == 0) {
			(*index)++;
			return service;
		}
	}
	return NULL;
}

/* The options that are this service's: a new array. */
static json_t *options_of(const struct task_run *run)
{
	size_t i, j;
	json_t *option, *name, *options = json_array();
	const json_t *nova = json_object_get(run->ctx->context, "nova");
	json_array_foreach(json_object_get(nova, "options"), i, option)
	{
		const json_t *services = json_object_get(option, "services");
		bool ours = !json_is_array(services);
		json_array_foreach(services, j, name)
		{
			const char *text = json_string_value(name);
			ours = ours || (text && strcmp(text, nova_task_service(run)) == 0);
		}
		if (ours)
			json_array_append(options, option);
	}
	return options;
}

static int release_of(const struct task_run *run)
{
	const json_t *nova = json_object_get(run->ctx->context, "nova");
	const json_t *release = json_object_get(nova, "release");
	if (json_is_integer(release))
		return (int)json_integer_value(release);
	return nova_release_number(
	    json_string_value(json_object_get(nova_facts_of(run), "release")));
}

/* ---- what is said ---- */

/* Appends a sentence to the message, as long as there is room. */
static void say(struct task_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void say(struct task_run *run, const char *format, ...)
{
	char *message = run->result->message;
	size_t size = sizeof(run->result->message), used = strlen(message);
	va_list args;
	if (used > 0 && used + 2 < size)
		used += (size_t)snprintf(message + used, size - used, "; ");
	va_start(args, format);
	vsnprintf(message + used, size - used, format, args);
	va_end(args);
}

static const char *manager_of(const struct task_run *run, const char *path)
{
	size_t i;
	json_t *file;
	json_array_foreach(json_object_get(nova_facts_of(run), "files"), i, file)
	{
		if (strcmp(json_text(file, "path"), path) == 0)
			return json_text(file, "managed_by");
	}
	return "";
}

static void managers_say(struct task_run *run, const char *path)
{
	static const struct {
		const char *name, *shown, *where;
	} managers[] = {
	    {"puppet", "Puppet", "its hieradata or manifest"},
	    {"ansible", "Ansible", "its variables or template"},
	    {"juju", "Juju", "the charm's config-flags or pci options"},
	};
	const char *manager = manager_of(run, path);
	for (size_t i = 0; i < sizeof(managers) / sizeof(managers[0]); i++)
		if (strcmp(manager, managers[i].name) == 0)
			say(run,
			    "%s is managed by %s: this edit will be overwritten at its next run; "
			    "put the lines into %s, too",
			    path, managers[i].shown, managers[i].where);
	if (strcmp(manager, "kolla") == 0)
		say(run,
		    "%s is temporary: kolla writes it anew at the next reconfigure; put the "
		    "lines that the diff ends with on the deploy host",
		    path);
}

static void told_say(struct task_run *run, const json_t *told)
{
	size_t i;
	json_t *sentence;
	json_array_foreach(told, i, sentence) say(run, "%s", json_string_value(sentence));
}

/* ---- kolla's deploy host ---- */

/* All values that the option has once EDITED is in place: kolla's merge replaces an option as a
 * whole. */
static void override_option(FILE *out, const struct nova_texts *texts, const json_t *option,
                            int release)
{
	struct oslo_value value;
	const struct nova_option *known =
	    nova_option_named(release, json_text(option, "section"), json_text(option, "name"));
	struct oslo_config *config = nova_texts_config(texts, release, NULL, NULL);
	if (known && config && oslo_config_get(config, &known->as, &value, NULL) == 0) {
		for (size_t i = 0; i < value.entry_count; i++)
			if (value.entries[i].effective)
				fprintf(out, "%s = %s\n", json_text(option, "name"),
				        value.entries[i].raw.data);
		oslo_value_free(&value);
	}
	oslo_config_free(config);
}

/* What belongs on kolla's deploy host, as lines after the diff. */
static void override_write(const struct task_run *run, FILE *out, const struct nova_texts *texts,
                           const json_t *options)
{
	size_t i, j;
	json_t *option, *other;
	fprintf(out,
	        "Temporary: kolla writes this file anew at the next reconfigure. On the deploy "
	        "host, /etc/kolla/config/nova/%s.conf:\n",
	        nova_task_service(run));
	json_array_foreach(options, i, option)
	{
		bool first = true;
		json_array_foreach(options, j, other) first =
		    first && (j >= i || strcmp(json_text(other, "section"),
		                               json_text(option, "section")) != 0);
		if (!first)
			continue;
		fprintf(out, "[%s]\n", json_text(option, "section"));
		json_array_foreach(options, j, other)
		{
			if (strcmp(json_text(other, "section"), json_text(option, "section")) == 0)
				override_option(out, texts, other, release_of(run));
		}
	}
}

/* ---- one file ---- */

static char *masked_diff(const struct nova_text *before, const struct nova_text *after)
{
	size_t old_size = 0, new_size = 0;
	char *old = config_mask(before->text, before->size, &old_size);
	char *new = config_mask(after->text, after->size, &new_size);
	char *diff = old && new ? diff_unified(before->path, old, old_size, new, new_size) : NULL;
	free(old);
	free(new);
	return diff;
}

/* The services that are told something and read the file, for an undo to know them. */
static int services_record(const struct task_run *run, const char *path, struct gf_err *err)
{
	size_t i, j;
	json_t *service, *file;
	json_array_foreach(json_object_get(nova_facts_of(run), "services"), i, service)
	{
		if (!nova_task_told(run, json_text(service, "name")))
			continue;
		json_array_foreach(json_object_get(service, "read"), j, file)
		{
			if (strcmp(json_string_value(file), path) != 0)
				continue;
			nova_task_stale(run->ctx, json_text(service, "name"), true);
			if (run->mode == TASK_APPLY &&
			    backup_record(run->ctx->operation_dir,
			                  json_pack("{ss ss}", "kind", "nova", "service",
			                            json_text(service, "name")),
			                  err) != 0)
				return -1;
		}
	}
	return 0;
}

static int file_write(struct task_run *run, const struct nova_text *before,
                      const struct nova_text *after, const char *diff, struct gf_err *err)
{
	char hash[SHA256_HEX_SIZE];
	struct file_want want = {.path = before->path, .data = after->text, .size = after->size};
	bool changed = true;
	if (services_record(run, before->path, err) != 0)
		return -1;
	if (run->mode == TASK_APPLY) {
		changed = false;
		if (backup_record(run->ctx->operation_dir,
		                  json_pack("{ss ss}", "kind", "ini", "path", before->path),
		                  err) != 0 ||
		    file_edit_apply(run->ctx->root, run->ctx->operation_dir, &want, &changed,
		                    err) != 0)
			return -1;
	}
	if (!changed)
		return 0;
	sha256_hex(before->text, before->size, hash);
	task_change(run, "modify", before->path, diff);
	json_object_set_new(
	    json_array_get(run->result->changes, json_array_size(run->result->changes) - 1),
	    "before", json_string(hash));
	managers_say(run, before->path);
	return 0;
}

static int files_write(struct task_run *run, const struct nova_texts *texts,
                       const struct nova_text *edited, const json_t *options, struct gf_err *err)
{
	struct nova_texts after = {.items = calloc(texts->count + 1, sizeof(*after.items)),
	                           .count = texts->count};
	int failed = after.items ? 0 : gf_err_set(err, GF_E_MEMORY, "out of memory");
	for (size_t i = 0; i < texts->count && !failed; i++)
		after.items[i] = edited[i].text ? edited[i] : texts->items[i];
	for (size_t i = 0; i < texts->count && !failed; i++) {
		if (!edited[i].text)
			continue;
		char *diff = masked_diff(&texts->items[i], &edited[i]), *shown = NULL;
		size_t size = 0;
		FILE *out = open_memstream(&shown, &size);
		if (out) {
			fputs(diff ? diff : "(the change cannot be shown)\n", out);
			if (strcmp(manager_of(run, texts->items[i].path), "kolla") == 0)
				override_write(run, out, &after, options);
			fclose(out);
		}
		failed = file_write(run, &texts->items[i], &edited[i], shown, err);
		free(diff);
		free(shown);
	}
	free(after.items);
	return failed;
}

/* ---- one service ---- */

/* What would keep an edit from counting. */
static int service_check(const json_t *service, const json_t *options, const json_t *problems,
                         struct gf_err *err)
{
	size_t i, j;
	json_t *name, *option;
	const char *shown = json_text(service, "name");
	const json_t *first = json_array_get(problems, 0);
	if (json_array_size(json_object_get(service, "read")) == 0)
		return gf_err_set(err, GF_E_BLOCKED,
		                  "%s: no configuration file that gpufleet may edit was found%s",
		                  shown,
		                  json_is_object(json_object_get(service, "container"))
		                      ? " (it runs in a container that is none of kolla's): write "
		                        "the options where its deployment keeps them"
		                      : "");
	if (first) {
		char line[16] = "";
		json_int_t number = json_integer_value(json_object_get(first, "line"));
		if (number > 0)
			snprintf(line, sizeof(line), "%d:", (int)number);
		return gf_err_set(err, GF_E_BLOCKED, "%s:%s %s", json_text(first, "file"), line,
		                  json_text(first, "message"));
	}
	json_array_foreach(json_object_get(service, "environment"), i, name)
	{
		json_array_foreach(options, j, option)
		{
			char variable[160];
			snprintf(variable, sizeof(variable), "OS_%.60s__%.60s",
			         json_text(option, "section"), json_text(option, "name"));
			if (strcasecmp(variable, json_string_value(name)) == 0)
				return gf_err_set(err, GF_E_BLOCKED,
				                  "the environment of %s sets %s, which outweighs "
				                  "every file: take it out of its unit first",
				                  shown, json_string_value(name));
		}
	}
	return 0;
}

static int service_edit(struct task_run *run, const json_t *service, const json_t *options,
                        struct gf_err *err)
{
	struct nova_texts texts;
	struct nova_text *edited = NULL;
	json_t *problems = json_array(), *told = json_array();
	int failed = nova_texts_read(run->ctx->root, service, &texts, problems, err);
	struct oslo_config *config =
	    failed ? NULL : nova_texts_config(&texts, release_of(run), problems, err);
	if (!config)
		failed = -1;
	oslo_config_free(config);
	if (!failed)
		failed = service_check(service, options, problems, err);
	if (!failed && !(edited = calloc(texts.count + 1, sizeof(*edited))))
		failed = gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (!failed)
		failed = nova_edit(&texts, release_of(run), options, edited, told, err);
	if (!failed)
		failed = files_write(run, &texts, edited, options, err);
	if (!failed)
		told_say(run, told);
	if (edited)
		nova_edited_free(edited, texts.count);
	free(edited);
	nova_texts_free(&texts);
	json_decref(problems);
	json_decref(told);
	return failed;
}

int nova_config_task(struct task_run *run, struct gf_err *err)
{
	const json_t *service;
	size_t index = 0, found = 0;
	json_t *options = options_of(run);
	int failed = 0;
	while (!failed && json_array_size(options) > 0 &&
	       (service = nova_task_find(nova_facts_of(run), nova_task_service(run), &index))) {
		found++;
		failed = service_edit(run, service, options, err);
	}
	size_t count = json_array_size(options);
	json_decref(options);
	if (failed)
		return -1;
	if (count == 0)
		say(run, "nothing is wanted of %s here", nova_task_service(run));
	else if (found == 0)
		return task_say(run, TASK_BLOCKED, "this host has no %s, which is to be configured",
		                nova_task_service(run));
	return 0;
}
