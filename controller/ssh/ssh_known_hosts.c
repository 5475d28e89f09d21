/* ssh_known_hosts.c: see ssh_known_hosts.h. The file's text is kept and cut up in place; lines
 * point into it. Two indexes: by key (every line) and by plain name. Lines with wildcards and
 * hashed names are lists, walked only when a host is not simply known.
 */
#include "controller/ssh/ssh_known_hosts.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/ssh/ssh_known_hosts_table.h"

#define FILE_MAX ((size_t)256 << 20)

static int base64_value(char c)
{
	static const char set[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *found = c ? strchr(set, c) : NULL;
	return found ? (int)(found - set) : -1;
}

/* 28 characters of base64 are 20 bytes. */
static bool base64_decode20(const char *text, size_t size, uint8_t out[SSH_HMAC_SIZE])
{
	if (size != 28 || text[27] != '=')
		return false;
	uint8_t bytes[21];
	for (size_t i = 0; i < 7; i++) {
		uint32_t group = 0;
		for (size_t j = 0; j < 4; j++) {
			int value = i == 6 && j == 3 ? 0 : base64_value(text[4 * i + j]);
			if (value < 0)
				return false;
			group = group << 6 | (uint32_t)value;
		}
		bytes[3 * i] = (uint8_t)(group >> 16);
		bytes[3 * i + 1] = (uint8_t)(group >> 8);
		bytes[3 * i + 2] = (uint8_t)group;
	}
	memcpy(out, bytes, SSH_HMAC_SIZE);
	return true;
}

static void *grow(void *items, size_t count, size_t *room, size_t size)
{
	if (count < *room)
		return items;
	size_t wanted = *room ? *room * 2 : 64;
	void *grown = realloc(items, wanted * size);
	if (grown)
		*room = wanted;
	return grown;
}

static int index_names(struct ssh_known_hosts *table, size_t line)
{
	const char *name = table->lines[line].names;
	for (const char *at;; name = at + 1) {
		at = name + strcspn(name, ",");
		void *grown =
		    grow(table->names, table->name_count, &table->name_room, sizeof(*table->names));
		if (!grown)
			return -1;
		table->names = grown;
		size_t length = (size_t)(at - name), bucket = known_hosts_bucket(name, length);
		table->names[table->name_count++] =
		    (struct known_hosts_name){name, (uint32_t)line, table->by_name[bucket]};
		table->by_name[bucket] = (uint32_t)table->name_count;
		if (*at == '\0')
			return 0;
	}
}

/* The next word of *at, cut off in place; NULL when there is none. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, " \t");
	if (*word == '\0')
		return NULL;
	char *end = word + strcspn(word, " \t");
	*at = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

static bool parse_names(struct known_hosts_line *line, struct known_hosts_hashed *hashed,
                        char *names)
{
	uint8_t salt[SSH_HMAC_SIZE];
	line->names = names;
	if (names[0] == '|') {
		if (strncmp(names, "|1|", 3) != 0)
			return false;
		char *hash = strchr(names + 3, '|');
		line->naming = NAMING_HASHED;
		if (!hash || !base64_decode20(names + 3, (size_t)(hash - names - 3), salt) ||
		    !base64_decode20(hash + 1, strlen(hash + 1), hashed->hash))
			return false;
		ssh_hmac_key(&hashed->salt, salt);
		return true;
	}
	for (char *c = names; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	line->naming = strpbrk(names, "*?!") ? NAMING_PATTERN : NAMING_PLAIN;
	return true;
}

static int keep_hashed(struct ssh_known_hosts *table, const struct known_hosts_hashed *hashed)
{
	void *grown =
	    grow(table->hashed, table->hashed_count, &table->hashed_room, sizeof(*table->hashed));
	if (!grown)
		return -1;
	table->hashed = grown;
	table->hashed[table->hashed_count++] = *hashed;
	return 0;
}

static int keep_pattern(struct ssh_known_hosts *table, size_t line)
{
	void *grown = grow(table->patterns, table->pattern_count, &table->pattern_room,
	                   sizeof(*table->patterns));
	if (!grown)
		return -1;
	table->patterns = grown;
	table->patterns[table->pattern_count++] = line;
	return 0;
}

/* Adds the line TEXT (cut up in place). A line that is not one is skipped. -1: out of memory. */
static int add_line(struct ssh_known_hosts *table, char *text, unsigned number)
{
	struct known_hosts_line line = {.number = number};
	struct known_hosts_hashed hashed;
	char *at = text, *word = next_word(&at);
	if (!word || word[0] == '#')
		return 0;
	if (word[0] == '@') {
		if (strcmp(word, "@revoked") == 0)
			line.marker = MARKER_REVOKED;
		else if (strcmp(word, "@cert-authority") == 0)
			line.marker = MARKER_AUTHORITY;
		else
			return 0;
		word = next_word(&at);
	}
	if (!word || !parse_names(&line, &hashed, word))
		return 0;
	line.type = next_word(&at);
	line.key = next_word(&at);
	if (!line.type || !line.key)
		return 0;
	void *grown = grow(table->lines, table->line_count, &table->line_room, sizeof(line));
	if (!grown)
		return -1;
	table->lines = grown;
	size_t bucket = known_hosts_bucket(line.key, strlen(line.key));
	line.next_key = table->by_key[bucket];
	line.hashed = (uint32_t)table->hashed_count;
	table->lines[table->line_count++] = line;
	table->revoked = table->revoked || line.marker == MARKER_REVOKED;
	table->by_key[bucket] = (uint32_t)table->line_count;
	hashed.line = table->line_count - 1;
	return line.naming == NAMING_PLAIN    ? index_names(table, hashed.line)
	       : line.naming == NAMING_HASHED ? keep_hashed(table, &hashed)
	                                      : keep_pattern(table, hashed.line);
}

static int keep_text(struct ssh_known_hosts *table, char *text)
{
	char **texts = realloc(table->texts, (table->text_count + 1) * sizeof(*texts));
	if (!texts)
		return -1;
	table->texts = texts;
	texts[table->text_count++] = text;
	return 0;
}

/* Room for one name a line, as most files have. Without it they only grow step by step. */
static void make_room(struct ssh_known_hosts *table, const char *text, size_t size)
{
	size_t lines = 1;
	for (const char *at = text; (at = memchr(at, '\n', (size_t)(text + size - at))); at++)
		lines++;
	table->lines = malloc(lines * sizeof(*table->lines));
	table->line_room = table->lines ? lines : 0;
	table->names = malloc(lines * sizeof(*table->names));
	table->name_room = table->names ? lines : 0;
}

/* TEXT, with a byte beyond SIZE, is the table's from here on. */
static struct ssh_known_hosts *table_new(const char *path, char *text, size_t size,
                                         struct gf_err *err)
{
	struct ssh_known_hosts *table = calloc(1, sizeof(*table));
	if (!table || !(table->path = strdup(path)) || keep_text(table, text) != 0) {
		free(text);
		goto err_memory;
	}
	text[size] = '\0';
	table->ends_open = size > 0 && text[size - 1] != '\n';
	make_room(table, text, size);
	for (char *at = text, *end = text + size; at < end;) {
		char *newline = memchr(at, '\n', (size_t)(end - at));
		char *stop = newline ? newline : end;
		*stop = '\0';
		if (stop > at && stop[-1] == '\r')
			stop[-1] = '\0';
		if (add_line(table, at, ++table->last_number) != 0)
			goto err_memory;
		at = stop + 1;
	}
	return table;
err_memory:
	ssh_known_hosts_free(table);
	gf_err_set(err, GF_E_MEMORY, "out of memory while reading %s", path);
	return NULL;
}

struct ssh_known_hosts *ssh_known_hosts_parse(const char *path, const char *text, size_t size,
                                              struct gf_err *err)
{
	char *copy = malloc(size + 1);
	if (!copy) {
		gf_err_set(err, GF_E_MEMORY, "out of memory while reading %s", path);
		return NULL;
	}
	if (size)
		memcpy(copy, text, size);
	return table_new(path, copy, size, err);
}

struct ssh_known_hosts *ssh_known_hosts_read(const char *path, struct gf_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
		return ssh_known_hosts_parse(path, "", 0, err);
	struct stat info;
	if (fd < 0 || fstat(fd, &info) != 0) {
		gf_err_errno(err, GF_E_HOST_KEY, "cannot read the known_hosts file %s", path);
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	struct ssh_known_hosts *table = NULL;
	size_t size = S_ISREG(info.st_mode) ? (size_t)info.st_size : 0, used = 0;
	char *text = size <= FILE_MAX ? malloc(size + 1) : NULL;
	if (!text) {
		gf_err_set(err, GF_E_HOST_KEY, "the known_hosts file %s is too large", path);
	} else {
		ssize_t got = 0;
		while (used < size && (got = read(fd, text + used, size - used)) > 0)
			used += (size_t)got;
		if (got < 0) {
			gf_err_errno(err, GF_E_HOST_KEY, "cannot read the known_hosts file %s",
			             path);
			free(text);
		} else {
			table = table_new(path, text, used, err);
		}
	}
	close(fd);
	return table;
}

void ssh_known_hosts_free(struct ssh_known_hosts *table)
{
	if (!table || table->references-- > 0)
		return;
	for (size_t i = 0; i < table->text_count; i++)
		free(table->texts[i]);
	free(table->texts);
	free(table->lines);
	free(table->hashed);
	free(table->patterns);
	free(table->names);
	free(table->path);
	free(table);
}

struct ssh_known_hosts *ssh_known_hosts_keep(struct ssh_known_hosts *table)
{
	table->references++;
	return table;
}

const char *ssh_known_hosts_path(const struct ssh_known_hosts *table)
{
	return table->path;
}

void ssh_known_hosts_name(const char *host, unsigned port, char *name, size_t size)
{
	if (port == 22)
		snprintf(name, size, "%s", host);
	else
		snprintf(name, size, "[%s]:%u", host, port);
	for (char *c = name; *c; c++)
		*c = (char)tolower((unsigned char)*c);
}

/* ~/.ssh is made when it is missing, as ssh does; what is above it is not. */
static int append_text(const struct ssh_known_hosts *table, const char *text, struct gf_err *err)
{
	int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC;
	int fd = open(table->path, flags, 0600);
	if (fd < 0 && errno == ENOENT) {
		char folder[4096];
		snprintf(folder, sizeof(folder), "%s", table->path);
		char *slash = strrchr(folder, '/');
		if (slash && slash != folder) {
			*slash = '\0';
			if (mkdir(folder, 0700) == 0)
				fd = open(table->path, flags, 0600);
		}
	}
	if (fd < 0)
		return gf_err_errno(err, GF_E_HOST_KEY, "cannot record the host key in %s",
		                    table->path);
	size_t size = strlen(text);
	ssize_t written = write(fd, text, size);
	int result =
	    written == (ssize_t)size
	        ? 0
	        : gf_err_errno(err, GF_E_HOST_KEY, "cannot record the host key in %s", table->path);
	close(fd);
	return result;
}

int ssh_known_hosts_add(struct ssh_known_hosts *table, const char *name, const char *type,
                        const char *key, struct gf_err *err)
{
	char *text = NULL;
	if (asprintf(&text, "%s%s %s %s\n", table->ends_open ? "\n" : "", name, type, key) < 0)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (append_text(table, text, err) != 0) {
		free(text);
		return -1;
	}
	table->ends_open = false;
	char *line = text + (text[0] == '\n');
	line[strcspn(line, "\n")] = '\0';
	if (keep_text(table, text) != 0) {
		free(text);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	if (add_line(table, line, ++table->last_number) != 0)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	return 0;
}
