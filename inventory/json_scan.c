/* json_scan.c: see json_scan.h. */
#include "inventory/json_scan.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "inventory/suggest.h"

struct scan {
	const char *at, *end;
	const char *line_start;
	uint32_t line;
	/* The column of the last place asked for, so that one huge line is not counted again and
	 * again. */
	const char *column_at;
	uint32_t column;
	unsigned depth;
	char *text; /* the last string, decoded */
	size_t text_length, text_room;
	struct json_index *index;
	struct json_place failed;
	struct gf_err *err;
};

uint64_t json_hash_step(uint64_t parent, const char *key, size_t length)
{
	uint64_t hash = parent * 1099511628211u; /* FNV-1a; a zero byte stands between two steps */
	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)key[i]) * 1099511628211u;
	return hash ? hash : 1;
}

uint64_t json_hash_element(uint64_t parent, size_t index)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%zu", index);
	return json_hash_step(parent, digits, (size_t)length);
}

static struct json_entry *slot_find(const struct json_index *index, uint64_t hash)
{
	size_t at = (hash ^ hash >> 32) & (index->size - 1);
	while (index->entries[at].hash && index->entries[at].hash != hash)
		at = (at + 1) & (index->size - 1);
	return &index->entries[at];
}

const struct json_entry *json_index_find(const struct json_index *index, uint64_t hash)
{
	if (!index->size)
		return NULL;
	const struct json_entry *entry = slot_find(index, hash);
	return entry->hash ? entry : NULL;
}

static int index_grow(struct json_index *index)
{
	struct json_index bigger = {.size = index->size ? 2 * index->size : 256};
	bigger.entries = calloc(bigger.size, sizeof(*bigger.entries));
	if (!bigger.entries)
		return -1;
	for (size_t i = 0; i < index->size; i++)
		if (index->entries[i].hash)
			*slot_find(&bigger, index->entries[i].hash) = index->entries[i];
	bigger.count = index->count;
	free(index->entries);
	*index = bigger;
	return 0;
}

static struct json_place place_of(struct scan *scan, const char *at)
{
	if (!scan->column_at || scan->column_at < scan->line_start || scan->column_at > at) {
		scan->column_at = scan->line_start;
		scan->column = 1;
	}
	for (; scan->column_at < at; scan->column_at++)
		scan->column += ((unsigned char)*scan->column_at & 0xc0) != 0x80;
	return (struct json_place){scan->line, scan->column};
}

#define scan_fail(scan, where, ...)                                                                \
	((scan)->failed = place_of((scan), (where)),                                               \
	 gf_err_set((scan)->err, GF_E_INPUT, __VA_ARGS__))

static void blank_skip(struct scan *scan)
{
	for (; scan->at < scan->end; scan->at++) {
		if (*scan->at == '\n') {
			scan->line++;
			scan->line_start = scan->at + 1;
		} else if (*scan->at != ' ' && *scan->at != '\t' && *scan->at != '\r') {
			return;
		}
	}
}

static int peek(const struct scan *scan)
{
	return scan->at < scan->end ? (unsigned char)*scan->at : -1;
}

/* Says what stands where WANTED should. */
static int unexpected(struct scan *scan, const char *wanted)
{
	int c = peek(scan);
	if (c < 0)
		return scan_fail(scan, scan->at, "the file ends where %s should follow", wanted);
	if (c == '/' || c == '#')
		return scan_fail(scan, scan->at, "JSON has no comments; expected %s", wanted);
	if (c == '\'')
		return scan_fail(scan, scan->at, "JSON strings stand in double quotes; expected %s",
		                 wanted);
	if (c == '\n' || c == '\r')
		return scan_fail(scan, scan->at, "expected %s, not the end of the line", wanted);
	if (!isprint(c))
		return scan_fail(scan, scan->at, "expected %s, not byte 0x%02x", wanted, c);
	return scan_fail(scan, scan->at, "expected %s, not '%c'", wanted, c);
}

static int text_add(struct scan *scan, char c)
{
	if (scan->text_length == scan->text_room) {
		size_t room = scan->text_room ? 2 * scan->text_room : 256;
		char *text = realloc(scan->text, room);
		if (!text)
			return gf_err_set(scan->err, GF_E_MEMORY, "out of memory");
		scan->text = text;
		scan->text_room = room;
	}
	scan->text[scan->text_length++] = c;
	return 0;
}

static int code_point_add(struct scan *scan, unsigned code)
{
	char bytes[4];
	size_t count = 0;
	if (code < 0x80) {
		bytes[count++] = (char)code;
	} else if (code < 0x800) {
		bytes[count++] = (char)(0xc0 | code >> 6);
		bytes[count++] = (char)(0x80 | (code & 0x3f));
	} else if (code < 0x10000) {
		bytes[count++] = (char)(0xe0 | code >> 12);
		bytes[count++] = (char)(0x80 | (code >> 6 & 0x3f));
		bytes[count++] = (char)(0x80 | (code & 0x3f));
	} else {
		bytes[count++] = (char)(0xf0 | code >> 18);
		bytes[count++] = (char)(0x80 | (code >> 12 & 0x3f));
		bytes[count++] = (char)(0x80 | (code >> 6 & 0x3f));
		bytes[count++] = (char)(0x80 | (code & 0x3f));
	}
	for (size_t i = 0; i < count; i++)
		if (text_add(scan, bytes[i]) < 0)
			return -1;
	return 0;
}

static int hex4_scan(struct scan *scan, unsigned *code)
{
	*code = 0;
	for (int i = 0; i < 4; i++, scan->at++) {
		int c = peek(scan);
		if (c < 0 || !isxdigit(c))
			return scan_fail(scan, scan->at, "\\u needs four hex digits");
		*code = *code * 16 + (unsigned)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
	}
	return 0;
}

static int escape_scan(struct scan *scan)
{
	static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *start = scan->at++;
	int c = peek(scan);
	const char *name = c > 0 ? strchr(names, c) : NULL;
	if (name) {
		scan->at++;
		return text_add(scan, values[name - names]);
	}
	if (c != 'u')
		return scan_fail(scan, start,
		                 "an unknown escape in the string; write \\\\ for a backslash");
	unsigned code, low;
	scan->at++;
	if (hex4_scan(scan, &code) < 0)
		return -1;
	if (code == 0)
		return scan_fail(scan, start, "a string cannot hold \\u0000");
	if (code >= 0xd800 && code < 0xdc00) {
		if (scan->end - scan->at < 6 || scan->at[0] != '\\' || scan->at[1] != 'u')
			return scan_fail(scan, start, "half of a surrogate pair");
		scan->at += 2;
		if (hex4_scan(scan, &low) < 0)
			return -1;
		if (low < 0xdc00 || low > 0xdfff)
			return scan_fail(scan, start, "half of a surrogate pair");
		code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
	} else if (code >= 0xdc00 && code < 0xe000) {
		return scan_fail(scan, start, "half of a surrogate pair");
	}
	return code_point_add(scan, code);
}

/* The length of the UTF-8 sequence here; 0 when it is none. */
static size_t utf8_length(const struct scan *scan)
{
	const unsigned char *at = (const unsigned char *)scan->at;
	size_t length = at[0] < 0x80   ? 1
	                : at[0] < 0xc2 ? 0
	                : at[0] < 0xe0 ? 2
	                : at[0] < 0xf0 ? 3
	                               : 4;
	if (length == 0 || at[0] > 0xf4 || (size_t)(scan->end - scan->at) < length)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((at[i] & 0xc0) != 0x80)
			return 0;
	/* Longer than need be, half of a surrogate pair, or past the last code point. */
	if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
	    (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
		return 0;
	return length;
}

static int string_scan(struct scan *scan)
{
	const char *start = scan->at++;
	scan->text_length = 0;
	for (;;) {
		int c = peek(scan);
		if (c < 0 || c == '\n')
			return scan_fail(scan, start,
			                 "this string is never closed: a '\"' is missing");
		if (c == '"')
			break;
		if (c < 0x20)
			return scan_fail(scan, scan->at,
			                 "a string cannot hold byte 0x%02x; write \\t for a tab",
			                 c);
		if (c == '\\') {
			if (escape_scan(scan) < 0)
				return -1;
			continue;
		}
		size_t length = utf8_length(scan);
		if (length == 0)
			return scan_fail(scan, scan->at,
			                 "byte 0x%02x is not UTF-8; save the file as UTF-8", c);
		while (length-- > 0)
			if (text_add(scan, *scan->at++) < 0)
				return -1;
	}
	scan->at++;
	return 0;
}

static void digits_skip(struct scan *scan)
{
	while (scan->at < scan->end && isdigit((unsigned char)*scan->at))
		scan->at++;
}

static int number_scan(struct scan *scan)
{
	const char *start = scan->at;
	if (*scan->at == '-')
		scan->at++;
	const char *digits = scan->at;
	digits_skip(scan);
	if (scan->at == digits)
		return unexpected(scan, "a digit");
	if (*digits == '0' && scan->at - digits > 1)
		return scan_fail(scan, start,
		                 "a number cannot begin with 0; put it in quotes if it is a name");
	bool whole = true;
	if (peek(scan) == '.') {
		whole = false;
		digits = ++scan->at;
		digits_skip(scan);
		if (scan->at == digits)
			return unexpected(scan, "a digit");
	}
	if (peek(scan) == 'e' || peek(scan) == 'E') {
		whole = false;
		scan->at++;
		if (peek(scan) == '+' || peek(scan) == '-')
			scan->at++;
		digits = scan->at;
		digits_skip(scan);
		if (scan->at == digits)
			return unexpected(scan, "a digit");
	}
	if (scan->at - start > JSON_SOURCE_MAX_DIGITS || (whole && scan->at - start > 18))
		return scan_fail(scan, start, "a number of %td digits is too large",
		                 scan->at - start);
	char copy[JSON_SOURCE_MAX_DIGITS + 1] = "";
	memcpy(copy, start, (size_t)(scan->at - start));
	if (isinf(strtod(copy, NULL)))
		return scan_fail(scan, start, "the number %s is too large", copy);
	return 0;
}

static int word_scan(struct scan *scan)
{
	static const char *const words[] = {"true", "false", "null"};
	const char *start = scan->at;
	char word[16];
	size_t length = 0;
	while (scan->at < scan->end && isalnum((unsigned char)*scan->at)) {
		if (length + 1 < sizeof(word))
			word[length++] = *scan->at;
		scan->at++;
	}
	word[length] = '\0';
	for (size_t i = 0; i < 3; i++)
		if (!strcmp(word, words[i]))
			return 0;
	const char *near = suggest_nearest(word, words, 3);
	if (near)
		return scan_fail(scan, start, "\"%s\" is no JSON value; did you mean %s?", word,
		                 near);
	return scan_fail(scan, start, "\"%s\" is no JSON value; text stands in double quotes",
	                 word);
}

static int value_scan(struct scan *scan, uint64_t hash, const struct json_place *key);

static int member_scan(struct scan *scan, uint64_t hash)
{
	if (peek(scan) != '"')
		return unexpected(scan, "a key in double quotes");
	const char *start = scan->at;
	struct json_place key = place_of(scan, start);
	if (string_scan(scan) < 0)
		return -1;
	uint64_t member = json_hash_step(hash, scan->text, scan->text_length);
	const struct json_entry *first = json_index_find(scan->index, member);
	if (first) {
		char shown[JSON_SHOW_SIZE];
		if (text_add(scan, '\0') < 0)
			return -1;
		return scan_fail(scan, start, "\"%s\" stands here twice; the first is in line %u",
		                 json_show(scan->text, shown), first->key.line);
	}
	blank_skip(scan);
	if (peek(scan) != ':')
		return unexpected(scan, "':' after the key");
	scan->at++;
	blank_skip(scan);
	return value_scan(scan, member, &key);
}

static int container_scan(struct scan *scan, uint64_t hash)
{
	bool object = *scan->at == '{';
	int close = object ? '}' : ']';
	if (++scan->depth > JSON_SOURCE_MAX_DEPTH)
		return scan_fail(scan, scan->at, "nested more than %d levels deep",
		                 JSON_SOURCE_MAX_DEPTH);
	scan->at++;
	blank_skip(scan);
	for (size_t i = 0; peek(scan) != close; i++) {
		if (i > 0) {
			if (peek(scan) != ',')
				return unexpected(scan, object ? "',' or '}'" : "',' or ']'");
			const char *comma = scan->at;
			struct json_place place = place_of(scan, comma);
			scan->at++;
			blank_skip(scan);
			if (peek(scan) == close) {
				scan->failed = place;
				return gf_err_set(scan->err, GF_E_INPUT,
				                  "a comma after the last %s; remove it",
				                  object ? "key" : "value");
			}
		}
		if (object ? member_scan(scan, hash) < 0
		           : value_scan(scan, json_hash_element(hash, i), NULL) < 0)
			return -1;
		blank_skip(scan);
	}
	scan->at++;
	scan->depth--;
	return 0;
}

static int value_scan(struct scan *scan, uint64_t hash, const struct json_place *key)
{
	if (scan->index->count == JSON_SOURCE_MAX_VALUES)
		return scan_fail(scan, scan->at, "the file holds more than %u values",
		                 JSON_SOURCE_MAX_VALUES);
	if (2 * scan->index->count >= scan->index->size && index_grow(scan->index) < 0)
		return gf_err_set(scan->err, GF_E_MEMORY, "out of memory");
	struct json_place place = place_of(scan, scan->at);
	struct json_entry *slot = slot_find(scan->index, hash);
	*slot = (struct json_entry){hash, key ? *key : place, place};
	scan->index->count++;
	int c = peek(scan);
	if (c == '{' || c == '[')
		return container_scan(scan, hash);
	if (c == '"')
		return string_scan(scan);
	if (c == '-' || (c >= '0' && c <= '9'))
		return number_scan(scan);
	if (c > 0 && isalpha(c))
		return word_scan(scan);
	return unexpected(scan, "a value");
}

int json_scan(const char *text, size_t length, struct json_index *index, struct json_place *place,
              struct gf_err *err)
{
	struct scan scan = {.at = text, .end = text + length, .line_start = text, .line = 1};
	scan.index = index;
	scan.err = err;
	blank_skip(&scan);
	int rc = scan.at == scan.end ? scan_fail(&scan, scan.at, "the file is empty")
	                             : value_scan(&scan, JSON_HASH_ROOT, NULL);
	if (rc == 0) {
		blank_skip(&scan);
		if (scan.at < scan.end)
			rc = unexpected(&scan, "the end of the file");
	}
	*place = scan.failed;
	free(scan.text);
	return rc;
}
