/* json_share.c: see json_share.h.
 *
 * A first pass finds where each bracket is closed. Then objects and arrays are looked up by their
 * text, the outer ones first: one that is known costs a comparison. One that is not is taken apart,
 * and its parts are looked up. Only what jansson would take, too, is taken; whatever is unusual
 * (escapes in a key, deep nesting, a mistake) is left to jansson, from the beginning.
 */
#include "controller/store/json_share.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/bytes_hash.h"

#define DEPTH_MAX  32   /* deeper is left to jansson */
#define SHARED_MIN 24   /* bytes: shorter is made faster than looked up */
#define SHARED_MAX 2048 /* bytes: longer is hardly ever equal, and its parts are */
#define PROBES_MAX 32   /* a host may have chosen its texts so that they fall on one place */
#define KEY_MAX    64
#define SEEN_SIZE  4096 /* parts that may come between two that are equal; a power of two */

struct entry {
	uint64_t hash;
	uint32_t length;
	char *text; /* NULL: free */
	json_t *value;
};

/* Where an opened bracket is closed, and how many were opened before that. */
struct bracket {
	uint32_t end, next;
};

struct json_share {
	struct entry *entries;
	size_t size, count;       /* size: a power of two */
	size_t most, kept;        /* bytes of text; most 0: no bound */
	uint64_t *seen;           /* with a bound: hashes of what came last */
	struct bracket *brackets; /* of the document, in the order in which they are opened */
	size_t brackets_size;
};

/* The document that is being loaded. */
struct document {
	struct json_share *share;
	const char *text, *at, *end;
	size_t bracket; /* how many were opened before AT */
};

struct json_share *json_share_new(size_t most)
{
	struct json_share *share = calloc(1, sizeof(*share));

	if (!share)
		return NULL;
	share->size = 1024;
	share->most = most;
	share->entries = calloc(share->size, sizeof(*share->entries));
	share->seen = most ? calloc(SEEN_SIZE, sizeof(*share->seen)) : NULL;
	if (share->entries && (share->seen || !most))
		return share;
	json_share_free(share);
	return NULL;
}

void json_share_free(struct json_share *share)
{
	if (!share)
		return;
	for (size_t i = 0; share->entries && i < share->size; i++) {
		free(share->entries[i].text);
		json_decref(share->entries[i].value);
	}
	free(share->entries);
	free(share->seen);
	free(share->brackets);
	free(share);
}

static uint64_t hash_of(const char *text, size_t length)
{
	return bytes_hash(length * 0x9e3779b97f4a7c15U, text, length);
}

/* The place of that text: where it is, or the free one where it belongs; NULL: too far. */
static struct entry *place_of(const struct json_share *share, uint64_t hash, const char *text,
                              size_t length)
{
	for (size_t probe = 0; probe < PROBES_MAX; probe++) {
		struct entry *entry = &share->entries[(hash + probe) & (share->size - 1)];

		if (!entry->text || (entry->hash == hash && entry->length == length &&
		                     memcmp(entry->text, text, length) == 0))
			return entry;
	}
	return NULL;
}

static void grow(struct json_share *share)
{
	struct entry *old = share->entries;
	size_t old_size = share->size;
	struct entry *entries = calloc(4 * old_size, sizeof(*entries));

	if (!entries)
		return;
	share->entries = entries;
	share->size = 4 * old_size;
	for (size_t i = 0; i < old_size; i++) {
		struct entry *entry =
		    old[i].text ? place_of(share, old[i].hash, old[i].text, old[i].length) : NULL;

		if (entry) {
			*entry = old[i];
		} else {
			free(old[i].text);
			json_decref(old[i].value);
		}
	}
	free(old);
}

/* Is what has that hash, and LENGTH bytes, worth to be kept? */
static bool is_worth(struct json_share *share, uint64_t hash, size_t length)
{
	uint64_t *seen = share->seen ? &share->seen[hash & (SEEN_SIZE - 1)] : NULL;

	if (!seen || *seen == hash)
		return !share->most || share->kept + length <= share->most;
	*seen = hash;
	return false;
}

/* Keeps VALUE for what has the same text. That it can't is no fault. */
static void keep(struct json_share *share, uint64_t hash, const char *text, size_t length,
                 json_t *value)
{
	struct entry *entry;
	char *copy;

	if (!is_worth(share, hash, length))
		return;
	if (2 * share->count >= share->size)
		grow(share);
	entry = place_of(share, hash, text, length);
	if (!entry || entry->text)
		return;
	copy = malloc(length);
	if (!copy)
		return;
	memcpy(copy, text, length);
	entry->hash = hash;
	entry->length = (uint32_t)length;
	entry->text = copy;
	entry->value = json_incref(value);
	share->count++;
	share->kept += length;
}

/* What ends a run of plain bytes: in a string, and outside of one. */
static const bool string_stops[256] = {
    ['"'] = true, ['\\'] = true, [0] = true,  [1] = true,  [2] = true,  [3] = true,  [4] = true,
    [5] = true,   [6] = true,    [7] = true,  [8] = true,  [9] = true,  [10] = true, [11] = true,
    [12] = true,  [13] = true,   [14] = true, [15] = true, [16] = true, [17] = true, [18] = true,
    [19] = true,  [20] = true,   [21] = true, [22] = true, [23] = true, [24] = true, [25] = true,
    [26] = true,  [27] = true,   [28] = true, [29] = true, [30] = true, [31] = true};
static const bool outer_stops[256] = {
    ['"'] = true, ['{'] = true, ['['] = true, ['}'] = true, [']'] = true};

/* The end of the string whose first byte is AT, behind its quote; NULL: there is none, or it has
 * bytes that JSON does not allow. */
static const char *string_end(const char *at, const char *end)
{
	while (at < end) {
		char byte = *at++;

		if (!string_stops[(unsigned char)byte])
			continue;
		if (byte == '"')
			return at;
		if (byte != '\\' || at == end)
			return NULL;
		at++;
	}
	return NULL;
}

static bool more_brackets(struct json_share *share)
{
	size_t size = share->brackets_size ? 2 * share->brackets_size : 1024;
	struct bracket *brackets = realloc(share->brackets, size * sizeof(*brackets));

	if (!brackets)
		return false;
	share->brackets = brackets;
	share->brackets_size = size;
	return true;
}

/* Fills share->brackets. False: the brackets don't match, or are too many or too deep. */
static bool find_brackets(struct json_share *share, const char *text, size_t length)
{
	const char *at = text, *end = text + length;
	size_t open[DEPTH_MAX], depth = 0, count = 0;

	while (at < end) {
		char byte = *at++;

		if (!outer_stops[(unsigned char)byte])
			continue;
		if (byte == '"') {
			at = string_end(at, end);
			if (!at)
				return false;
		} else if (byte == '{' || byte == '[') {
			if (depth == DEPTH_MAX)
				return false;
			if (count == share->brackets_size && !more_brackets(share))
				return false;
			open[depth++] = count++;
		} else if (byte == '}' || byte == ']') {
			if (!depth)
				return false;
			share->brackets[open[--depth]] =
			    (struct bracket){(uint32_t)(at - text), (uint32_t)count};
		}
	}
	return depth == 0;
}

static void skip_blanks(struct document *d)
{
	while (d->at < d->end &&
	       (*d->at == ' ' || *d->at == '\n' || *d->at == '\t' || *d->at == '\r'))
		d->at++;
}

static bool take(struct document *d, char byte)
{
	skip_blanks(d);
	if (d->at == d->end || *d->at != byte)
		return false;
	d->at++;
	return true;
}

/* The text from FROM to AT is one value, whose kind is not known here. */
static json_t *by_jansson(const struct document *d, const char *from)
{
	return json_loadb(from, (size_t)(d->at - from), JSON_DECODE_ANY, NULL);
}

static json_t *load_string(struct document *d)
{
	const char *from = d->at, *end = string_end(from + 1, d->end);

	if (!end)
		return NULL;
	d->at = end;
	if (memchr(from, '\\', (size_t)(end - from)))
		return by_jansson(d, from);
	return json_stringn(from + 1, (size_t)(end - from - 2));
}

static json_t *load_word(struct document *d)
{
	static const char delimiters[] = ",]} \n\t\r";
	const char *from = d->at;
	json_int_t number = 0;
	size_t length;

	while (d->at < d->end && !memchr(delimiters, *d->at, sizeof(delimiters) - 1))
		d->at++;
	length = (size_t)(d->at - from);
	if (length == 4 && memcmp(from, "null", 4) == 0)
		return json_null();
	if (length == 4 && memcmp(from, "true", 4) == 0)
		return json_true();
	if (length == 5 && memcmp(from, "false", 5) == 0)
		return json_false();
	for (size_t i = 0; i < length; i++) {
		if (from[i] < '0' || from[i] > '9' || length > 18 || (length > 1 && *from == '0'))
			return by_jansson(d, from);
		number = 10 * number + (from[i] - '0');
	}
	return length ? json_integer(number) : NULL;
}

static json_t *load_value(struct document *d);

static bool load_key(struct document *d, char key[KEY_MAX])
{
	const char *from, *end;

	skip_blanks(d);
	from = d->at;
	if (from == d->end || *from != '"')
		return false;
	end = string_end(from + 1, d->end);
	if (!end || end - from - 2 >= KEY_MAX || memchr(from, '\\', (size_t)(end - from)))
		return false;
	memcpy(key, from + 1, (size_t)(end - from - 2));
	key[end - from - 2] = '\0';
	d->at = end;
	return take(d, ':');
}

static json_t *load_object(struct document *d)
{
	json_t *object = json_object();
	char key[KEY_MAX];

	if (take(d, '}'))
		return object;
	do {
		/* Two of one name: jansson decides. */
		if (!load_key(d, key) || json_object_get(object, key) ||
		    json_object_set_new(object, key, load_value(d)) < 0)
			goto wrong;
	} while (take(d, ','));
	if (take(d, '}'))
		return object;
wrong:
	json_decref(object);
	return NULL;
}

static json_t *load_array(struct document *d)
{
	json_t *array = json_array();

	if (take(d, ']'))
		return array;
	do {
		if (json_array_append_new(array, load_value(d)) < 0)
			goto wrong;
	} while (take(d, ','));
	if (take(d, ']'))
		return array;
wrong:
	json_decref(array);
	return NULL;
}

/* An object or array: the one that is known, or a new one. */
static json_t *load_brackets(struct document *d)
{
	const char *from = d->at++;
	const struct bracket *bracket = &d->share->brackets[d->bracket++];
	size_t length = (size_t)(d->text + bracket->end - from);
	/* The document itself is hardly ever one that was there before. */
	bool shared = from > d->text && length >= SHARED_MIN && length <= SHARED_MAX;
	uint64_t hash = 0;
	json_t *value;

	if (shared) {
		const struct entry *entry;

		hash = hash_of(from, length);
		entry = place_of(d->share, hash, from, length);
		if (entry && entry->text) {
			d->at = from + length;
			d->bracket = bracket->next;
			return json_incref(entry->value);
		}
	}
	value = *from == '{' ? load_object(d) : load_array(d);
	if (value && shared)
		keep(d->share, hash, from, length, value);
	return value;
}

static json_t *load_value(struct document *d)
{
	skip_blanks(d);
	if (d->at == d->end)
		return NULL;
	if (*d->at == '{' || *d->at == '[')
		return load_brackets(d);
	return *d->at == '"' ? load_string(d) : load_word(d);
}

json_t *json_share_load(struct json_share *share, const char *text, size_t length, size_t flags)
{
	struct document d = {.share = share, .text = text, .at = text, .end = text + length};
	json_t *value = NULL;

	if (length < UINT32_MAX && find_brackets(share, text, length)) {
		value = load_value(&d);
		skip_blanks(&d);
		if (value && d.at == d.end &&
		    (flags & JSON_DECODE_ANY || json_is_object(value) || json_is_array(value)))
			return value;
		json_decref(value);
	}
	return json_loadb(text, length, flags, NULL);
}
