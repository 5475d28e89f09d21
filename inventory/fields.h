/* fields.h: reads JSON objects by tables of fields, so that every key's name, kind, rule and place
 * in a struct is one row, and every mistake gets a message with its position and the nearest valid
 * key.
 */
#ifndef GPUFLEET_FIELDS_H
#define GPUFLEET_FIELDS_H

#include <stdbool.h>

#include "inventory/inventory.h"
#include "inventory/json_source.h"

struct field_reader {
	const struct json_source *source;
	struct gf_err *err;
};

struct field;

/* Checks VALUE, which stands at AT, and stores it at OUT (NULL: only check). Returns 0 or -1. */
typedef int field_read_fn(struct field_reader *reader, const struct json_path *at,
                          const json_t *value, const struct field *field, void *out);

struct field {
	const char *name;
	field_read_fn *read;
	size_t offset;     /* in the struct that is filled */
	unsigned where;    /* the sections in which it may stand, a set of bits; 0: any */
	const void *rule;  /* struct text_rule, struct field_set, or choices ending in NULL */
	unsigned min, max; /* numbers; a list's least and greatest length (max 0: no bound) */
	bool required;
	const char *elsewhere; /* said when it stands where it may not */
};

struct field_set {
	const struct field *items;
	size_t count;
};

/* What a string must be: WHAT completes "must be …". */
struct text_rule {
	const char *what;
	bool (*valid)(const char *text);
	char *(*normal)(const char *text); /* NULL: copied as it is; the result is allocated */
};

/* Reads OBJECT by SET into TARGET (NULL: only check). *given (or NULL) gets a bit for each row that
 * was there. */
int fields_read(struct field_reader *reader, const struct json_path *at, const json_t *object,
                const struct field_set *set, unsigned where, void *target, unsigned *given);

/* "NAME must be WHAT, not VALUE" at the value's place. Returns -1. */
int field_mismatch(struct field_reader *reader, const struct json_path *at, const json_t *value,
                   const char *what);

/* An error at the value's (or key's) place. Returns -1. */
#define field_error(reader, at, part, ...)                                                         \
	json_source_error((reader)->source, (at), (part), (reader)->err, __VA_ARGS__)

int field_no_memory(struct field_reader *reader);

/* The kinds. Their `out`: */
field_read_fn field_text;   /* char * (rule: text_rule) */
field_read_fn field_texts;  /* struct string_list (rule: text_rule; repeats are errors) */
field_read_fn field_argv;   /* struct string_list: a program and its arguments */
field_read_fn field_choice; /* int, the index (rule: const char *const names[] ending in NULL) */
field_read_fn field_choice_text; /* char *, one of the names */
field_read_fn field_bool;        /* bool */
field_read_fn field_tristate;    /* int: 0, 1 */
field_read_fn field_number;      /* unsigned, min to max */
field_read_fn field_port;        /* uint16_t */
field_read_fn field_duration;    /* unsigned, seconds: "90s", "30m", "2h", "1d" */
field_read_fn field_object; /* nested (rule: field_set); offset is where the nested struct begins */
field_read_fn field_any;    /* not read here */

#endif
