/* oslo_types.c: from text to an option's type and back, as oslo_config/types.py and Python's str()
 * do it. */
#include "node-agent/ini/oslo_read.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define C_STR(text) ((struct py_str){.data = (text), .size = sizeof(text) - 1})

static int invalid(struct oslo_reading *reading, const char *why, struct py_str text)
{
	struct oslo_buffer message = {0};

	if (reading->invalid)
		return 0;
	if (oslo_append(reading, &message,
	                py_str_head((struct py_str){.data = why}, strlen(why))) != 0 ||
	    oslo_append(reading, &message, text) != 0)
		return -1;
	reading->invalid = message.data;
	return 0;
}

static bool bool_is(struct py_str text, const char *const words[4])
{
	for (size_t i = 0; i < 4; i++) {
		if (text.size == strlen(words[i]) &&
		    strncasecmp(text.data, words[i], text.size) == 0)
			return true;
	}
	return false;
}

static int bool_convert(struct oslo_reading *reading, struct py_str text, struct oslo_items *items)
{
	static const char *const yes[] = {"true", "1", "on", "yes"};
	static const char *const no[] = {"false", "0", "off", "no"};

	items->count = 1;
	if (bool_is(text, yes))
		items->items[0] = C_STR("true");
	else if (bool_is(text, no))
		items->items[0] = C_STR("false");
	else
		return invalid(reading, "unexpected boolean value ", text);
	return 0;
}

/* One item of a list; false when its quotes are not closed. */
static bool item_convert(const struct oslo_option *option, struct py_str *item)
{
	*item = py_str_strip(*item);
	if (!option->list_quotes || item->size == 0 ||
	    (item->data[0] != '"' && item->data[0] != '\''))
		return true;
	if (item->size == 1 || item->data[item->size - 1] != item->data[0])
		return false;
	*item = py_str_tail(py_str_head(*item, item->size - 1), 1);
	return true;
}

static int list_convert(struct oslo_reading *reading, const struct oslo_option *option,
                        struct py_str text, struct oslo_items *items)
{
	text = py_str_strip(text);
	while (text.size > 0 && text.data[text.size - 1] == ',')
		text.size--;
	if (option->list_bounds) {
		if (!py_str_starts(text, "["))
			return invalid(reading, "value should start with [: ", text);
		if (text.data[text.size - 1] != ']')
			return invalid(reading, "value should end with ]: ", text);
		/* "[" alone begins and ends so, and s[1:-1] of it is empty. */
		text = text.size == 1 ? py_str_head(text, 0)
		                      : py_str_tail(py_str_head(text, text.size - 1), 1);
	}
	for (size_t from = 0, at = 0; text.size > 0 && at <= text.size; at++) {
		if (at < text.size && text.data[at] != ',')
			continue;
		struct py_str item = py_str_tail(py_str_head(text, at), from);
		if (item_convert(option, &item)) {
			item = oslo_copy(reading, item);
			if (!item.data)
				return -1;
			items->items[items->count++] = item;
			from = at + 1;
		} else if (at == text.size) {
			return invalid(reading, "non-closed quote: ", item);
		}
	}
	return 0;
}

int oslo_convert(struct oslo_reading *reading, const struct oslo_option *option, struct py_str text,
                 struct oslo_items *items)
{
	size_t most = 1;

	for (size_t i = 0; option->kind == OSLO_LIST && i < text.size; i++)
		most += text.data[i] == ',';
	items->count = 0;
	items->items = oslo_take(reading, most * sizeof(*items->items));
	if (!items->items)
		return -1;
	if (option->kind == OSLO_BOOL)
		return bool_convert(reading, text, items);
	if (option->kind == OSLO_LIST)
		return list_convert(reading, option, text, items);
	items->items[items->count++] = text;
	return 0;
}

/* Python's repr() of a string. */
static int repr_append(struct oslo_reading *reading, struct oslo_buffer *out, struct py_str text)
{
	bool single = memchr(text.data, '\'', text.size) && !memchr(text.data, '"', text.size);
	const char *quote = single ? "\"" : "'";
	char part[16];
	int failed = oslo_append(reading, out, py_str_head((struct py_str){.data = quote}, 1));

	while (text.size > 0 && failed == 0) {
		uint32_t code = 0;
		size_t length = py_str_code(text, &code);
		if (code == (unsigned char)*quote || code == '\\')
			snprintf(part, sizeof(part), "\\%c", (int)code);
		else if (code == '\n' || code == '\r' || code == '\t')
			snprintf(part, sizeof(part), "\\%c",
			         code == '\n'   ? 'n'
			         : code == '\r' ? 'r'
			                        : 't');
		else if (py_str_printable(code))
			snprintf(part, sizeof(part), "%.*s", (int)length, text.data);
		else
			snprintf(part, sizeof(part), code < 0x100 ? "\\x%02x" : "\\u%04x",
			         (unsigned)code);
		failed =
		    oslo_append(reading, out, (struct py_str){.data = part, .size = strlen(part)});
		text = py_str_tail(text, length);
	}
	return failed != 0
	           ? -1
	           : oslo_append(reading, out, py_str_head((struct py_str){.data = quote}, 1));
}

int oslo_str(struct oslo_reading *reading, const struct oslo_option *option,
             const struct oslo_items *items, struct py_str *text)
{
	struct oslo_buffer out = {0};

	*text = C_STR("");
	if (items->source == OSLO_UNSET)
		return 0;
	if (option->kind == OSLO_BOOL && items->count == 1) {
		*text = py_str_is(items->items[0], "true") ? C_STR("True") : C_STR("False");
		return 0;
	}
	if (option->kind == OSLO_STRING || option->kind == OSLO_BOOL) {
		if (items->count == 1)
			*text = items->items[0];
		return 0;
	}
	if (oslo_append(reading, &out, C_STR("[")) != 0)
		return -1;
	for (size_t i = 0; i < items->count; i++) {
		if ((i > 0 && oslo_append(reading, &out, C_STR(", ")) != 0) ||
		    repr_append(reading, &out, items->items[i]) != 0)
			return -1;
	}
	if (oslo_append(reading, &out, C_STR("]")) != 0)
		return -1;
	*text = (struct py_str){.data = out.data, .size = out.size};
	return 0;
}
