/* checks.c: the published ids and the list of results. */
#include "controller/readiness/checks.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/readiness/readiness.h"

#define TEXTS_SIZE     16384
#define EVIDENCE_USUAL 256 /* longer ones are written twice */

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
static void make_printable(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		text[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
}

/* Evidence lies one after the other in pieces of memory: a host has hundreds of short ones. */
struct check_texts {
	struct check_texts *former;
	size_t used, size;
	char bytes[];
};

/* SIZE bytes that stay where they are; NULL when out of memory. */
static char *text_room(struct check_list *list, size_t size)
{
	struct check_texts *texts = list->texts;

	if (!texts || texts->size - texts->used < size) {
		size_t piece = size > TEXTS_SIZE ? size : TEXTS_SIZE;

		texts = malloc(sizeof(*texts) + piece);
		if (!texts)
			return NULL;
		*texts = (struct check_texts){.former = list->texts, .size = piece};
		list->texts = texts;
	}
	return texts->bytes + texts->used;
}

__attribute__((format(printf, 2, 0))) static const char *
evidence_add(struct check_list *list, const char *format, va_list args)
{
	va_list again;
	char *text = text_room(list, EVIDENCE_USUAL);
	int length;

	va_copy(again, args);
	length = text ? vsnprintf(text, EVIDENCE_USUAL, format, again) : -1;
	va_end(again);
	if (length >= EVIDENCE_USUAL) {
		text = text_room(list, (size_t)length + 1);
		length = text ? vsnprintf(text, (size_t)length + 1, format, args) : -1;
	}
	if (length < 0)
		return NULL;
	make_printable(text, (size_t)length);
	list->texts->used += (size_t)length + 1;
	return text;
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
	check->evidence = evidence_add(list, format, args);
	va_end(args);
	if (check->evidence)
		list->count++;
	else
		list->failed = true;
}

void check_list_free(struct check_list *list)
{
	while (list->texts) {
		struct check_texts *former = list->texts->former;

		free(list->texts);
		list->texts = former;
	}
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

void check_text_add(struct check_text *text, const char *format, ...)
{
	size_t room = sizeof(text->text) - text->used;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text->text + text->used, room, format, args);
	va_end(args);
	if (length > 0 && (size_t)length < room)
		text->used += (size_t)length;
	else
		text->text[text->used] = '\0'; /* whole parts only */
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
