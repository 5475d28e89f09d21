/* ssh_known_hosts_look.c: what the table says of a host and its key.
 *
 * The happy path costs one look-up by name, or by key (where names are hashed or
 * patterns, or a line revokes some key). A host whose key is not there, or is there
 * under very many hashed names, costs a pass over every hashed name: two blocks of SHA-1 for each,
 * which no index can spare. So that pass is a function by itself, for the pool.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/ssh/ssh_known_hosts_table.h"

#define HASHED_QUICK 64 /* hashed names that may be tried on the loop */

/* Does PATTERN (with * and ?) match all of NAME? Iterative, so that no pattern can take it far. */
static bool pattern_matches(const char *pattern, size_t size, const char *name)
{
	size_t at = 0, star = SIZE_MAX;
	const char *mark = name;
	while (*name) {
		if (at < size && pattern[at] == '*') {
			star = at++;
			mark = name;
		} else if (at < size && (pattern[at] == '?' || pattern[at] == *name)) {
			at++;
			name++;
		} else if (star != SIZE_MAX) {
			at = star + 1;
			name = ++mark;
		} else {
			return false;
		}
	}
	while (at < size && pattern[at] == '*')
		at++;
	return at == size;
}

/* A comma list matches when one of its patterns does and no negated one does. */
static bool list_matches(const char *list, const char *name)
{
	bool found = false;
	for (const char *at = list;; at++) {
		size_t size = strcspn(at, ",");
		bool negated = size > 0 && at[0] == '!';
		if (pattern_matches(at + negated, size - negated, name)) {
			if (negated)
				return false;
			found = true;
		}
		at += size;
		if (*at == '\0')
			return found;
	}
}

static bool hashed_is(const struct known_hosts_hashed *hashed, const char *const *names,
                      size_t count)
{
	uint8_t hash[SSH_HMAC_SIZE];
	for (size_t i = 0; i < count; i++) {
		ssh_hmac_sha1(&hashed->salt, names[i], strlen(names[i]), hash);
		if (memcmp(hash, hashed->hash, sizeof(hash)) == 0)
			return true;
	}
	return false;
}

static bool line_names(const struct ssh_known_hosts *table, const struct known_hosts_line *line,
                       const char *const *names, size_t count)
{
	if (line->naming == NAMING_HASHED)
		return hashed_is(&table->hashed[line->hashed], names, count);
	for (size_t i = 0; i < count; i++)
		if (list_matches(line->names, names[i]))
			return true;
	return false;
}

static bool line_has_key(const struct known_hosts_line *line, const char *type, const char *key)
{
	return line->marker != MARKER_AUTHORITY && strcmp(line->key, key) == 0 &&
	       strcmp(line->type, type) == 0;
}

static void types_add(const char *types[SSH_KNOWN_HOSTS_TYPES], const char *type)
{
	for (size_t i = 0; i < SSH_KNOWN_HOSTS_TYPES - 1; i++) {
		if (types[i] && strcmp(types[i], type) == 0)
			return;
		if (!types[i]) {
			types[i] = type;
			return;
		}
	}
}

/* A line that names the host, but does not have its key. */
static void note_line(const struct known_hosts_line *line, const char *type,
                      struct ssh_known_hosts_match *match)
{
	if (line->marker == MARKER_AUTHORITY) {
		if (match->result == KNOWN_HOSTS_UNKNOWN) {
			match->result = KNOWN_HOSTS_AUTHORITY;
			match->line = line->number;
		}
	} else if (line->marker == MARKER_NONE && match->result != KNOWN_HOSTS_CHANGED) {
		bool changed = strcmp(line->type, type) == 0;
		match->result = changed ? KNOWN_HOSTS_CHANGED : KNOWN_HOSTS_OTHER;
		match->line = line->number;
		if (!changed)
			types_add(match->types, line->type);
	}
}

/* By the key alone. False: it is not there, or there under more than MAX hashed names. */
static bool key_look(const struct ssh_known_hosts *table, const char *const *names, size_t count,
                     const char *type, const char *key, size_t max,
                     struct ssh_known_hosts_match *match)
{
	size_t hashed = 0;
	*match = (struct ssh_known_hosts_match){.result = KNOWN_HOSTS_UNKNOWN};
	for (size_t i = table->by_key[known_hosts_bucket(key, strlen(key))]; i;
	     i = table->lines[i - 1].next_key) {
		const struct known_hosts_line *line = &table->lines[i - 1];
		if (!line_has_key(line, type, key))
			continue;
		if (line->naming == NAMING_HASHED && ++hashed > max)
			return false;
		if (!line_names(table, line, names, count))
			continue;
		match->line = line->number;
		match->result =
		    line->marker == MARKER_REVOKED ? KNOWN_HOSTS_REVOKED : KNOWN_HOSTS_MATCH;
		if (match->result == KNOWN_HOSTS_REVOKED)
			return true;
	}
	return match->result == KNOWN_HOSTS_MATCH;
}

/* The first of the names from AT on in their chain that is TEXT; index + 1, 0: none. */
static size_t name_find(const struct ssh_known_hosts *table, size_t at, const char *text,
                        size_t length)
{
	while (at && !known_hosts_name_is(&table->names[at - 1], text, length))
		at = table->names[at - 1].next;
	return at;
}

static size_t name_first(const struct ssh_known_hosts *table, const char *text, size_t length)
{
	return name_find(table, table->by_name[known_hosts_bucket(text, length)], text, length);
}

static size_t name_next(const struct ssh_known_hosts *table, size_t at, const char *text,
                        size_t length)
{
	return name_find(table, table->names[at - 1].next, text, length);
}

/* By the name, where no key is revoked: a fleet of thousands may have one key, and a line for each.
 */
static bool name_look(const struct ssh_known_hosts *table, const char *const *names, size_t count,
                      const char *type, const char *key, struct ssh_known_hosts_match *match)
{
	for (size_t i = 0; i < count && !table->revoked; i++) {
		size_t length = strlen(names[i]);
		for (size_t at = name_first(table, names[i], length); at;
		     at = name_next(table, at, names[i], length)) {
			const struct known_hosts_line *line =
			    &table->lines[table->names[at - 1].line];
			if (!line_has_key(line, type, key))
				continue;
			*match = (struct ssh_known_hosts_match){.result = KNOWN_HOSTS_MATCH,
			                                        .line = line->number};
			return true;
		}
	}
	return false;
}

static int found_add(struct ssh_known_hosts_found *found, size_t line)
{
	if (found->count == found->room) {
		size_t room = found->room ? 2 * found->room : 16;
		size_t *grown = realloc(found->lines, room * sizeof(*grown));
		if (!grown)
			return -1;
		found->lines = grown;
		found->room = room;
	}
	found->lines[found->count++] = line;
	return 0;
}

int ssh_known_hosts_search(const struct ssh_known_hosts *table, const char *const *names,
                           size_t count, struct ssh_known_hosts_found *found)
{
	for (size_t i = 0; i < table->hashed_count; i++)
		if (hashed_is(&table->hashed[i], names, count) &&
		    found_add(found, table->hashed[i].line) != 0)
			return -1;
	return 0;
}

/* The lines that name the host in plain text or by a pattern. */
static int plain_search(const struct ssh_known_hosts *table, const char *const *names, size_t count,
                        struct ssh_known_hosts_found *found)
{
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(names[i]);
		for (size_t at = name_first(table, names[i], length); at;
		     at = name_next(table, at, names[i], length))
			if (found_add(found, table->names[at - 1].line) != 0)
				return -1;
	}
	for (size_t i = 0; i < table->pattern_count; i++)
		if (line_names(table, &table->lines[table->patterns[i]], names, count) &&
		    found_add(found, table->patterns[i]) != 0)
			return -1;
	return 0;
}

static int by_index(const void *left, const void *right)
{
	size_t a = *(const size_t *)left, b = *(const size_t *)right;
	return a < b ? -1 : a > b;
}

void ssh_known_hosts_decide(const struct ssh_known_hosts *table, const char *const *names,
                            size_t count, const char *type, const char *key,
                            struct ssh_known_hosts_found *found,
                            struct ssh_known_hosts_match *match)
{
	*match = (struct ssh_known_hosts_match){.result = KNOWN_HOSTS_UNKNOWN};
	/* Out of memory: nothing is known for sure, so the host must not pass as a new one. */
	if (plain_search(table, names, count, found) != 0)
		match->result = KNOWN_HOSTS_CHANGED;
	if (found->count > 0)
		qsort(found->lines, found->count, sizeof(*found->lines), by_index);
	bool known = false;
	for (size_t i = 0; i < found->count; i++) {
		const struct known_hosts_line *line = &table->lines[found->lines[i]];
		if (!line_has_key(line, type, key)) {
			if (!known)
				note_line(line, type, match);
			continue;
		}
		known = true;
		match->line = line->number;
		match->result =
		    line->marker == MARKER_REVOKED ? KNOWN_HOSTS_REVOKED : KNOWN_HOSTS_MATCH;
		if (match->result == KNOWN_HOSTS_REVOKED)
			break;
	}
	free(found->lines);
	*found = (struct ssh_known_hosts_found){0};
}

void ssh_known_hosts_check(const struct ssh_known_hosts *table, const char *const *names,
                           size_t count, const char *type, const char *key,
                           struct ssh_known_hosts_match *match)
{
	struct ssh_known_hosts_found found = {0};
	if (name_look(table, names, count, type, key, match) ||
	    key_look(table, names, count, type, key, SIZE_MAX, match))
		return;
	bool failed = ssh_known_hosts_search(table, names, count, &found) != 0;
	ssh_known_hosts_decide(table, names, count, type, key, &found, match);
	if (failed && match->result == KNOWN_HOSTS_UNKNOWN)
		match->result = KNOWN_HOSTS_CHANGED;
}

bool ssh_known_hosts_quick(const struct ssh_known_hosts *table, const char *const *names,
                           size_t count, const char *type, const char *key,
                           struct ssh_known_hosts_match *match)
{
	if (name_look(table, names, count, type, key, match) ||
	    key_look(table, names, count, type, key, HASHED_QUICK, match))
		return true;
	if (table->hashed_count > HASHED_QUICK)
		return false;
	ssh_known_hosts_check(table, names, count, type, key, match);
	return true;
}

void ssh_known_hosts_types(const struct ssh_known_hosts *table, const char *const *names,
                           size_t count, const char *types[SSH_KNOWN_HOSTS_TYPES])
{
	for (size_t i = 0; i < SSH_KNOWN_HOSTS_TYPES; i++)
		types[i] = NULL;
	for (size_t i = 0; i < count; i++) {
		size_t length = strlen(names[i]);
		for (size_t at = name_first(table, names[i], length); at;
		     at = name_next(table, at, names[i], length)) {
			const struct known_hosts_line *line =
			    &table->lines[table->names[at - 1].line];
			if (line->marker == MARKER_NONE)
				types_add(types, line->type);
		}
	}
}
