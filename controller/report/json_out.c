/* json_out.c: see json_out.h. */
#include "controller/report/json_out.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_SIZE (1U << 18)
#define KEPT_PLACES (1U << 15)
#define KEPT_MAX    ((size_t)64 << 20) /* bytes */
#define KEPT_LONG   4096               /* a text; longer ones are hardly ever shared */

/* The text of a value that others may share (a report's checks and devices): it is made once and
 * copied after that. */
struct kept {
	json_t *value; /* a reference, so that no other comes to lie there; NULL: free */
	unsigned depth;
	bool compact;
	size_t length;
	char *text;
};

struct json_out {
	FILE *out;
	size_t used, emptied; /* emptied: how often */
	size_t kept_size;
	struct kept kept[KEPT_PLACES];
	char buffer[BUFFER_SIZE];
};

struct json_out *json_out_new(FILE *out)
{
	struct json_out *json = calloc(1, sizeof(*json));

	if (json)
		json->out = out;
	return json;
}

static void empty(struct json_out *json)
{
	fwrite(json->buffer, 1, json->used, json->out);
	json->used = 0;
	json->emptied++;
}

void json_out_free(struct json_out *json)
{
	if (!json)
		return;
	empty(json);
	for (size_t i = 0; i < KEPT_PLACES; i++) {
		json_decref(json->kept[i].value);
		free(json->kept[i].text);
	}
	free(json);
}

static void put(struct json_out *json, const char *bytes, size_t length)
{
	if (length > BUFFER_SIZE - json->used) {
		empty(json);
		if (length > BUFFER_SIZE) {
			fwrite(bytes, 1, length, json->out);
			return;
		}
	}
	memcpy(json->buffer + json->used, bytes, length);
	json->used += length;
}

void json_out_raw(struct json_out *json, const char *text)
{
	put(json, text, strlen(text));
}

/* The character at TEXT, whose UTF-8 is known to be good; its length to *LENGTH. */
static unsigned long code_point(const unsigned char *text, size_t *length)
{
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	unsigned long code;

	*length = text[0] < 0x80 ? 1 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : 4;
	code = text[0] & masks[*length];
	for (size_t i = 1; i < *length; i++)
		code = code << 6 | (text[i] & 0x3f);
	return code;
}

static void put_escape(struct json_out *json, unsigned long code)
{
	static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt";
	char text[16];

	for (size_t i = 0; i + 1 < sizeof(named); i += 2) {
		if ((unsigned long)named[i] == code) {
			snprintf(text, sizeof(text), "\\%c", named[i + 1]);
			json_out_raw(json, text);
			return;
		}
	}
	if (code > 0xffff) {
		code -= 0x10000;
		snprintf(text, sizeof(text), "\\u%04lX\\u%04lX", 0xd800 | code >> 10,
		         0xdc00 | (code & 0x3ff));
	} else {
		snprintf(text, sizeof(text), "\\u%04lX", code);
	}
	json_out_raw(json, text);
}

static bool is_plain(unsigned char byte)
{
	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

static void put_string(struct json_out *json, const char *text, size_t length)
{
	const char *end = text + length;

	put(json, "\"", 1);
	while (text < end) {
		const char *from = text;
		size_t bytes;

		while (text < end && is_plain((unsigned char)*text))
			text++;
		put(json, from, (size_t)(text - from));
		if (text == end)
			break;
		put_escape(json, code_point((const unsigned char *)text, &bytes));
		text += bytes;
	}
	put(json, "\"", 1);
}

void json_out_string(struct json_out *json, const char *text)
{
	put_string(json, text, strlen(text));
}

static void put_line(struct json_out *json, bool compact, unsigned depth)
{
	static const char blanks[] = "\n                                ";

	if (compact)
		return;
	put(json, blanks, 1 + (2 * depth < sizeof(blanks) - 2 ? 2 * depth : sizeof(blanks) - 2));
	for (unsigned i = sizeof(blanks) / 2 - 1; i < depth; i++)
		put(json, "  ", 2);
}

static void put_array(struct json_out *json, const json_t *array, bool compact, unsigned depth)
{
	const json_t *item;
	size_t i;

	put(json, "[", 1);
	json_array_foreach(array, i, item)
	{
		if (i)
			put(json, ",", 1);
		put_line(json, compact, depth + 1);
		json_out_value(json, item, compact, depth + 1);
	}
	if (json_array_size(array))
		put_line(json, compact, depth);
	put(json, "]", 1);
}

static void put_object(struct json_out *json, const json_t *object, bool compact, unsigned depth)
{
	union {
		const json_t *in;
		json_t *out;
	} source = {.in = object};
	bool first = true;

	put(json, "{", 1);
	for (void *at = json_object_iter(source.out); at;
	     at = json_object_iter_next(source.out, at)) {
		if (!first)
			put(json, ",", 1);
		first = false;
		put_line(json, compact, depth + 1);
		json_out_string(json, json_object_iter_key(at));
		put(json, ": ", compact ? 1 : 2);
		json_out_value(json, json_object_iter_value(at), compact, depth + 1);
	}
	if (!first)
		put_line(json, compact, depth);
	put(json, "}", 1);
}

/* The place of a shared value's text: its own, or the one that it may take. */
static struct kept *kept_place(struct json_out *json, const json_t *value)
{
	uint64_t hash = (uint64_t)(uintptr_t)value * 0x9e3779b97f4a7c15U;

	return &json->kept[hash >> 32 & (KEPT_PLACES - 1)];
}

/* Keeps what was written since the buffer held FROM bytes, if it is there still. */
static void keep(struct json_out *json, const struct kept *what, size_t from, size_t emptied)
{
	struct kept *kept = kept_place(json, what->value);
	size_t length = json->used - from;

	if (kept->value || emptied != json->emptied || length > KEPT_LONG ||
	    json->kept_size > KEPT_MAX)
		return;
	*kept = *what;
	kept->text = malloc(length);
	if (!kept->text) {
		kept->value = NULL;
		return;
	}
	json_incref(kept->value);
	memcpy(kept->text, json->buffer + from, length);
	kept->length = length;
	json->kept_size += length;
}

static void put_object_once(struct json_out *json, const json_t *object, bool compact,
                            unsigned depth)
{
	union {
		const json_t *in;
		json_t *out;
	} value = {.in = object};
	struct kept what = {.value = value.out, .depth = depth, .compact = compact};
	const struct kept *kept = kept_place(json, object);
	size_t from = json->used, emptied = json->emptied;

	if (kept->value == object && kept->depth == depth && kept->compact == compact) {
		put(json, kept->text, kept->length);
		return;
	}
	put_object(json, object, compact, depth);
	if (object->refcount > 1)
		keep(json, &what, from, emptied);
}

void json_out_value(struct json_out *json, const json_t *value, bool compact, unsigned depth)
{
	char number[32];
	char *real;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		put_object_once(json, value, compact, depth);
		return;
	case JSON_ARRAY:
		put_array(json, value, compact, depth);
		return;
	case JSON_STRING:
		put_string(json, json_string_value(value), json_string_length(value));
		return;
	case JSON_INTEGER:
		snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT,
		         json_integer_value(value));
		json_out_raw(json, number);
		return;
	case JSON_REAL:
		real = json_dumps(value, JSON_ENCODE_ANY);
		json_out_raw(json, real ? real : "null");
		free(real);
		return;
	case JSON_TRUE:
		put(json, "true", 4);
		return;
	case JSON_FALSE:
		put(json, "false", 5);
		return;
	default:
		put(json, "null", 4);
	}
}
