/* oslo_config.h: the value that oslo.config gives an option, from several files' texts.
 *
 * The rules (oslo_config/cfg.py: _Namespace._get_file_value, ConfigOpts._do_get and _substitute;
 * types.py; sources/_environment.py), each held against oslo.config itself by tests/ini:
 * - Files count in the order in which they are added; a later file wins over an earlier one. Within
 * one file the current name wins over the deprecated ones (in the descriptor's order), whichever
 * line comes last; of one name, the last line wins.
 * - A multi-valued option has the values of all files, in order; within one file those under the
 *   last deprecated name come first, those under the current name last.
 * - The current name is read with _ only ("a-b" in a file is not option a-b); a deprecated name is
 *   read as it stands and with _ for -.
 * - The environment's OS_SECTION__NAME wins over every file; of a multi-valued option it makes one
 *   value of each character (which Nova will not survive: tell it).
 * - $name, ${name}, $group.name, ${group.name} stand for other options' values: first in the
 *   option's own section, then in [DEFAULT]; $$ and \$ are a $.
 */
#ifndef GPUFLEET_INI_OSLO_CONFIG_H
#define GPUFLEET_INI_OSLO_CONFIG_H

#include <stdbool.h>
#include <stddef.h>

#include "node-agent/ini/ini_text.h"
#include "node-agent/wire/error.h"

enum oslo_kind {
	OSLO_STRING, /* StrOpt; also numbers, as they are written */
	OSLO_BOOL,   /* BoolOpt: the value is "true" or "false" */
	OSLO_LIST,   /* ListOpt */
	OSLO_MULTI,  /* MultiStrOpt */
};

/* A former name. SECTION NULL: the option's own; NAME NULL: the option's own. */
struct oslo_name {
	const char *section, *name;
};

struct oslo_option {
	const char *section; /* "DEFAULT", "pci" */
	const char *name;
	enum oslo_kind kind;
	const struct oslo_name *deprecated; /* ends with {NULL, NULL}; NULL: none */
	const char *const *defaults;        /* ends with NULL; NULL: no default */
	bool list_bounds;                   /* a list stands in [ ] */
	bool list_quotes;                   /* an item may stand in quotes, and hold commas then */
};

/* One place where the option is written. */
struct oslo_entry {
	const char *file;    /* the path that oslo_config_add was given */
	unsigned line;       /* from 1 */
	const char *section; /* as written */
	const char *name;    /* as written: the current name or a deprecated one */
	struct py_str raw;   /* before interpolation */
	struct py_str value; /* after it; NUL-terminated, but may hold NULs */
	bool ours;           /* gpufleet wrote it */
	bool effective;      /* it counts: each of a multi-valued option, the winner of another */
};

enum oslo_source {
	OSLO_UNSET, /* None in Python */
	OSLO_DEFAULT,
	OSLO_FILE,
	OSLO_ENVIRONMENT,
};

struct oslo_value {
	enum oslo_source source;
	/* What the service sees: the items of a list or of a multi-valued option, else one; each
	 * NUL-terminated. Strings of entries point into the same memory or the option's files. */
	struct py_str *values;
	size_t count;
	struct oslo_entry *entries; /* in the order in which a multi-valued option has them */
	size_t entry_count;
	/* The first $name that neither the table of options nor a file knows, NULL when none. It
	 * is left as it stands; when the service does not know it either, reading the option fails.
	 */
	const char *unresolved;
	/* Why oslo.config refuses the value ("unexpected boolean value …"), NULL when it does not;
	 * then count is 0. */
	const char *invalid;
	void *memory;
};

struct oslo_config;

/* A configuration without files. KNOWN (COUNT options, the caller's, must live on): those that may
 * be referred to by $name, with their kinds and defaults; others are looked for in the files, as
 * strings. ENVIRONMENT: the service's, "NAME=VALUE" each, ends with NULL, the caller's; NULL: none.
 */
struct oslo_config *oslo_config_new(const struct oslo_option *known, size_t count,
                                    const char *const *environment, struct gf_err *err);
void oslo_config_free(struct oslo_config *config);

/* Adds the next file: PATH and the SIZE bytes at TEXT are copied. -1 with GF_E_INPUT when
 * oslo.config would refuse the file, with *line (may be NULL) where; then the file does not count.
 */
int oslo_config_add(struct oslo_config *config, const char *path, const char *text, size_t size,
                    unsigned *line, struct gf_err *err);

/* OPTION's value and all its entries; oslo_value_free after success. CONFIG must outlive *value. -1
 * only without memory, or when the value would be larger than 1 MiB (values that refer to one
 * another can grow without end). */
int oslo_config_get(const struct oslo_config *config, const struct oslo_option *option,
                    struct oslo_value *value, struct gf_err *err);
void oslo_value_free(struct oslo_value *value);

#endif
