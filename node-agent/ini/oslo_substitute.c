/* oslo_substitute.c: $name in a value, as ConfigOpts._substitute and string.Template do it. */
#include "node-agent/ini/oslo_read.h"

#include <string.h>

/* The letters that Python's [a-z] takes when it ignores case, beside the ASCII ones. */
static const char *const odd_letters[] = {"\u0130", "\u0131", "\u017f", "\u212a"};

/* The length of the name at the start of TEXT: [_a-z][\._a-z0-9]* */
static size_t name_length(struct py_str text)
{
	size_t at = 0;

	while (at < text.size) {
		char c = text.data[at];
		size_t more = 0;
		if (c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (at > 0 && (c == '.' || (c >= '0' && c <= '9'))))
			more = 1;
		for (size_t i = 0; more == 0 && i < sizeof(odd_letters) / sizeof(*odd_letters);
		     i++) {
			if (py_str_starts(py_str_tail(text, at), odd_letters[i]))
				more = strlen(odd_letters[i]);
		}
		if (more == 0)
			break;
		at += more;
	}
	return at;
}

static const struct py_str dollar = {.data = "$", .size = 1};

/* "\$" becomes "$$", before anything else is looked at. */
static int unescape(struct oslo_reading *reading, struct py_str raw, struct oslo_buffer *out)
{
	size_t from = 0;

	for (size_t at = 0; at + 1 < raw.size; at++) {
		if (raw.data[at] != '\\' || raw.data[at + 1] != '$')
			continue;
		if (oslo_append(reading, out, py_str_tail(py_str_head(raw, at), from)) != 0 ||
		    oslo_append(reading, out, dollar) != 0 ||
		    oslo_append(reading, out, dollar) != 0)
			return -1;
		at++;
		from = at + 1;
	}
	return oslo_append(reading, out, py_str_tail(raw, from));
}

/* What stands after a dollar: *used bytes of REST are replaced together with it. */
static int dollar_replace(struct oslo_reading *reading, const char *section, struct py_str rest,
                          size_t *used, struct oslo_buffer *out)
{
	size_t braces = py_str_starts(rest, "{") ? 1 : 0;
	struct py_str name = py_str_tail(rest, braces);
	struct py_str text;
	bool found = false;

	*used = 0;
	if (py_str_starts(rest, "$")) {
		*used = 1;
		return oslo_append(reading, out, dollar);
	}
	name.size = name_length(name);
	if (name.size == 0 || (braces && !py_str_starts(py_str_tail(rest, 1 + name.size), "}")))
		return oslo_append(reading, out, dollar);
	*used = name.size + 2 * braces;
	if (oslo_refer(reading, section, name, &found, &text) != 0)
		return -1;
	if (found)
		return oslo_append(reading, out, text);
	if (!reading->unresolved) {
		reading->unresolved = oslo_copy(reading, name).data;
		if (!reading->unresolved)
			return -1;
	}
	if (oslo_append(reading, out, dollar) != 0)
		return -1;
	return oslo_append(reading, out, py_str_head(rest, *used));
}

int oslo_substitute(struct oslo_reading *reading, const char *section, struct py_str raw,
                    struct py_str *text)
{
	struct oslo_buffer plain = {0}, out = {0};
	size_t from = 0;

	if (!memchr(raw.data, '$', raw.size)) {
		*text = oslo_copy(reading, raw);
		return text->data ? 0 : -1;
	}
	if (unescape(reading, raw, &plain) != 0)
		return -1;
	raw = (struct py_str){.data = plain.data, .size = plain.size};
	for (size_t at = 0; at < raw.size;) {
		size_t used = 0;
		if (raw.data[at] != '$') {
			at++;
			continue;
		}
		if (oslo_append(reading, &out, py_str_tail(py_str_head(raw, at), from)) != 0 ||
		    dollar_replace(reading, section, py_str_tail(raw, at + 1), &used, &out) != 0)
			return -1;
		at += 1 + used;
		from = at;
	}
	if (oslo_append(reading, &out, py_str_tail(raw, from)) != 0)
		return -1;
	*text = (struct py_str){.data = out.data, .size = out.size};
	return 0;
}
