/* checks.c: the published ids and the list of results. */
#include "controller/readiness/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/readiness/readiness.h"

static const char *const names[] = {
#define X(id, name) [id] = (name),
    CHECKS(X)
#undef X
        [CHECK_COUNT] = NULL,
};

const char *const *readiness_check_ids(void)
{
	return names;
}

const char *check_name(enum check_id id)
{
	return names[id];
}

/* Evidence quotes a host's own strings: nothing in it may drive a terminal or break UTF-8. */
static void make_printable(char *text)
{
	for (; *text; text++) {
		if ((unsigned char)*text < ' ' || (unsigned char)*text > '~')
			*text = '?';
	}
}

void check_add(struct check_list *list, enum check_id id, const char *device,
               enum check_status status, const char *cause, const char *fix, const char *format,
               ...)
{
	struct check *check;
	va_list args;

	if (list->count == list->size) {
		size_t size = list->size ? 2 * list->size : 64;
		struct check *items = realloc(list->items, size * sizeof(*items));

		if (!items) {
			list->failed = true;
			return;
		}
		list->items = items;
		list->size = size;
	}
	check = &list->items[list->count];
	*check = (struct check){.id = id, .device = device, .status = status};
	check->cause = cause ? cause : "";
	check->fix = fix ? fix : "";
	va_start(args, format);
	if (vasprintf(&check->evidence, format, args) < 0) {
		check->evidence = NULL;
		list->failed = true;
	} else {
		make_printable(check->evidence);
		list->count++;
	}
	va_end(args);
}

void check_list_free(struct check_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].evidence);
	free(list->items);
	memset(list, 0, sizeof(*list));
}

json_t *check_json(const struct check *check)
{
	static const char *const statuses[] = {"pass", "warn", "fail", "fail", "unknown"};
	json_t *json = json_object();

	json_object_set_new(json, "id", json_string(check_name(check->id)));
	json_object_set_new(json, "device",
	                    check->device ? json_string(check->device) : json_null());
	json_object_set_new(json, "status", json_string(statuses[check->status]));
	json_object_set_new(json, "evidence", json_string(check->evidence));
	json_object_set_new(json, "cause", json_string(check->cause));
	json_object_set_new(json, "fix", json_string(check->fix));
	return json;
}

bool checks_is_wanted(const struct check_subject *subject, const char *address)
{
	const struct selection_device *item = selection_find(subject->selection, address);

	return item && !item->ignored;
}

bool checks_goes_to_guests(const struct check_subject *subject, const char *address,
                           const char *card)
{
	const struct selection_device *item = selection_find(subject->selection, address);

	if (!item || item->ignored)
		return false;
	if (card && strcmp(item->card, card) == 0)
		return true;
	return !(subject->left_out && subject->left_out[item - subject->selection->items]);
}
