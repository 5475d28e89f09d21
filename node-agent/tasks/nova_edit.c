/* nova_edit.c: see nova_edit.h. What others wrote is looked at as if our lines were not there; what
 * is missing then is ours to write. So the result depends on theirs and the wish alone, and a
 * second edit changes nothing. */
#include "node-agent/tasks/nova_edit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "node-agent/ini/ini_edit.h"
#include "node-agent/tasks/task_help.h"

#define CHANGES_MAX 64
#define LIST_MAX    4096 /* bytes of a list that is written */

/* One option at work. */
struct option_work {
	const json_t *option;
	const struct nova_option *known;
	const char *section, *name, *kind, *identity;
	size_t target; /* index of the file that our lines go to */
	json_t *own;   /* our values */
	json_t *out;   /* others' lines that go: {"file","section","name","raw"} */
};

static bool kind_is(const struct option_work *work, const char *kind)
{
	return strcmp(work->kind, kind) == 0;
}

/* ---- files ---- */

/* May lines be written to it? Not to what a package owns, nor to the paste configuration. */
static bool is_editable(const char *path)
{
	size_t length = strlen(path);
	return strncmp(path, "/usr/", 5) != 0 &&
	       (length < 10 || strcmp(path + length - 10, "-paste.ini") != 0);
}

/* The service's nova.conf; without one, the last file that may be edited. */
static int main_file(const struct nova_texts *texts)
{
	int found = -1, named = -1;
	for (size_t i = 0; i < texts->count; i++) {
		const char *slash = strrchr(texts->items[i].path, '/');
		if (!is_editable(texts->items[i].path))
			continue;
		found = (int)i;
		if (slash && strcmp(slash, "/nova.conf") == 0)
			named = (int)i;
	}
	return named >= 0 ? named : found;
}

static size_t file_index(const struct nova_texts *texts, const char *path)
{
	size_t i = texts->count;
	while (i > 0 && strcmp(texts->items[i - 1].path, path) != 0)
		i--;
	return i > 0 ? i - 1 : 0;
}

static struct oslo_config *config_of(const struct nova_texts *texts, struct gf_err *err)
{
	struct oslo_config *config = oslo_config_new(NULL, 0, NULL, err);
	for (size_t i = 0; config && i < texts->count; i++) {
		const struct nova_text *item = &texts->items[i];
		unsigned line = 0;
		if (oslo_config_add(config, item->path, item->text, item->size, &line, err) != 0) {
			oslo_config_free(config);
			return NULL;
		}
	}
	return config;
}

/* ---- values ---- */

/* Do two values say the same? WRITTEN may be a list that holds WANTED. */
static bool value_same(const char *written, const char *wanted)
{
	json_t *left = json_loads(written, JSON_DECODE_ANY, NULL);
	json_t *right = json_loads(wanted, JSON_DECODE_ANY, NULL);
	bool same = left && right ? json_equal(left, right) : strcmp(written, wanted) == 0;
	size_t i;
	json_t *item;
	json_array_foreach(left, i, item) same = same || (right && json_equal(item, right));
	json_decref(left);
	json_decref(right);
	return same;
}

/* Does an entry of others go by a name that is ours to give? */
static bool identity_same(const char *written, const char *wanted, const char *identity)
{
	json_t *left = identity ? json_loads(written, 0, NULL) : NULL;
	json_t *right = identity ? json_loads(wanted, 0, NULL) : NULL;
	const json_t *value = json_object_get(left, identity ? identity : "");
	bool same = value && json_equal(value, json_object_get(right, identity));
	json_decref(left);
	json_decref(right);
	return same;
}

static const json_t *wanted_values(const struct option_work *work)
{
	return json_object_get(work->option, "values");
}

static bool wanted_same(const struct option_work *work, const char *value)
{
	size_t i;
	json_t *item;
	json_array_foreach(wanted_values(work), i, item)
	{
		if (value_same(value, json_string_value(item)))
			return true;
	}
	return false;
}

static bool wanted_identity(const struct option_work *work, const char *value)
{
	size_t i;
	json_t *item;
	json_array_foreach(wanted_values(work), i, item)
	{
		if (identity_same(value, json_string_value(item), work->identity))
			return true;
	}
	return false;
}

static bool value_written(const struct oslo_value *value, const char *wanted)
{
	for (size_t i = 0; i < value->count; i++)
		if (value_same(value->values[i].data, wanted))
			return true;
	return false;
}

/* ---- one option ---- */

static void multi_work(struct option_work *work, const struct oslo_value *base, json_t *told)
{
	size_t i;
	json_t *item;
	json_array_foreach(wanted_values(work), i, item)
	{
		if (!value_written(base, json_string_value(item)))
			json_array_append(work->own, item);
	}
	for (i = 0; i < base->entry_count; i++) {
		const struct oslo_entry *entry = &base->entries[i];
		if (wanted_same(work, entry->value.data))
			continue;
		if (wanted_identity(work, entry->value.data))
			json_array_append_new(
			    work->out, json_pack("{s:s, s:s, s:s, s:s%}", "file", entry->file,
			                         "section", entry->section, "name", entry->name,
			                         "raw", entry->raw.data, entry->raw.size));
		else if (!work->identity)
			json_array_append_new(told, json_sprintf("[%s] %s of others stays: %s:%u",
			                                         entry->section, entry->name,
			                                         entry->file, entry->line));
	}
}

static int set_work(struct option_work *work, const struct oslo_value *base, struct gf_err *err)
{
	const char *wanted = json_string_value(json_object_get(work->option, "value"));
	if (!wanted)
		return gf_err_set(err, GF_E_INPUT, "[%s] %s has no value to be set to",
		                  work->section, work->name);
	bool same =
	    base->source == OSLO_FILE && base->count == 1 && !base->invalid &&
	    (work->known->as.kind == OSLO_BOOL ? strcasecmp(base->values[0].data, wanted) == 0
	                                       : strcmp(base->values[0].data, wanted) == 0);
	if (!same)
		json_array_append_new(work->own, json_string(wanted));
	return 0;
}

static bool list_holds(const json_t *list, const char *text)
{
	size_t i;
	json_t *item;
	json_array_foreach(list, i, item)
	{
		if (strcmp(json_string_value(item), text) == 0)
			return true;
	}
	return false;
}

/* The list as it is without ours, or Nova's own default. NULL: not known. */
static json_t *list_base(const struct option_work *work, const struct oslo_value *base)
{
	const json_t *defaults = json_object_get(work->option, "default");
	if (base->source == OSLO_UNSET || base->source == OSLO_DEFAULT)
		return json_is_array(defaults) ? json_deep_copy(defaults) : NULL;
	json_t *list = json_array();
	for (size_t i = 0; i < base->count; i++)
		json_array_append_new(list, json_string(base->values[i].data));
	return list;
}

static int list_work(struct option_work *work, const struct oslo_value *base, struct gf_err *err)
{
	char text[LIST_MAX] = "";
	size_t i, used = 0;
	json_t *item, *list = base->invalid ? NULL : list_base(work, base);
	bool missing = false;
	if (!list)
		return gf_err_set(err, GF_E_BLOCKED,
		                  "[%s] %s: nothing sets it, and the list that this release has by "
		                  "itself is not known: name the release of Nova",
		                  work->section, work->name);
	json_array_foreach(wanted_values(work), i, item)
	{
		if (!list_holds(list, json_string_value(item))) {
			json_array_append(list, item);
			missing = true;
		}
	}
	json_array_foreach(list, i, item)
	{
		const char *value = json_string_value(item);
		if (used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used, "%s%s",
			                         used ? "," : "", value ? value : "");
	}
	json_decref(list);
	if (missing && used >= sizeof(text))
		return gf_err_set(err, GF_E_BLOCKED, "[%s] %s is too long a list to be added to",
		                  work->section, work->name);
	if (missing)
		json_array_append_new(work->own, json_string(text));
	return 0;
}

/* Where ours count: in the main file, or in a later one that sets the same option. */
static void target_choose(struct option_work *work, const struct nova_texts *texts,
                          const struct oslo_value *base, size_t main)
{
	work->target = main;
	for (size_t i = 0; i < base->entry_count && !kind_is(work, "multi"); i++) {
		size_t index = file_index(texts, base->entries[i].file);
		if (index > work->target && is_editable(texts->items[index].path))
			work->target = index;
	}
}

static int option_begin(struct option_work *work, const json_t *option, int release,
                        struct gf_err *err)
{
	size_t i;
	json_t *item;
	memset(work, 0, sizeof(*work));
	work->option = option;
	work->section = json_text(option, "section");
	work->name = json_text(option, "name");
	work->kind = json_text(option, "kind");
	work->identity = json_string_value(json_object_get(option, "identity"));
	work->known = nova_option_named(release, work->section, work->name);
	if (!work->known)
		return gf_err_set(err, GF_E_INPUT,
		                  "[%.60s] %.60s is no option that this agent sets in Nova %d",
		                  work->section, work->name, release);
	if (!kind_is(work, "multi") && !kind_is(work, "set") && !kind_is(work, "list-add"))
		return gf_err_set(err, GF_E_INPUT, "\"%.40s\" is no way to set [%s] %s", work->kind,
		                  work->section, work->name);
	json_array_foreach(wanted_values(work), i, item)
	{
		if (!json_is_string(item))
			return gf_err_set(err, GF_E_INPUT, "a value of [%s] %s is not a text",
			                  work->section, work->name);
	}
	work->own = json_array();
	work->out = json_array();
	return 0;
}

static void option_end(struct option_work *work)
{
	json_decref(work->own);
	json_decref(work->out);
}

static int option_work(struct option_work *work, const struct nova_texts *texts,
                       const struct oslo_config *base, size_t main, json_t *told,
                       struct gf_err *err)
{
	struct oslo_value value;
	int result = 0;
	if (oslo_config_get(base, &work->known->as, &value, err) != 0)
		return -1;
	target_choose(work, texts, &value, main);
	if (kind_is(work, "multi"))
		multi_work(work, &value, told);
	else if (kind_is(work, "set"))
		result = set_work(work, &value, err);
	else
		result = list_work(work, &value, err);
	oslo_value_free(&value);
	return result;
}

/* ---- edits ---- */

/* The changes of one option in one file. */
struct change_list {
	struct ini_change items[CHANGES_MAX];
	const char **values[CHANGES_MAX];
	size_t count;
};

static void change_add(struct change_list *list, enum ini_op op, const char *section,
                       const char *name, const json_t *values, bool multi)
{
	size_t i;
	json_t *item;
	if (list->count == CHANGES_MAX)
		return;
	const char **texts = calloc(json_array_size(values) + 1, sizeof(*texts));
	json_array_foreach(texts ? values : NULL, i, item) texts[i] = json_string_value(item);
	list->values[list->count] = texts;
	list->items[list->count++] = (struct ini_change){.op = op,
	                                                 .section = section,
	                                                 .name = name,
	                                                 .values = texts,
	                                                 .count = json_array_size(values),
	                                                 .multi = multi};
}

static void changes_free(struct change_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->values[i]);
}

/* Our lines under SECTION.NAME become OWN (NULL: go), and what was taken out there comes back, but
 * for what is to be out. */
static void changes_name(struct change_list *list, const struct option_work *work, const char *path,
                         const char *section, const char *name, const json_t *own)
{
	size_t i;
	json_t *out, *raw = json_array();
	change_add(list, INI_PUT_BACK, section, name, NULL, false);
	json_array_foreach(work->out, i, out)
	{
		if (strcmp(json_text(out, "file"), path) == 0 &&
		    strcasecmp(json_text(out, "section"), section) == 0 &&
		    strcmp(json_text(out, "name"), name) == 0)
			json_array_append(raw, json_object_get(out, "raw"));
	}
	if (json_array_size(raw) > 0)
		change_add(list, INI_TAKE_OUT, section, name, raw, false);
	change_add(list, INI_SET, section, name, own, kind_is(work, "multi"));
	/* The texts are work->out's; the array was only to count them. */
	json_decref(raw);
}

/* Makes the changes of WORK in ITEM; without WISH our lines only go, and all that was taken out
 * comes back. */
static int text_edit(struct nova_text *item, const struct option_work *work, bool wish,
                     bool is_target, struct gf_err *err)
{
	struct change_list list = {.count = 0};
	struct option_work none = {.kind = work->kind};
	const struct option_work *as = wish ? work : &none;
	const struct oslo_option *known = &work->known->as;
	bool named = false;
	/* Former names first: what they held is out of the way when ours is written. */
	for (const struct oslo_name *former = known->deprecated; former && former->name; former++) {
		bool ours = strcmp(former->name, work->name) == 0 &&
		            strcasecmp(former->section, work->section) == 0;
		named |= ours;
		changes_name(&list, as, item->path, former->section, former->name,
		             ours && wish && is_target ? work->own : NULL);
	}
	changes_name(&list, as, item->path, known->section, known->name,
	             !named && wish && is_target ? work->own : NULL);
	char *result = NULL;
	size_t size = 0;
	int failed = ini_edit(item->text, item->size, list.items, list.count, &result, &size, err);
	changes_free(&list);
	if (failed)
		return gf_err_wrap(err, "%s", item->path);
	free(item->text);
	item->text = result;
	item->size = size;
	return 0;
}

static int texts_copy(const struct nova_texts *texts, struct nova_texts *copy, struct gf_err *err)
{
	memset(copy, 0, sizeof(*copy));
	copy->items = calloc(texts->count + 1, sizeof(*copy->items));
	for (size_t i = 0; copy->items && i < texts->count; i++) {
		struct nova_text *item = &copy->items[copy->count++];
		item->path = strdup(texts->items[i].path);
		item->text = malloc(texts->items[i].size + 1);
		if (!item->path || !item->text)
			return gf_err_set(err, GF_E_MEMORY, "out of memory");
		memcpy(item->text, texts->items[i].text, texts->items[i].size + 1);
		item->size = texts->items[i].size;
	}
	return copy->items ? 0 : gf_err_set(err, GF_E_MEMORY, "out of memory");
}

/* ---- all of it ---- */

/* Does the wish count in the edited files? Names what outweighs it otherwise. */
static int option_check(const struct option_work *work, const struct oslo_config *config,
                        struct gf_err *err)
{
	struct oslo_value value;
	const char *wanted = json_string_value(json_object_get(work->option, "value"));
	size_t i;
	json_t *item;
	if (oslo_config_get(config, &work->known->as, &value, err) != 0)
		return -1;
	bool good = !value.invalid;
	json_array_foreach(wanted_values(work), i, item) good =
	    good && value_written(&value, json_string_value(item));
	if (kind_is(work, "set"))
		good = good && value.count == 1 && strcasecmp(value.values[0].data, wanted) == 0;
	for (i = 0; i < value.entry_count && work->identity; i++)
		good = good && (wanted_same(work, value.entries[i].value.data) ||
		                !wanted_identity(work, value.entries[i].value.data));
	int result = 0;
	if (!good) {
		const struct oslo_entry *last =
		    value.entry_count > 0 ? &value.entries[value.entry_count - 1] : NULL;
		result = gf_err_set(err, GF_E_BLOCKED,
		                    "[%s] %s could not be made to count: %s:%u outweighs it",
		                    work->section, work->name, last ? last->file : "nothing",
		                    last ? last->line : 0);
	}
	oslo_value_free(&value);
	return result;
}

static int works_run(const struct nova_texts *texts, struct nova_texts *base,
                     struct nova_texts *result, struct option_work *works, size_t count,
                     json_t *told, struct gf_err *err)
{
	int main = main_file(texts);
	if (main < 0)
		return gf_err_set(err, GF_E_BLOCKED,
		                  "none of its configuration files may be edited: give it an "
		                  "/etc/nova/nova.conf");
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < texts->count; j++)
			if (is_editable(texts->items[j].path) &&
			    text_edit(&base->items[j], &works[i], false, false, err) != 0)
				return -1;
	struct oslo_config *config = config_of(base, err);
	int failed = config ? 0 : -1;
	for (size_t i = 0; i < count && !failed; i++)
		failed = option_work(&works[i], texts, config, (size_t)main, told, err);
	oslo_config_free(config);
	for (size_t i = 0; i < count && !failed; i++)
		for (size_t j = 0; j < texts->count && !failed; j++)
			if (is_editable(texts->items[j].path))
				failed = text_edit(&result->items[j], &works[i], true,
				                   j == works[i].target, err);
	config = failed ? NULL : config_of(result, err);
	if (!failed && !config)
		failed = -1;
	for (size_t i = 0; i < count && !failed; i++)
		failed = option_check(&works[i], config, err);
	oslo_config_free(config);
	return failed;
}

int nova_edit(const struct nova_texts *texts, int release, const json_t *options,
              struct nova_text *edited, json_t *told, struct gf_err *err)
{
	struct nova_texts base = {.items = NULL}, result = {.items = NULL};
	size_t count = json_array_size(options), begun = 0;
	struct option_work *works = calloc(count + 1, sizeof(*works));
	int failed = works ? 0 : gf_err_set(err, GF_E_MEMORY, "out of memory");
	memset(edited, 0, texts->count * sizeof(*edited));
	if (!failed)
		failed = texts_copy(texts, &base, err);
	if (!failed)
		failed = texts_copy(texts, &result, err);
	for (; begun < count && !failed; begun++)
		failed = option_begin(&works[begun], json_array_get(options, begun), release, err);
	if (!failed)
		failed = works_run(texts, &base, &result, works, count, told, err);
	for (size_t i = 0; i < texts->count && !failed; i++) {
		struct nova_text *item = &result.items[i];
		if (item->size == texts->items[i].size &&
		    memcmp(item->text, texts->items[i].text, item->size) == 0)
			continue;
		edited[i] = *item;
		memset(item, 0, sizeof(*item));
	}
	for (size_t i = 0; i < begun; i++)
		option_end(&works[i]);
	free(works);
	nova_texts_free(&base);
	nova_texts_free(&result);
	return failed;
}

void nova_edited_free(struct nova_text *edited, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(edited[i].path);
		free(edited[i].text);
	}
}
