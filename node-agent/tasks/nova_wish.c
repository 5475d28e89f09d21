/* nova_wish.c: see nova_wish.h. */
#include "node-agent/tasks/nova_wish.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "node-agent/tasks/task_help.h"
#include "node-agent/wire/json_text.h"

#define LIST_MAX 4096 /* bytes of a list that is written */

bool nova_wish_is(const struct nova_wish *wish, const char *kind)
{
	return strcmp(wish->kind, kind) == 0;
}

bool nova_file_editable(const char *path)
{
	size_t length = strlen(path);
	return strncmp(path, "/usr/", 5) != 0 &&
	       (length < 10 || strcmp(path + length - 10, "-paste.ini") != 0);
}

static size_t file_index(const struct nova_texts *texts, const char *path)
{
	size_t i = texts->count;
	while (i > 0 && strcmp(texts->items[i - 1].path, path) != 0)
		i--;
	return i > 0 ? i - 1 : 0;
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

static const json_t *wanted_values(const struct nova_wish *wish)
{
	return json_object_get(wish->option, "values");
}

static bool wanted_same(const struct nova_wish *wish, const char *value)
{
	size_t i;
	json_t *item;
	json_array_foreach(wanted_values(wish), i, item)
	{
		if (value_same(value, json_string_value(item)))
			return true;
	}
	return false;
}

static bool wanted_identity(const struct nova_wish *wish, const char *value)
{
	size_t i;
	json_t *item;
	json_array_foreach(wanted_values(wish), i, item)
	{
		if (identity_same(value, json_string_value(item), wish->identity))
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

/* Tells of an entry of others, with its line in the file as it is NOW (BASE is without ours). One
 * that was put aside before is not there any more: nothing is told again. */
static void entry_tell(const struct oslo_entry *entry, const struct oslo_value *now,
                       const char *what, json_t *told)
{
	for (size_t i = 0; i < now->entry_count; i++) {
		const struct oslo_entry *other = &now->entries[i];
		if (other->ours || strcmp(other->file, entry->file) != 0 ||
		    strcmp(other->name, entry->name) != 0 || other->raw.size != entry->raw.size ||
		    memcmp(other->raw.data, entry->raw.data, entry->raw.size) != 0)
			continue;
		json_array_append_new(told,
		                      json_sprintf("[%s] %s of others %s: %s:%u", entry->section,
		                                   entry->name, what, entry->file, other->line));
		return;
	}
}

static void multi_work(struct nova_wish *wish, const struct oslo_value *base,
                       const struct oslo_value *now, json_t *told)
{
	size_t i;
	json_t *item;
	json_array_foreach(wanted_values(wish), i, item)
	{
		if (!value_written(base, json_string_value(item)))
			json_array_append(wish->own, item);
	}
	for (i = 0; i < base->entry_count; i++) {
		const struct oslo_entry *entry = &base->entries[i];
		if (wanted_same(wish, entry->value.data))
			continue;
		if (wanted_identity(wish, entry->value.data)) {
			json_array_append_new(
			    wish->out, json_pack("{s:s, s:s, s:s, s:s%}", "file", entry->file,
			                         "section", entry->section, "name", entry->name,
			                         "raw", entry->raw.data, entry->raw.size));
			entry_tell(entry, now, "says otherwise and is put aside", told);
		} else if (!wish->identity) {
			entry_tell(entry, now, "stays", told);
		}
	}
}

static int set_work(struct nova_wish *wish, const struct oslo_value *base, struct gf_err *err)
{
	const char *wanted = json_string_value(json_object_get(wish->option, "value"));
	if (!wanted)
		return gf_err_set(err, GF_E_INPUT, "[%s] %s has no value to be set to",
		                  wish->section, wish->name);
	bool same =
	    base->source == OSLO_FILE && base->count == 1 && !base->invalid &&
	    (wish->known->as.kind == OSLO_BOOL ? strcasecmp(base->values[0].data, wanted) == 0
	                                       : strcmp(base->values[0].data, wanted) == 0);
	if (!same)
		json_array_append_new(wish->own, json_string(wanted));
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
static json_t *list_base(const struct nova_wish *wish, const struct oslo_value *base)
{
	const json_t *defaults = json_object_get(wish->option, "default");
	if (base->source == OSLO_UNSET || base->source == OSLO_DEFAULT)
		return json_is_array(defaults) ? json_deep_copy(defaults) : NULL;
	json_t *list = json_array();
	for (size_t i = 0; i < base->count; i++)
		json_array_append_new(list, json_string(base->values[i].data));
	return list;
}

static int list_work(struct nova_wish *wish, const struct oslo_value *base, struct gf_err *err)
{
	char text[LIST_MAX] = "";
	size_t i, used = 0;
	json_t *item, *list = base->invalid ? NULL : list_base(wish, base);
	bool missing = false;
	if (!list)
		return gf_err_set(err, GF_E_BLOCKED,
		                  "[%s] %s: nothing sets it, and the list that this release has by "
		                  "itself is not known: name the release of Nova",
		                  wish->section, wish->name);
	json_array_foreach(wanted_values(wish), i, item)
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
		                  wish->section, wish->name);
	if (missing)
		json_array_append_new(wish->own, json_string(text));
	return 0;
}

/* Where ours count: in the main file, or in a later one that sets the same option. */
static void target_choose(struct nova_wish *wish, const struct nova_texts *texts,
                          const struct oslo_value *base, size_t main)
{
	wish->target = main;
	for (size_t i = 0; i < base->entry_count && !nova_wish_is(wish, "multi"); i++) {
		size_t index = file_index(texts, base->entries[i].file);
		if (index > wish->target && nova_file_editable(texts->items[index].path))
			wish->target = index;
	}
}

int nova_wish_begin(struct nova_wish *wish, const json_t *option, int release, struct gf_err *err)
{
	size_t i;
	json_t *item;
	memset(wish, 0, sizeof(*wish));
	wish->option = option;
	wish->section = json_text(option, "section");
	wish->name = json_text(option, "name");
	wish->kind = json_text(option, "kind");
	wish->identity = json_string_value(json_object_get(option, "identity"));
	wish->known = nova_option_named(release, wish->section, wish->name);
	if (!wish->known)
		return gf_err_set(err, GF_E_INPUT,
		                  "[%.60s] %.60s is no option that this agent sets in Nova %d",
		                  wish->section, wish->name, release);
	if (!nova_wish_is(wish, "multi") && !nova_wish_is(wish, "set") &&
	    !nova_wish_is(wish, "list-add"))
		return gf_err_set(err, GF_E_INPUT, "\"%.40s\" is no way to set [%s] %s", wish->kind,
		                  wish->section, wish->name);
	json_array_foreach(wanted_values(wish), i, item)
	{
		if (!json_is_string(item))
			return gf_err_set(err, GF_E_INPUT, "a value of [%s] %s is not a text",
			                  wish->section, wish->name);
	}
	wish->own = json_array();
	wish->out = json_array();
	return 0;
}

void nova_wish_end(struct nova_wish *wish)
{
	json_decref(wish->own);
	json_decref(wish->out);
}

int nova_wish_work(struct nova_wish *wish, const struct nova_texts *texts,
                   const struct oslo_config *base, const struct oslo_config *now, size_t main,
                   json_t *told, struct gf_err *err)
{
	struct oslo_value value, present;
	int result = 0;
	if (oslo_config_get(base, &wish->known->as, &value, err) != 0)
		return -1;
	if (oslo_config_get(now, &wish->known->as, &present, err) != 0) {
		oslo_value_free(&value);
		return -1;
	}
	target_choose(wish, texts, &value, main);
	if (nova_wish_is(wish, "multi"))
		multi_work(wish, &value, &present, told);
	else if (nova_wish_is(wish, "set"))
		result = set_work(wish, &value, err);
	else
		result = list_work(wish, &value, err);
	oslo_value_free(&value);
	oslo_value_free(&present);
	return result;
}

int nova_wish_check(const struct nova_wish *wish, const struct oslo_config *config,
                    struct gf_err *err)
{
	struct oslo_value value;
	const char *wanted = json_string_value(json_object_get(wish->option, "value"));
	size_t i;
	json_t *item;
	if (oslo_config_get(config, &wish->known->as, &value, err) != 0)
		return -1;
	bool good = !value.invalid;
	json_array_foreach(wanted_values(wish), i, item) good =
	    good && value_written(&value, json_string_value(item));
	if (nova_wish_is(wish, "set"))
		good = good && value.count == 1 && strcasecmp(value.values[0].data, wanted) == 0;
	for (i = 0; i < value.entry_count && wish->identity; i++)
		good = good && (wanted_same(wish, value.entries[i].value.data) ||
		                !wanted_identity(wish, value.entries[i].value.data));
	int result = 0;
	if (!good) {
		const struct oslo_entry *last =
		    value.entry_count > 0 ? &value.entries[value.entry_count - 1] : NULL;
		result = gf_err_set(err, GF_E_BLOCKED,
		                    "[%s] %s could not be made to count: %s:%u outweighs it",
		                    wish->section, wish->name, last ? last->file : "nothing",
		                    last ? last->line : 0);
	}
	oslo_value_free(&value);
	return result;
}
