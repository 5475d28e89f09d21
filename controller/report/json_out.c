/* json_out.c: see json_out.h. */
#include "controller/report/json_out.h"

#include <stdlib.h>
#include <string.h>

#define BUFFER_SIZE (1U << 18)

struct json_out {
	FILE *out;
	size_t used;
	char buffer[BUFFER_SIZE];
};

struct json_out *json_out_new(FILE *out)
{
	struct json_out *json = malloc(sizeof(*json));

	if (json) {
		json->out = out;
		json->used = 0;
	}
	return json;
}

static void empty(struct json_out *json)
{
	fwrite(json->buffer, 1, json->used, json->out);
	json->used = 0;
}

void json_out_free(struct json_out *json)
{
	if (!json)
		return;
	empty(json);
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

void json_out_value(struct json_out *json, const json_t *value, bool compact, unsigned depth)
{
	char number[32];
	char *real;

	switch (json_typeof(value)) {
	case JSON_OBJECT:
		put_object(json, value, compact, depth);
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
