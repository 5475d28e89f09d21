/* oslo_read.h: the parts that oslo_config.c, oslo_option.c, oslo_substitute.c and oslo_types.c
 * share: what it takes to read one option once.
 */
#ifndef GPUFLEET_INI_OSLO_READ_H
#define GPUFLEET_INI_OSLO_READ_H

#include "node-agent/ini/oslo_config.h"

#define OSLO_LIMIT ((size_t)1 << 20) /* bytes of a value */
#define OSLO_STEPS 4096              /* options read for one */
#define OSLO_DEPTH 64                /* options that refer to one another */

struct oslo_file {
	char *path, *text;
	struct ini_text ini;
};

struct oslo_config {
	const struct oslo_option *known;
	size_t known_count;
	const char *const *environment;
	struct oslo_file *files;
	size_t file_count;
};

/* Memory that is freed as one. */
struct oslo_memory {
	struct oslo_memory *next;
};

/* Options that refer to one another: the innermost first. */
struct oslo_referred {
	const struct oslo_referred *by;
	const char *section, *name;
	unsigned depth;
};

struct oslo_reading {
	const struct oslo_config *config;
	struct oslo_memory *memory;
	const struct oslo_referred *referred; /* what is being read now */
	unsigned steps;
	const char *unresolved, *invalid; /* the first; in memory */
	bool fatal; /* something unresolved is not to be looked for in [DEFAULT] */
	struct gf_err *err;
};

/* An option's value while it is read. */
struct oslo_items {
	enum oslo_source source;
	struct py_str *items;
	size_t count;
};

/* SIZE bytes of the reading's memory, NULL with reading->err. */
void *oslo_take(struct oslo_reading *reading, size_t size);

/* A NUL-terminated copy; its data is NULL when there is no memory. */
struct py_str oslo_copy(struct oslo_reading *reading, struct py_str text);

/* A text that grows; data is NULL until something is in it. */
struct oslo_buffer {
	char *data;
	size_t size, room;
};

/* -1 when there is no memory or the text is past OSLO_LIMIT. */
int oslo_append(struct oslo_reading *reading, struct oslo_buffer *buffer, struct py_str text);

/* Reads OPTION as SECTION has it, which a reference by a deprecated name can make another than its
 * own (and NAME what the environment calls it; NULL: its own). *winner is the index of the entry
 * that counts for a single-valued option, where there are entries. 0 or -1. */
int oslo_option_read(struct oslo_reading *reading, const struct oslo_option *option,
                     const char *section, const char *name, struct oslo_items *items,
                     struct oslo_entry **entries, size_t *count, size_t *winner);

/* The option that NAME (as in $name) stands for, read from SECTION or, without a dot in NAME, from
 * [DEFAULT] too: *found and *text, as Python's str() of the value. 0 or -1. */
int oslo_refer(struct oslo_reading *reading, const char *section, struct py_str name, bool *found,
               struct py_str *text);

/* RAW of an option of SECTION with what it refers to put in. 0 or -1. */
int oslo_substitute(struct oslo_reading *reading, const char *section, struct py_str raw,
                    struct py_str *text);

/* The value TEXT of OPTION as its type has it; what the type refuses is in reading->invalid. 0 or
 * -1. */
int oslo_convert(struct oslo_reading *reading, const struct oslo_option *option, struct py_str text,
                 struct oslo_items *items);

/* Python's str() of a value of OPTION's kind. 0 or -1. */
int oslo_str(struct oslo_reading *reading, const struct oslo_option *option,
             const struct oslo_items *items, struct py_str *text);

#endif
