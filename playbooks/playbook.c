/* playbook.c: see playbook.h; the task types are task_table.c. */
#include "playbooks/playbook.h"

#include <ctype.h>
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inventory/nodeset.h"
#include "inventory/suggest.h"
#include "inventory/text_rules.h"
#include "playbooks/task_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define STAGES_MAX   100
#define TASKS_MAX    1000

static const char *const role_names[] = {"compute", "control", NULL};
static const char *const reboot_names[] = {"never", "if-changed", "always", NULL};

/* ---- tasks ---- */

static int task_one_of(struct field_reader *reader, const struct json_path *at, const json_t *task,
                       const struct task_type_row *row)
{
	size_t given = 0, count = 0;
	for (; row->one_of[count]; count++) {
		json_t *value = json_object_get(task, row->one_of[count]);
		given += value && (!json_is_array(value) || json_array_size(value) > 0);
	}
	if (count == 0 || given > 0)
		return 0;
	return field_error(reader, at, JSON_VALUE, "a %s task needs \"%s\" or \"%s\"", row->type,
	                   row->one_of[0], row->one_of[1]);
}

static int task_read(struct field_reader *reader, const struct json_path *at, const json_t *task)
{
	if (!json_is_object(task))
		return field_mismatch(reader, at, task, "an object with \"type\" and \"name\"");
	const json_t *type = json_object_get(task, "type");
	struct json_path type_at = {.parent = at, .key = "type"};
	static const struct field choice = {.name = "type", .rule = task_type_names};
	if (!type)
		return field_error(reader, at, JSON_VALUE, "\"type\" is missing here");
	if (field_choice(reader, &type_at, type, &choice, NULL) < 0)
		return -1;
	const struct task_type_row *row = task_type_row_find(json_string_value(type));
	if (fields_read(reader, at, task, &row->parameters, 0, NULL, NULL) < 0)
		return -1;
	return task_one_of(reader, at, task, row);
}

/* Files on hosts are named after tasks by their letters and digits: two such names must differ. */
static int task_name_check(struct field_reader *reader, const struct json_path *at,
                           const json_t *task, json_t *seen)
{
	const char *name = json_string_value(json_object_get(task, "name"));
	char slug[128], shown[JSON_SHOW_SIZE];
	size_t length = 0;
	for (const char *c = name; *c && length + 1 < sizeof(slug); c++)
		if (isalnum((unsigned char)*c))
			slug[length++] = (char)tolower((unsigned char)*c);
	slug[length] = '\0';
	struct json_path name_at = {.parent = at, .key = "name"};
	if (length == 0)
		return field_error(reader, &name_at, JSON_VALUE,
		                   "a task's name needs a letter or a digit");
	if (strlen(name) > 80)
		return field_error(reader, &name_at, JSON_VALUE,
		                   "a task's name may have at most 80 characters");
	if (json_object_get(seen, slug))
		return field_error(
		    reader, &name_at, JSON_VALUE,
		    "another task is named \"%s\", too; files on hosts are named after "
		    "tasks, so their letters and digits must differ",
		    json_show(name, shown));
	return json_object_set_new(seen, slug, json_true()) < 0 ? field_no_memory(reader) : 0;
}

/* ---- stages ---- */

struct stages {
	struct playbook *playbook;
	json_t *task_names;
};

static int read_tasks(struct field_reader *reader, const struct json_path *at, const json_t *value,
                      const struct field *field, void *out)
{
	size_t i;
	const json_t *task;
	(void)field, (void)out;
	if (!json_is_array(value))
		return field_mismatch(reader, at, value, "a list of tasks");
	if (json_array_size(value) == 0)
		return field_error(reader, at, JSON_VALUE,
		                   "\"tasks\" is empty: the stage does nothing");
	if (json_array_size(value) > TASKS_MAX)
		return field_error(reader, at, JSON_VALUE, "more than %d tasks in a stage",
		                   TASKS_MAX);
	json_array_foreach(value, i, task)
	{
		struct json_path here = {.parent = at, .index = i};
		if (task_read(reader, &here, task) < 0)
			return -1;
	}
	return 0;
}

static const struct field stage_fields[] = {
    {.name = "name",
     .read = field_text,
     .offset = offsetof(struct playbook_stage, name),
     .rule = &rule_name,
     .required = true},
    {.name = "reboot",
     .read = field_choice,
     .offset = offsetof(struct playbook_stage, reboot),
     .rule = reboot_names},
    {.name = "role",
     .read = field_choice,
     .offset = offsetof(struct playbook_stage, role),
     .rule = role_names},
    {.name = "barrier", .read = field_bool, .offset = offsetof(struct playbook_stage, barrier)},
    {.name = "tasks", .read = read_tasks, .required = true},
};
static const struct field_set stage_set = {stage_fields, COUNT(stage_fields)};

static int stage_names_check(struct field_reader *reader, const struct json_path *at,
                             const struct playbook *playbook, json_t *task_names)
{
	size_t last = playbook->stage_count - 1, i;
	for (size_t other = 0; other < last; other++)
		if (!strcmp(playbook->stages[other].name, playbook->stages[last].name)) {
			struct json_path name_at = {.parent = at, .key = "name"};
			return field_error(reader, &name_at, JSON_VALUE,
			                   "another stage is named \"%s\", too",
			                   playbook->stages[last].name);
		}
	struct json_path reboot_at = {.parent = at, .key = "reboot"};
	if (playbook->stages[last].role == ROLE_CONTROL &&
	    playbook->stages[last].reboot != PLAYBOOK_REBOOT_NEVER)
		return field_error(reader, &reboot_at, JSON_VALUE,
		                   "control hosts are not rebooted by a playbook: leave \"reboot\" "
		                   "out (`gpufleet reboot --limit` does it by name)");
	struct json_path barrier_at = {.parent = at, .key = "barrier"};
	if (playbook->stages[last].role == ROLE_CONTROL && playbook->stages[last].barrier)
		return field_error(reader, &barrier_at, JSON_VALUE,
		                   "control hosts go one after the other: leave \"barrier\" out");
	struct json_path tasks_at = {.parent = at, .key = "tasks"};
	const json_t *task, *tasks = json_object_get(playbook->stages[last].json, "tasks");
	json_array_foreach(tasks, i, task)
	{
		struct json_path here = {.parent = &tasks_at, .index = i};
		if (task_name_check(reader, &here, task, task_names) < 0)
			return -1;
		if (!strcmp(json_string_value(json_object_get(task, "type")), "reboot") &&
		    i + 1 < json_array_size(tasks))
			return field_error(reader, &here, JSON_VALUE,
			                   "a reboot ends its stage: it must be the last task");
	}
	return 0;
}

static int read_stages(struct field_reader *reader, const struct json_path *at, const json_t *value,
                       const struct field *field, void *out)
{
	struct playbook *playbook = out;
	size_t i;
	json_t *stage;
	(void)field;
	if (!json_is_array(value))
		return field_mismatch(reader, at, value, "a list of stages");
	if (json_array_size(value) == 0 || json_array_size(value) > STAGES_MAX)
		return field_error(reader, at, JSON_VALUE, "a playbook needs 1 to %d stages",
		                   STAGES_MAX);
	playbook->stages = calloc(json_array_size(value), sizeof(*playbook->stages));
	json_t *task_names = json_object();
	if (!playbook->stages || !task_names) {
		json_decref(task_names);
		return field_no_memory(reader);
	}
	int rc = 0;
	json_array_foreach(value, i, stage)
	{
		struct json_path here = {.parent = at, .index = i};
		if (rc < 0)
			break;
		struct playbook_stage *row = &playbook->stages[playbook->stage_count++];
		row->json = stage;
		rc = fields_read(reader, &here, stage, &stage_set, 0, row, NULL);
		if (rc == 0)
			rc = stage_names_check(reader, &here, playbook, task_names);
	}
	json_decref(task_names);
	return rc;
}

static int read_version(struct field_reader *reader, const struct json_path *at,
                        const json_t *value, const struct field *field, void *out)
{
	(void)field, (void)out;
	if (!json_is_integer(value) || json_integer_value(value) != 1)
		return field_mismatch(reader, at, value,
		                      "1, the only version that this program knows");
	return 0;
}

static const struct field playbook_fields[] = {
    {.name = "version", .read = read_version, .required = true},
    {.name = "name",
     .read = field_text,
     .offset = offsetof(struct playbook, name),
     .rule = &rule_name,
     .required = true},
    {.name = "role",
     .read = field_choice,
     .offset = offsetof(struct playbook, role),
     .rule = role_names},
    {.name = "stages", .read = read_stages, .required = true},
};
static const struct field_set playbook_set = {playbook_fields, COUNT(playbook_fields)};

/* ---- files ---- */

/* A stage is for the playbook's hosts, unless it says otherwise. */
static void stage_roles_inherit(struct playbook *playbook)
{
	for (size_t i = 0; i < playbook->stage_count; i++)
		if (!json_object_get(playbook->stages[i].json, "role"))
			playbook->stages[i].role = playbook->role;
}

static struct playbook *playbook_build(const char *path, const struct json_source *source,
                                       struct gf_err *err)
{
	struct field_reader reader = {.source = source, .err = err};
	struct playbook *playbook = calloc(1, sizeof(*playbook));
	int rc = -1;
	if (!playbook || !(playbook->path = strdup(path)) ||
	    !(playbook->sha256 = strdup(json_source_sha256(source))))
		field_no_memory(&reader);
	else
		rc = fields_read(&reader, NULL, json_source_root(source), &playbook_set, 0,
		                 playbook, NULL);
	if (rc < 0) {
		playbook_free(playbook);
		return NULL;
	}
	stage_roles_inherit(playbook);
	playbook->json = json_incref(json_object_get(json_source_root(source), "stages"));
	return playbook;
}

struct playbook *playbook_parse(const char *path, const char *text, size_t length,
                                struct gf_err *err)
{
	struct json_source *source = json_source_parse(path, text, length, err);
	struct playbook *playbook = source ? playbook_build(path, source, err) : NULL;
	json_source_free(source);
	return playbook;
}

/* There is no such shipped playbook: which one was meant? */
static void shipped_missing(const char *name, const char *dir, struct gf_err *err)
{
	struct string_list names = {0};
	DIR *handle = opendir(dir);
	for (struct dirent *entry; handle && (entry = readdir(handle));) {
		char *end = strrchr(entry->d_name, '.');
		if (!end || strcmp(end, ".json") || strstr(entry->d_name, ".schema."))
			continue;
		*end = '\0';
		string_list_append(&names, entry->d_name);
	}
	if (!handle) {
		gf_err_errno(
		    err, GF_E_INPUT,
		    "the shipped playbooks are missing (install gpufleet as a whole, or run "
		    "it from its build tree): %.200s",
		    dir);
		return;
	}
	closedir(handle);
	const char *near = suggest_nearest(name, (const char *const *)names.items, names.count);
	if (!near && names.count == 1)
		near = names.items[0];
	if (near)
		gf_err_set(
		    err, GF_E_INPUT,
		    "there is no shipped playbook \"%.80s\"; did you mean \"%s\"? (your own is "
		    "named by a path with a '/', such as \"./%.80s.json\")",
		    name, near, name);
	else
		gf_err_set(err, GF_E_INPUT, "there is no playbook \"%.80s\" in %.200s", name, dir);
	string_list_free(&names);
}

struct playbook *playbook_read(const char *name_or_path, const char *shipped_dir,
                               struct gf_err *err)
{
	char path[PATH_MAX];
	if (strchr(name_or_path, '/')) {
		snprintf(path, sizeof(path), "%s", name_or_path);
	} else {
		snprintf(path, sizeof(path), "%s/%s.json", shipped_dir, name_or_path);
		if (!rule_name.valid(name_or_path) || access(path, F_OK) != 0) {
			shipped_missing(name_or_path, shipped_dir, err);
			return NULL;
		}
	}
	struct json_source *source = json_source_read(path, err);
	struct playbook *playbook = source ? playbook_build(path, source, err) : NULL;
	json_source_free(source);
	return playbook;
}

void playbook_free(struct playbook *playbook)
{
	if (!playbook)
		return;
	for (size_t i = 0; i < playbook->stage_count; i++)
		free(playbook->stages[i].name);
	free(playbook->stages);
	json_decref(playbook->json);
	free(playbook->path);
	free(playbook->name);
	free(playbook->sha256);
	free(playbook);
}
