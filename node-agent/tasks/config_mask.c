/* config_mask.c: see config_mask.h. What may be shown is listed, not what may not: options come
 * with every release, and anybody may have written anything. */
#include "node-agent/tasks/config_mask.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-"

static const char *const shown_sections[] = {"pci", "filter_scheduler"};

/* Options of other sections that gpufleet itself looks at. */
static const char *const shown_names[] = {
    "pci_alias",
    "pci_passthrough_whitelist",
    "scheduler_default_filters",
    "reserved_host_cpus",
    "reserved_host_memory_mb",
    "scheduler_available_filters",
    "cpu_allocation_ratio",
    "ram_allocation_ratio",
};

static const char *const secret_words[] = {"pass",          "secret",     "token",   "credential",
                                           "transport_url", "connection", "private", "_key"};

struct mask {
	FILE *out;
	bool section_shown;
	bool value_shown; /* of the setting whose lines are at hand */
};

static bool name_listed(const char *name, size_t length, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(names[i]) == length && strncasecmp(names[i], name, length) == 0)
			return true;
	return false;
}

static bool name_is_secret(const char *name, size_t length)
{
	char text[128];
	snprintf(text, sizeof(text), "%.*s", (int)(length < 120 ? length : 120), name);
	for (size_t i = 0; i < sizeof(secret_words) / sizeof(secret_words[0]); i++)
		if (strcasestr(text, secret_words[i]))
			return true;
	return false;
}

static bool name_is_shown(const struct mask *mask, const char *name, size_t length)
{
	return (mask->section_shown || name_listed(name, length, shown_names,
	                                           sizeof(shown_names) / sizeof(shown_names[0]))) &&
	       !name_is_secret(name, length);
}

/* Where user and password of a URL in [text, end) begin and end ("//USER:PASSWORD@", up to the last
 * @, for a password may hold anything, and there may be several hosts); false: there are none. */
static bool url_find(const char *text, const char *end, const char **from, const char **to)
{
	for (const char *p = text; p + 3 <= end; p++) {
		if (strncmp(p, "://", 3) != 0)
			continue;
		const char *stop = p + 3;
		const char *at = NULL;
		for (; stop < end && !isspace((unsigned char)*stop); stop++)
			at = *stop == '@' ? stop : at;
		if (at) {
			*from = p + 3;
			*to = at;
			return true;
		}
	}
	return false;
}

static void text_write(struct mask *mask, const char *text, size_t size)
{
	const char *end = text + size, *from, *to;
	while (url_find(text, end, &from, &to)) {
		fwrite(text, 1, (size_t)(from - text), mask->out);
		fputs(CONFIG_MASK, mask->out);
		text = to;
	}
	fwrite(text, 1, (size_t)(end - text), mask->out);
}

/* "name = value", at TEXT: the lengths of the name and of all before the value; false: it is none.
 */
static bool setting_split(const char *text, size_t size, size_t *name, size_t *value)
{
	size_t at = *name = strspn(text, NAME_CHARACTERS);
	if (at == 0 || at >= size)
		return false;
	while (at < size && (text[at] == ' ' || text[at] == '\t'))
		at++;
	if (at >= size || (text[at] != '=' && text[at] != ':'))
		return false;
	at++;
	while (at < size && (text[at] == ' ' || text[at] == '\t'))
		at++;
	*value = at;
	return true;
}

static void setting_write(struct mask *mask, const char *text, size_t size, size_t value,
                          bool shown)
{
	text_write(mask, text, value);
	if (shown || value == size)
		text_write(mask, text + value, size - value);
	else
		fputs(CONFIG_MASK, mask->out);
}

static void comment_write(struct mask *mask, const char *text, size_t size)
{
	static const char ours[] = "# gpufleet: ";
	size_t start = strspn(text, "#; \t"), name, value;
	if (start > size)
		start = size;
	/* Ours stand before, or for, lines of options that are shown. */
	bool own = strncmp(text, ours, sizeof(ours) - 1) == 0;
	if (own || !setting_split(text + start, size - start, &name, &value)) {
		text_write(mask, text, size);
		return;
	}
	setting_write(mask, text, size, start + value, name_is_shown(mask, text + start, name));
}

/* One line without its end. */
static void line_write(struct mask *mask, const char *text, size_t size)
{
	size_t name, value;
	/* oslo.config ends a line at a carriage return, too. */
	const char *inner = memchr(text, '\r', size);
	if (inner && inner + 1 < text + size) {
		line_write(mask, text, (size_t)(inner - text));
		fputs("\r" CONFIG_MASK, mask->out);
		mask->value_shown = mask->section_shown = false;
		return;
	}
	size_t blanks = strspn(text, " \t\r");
	if (blanks >= size) {
		text_write(mask, text, size);
		mask->value_shown = false;
	} else if (*text == '#' || *text == ';') {
		comment_write(mask, text, size);
		mask->value_shown = false;
	} else if (blanks > 0) {
		if (mask->value_shown)
			text_write(mask, text, size);
		else
			fprintf(mask->out, "%.*s" CONFIG_MASK, (int)blanks, text);
	} else if (*text == '[') {
		const char *end = memchr(text, ']', size);
		size_t length = end ? (size_t)(end - text) - 1 : 0;
		mask->section_shown =
		    name_listed(text + 1, length, shown_sections,
		                sizeof(shown_sections) / sizeof(shown_sections[0]));
		mask->value_shown = false;
		text_write(mask, text, size);
	} else if (setting_split(text, size, &name, &value)) {
		mask->value_shown = name_is_shown(mask, text, name);
		setting_write(mask, text, size, value, mask->value_shown);
	} else {
		mask->value_shown = false;
		fputs(CONFIG_MASK, mask->out);
	}
}

char *config_mask(const char *text, size_t size, size_t *masked)
{
	char *copy = NULL;
	struct mask mask = {.out = open_memstream(&copy, masked)};
	if (!mask.out)
		return NULL;
	for (const char *line = text, *end = text + size; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		size_t length = newline ? (size_t)(newline - line) : (size_t)(end - line);
		line_write(&mask, line, length);
		if (newline)
			fputc('\n', mask.out);
		line += length + (newline != NULL);
	}
	if (fclose(mask.out) != 0) {
		free(copy);
		return NULL;
	}
	return copy;
}

void config_mask_urls(char *line)
{
	const char *from, *to;
	size_t size = strlen(line);
	char *text = line;
	while (url_find(text, line + size, &from, &to)) {
		size_t start = (size_t)(from - line), end = (size_t)(to - line);
		/* Never longer than what it stands for, or the line would not hold it. */
		size_t length =
		    end - start < strlen(CONFIG_MASK) ? end - start : strlen(CONFIG_MASK);
		memset(line + start, CONFIG_MASK[0], length);
		memmove(line + start + length, line + end, size - end + 1);
		size -= end - start - length;
		text = line + start + length;
	}
}
