/* escape.c: see escape.h. */
#include "controller/terminal/escape.h"

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

static json_t *escape_string(const char *text)
{
	size_t size = 4 * strlen(text) + 6;
	char *buffer = malloc(size);
	json_t *value = buffer ? json_string(escape_text(text, buffer, size, 0)) : NULL;

	free(buffer);
	return value;
}

json_t *escape_json(const json_t *value)
{
	json_t *copy = json_is_string(value)   ? escape_string(json_string_value(value))
	               : json_is_array(value)  ? json_array()
	               : json_is_object(value) ? json_object()
	                                       : json_deep_copy(value);
	union {
		const json_t *in;
		json_t *out;
	} source = {.in = value};
	json_t *item;
	const char *key;
	size_t i;
	int failed = !copy;

	json_array_foreach(value, i, item) failed |= json_array_append_new(copy, escape_json(item));
	json_object_foreach(source.out, key, item) failed |=
	    json_object_set_new(copy, key, escape_json(item));
	if (failed) {
		json_decref(copy);
		return NULL;
	}
	return copy;
}
