/* ssh_config_lines.h: the lines of a configuration, between ssh_config_read.c, ssh_config_words.c
 * and ssh_config.c. */
#ifndef GPUFLEET_SSH_CONFIG_LINES_H
#define GPUFLEET_SSH_CONFIG_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "inventory/inventory.h"
#include "node-agent/wire/error.h"

enum ssh_key {
	KEY_HOST,
	KEY_MATCH,
	KEY_INCLUDE,
	KEY_HOST_NAME,
	KEY_PORT,
	KEY_USER,
	KEY_IDENTITY_FILE,
	KEY_IDENTITIES_ONLY,
	KEY_PROXY_JUMP,
	KEY_PROXY_COMMAND,
	KEY_KNOWN_HOSTS,
	KEY_ALIVE_INTERVAL,
	KEY_ALIVE_COUNT,
	KEY_IGNORE_UNKNOWN,
	KEY_REFUSED, /* without it the host would be another one, or be trusted for another reason
	              */
	KEY_WARNED,  /* without it the login may fail, and the operator should know why */
	KEY_IGNORED, /* changes nothing for us */
};

struct ssh_keyword {
	const char *name;
	enum ssh_key key;
	const char *neutral; /* a value that means "nothing of the kind", or NULL */
	const char *advice;  /* of KEY_REFUSED and KEY_WARNED: what to do instead */
};

struct ssh_word {
	char *text;
	unsigned column;
};

struct ssh_config_line {
	const struct ssh_keyword *keyword; /* NULL: here begins a file that Include brought */
	const char *file;                  /* the configuration's */
	unsigned line, column, depth;
	struct ssh_word *words; /* the values */
	size_t count;
};

struct ssh_config {
	struct string_list files; /* as opened, in order; their names are borrowed by the lines */
	struct ssh_config_line *lines;
	size_t count, room;
	char *folder; /* where Include looks; NULL: it is not followed */
	struct string_list ignore_unknown;
};

#define SSH_CONFIG_DEPTH_MAX   16
#define SSH_CONFIG_SECONDS_MAX 86400

/* ssh_config_words.c: the keywords, and what their values may be. */

/* NULL when there is no such keyword. */
const struct ssh_keyword *ssh_keyword_find(const char *name);
/* The keyword that NAME may be a misspelling of, or NULL. */
const char *ssh_keyword_suggest(const char *name);
/* Are the values of LINE what its keyword takes? */
int ssh_config_line_check(const struct ssh_config_line *line, struct gf_err *err);
/* "FILE:LINE:COL: …" at word I of the line, or at its keyword when there is no such word. */
int ssh_config_fail(const struct ssh_config_line *line, size_t i, struct gf_err *err,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Is TEXT a time, of a day at most? */
bool ssh_config_seconds(const char *text, unsigned *seconds);
/* * and ? as in a shell, without classes. */
bool ssh_pattern_match(const char *pattern, const char *text);
/* Patterns with commas, ! taking away. */
bool ssh_pattern_list_match(const char *list, const char *text);

#endif
