/* json_out.h: JSON values into a file, as jansson's json_dumpf writes them and several times
 * faster: that one hands every word on by itself. A report of a large fleet is some 100 MB, and
 * most of its hosts say the same of the same devices in values that they share: those are made
 * once.
 */
#ifndef GPUFLEET_JSON_OUT_H
#define GPUFLEET_JSON_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

struct json_out;

/* Writes go to OUT (borrowed), in large pieces; nothing else may write to it in between. NULL when
 * out of memory. */
struct json_out *json_out_new(FILE *out);

/* Writes what is left, without flushing OUT, and frees. Errors of the file stand in ferror. */
void json_out_free(struct json_out *json);

/* What is JSON already: a bracket, a comma, a key. */
void json_out_raw(struct json_out *json, const char *text);

/* TEXT (UTF-8) as a JSON string, ASCII only. */
void json_out_string(struct json_out *json, const char *text);

/* VALUE as JSON_ENSURE_ASCII with JSON_COMPACT or JSON_INDENT(2) has it; DEPTH: of the line that it
 * begins on. */
void json_out_value(struct json_out *json, const json_t *value, bool compact, unsigned depth);

#endif
