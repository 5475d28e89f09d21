/* ssh_config_read.c: a configuration's files into lines.
 *
 * Possible failure modes: a file that others can write to, a mistake in a line (its message names
 * the place), Include that includes itself. Everything is checked when it is read, also what
 * concerns no host of this run.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/ssh/ssh_config.h"
#include "controller/ssh/ssh_config_lines.h"
#include "inventory/nodeset.h"
#include "inventory/text_rules.h"

#define SIZE_MAX_FILE ((size_t)1 << 20)
#define FILES_MAX     1024 /* an Include of its own folder multiplies */

static int read_file(struct ssh_config *config, const char *path, unsigned depth,
                     const struct ssh_config_line *include, struct gf_err *err);

static int no_memory(struct gf_err *err)
{
	return gf_err_set(err, GF_E_MEMORY, "out of memory");
}

static bool blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\f';
}

static void line_clear(struct ssh_config_line *line)
{
	for (size_t i = 0; i < line->count; i++)
		free(line->words[i].text);
	free(line->words);
	line->words = NULL;
	line->count = 0;
}

static int add_word(struct ssh_config_line *line, const char *text, size_t size, unsigned column)
{
	struct ssh_word *grown = realloc(line->words, (line->count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	line->words = grown;
	grown[line->count].text = strndup(text, size);
	grown[line->count].column = column;
	return grown[line->count++].text ? 0 : -1;
}

/* Splits TEXT, which begins at COLUMN, as ssh does: spaces part words, quotes keep them together, a
 * backslash takes a quote, a backslash or (outside quotes) a space as it is, # begins a comment. */
static int split_words(struct ssh_config_line *line, const char *text, unsigned column,
                       struct gf_err *err)
{
	char *word = malloc(strlen(text) + 1);
	const char *at = text;
	if (!word)
		return no_memory(err);
	for (;;) {
		while (blank(*at))
			at++;
		if (!*at || *at == '#')
			break;
		unsigned here = column + (unsigned)(at - text), opened = 0;
		size_t size = 0;
		char quote = '\0';
		for (; *at && (quote || !blank(*at)); at++) {
			if (*at == '\\' && at[1] &&
			    (strchr("\"'\\", at[1]) || (!quote && at[1] == ' '))) {
				word[size++] = *++at;
			} else if (!quote && (*at == '"' || *at == '\'')) {
				quote = *at;
				opened = column + (unsigned)(at - text);
			} else if (quote && *at == quote) {
				quote = '\0';
			} else {
				word[size++] = *at;
			}
		}
		if (quote) {
			free(word);
			return gf_err_set(err, GF_E_INPUT, "%s:%u:%u: the quote %c is not closed",
			                  line->file, line->line, opened, quote);
		}
		if (add_word(line, word, size, here) != 0) {
			free(word);
			return no_memory(err);
		}
	}
	free(word);
	return 0;
}

static int keep_line(struct ssh_config *config, const struct ssh_config_line *line)
{
	if (config->count == config->room) {
		size_t room = config->room ? 2 * config->room : 64;
		struct ssh_config_line *grown = realloc(config->lines, room * sizeof(*grown));
		if (!grown)
			return -1;
		config->lines = grown;
		config->room = room;
	}
	config->lines[config->count++] = *line;
	return 0;
}

static int unknown_keyword(const struct ssh_config *config, const struct ssh_config_line *line,
                           const char *name, struct gf_err *err)
{
	for (size_t i = 0; i < config->ignore_unknown.count; i++)
		if (ssh_pattern_list_match(config->ignore_unknown.items[i], name))
			return 0;
	char shown[64], *to = shown;
	for (const char *at = name; *at && to < shown + sizeof(shown) - 1; at++)
		*to++ = isprint((unsigned char)*at) ? *at : '?';
	*to = '\0';
	const char *near = ssh_keyword_suggest(shown);
	return ssh_config_fail(line, 0, err, "ssh knows no keyword \"%s\"%s%s%s", shown,
	                       near ? "; did you mean " : "",
	                       near ? near : " (IgnoreUnknown lets it pass)", near ? "?" : "");
}

static int include_one(struct ssh_config *config, const char *pattern, unsigned depth,
                       const struct ssh_config_line *line, size_t i, struct gf_err *err)
{
	char *path = NULL;
	glob_t found = {0};
	int rc = 0;
	if (*pattern == '/')
		path = strdup(pattern);
	else if (*pattern == '~' && pattern[1] == '/')
		path = path_expand(pattern);
	else if (*pattern == '~')
		return ssh_config_fail(line, i, err, "Include takes ~/ only, not \"%.80s\"",
		                       pattern);
	else if (asprintf(&path, "%s/%s", config->folder, pattern) < 0)
		path = NULL;
	if (!path)
		return no_memory(err);
	if (glob(path, 0, NULL, &found) == 0) {
		for (size_t at = 0; rc == 0 && at < found.gl_pathc; at++)
			rc = read_file(config, found.gl_pathv[at], depth + 1, line, err);
		globfree(&found);
	}
	free(path);
	return rc;
}

static int include_files(struct ssh_config *config, const struct ssh_config_line *line,
                         struct gf_err *err)
{
	if (line->depth + 1 > SSH_CONFIG_DEPTH_MAX)
		return ssh_config_fail(line, 0, err,
		                       "Include goes more than %d files deep: does it include "
		                       "itself?",
		                       SSH_CONFIG_DEPTH_MAX);
	/* config->lines may move, the words do not. */
	struct ssh_config_line own = *line;
	for (size_t i = 0; i < own.count; i++)
		if (include_one(config, own.words[i].text, own.depth, &own, i, err) != 0)
			return -1;
	return 0;
}

static int read_line(struct ssh_config *config, const char *file, unsigned number, unsigned depth,
                     const char *text, struct gf_err *err)
{
	const char *at = text;
	char name[64];
	while (blank(*at))
		at++;
	if (!*at || *at == '#')
		return 0;
	struct ssh_config_line line = {
	    .file = file, .line = number, .column = 1 + (unsigned)(at - text), .depth = depth};
	size_t size = strcspn(at, " \t\r\f=\"");
	snprintf(name, sizeof(name), "%.*s", (int)(size < 200 ? size : 200), at);
	line.keyword = ssh_keyword_find(name);
	if (!line.keyword)
		return unknown_keyword(config, &line, name, err);
	at += size;
	while (blank(*at))
		at++;
	if (*at == '=')
		at++;
	if (split_words(&line, at, 1 + (unsigned)(at - text), err) != 0 ||
	    ssh_config_line_check(&line, err) != 0) {
		line_clear(&line);
		return -1;
	}
	if (line.keyword->key == KEY_IGNORED) {
		line_clear(&line);
		return 0;
	}
	if (line.keyword->key == KEY_IGNORE_UNKNOWN)
		for (size_t i = 0; i < line.count; i++)
			if (string_list_append(&config->ignore_unknown, line.words[i].text) != 0) {
				line_clear(&line);
				return no_memory(err);
			}
	if (keep_line(config, &line) != 0) {
		line_clear(&line);
		return no_memory(err);
	}
	return line.keyword->key == KEY_INCLUDE && config->folder
	           ? include_files(config, &line, err)
	           : 0;
}

static int read_text(struct ssh_config *config, const char *path, const char *text, size_t size,
                     unsigned depth, struct gf_err *err)
{
	if (string_list_append(&config->files, path) != 0)
		return no_memory(err);
	const char *file = config->files.items[config->files.count - 1];
	const struct ssh_config_line begin = {.file = file, .depth = depth};
	if (keep_line(config, &begin) != 0)
		return no_memory(err);
	const char *end = text + size;
	unsigned number = 0;
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((newline ? newline : end) - text);
		number++;
		const char *zero = memchr(text, '\0', length);
		if (zero)
			return gf_err_set(err, GF_E_INPUT, "%s:%u:%u: a zero byte: is this a text?",
			                  file, number, 1 + (unsigned)(zero - text));
		char *line = strndup(text, length);
		if (!line)
			return no_memory(err);
		int rc = read_line(config, file, number, depth, line, err);
		free(line);
		if (rc != 0)
			return -1;
		text += length + 1;
	}
	return 0;
}

/* What others can write to would let them lead the operator to their hosts: ssh refuses it, too. */
static int check_owner(const char *path, const struct stat *info, struct gf_err *err)
{
	if (!S_ISREG(info->st_mode))
		return gf_err_set(err, GF_E_INPUT, "%s is not a file", path);
	if ((info->st_uid != 0 && info->st_uid != getuid()) || (info->st_mode & 022))
		return gf_err_set(
		    err, GF_E_INPUT,
		    "%s can be written to by others: chmod go-w it, and let it be yours", path);
	if ((size_t)info->st_size > SIZE_MAX_FILE)
		return gf_err_set(err, GF_E_INPUT, "%s is larger than %zu bytes", path,
		                  SIZE_MAX_FILE);
	return 0;
}

static int read_file(struct ssh_config *config, const char *path, unsigned depth,
                     const struct ssh_config_line *include, struct gf_err *err)
{
	if (include && config->files.count >= FILES_MAX)
		return ssh_config_fail(include, 0, err, "Include brings more than %d files",
		                       FILES_MAX);
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat info;
	if (fd < 0)
		return errno == ENOENT ? 0 : gf_err_errno(err, GF_E_INPUT, "cannot read %s", path);
	char *text = NULL;
	size_t size = 0;
	int rc = fstat(fd, &info) == 0 ? check_owner(path, &info, err)
	                               : gf_err_errno(err, GF_E_INPUT, "cannot read %s", path);
	if (rc == 0) {
		size = (size_t)info.st_size;
		text = malloc(size + 1);
		ssize_t got = text ? read(fd, text, size) : 0;
		if (!text)
			rc = no_memory(err);
		else if (got < 0)
			rc = gf_err_errno(err, GF_E_INPUT, "cannot read %s", path);
		else
			size = (size_t)got;
	}
	close(fd);
	if (rc == 0)
		rc = read_text(config, path, text, size, depth, err);
	free(text);
	return rc;
}

struct ssh_config *ssh_config_read(const char *path, struct gf_err *err)
{
	struct ssh_config *config = calloc(1, sizeof(*config));
	const char *slash = strrchr(path, '/');
	if (config)
		config->folder = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	if (!config || !config->folder) {
		free(config);
		no_memory(err);
		return NULL;
	}
	if (read_file(config, path, 0, NULL, err) != 0) {
		ssh_config_free(config);
		return NULL;
	}
	return config;
}

struct ssh_config *ssh_config_parse(const char *path, const char *text, size_t size,
                                    struct gf_err *err)
{
	struct ssh_config *config = calloc(1, sizeof(*config));
	if (!config) {
		no_memory(err);
		return NULL;
	}
	if (read_text(config, path, text, size, 0, err) != 0) {
		ssh_config_free(config);
		return NULL;
	}
	return config;
}

void ssh_config_free(struct ssh_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->count; i++)
		line_clear(&config->lines[i]);
	free(config->lines);
	string_list_free(&config->files);
	string_list_free(&config->ignore_unknown);
	free(config->folder);
	free(config);
}
