/* json_source.h: a JSON document that remembers where in its file everything stands.
 *
 * jansson forgets positions. This reader scans the text once by itself, which gives precise syntax
 * errors, finds duplicate keys and fills an index from path to line and column; then jansson builds
 * the values. Sizes are bounded before anything is built.
 */
#ifndef GPUFLEET_JSON_SOURCE_H
#define GPUFLEET_JSON_SOURCE_H

#include <jansson.h>
#include <stdint.h>

#include "node-agent/wire/error.h"

#define JSON_SOURCE_MAX_BYTES  (64u << 20)
#define JSON_SOURCE_MAX_VALUES 1000000u
#define JSON_SOURCE_MAX_DEPTH  64
#define JSON_SOURCE_MAX_DIGITS 64

/* A value's path, built on the stack while walking down; NULL is the root. */
struct json_path {
	const struct json_path *parent;
	const char *key; /* NULL: an array's element */
	size_t index;
};

struct json_place {
	uint32_t line, column; /* from 1; columns count characters */
};

enum json_part { JSON_KEY, JSON_VALUE };

struct json_source;

/* Reads FILE, or text from memory under the name NAME. NULL and "NAME:LINE:COL: …" on failure. The
 * caller owns the result: json_source_free. */
struct json_source *json_source_read(const char *file, struct gf_err *err);
struct json_source *json_source_parse(const char *name, const char *text, size_t length,
                                      struct gf_err *err);
void json_source_free(struct json_source *source);

/* The document; borrowed. */
json_t *json_source_root(const struct json_source *source);

/* The digest of the file's bytes, 64 hex digits; borrowed. */
const char *json_source_sha256(const struct json_source *source);

const char *json_source_name(const struct json_source *source);

/* Where a value, or its key, stands; an array's element has no key: then its value. A path that the
 * document lacks gives the nearest parent that it has. */
struct json_place json_source_place(const struct json_source *source, const struct json_path *path,
                                    enum json_part part);

/* The same by JSON pointer ("/groups/racks1/hosts/0"). */
struct json_place json_source_pointer(const struct json_source *source, const char *pointer,
                                      enum json_part part);

/* Fills *err with "NAME:LINE:COL: message"; returns -1. */
int json_source_error(const struct json_source *source, const struct json_path *path,
                      enum json_part part, struct gf_err *err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

#define JSON_SHOW_SIZE 64

/* TEXT made fit for a message: control characters are replaced and the end is cut. Returns BUFFER.
 */
const char *json_show(const char *text, char buffer[JSON_SHOW_SIZE]);

/* "a string", "a number", … */
const char *json_type_name(const json_t *value);

#endif
