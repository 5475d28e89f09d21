/* json_source.c: see json_source.h; the scan itself is json_scan.c. */
#include "inventory/json_source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inventory/json_scan.h"
#include "node-agent/wire/sha256.h"

struct json_source {
	char *name;
	json_t *root;
	struct json_index index;
	char sha256[SHA256_HEX_SIZE];
};

static int error_at(const char *name, struct json_place place, struct gf_err *err,
                    enum gf_code code, const char *message)
{
	return gf_err_set(err, code, "%.200s:%u:%u: %s", name, place.line, place.column, message);
}

struct json_source *json_source_parse(const char *name, const char *text, size_t length,
                                      struct gf_err *err)
{
	struct json_source *source = calloc(1, sizeof(*source));
	if (!source || !(source->name = strdup(name))) {
		gf_err_set(err, GF_E_MEMORY, "out of memory while reading %.200s", name);
		json_source_free(source);
		return NULL;
	}
	if (length > JSON_SOURCE_MAX_BYTES) {
		gf_err_set(err, GF_E_INPUT, "%.200s:1:1: the file is larger than %u MiB", name,
		           JSON_SOURCE_MAX_BYTES >> 20);
		json_source_free(source);
		return NULL;
	}
	sha256_hex(text, length, source->sha256);
	if (length >= 3 &&
	    !memcmp(text, "\xef\xbb\xbf", 3)) { /* a byte order mark from some editors */
		text += 3;
		length -= 3;
	}
	struct json_place place = {1, 1};
	struct gf_err why;
	json_error_t problem;
	if (json_scan(text, length, &source->index, &place, &why) < 0) {
		error_at(name, place, err, why.code, why.msg);
	} else {
		source->root = json_loadb(text, length, JSON_DECODE_ANY, &problem);
		if (!source->root) { /* what the scan lets pass: bad UTF-8, 1e999 */
			place.line = problem.line > 0 ? (uint32_t)problem.line : 1;
			place.column = problem.column > 0 ? (uint32_t)problem.column : 1;
			error_at(name, place, err, GF_E_INPUT, problem.text);
		}
	}
	if (!source->root) {
		json_source_free(source);
		return NULL;
	}
	return source;
}

static char *file_slurp(const char *file, size_t *length, struct gf_err *err)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	struct stat info;
	if (fd < 0 || fstat(fd, &info) < 0) {
		gf_err_errno(err, GF_E_INPUT, "%.200s: cannot open it", file);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	char *text = NULL;
	size_t room = 0;
	*length = 0;
	bool large = info.st_size > (off_t)JSON_SOURCE_MAX_BYTES;
	while (!large) {
		if (*length == room) {
			room = room ? 2 * room : (size_t)info.st_size + 4096;
			char *more = realloc(text, room);
			if (!more) {
				gf_err_set(err, GF_E_MEMORY, "%.200s: out of memory", file);
				goto failed;
			}
			text = more;
		}
		ssize_t got = read(fd, text + *length, room - *length);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			gf_err_errno(err, GF_E_INPUT, "%.200s: cannot read it", file);
			goto failed;
		}
		if (got == 0) {
			close(fd);
			return text;
		}
		*length += (size_t)got;
		large = *length > JSON_SOURCE_MAX_BYTES;
	}
	gf_err_set(err, GF_E_INPUT, "%.200s:1:1: the file is larger than %u MiB", file,
	           JSON_SOURCE_MAX_BYTES >> 20);
failed:
	free(text);
	close(fd);
	return NULL;
}

struct json_source *json_source_read(const char *file, struct gf_err *err)
{
	size_t length;
	char *text = file_slurp(file, &length, err);
	if (!text)
		return NULL;
	struct json_source *source = json_source_parse(file, text, length, err);
	free(text);
	return source;
}

void json_source_free(struct json_source *source)
{
	if (!source)
		return;
	json_decref(source->root);
	free(source->index.entries);
	free(source->name);
	free(source);
}

json_t *json_source_root(const struct json_source *source)
{
	return source->root;
}

const char *json_source_sha256(const struct json_source *source)
{
	return source->sha256;
}

const char *json_source_name(const struct json_source *source)
{
	return source->name;
}

static uint64_t path_hash(const struct json_path *path)
{
	if (!path)
		return JSON_HASH_ROOT;
	uint64_t parent = path_hash(path->parent);
	if (path->key)
		return json_hash_step(parent, path->key, strlen(path->key));
	return json_hash_element(parent, path->index);
}

struct json_place json_source_place(const struct json_source *source, const struct json_path *path,
                                    enum json_part part)
{
	for (;; path = path->parent) {
		const struct json_entry *entry = json_index_find(&source->index, path_hash(path));
		if (entry)
			return part == JSON_KEY ? entry->key : entry->value;
		if (!path)
			return (struct json_place){1, 1};
	}
}

struct json_place json_source_pointer(const struct json_source *source, const char *pointer,
                                      enum json_part part)
{
	uint64_t hash = JSON_HASH_ROOT;
	const struct json_entry *entry = json_index_find(&source->index, hash);
	char *step = malloc(strlen(pointer) + 1);
	while (step && *pointer == '/') {
		size_t length = 0;
		for (pointer++; *pointer && *pointer != '/'; pointer++) {
			step[length] = *pointer;
			if (*pointer == '~' && (pointer[1] == '0' || pointer[1] == '1'))
				step[length] = *++pointer == '0' ? '~' : '/';
			length++;
		}
		hash = json_hash_step(hash, step, length);
		const struct json_entry *next = json_index_find(&source->index, hash);
		if (!next)
			break;
		entry = next;
	}
	free(step);
	if (!entry)
		return (struct json_place){1, 1};
	return part == JSON_KEY ? entry->key : entry->value;
}

int json_source_error(const struct json_source *source, const struct json_path *path,
                      enum json_part part, struct gf_err *err, const char *format, ...)
{
	char message[sizeof(err->msg)];
	va_list args;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	return error_at(source->name, json_source_place(source, path, part), err, GF_E_INPUT,
	                message);
}

const char *json_show(const char *text, char buffer[JSON_SHOW_SIZE])
{
	static const char cut[] = "...";
	size_t length = 0;
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;
		if (length + sizeof(cut) >= JSON_SHOW_SIZE) {
			/* Do not leave half a character before the dots. */
			while (length && ((unsigned char)buffer[length - 1] & 0xc0) == 0x80)
				length--;
			if (length && (unsigned char)buffer[length - 1] >= 0xc0)
				length--;
			memcpy(buffer + length, cut, sizeof(cut));
			return buffer;
		}
		/* Terminals obey U+0080 to U+009F, too. */
		if (c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0) {
			c = '?';
			text++;
		}
		buffer[length++] = c < 0x20 || c == 0x7f ? '?' : (char)c;
	}
	buffer[length] = '\0';
	return buffer;
}

const char *json_type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		break;
	}
	return "null";
}
