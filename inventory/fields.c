/* fields.c: see fields.h. */
#include "inventory/fields.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/nodeset.h"
#include "inventory/suggest.h"

#define TEXT_MAX_LENGTH 4096

int field_no_memory(struct field_reader *reader)
{
	return gf_err_set(reader->err, GF_E_MEMORY, "%.200s: out of memory",
	                  json_source_name(reader->source));
}

/* The key that a value belongs to: its own, or its list's. */
static const char *path_key(const struct json_path *at)
{
	while (at && !at->key)
		at = at->parent;
	return at ? at->key : NULL;
}

static const char *value_show(const json_t *value, char buffer[JSON_SHOW_SIZE + 8])
{
	char shown[JSON_SHOW_SIZE];
	if (json_is_string(value))
		snprintf(buffer, JSON_SHOW_SIZE + 8, "\"%s\"",
		         json_show(json_string_value(value), shown));
	else if (json_is_integer(value))
		snprintf(buffer, JSON_SHOW_SIZE + 8, "%" JSON_INTEGER_FORMAT,
		         json_integer_value(value));
	else if (json_is_boolean(value))
		snprintf(buffer, JSON_SHOW_SIZE + 8, "%s", json_is_true(value) ? "true" : "false");
	else if (json_is_real(value))
		snprintf(buffer, JSON_SHOW_SIZE + 8, "%g", json_real_value(value));
	else
		snprintf(buffer, JSON_SHOW_SIZE + 8, "%s",
		         json_is_array(value) && !json_array_size(value) ? "an empty list"
		                                                         : json_type_name(value));
	return buffer;
}

int field_mismatch(struct field_reader *reader, const struct json_path *at, const json_t *value,
                   const char *what)
{
	char shown[JSON_SHOW_SIZE + 8], key[JSON_SHOW_SIZE];
	const char *name = path_key(at);
	if (!name)
		return field_error(reader, at, JSON_VALUE, "the file must hold %s, not %s", what,
		                   value_show(value, shown));
	return field_error(reader, at, JSON_VALUE, "%s\"%s\" must be %s, not %s",
	                   at->key ? "" : "each entry of ", json_show(name, key), what,
	                   value_show(value, shown));
}

/* ", did you mean …?" or the list of what there is. */
static void hint_print(const char *word, const char *const *known, size_t count, char *buffer,
                       size_t size)
{
	const char *near = suggest_nearest(word, known, count);
	if (near) {
		snprintf(buffer, size, "did you mean \"%s\"?", near);
		return;
	}
	size_t used = (size_t)snprintf(buffer, size, "known here:");
	for (size_t i = 0; i < count && used < size; i++)
		used +=
		    (size_t)snprintf(buffer + used, size - used, "%s %s", i ? "," : "", known[i]);
}

static int key_unknown(struct field_reader *reader, const struct json_path *at,
                       const struct field_set *set, unsigned where)
{
	const char *known[64] = {NULL};
	size_t count = 0;
	char hint[320], shown[JSON_SHOW_SIZE];
	for (size_t i = 0; i < set->count && count < 64; i++)
		if (!set->items[i].where || set->items[i].where & where)
			known[count++] = set->items[i].name;
	hint_print(at->key, known, count, hint, sizeof(hint));
	return field_error(reader, at, JSON_KEY, "unknown key \"%s\"; %s",
	                   json_show(at->key, shown), hint);
}

static const struct field *field_find(const struct field_set *set, const char *name)
{
	for (size_t i = 0; i < set->count; i++)
		if (!strcmp(set->items[i].name, name))
			return &set->items[i];
	return NULL;
}

int fields_read(struct field_reader *reader, const struct json_path *at, const json_t *object,
                const struct field_set *set, unsigned where, void *target, unsigned *given)
{
	unsigned seen = 0;
	const char *key;
	json_t *value;
	if (!json_is_object(object))
		return field_mismatch(reader, at, object, "an object");
	/* jansson's iteration does not change the object; its macro only lacks const. */
	json_object_foreach((json_t *)(uintptr_t)object, key, value)
	{
		struct json_path here = {.parent = at, .key = key};
		const struct field *field = field_find(set, key);
		if (!field)
			return key_unknown(reader, &here, set, where);
		if (field->where && !(field->where & where))
			return field_error(reader, &here, JSON_KEY, "\"%s\" cannot stand here; %s",
			                   key, field->elsewhere ? field->elsewhere : "remove it");
		if (field->read(reader, &here, value, field,
		                target ? (char *)target + field->offset : NULL) < 0)
			return -1;
		seen |= 1u << (field - set->items);
	}
	for (size_t i = 0; i < set->count; i++) {
		const struct field *field = &set->items[i];
		if (field->required && !(seen & 1u << i) && (!field->where || field->where & where))
			return field_error(reader, at, JSON_VALUE, "\"%s\" is missing here",
			                   field->name);
	}
	if (given)
		*given = seen;
	return 0;
}

/* The checked copy of a string; NULL with *err set. */
static char *text_copy(struct field_reader *reader, const struct json_path *at, const json_t *value,
                       const struct text_rule *rule)
{
	const char *text = json_string_value(value);
	if (!text || strlen(text) > TEXT_MAX_LENGTH || (rule->valid && !rule->valid(text))) {
		field_mismatch(reader, at, value, rule->what);
		return NULL;
	}
	char *copy = rule->normal ? rule->normal(text) : strdup(text);
	if (!copy)
		field_no_memory(reader);
	return copy;
}

int field_text(struct field_reader *reader, const struct json_path *at, const json_t *value,
               const struct field *field, void *out)
{
	char *copy = text_copy(reader, at, value, field->rule);
	if (!copy)
		return -1;
	if (out) {
		free(*(char **)out);
		*(char **)out = copy;
	} else {
		free(copy);
	}
	return 0;
}

static int list_check(struct field_reader *reader, const struct json_path *at, const json_t *value,
                      const struct field *field)
{
	if (!json_is_array(value))
		return field_mismatch(reader, at, value, "a list");
	if (json_array_size(value) < field->min)
		return field_error(reader, at, JSON_VALUE,
		                   "\"%s\" is empty; it needs at least one entry", field->name);
	if (field->max && json_array_size(value) > field->max)
		return field_error(reader, at, JSON_VALUE, "\"%s\" has more than %u entries",
		                   field->name, field->max);
	return 0;
}

static int texts_read(struct field_reader *reader, const struct json_path *at, const json_t *value,
                      const struct field *field, struct string_list *list, bool unique)
{
	if (list_check(reader, at, value, field) < 0)
		return -1;
	json_t *seen = unique ? json_object() : NULL;
	size_t i;
	const json_t *item;
	int rc = unique && !seen ? field_no_memory(reader) : 0;
	json_array_foreach(value, i, item)
	{
		struct json_path here = {.parent = at, .index = i};
		char *copy = rc < 0 ? NULL : text_copy(reader, &here, item, field->rule);
		char shown[JSON_SHOW_SIZE];
		if (!copy)
			rc = -1;
		else if (seen && json_object_get(seen, copy))
			rc = field_error(reader, &here, JSON_VALUE, "\"%s\" stands twice in \"%s\"",
			                 json_show(copy, shown), field->name);
		else if ((seen && json_object_set_new(seen, copy, json_true()) < 0) ||
		         (list && string_list_append(list, copy) < 0))
			rc = field_no_memory(reader);
		free(copy);
		if (rc < 0)
			break;
	}
	json_decref(seen);
	return rc;
}

int field_texts(struct field_reader *reader, const struct json_path *at, const json_t *value,
                const struct field *field, void *out)
{
	return texts_read(reader, at, value, field, out, true);
}

int field_argv(struct field_reader *reader, const struct json_path *at, const json_t *value,
               const struct field *field, void *out)
{
	if (!json_is_array(value))
		return field_mismatch(
		    reader, at, value,
		    "a list of a program and its arguments, such as [\"ls\", \"-l\"]");
	return texts_read(reader, at, value, field, out, false);
}

static int choice_find(struct field_reader *reader, const struct json_path *at, const json_t *value,
                       const char *const *names)
{
	const char *text = json_string_value(value);
	size_t count = 0;
	char what[320], shown[JSON_SHOW_SIZE + 8];
	size_t used = (size_t)snprintf(what, sizeof(what), "one of");
	for (; names[count]; count++) {
		if (text && !strcmp(text, names[count]))
			return (int)count;
		if (used < sizeof(what))
			used += (size_t)snprintf(what + used, sizeof(what) - used, "%s \"%s\"",
			                         count ? "," : "", names[count]);
	}
	const char *near = text ? suggest_nearest(text, names, count) : NULL;
	if (!near)
		return field_mismatch(reader, at, value, what);
	return field_error(reader, at, JSON_VALUE,
	                   "\"%s\" must be %s, not %s; did you mean \"%s\"?", path_key(at), what,
	                   value_show(value, shown), near);
}

int field_choice(struct field_reader *reader, const struct json_path *at, const json_t *value,
                 const struct field *field, void *out)
{
	int index = choice_find(reader, at, value, field->rule);
	if (index >= 0 && out)
		*(int *)out = index;
	return index < 0 ? -1 : 0;
}

int field_choice_text(struct field_reader *reader, const struct json_path *at, const json_t *value,
                      const struct field *field, void *out)
{
	if (choice_find(reader, at, value, field->rule) < 0)
		return -1;
	if (out && !(*(char **)out = strdup(json_string_value(value))))
		return field_no_memory(reader);
	return 0;
}

int field_bool(struct field_reader *reader, const struct json_path *at, const json_t *value,
               const struct field *field, void *out)
{
	(void)field;
	if (!json_is_boolean(value))
		return field_mismatch(reader, at, value, "true or false");
	if (out)
		*(bool *)out = json_is_true(value);
	return 0;
}

int field_tristate(struct field_reader *reader, const struct json_path *at, const json_t *value,
                   const struct field *field, void *out)
{
	(void)field;
	if (!json_is_boolean(value))
		return field_mismatch(reader, at, value, "true or false");
	if (out)
		*(int *)out = json_is_true(value);
	return 0;
}

static int number_read(struct field_reader *reader, const struct json_path *at, const json_t *value,
                       unsigned min, unsigned max, unsigned *out)
{
	json_int_t number = json_integer_value(value);
	char what[80];
	if (!json_is_integer(value) || number < (json_int_t)min || number > (json_int_t)max) {
		snprintf(what, sizeof(what), "a whole number from %u to %u", min, max);
		return field_mismatch(reader, at, value, what);
	}
	*out = (unsigned)number;
	return 0;
}

int field_number(struct field_reader *reader, const struct json_path *at, const json_t *value,
                 const struct field *field, void *out)
{
	unsigned number = 0;
	if (number_read(reader, at, value, field->min, field->max, &number) < 0)
		return -1;
	if (out)
		*(unsigned *)out = number;
	return 0;
}

int field_port(struct field_reader *reader, const struct json_path *at, const json_t *value,
               const struct field *field, void *out)
{
	unsigned number = 0;
	(void)field;
	if (number_read(reader, at, value, 1, UINT16_MAX, &number) < 0)
		return -1;
	if (out)
		*(uint16_t *)out = (uint16_t)number;
	return 0;
}

int field_duration(struct field_reader *reader, const struct json_path *at, const json_t *value,
                   const struct field *field, void *out)
{
	static const struct {
		char unit;
		unsigned seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	const char *text = json_string_value(value);
	size_t digits = text ? strspn(text, "0123456789") : 0;
	(void)field;
	if (digits > 0 && digits <= 6 && text[digits] && !text[digits + 1])
		for (size_t i = 0; i < 4; i++) {
			unsigned long seconds = strtoul(text, NULL, 10) * units[i].seconds;
			if (text[digits] != units[i].unit || seconds == 0 || seconds > 7 * 86400)
				continue;
			if (out)
				*(unsigned *)out = (unsigned)seconds;
			return 0;
		}
	return field_mismatch(
	    reader, at, value,
	    "a time from \"1s\" to \"7d\" with its unit, such as \"90s\", \"30m\" or "
	    "\"2h\"");
}

int field_object(struct field_reader *reader, const struct json_path *at, const json_t *value,
                 const struct field *field, void *out)
{
	return fields_read(reader, at, value, field->rule, field->where, out, NULL);
}

int field_any(struct field_reader *reader, const struct json_path *at, const json_t *value,
              const struct field *field, void *out)
{
	(void)reader, (void)at, (void)value, (void)field, (void)out;
	return 0;
}
