/* escape.c: see escape.h. */
#include "controller/terminal/escape.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The length of the UTF-8 sequence at TEXT, or 0 when it is none. */
static size_t sequence_length(const unsigned char *text, size_t left)
{
	size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

	if (text[0] < 0xc2 || text[0] > 0xf4 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	/* Written longer than it may be, half of a pair, beyond the last character. */
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0;
	return length;
}

size_t escape_length(const char *at, size_t left)
{
	const unsigned char *text = (const unsigned char *)at;

	if (text[0] < 0x80)
		return text[0] >= 0x20 && text[0] != 0x7f;
	size_t length = sequence_length(text, left);
	if (length == 2 && text[0] == 0xc2 && text[1] < 0xa0) /* a C1 control */
		return 0;
	/* Line separators, and marks that make a line read otherwise than it is. */
	if (length == 3 && text[0] == 0xe2 &&
	    ((text[1] == 0x80 && text[2] >= 0xa8 && text[2] <= 0xae) ||
	     (text[1] == 0x81 && text[2] >= 0xa6 && text[2] <= 0xa9)))
		return 0;
	return length;
}

char *escape_text(const char *text, char *buffer, size_t size, int lines)
{
	const char *from = text, *end = text + strlen(text);
	size_t used = 0;

	while (*from && used + 5 < size) {
		size_t length = escape_length(from, (size_t)(end - from));

		if (lines && (*from == '\n' || *from == '\t'))
			length = 1;
		if (!length) {
			used += (size_t)snprintf(buffer + used, size - used, "\\x%02x",
			                         (unsigned char)*from);
			from++;
			continue;
		}
		memcpy(buffer + used, from, length);
		used += length;
		from += length;
	}
	buffer[used] = '\0';
	return buffer;
}

/* Objects and arrays in which nothing is to be escaped: the same checks stand in thousands of
 * hosts' entries. It is a cache: what falls on a taken place is looked at again. */
#define SEEN_SIZE 4096

struct seen {
	const json_t *clean[SEEN_SIZE];
};

/* jansson has no way to read or copy what is const. */
static json_t *borrow(const json_t *value)
{
	union {
		const json_t *in;
		json_t *out;
	} source = {.in = value};

	return source.out;
}

static json_t *share(const json_t *value)
{
	return json_incref(borrow(value));
}

static bool is_clean(const char *text)
{
	size_t left = strlen(text);

	while (left) {
		size_t length = escape_length(text, left);

		if (!length)
			return false;
		text += length;
		left -= length;
	}
	return true;
}

static json_t *escape_string(const json_t *value)
{
	const char *text = json_string_value(value);
	size_t size = 4 * strlen(text) + 6;
	char *buffer;

	if (is_clean(text))
		return share(value);
	buffer = malloc(size);
	json_t *escaped = buffer ? json_string(escape_text(text, buffer, size, 0)) : NULL;

	free(buffer);
	return escaped;
}

static json_t *escape_value(const json_t *value, struct seen *seen);

/* A copy, or the array itself where no part of it is changed. */
static json_t *escape_array(const json_t *array, struct seen *seen)
{
	json_t *copy = NULL;
	const json_t *item;
	bool failed = false;
	size_t i;

	json_array_foreach(array, i, item)
	{
		json_t *escaped = escape_value(item, seen);

		failed |= !escaped;
		if (!copy && !failed && escaped != item)
			copy = json_copy(borrow(array));
		if (copy)
			failed |= json_array_set(copy, i, escaped) < 0;
		json_decref(escaped);
	}
	if (!failed)
		return copy ? copy : share(array);
	json_decref(copy);
	return NULL;
}

/* The same of an object. */
static json_t *escape_object(const json_t *object, struct seen *seen)
{
	json_t *copy = NULL, *item;
	bool failed = false;
	const char *key;

	json_object_foreach(borrow(object), key, item)
	{
		json_t *escaped = escape_value(item, seen);

		failed |= !escaped;
		if (!copy && !failed && escaped != item)
			copy = json_copy(borrow(object));
		if (copy)
			failed |= json_object_set(copy, key, escaped) < 0;
		json_decref(escaped);
	}
	if (!failed)
		return copy ? copy : share(object);
	json_decref(copy);
	return NULL;
}

static json_t *escape_value(const json_t *value, struct seen *seen)
{
	size_t place = ((size_t)value >> 4) % SEEN_SIZE;
	json_t *escaped;

	if (json_is_string(value))
		return escape_string(value);
	if (!json_is_array(value) && !json_is_object(value))
		return share(value);
	if (seen->clean[place] == value)
		return share(value);
	escaped = json_is_array(value) ? escape_array(value, seen) : escape_object(value, seen);
	if (escaped == value)
		seen->clean[place] = value;
	return escaped;
}

json_t *escape_json(const json_t *value)
{
	struct seen *seen = calloc(1, sizeof(*seen));
	json_t *escaped = seen ? escape_value(value, seen) : NULL;

	free(seen);
	return escaped;
}
