/* py_str.c: see py_str.h. */
#include "node-agent/ini/py_str.h"

#include <string.h>

static bool is_tail(unsigned char byte)
{
	return (byte & 0xc0) == 0x80;
}

/* Length of the UTF-8 sequence at TEXT and its code point; 0 when it is none. */
static size_t code_read(const char *text, size_t size, uint32_t *code)
{
	const unsigned char *byte = (const unsigned char *)text;
	size_t length = byte[0] < 0x80   ? 1
	                : byte[0] < 0xc2 ? 0
	                : byte[0] < 0xe0 ? 2
	                : byte[0] < 0xf0 ? 3
	                : byte[0] < 0xf5 ? 4
	                                 : 0;

	if (length == 0 || length > size)
		return 0;
	*code = length == 1 ? byte[0] : byte[0] & (0x7fU >> length);
	for (size_t i = 1; i < length; i++) {
		if (!is_tail(byte[i]))
			return 0;
		*code = *code << 6 | (byte[i] & 0x3f);
	}
	if ((length == 3 && (*code < 0x800 || (*code >= 0xd800 && *code < 0xe000))) ||
	    (length == 4 && (*code < 0x10000 || *code > 0x10ffff)))
		return 0;
	return length;
}

size_t py_str_valid(const char *text, size_t size)
{
	size_t at = 0;
	uint32_t code;
	uint64_t eight;

	while (at < size) {
		/* Most of it is ASCII. */
		for (; size - at >= sizeof(eight); at += sizeof(eight)) {
			memcpy(&eight, text + at, sizeof(eight));
			if (eight & 0x8080808080808080U)
				break;
		}
		if (at == size)
			break;
		size_t length = code_read(text + at, size - at, &code);
		if (length == 0)
			break;
		at += length;
	}
	return at;
}

static bool code_is_space(uint32_t code)
{
	return (code >= 0x09 && code <= 0x0d) || (code >= 0x1c && code <= 0x20) || code == 0x85 ||
	       code == 0xa0 || code == 0x1680 || (code >= 0x2000 && code <= 0x200a) ||
	       code == 0x2028 || code == 0x2029 || code == 0x202f || code == 0x205f ||
	       code == 0x3000;
}

size_t py_str_code(struct py_str text, uint32_t *code)
{
	return code_read(text.data, text.size, code);
}

bool py_str_printable(uint32_t code)
{
	return code == ' ' ||
	       !(code_is_space(code) || code < 0x20 || (code >= 0x7f && code < 0xa0) ||
	         code == 0xad || (code >= 0x200b && code <= 0x200f) ||
	         (code >= 0x202a && code <= 0x202e) || (code >= 0x2060 && code <= 0x206f) ||
	         code == 0xfeff);
}

struct py_str py_str_lstrip(struct py_str text)
{
	uint32_t code = 0;

	while (text.size > 0) {
		size_t length = code_read(text.data, text.size, &code);
		if (length == 0 || !code_is_space(code))
			break;
		text = py_str_tail(text, length);
	}
	return text;
}

struct py_str py_str_rstrip(struct py_str text)
{
	uint32_t code = 0;

	while (text.size > 0) {
		size_t start = text.size - 1;
		while (start > 0 && is_tail((unsigned char)text.data[start]))
			start--;
		size_t length = code_read(text.data + start, text.size - start, &code);
		if (length == 0 || !code_is_space(code))
			break;
		text.size = start;
	}
	return text;
}

struct py_str py_str_strip(struct py_str text)
{
	return py_str_lstrip(py_str_rstrip(text));
}

struct py_str py_str_head(struct py_str text, size_t size)
{
	return (struct py_str){.data = text.data, .size = size};
}

struct py_str py_str_tail(struct py_str text, size_t from)
{
	return (struct py_str){.data = text.data + from, .size = text.size - from};
}

size_t py_str_find(struct py_str text, char c)
{
	const char *at = text.size > 0 ? memchr(text.data, c, text.size) : NULL;

	return at ? (size_t)(at - text.data) : text.size;
}

bool py_str_is(struct py_str text, const char *want)
{
	return text.size == strlen(want) && memcmp(text.data, want, text.size) == 0;
}

bool py_str_starts(struct py_str text, const char *want)
{
	size_t size = strlen(want);

	return text.size >= size && memcmp(text.data, want, size) == 0;
}
