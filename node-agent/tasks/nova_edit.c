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
#include "node-agent/tasks/nova_wish.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/wire/json_text.h"

#define CHANGES_MAX 64

/* The service's nova.conf; without one, the last file that may be edited. */
static int main_file(const struct nova_texts *texts)
{
	int found = -1, named = -1;
	for (size_t i = 0; i < texts->count; i++) {
		const char *slash = strrchr(texts->items[i].path, '/');
		if (!nova_file_editable(texts->items[i].path))
			continue;
		found = (int)i;
		if (slash && strcmp(slash, "/nova.conf") == 0)
			named = (int)i;
	}
	return named >= 0 ? named : found;
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

/* ---- edits ---- */

/* The changes of one option in one file. */
struct change_list {
	struct ini_change items[CHANGES_MAX];
	const char **values[CHANGES_MAX];
	size_t count;
	bool failed; /* out of memory, or of room: nothing may be done then */
};

static void change_add(struct change_list *list, enum ini_op op, const char *section,
                       const char *name, const json_t *values, bool multi)
{
	size_t i;
	json_t *item;
	const char **texts =
	    list->count < CHANGES_MAX ? calloc(json_array_size(values) + 1, sizeof(*texts)) : NULL;
	list->failed |= !texts;
	if (!texts)
		return;
	json_array_foreach(values, i, item)
	{
		texts[i] = json_string_value(item);
	}
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
static void changes_name(struct change_list *list, const struct nova_wish *work, const char *path,
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
	change_add(list, INI_SET, section, name, own, nova_wish_is(work, "multi"));
	/* The texts are work->out's; the array was only to count them. */
	json_decref(raw);
}

/* Makes the changes of WORK in ITEM; without WISH our lines only go, and all that was taken out
 * comes back. */
static int text_edit(struct nova_text *item, const struct nova_wish *work, bool wish,
                     bool is_target, struct gf_err *err)
{
	struct change_list list = {.count = 0};
	struct nova_wish none = {.kind = work->kind};
	const struct nova_wish *as = wish ? work : &none;
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
	int failed = list.failed ? gf_err_set(err, GF_E_MEMORY, "out of memory")
	                         : ini_edit(item->text, item->size, list.items, list.count, &result,
	                                    &size, err);
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

static int works_run(const struct nova_texts *texts, struct nova_texts *base,
                     struct nova_texts *result, struct nova_wish *wishes, size_t count,
                     json_t *told, struct gf_err *err)
{
	int main = main_file(texts);
	if (main < 0)
		return gf_err_set(err, GF_E_BLOCKED,
		                  "none of its configuration files may be edited: give it an "
		                  "/etc/nova/nova.conf");
	for (size_t i = 0; i < count; i++)
		for (size_t j = 0; j < texts->count; j++)
			if (nova_file_editable(texts->items[j].path) &&
			    text_edit(&base->items[j], &wishes[i], false, false, err) != 0)
				return -1;
	struct oslo_config *config = config_of(base, err), *now = config_of(texts, err);
	int failed = config && now ? 0 : -1;
	for (size_t i = 0; i < count && !failed; i++)
		failed = nova_wish_work(&wishes[i], texts, config, now, (size_t)main, told, err);
	oslo_config_free(config);
	oslo_config_free(now);
	for (size_t i = 0; i < count && !failed; i++)
		for (size_t j = 0; j < texts->count && !failed; j++)
			if (nova_file_editable(texts->items[j].path))
				failed = text_edit(&result->items[j], &wishes[i], true,
				                   j == wishes[i].target, err);
	config = failed ? NULL : config_of(result, err);
	if (!failed && !config)
		failed = -1;
	for (size_t i = 0; i < count && !failed; i++)
		failed = nova_wish_check(&wishes[i], config, err);
	oslo_config_free(config);
	return failed;
}

int nova_edit(const struct nova_texts *texts, int release, const json_t *options,
              struct nova_text *edited, json_t *told, struct gf_err *err)
{
	struct nova_texts base = {.items = NULL}, result = {.items = NULL};
	size_t count = json_array_size(options), begun = 0;
	struct nova_wish *wishes = calloc(count + 1, sizeof(*wishes));
	int failed = wishes ? 0 : gf_err_set(err, GF_E_MEMORY, "out of memory");
	memset(edited, 0, texts->count * sizeof(*edited));
	if (!failed)
		failed = texts_copy(texts, &base, err);
	if (!failed)
		failed = texts_copy(texts, &result, err);
	for (; begun < count && !failed; begun++)
		failed =
		    nova_wish_begin(&wishes[begun], json_array_get(options, begun), release, err);
	if (!failed)
		failed = works_run(texts, &base, &result, wishes, count, told, err);
	for (size_t i = 0; i < texts->count && !failed; i++) {
		struct nova_text *item = &result.items[i];
		if (item->size == texts->items[i].size &&
		    memcmp(item->text, texts->items[i].text, item->size) == 0)
			continue;
		edited[i] = *item;
		memset(item, 0, sizeof(*item));
	}
	for (size_t i = 0; i < begun; i++)
		nova_wish_end(&wishes[i]);
	free(wishes);
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
