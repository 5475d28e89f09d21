/* bls.c: see bls.h. */
#include "node-agent/boot/bls.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node-agent/file_place.h"

#define ENTRY_LIMIT ((size_t)64 << 10)

/* The rest of the line at LINE when it begins with KEY and a blank, else NULL. */
static const char *line_value(const char *line, const char *key)
{
	size_t length = strlen(key);

	line += strspn(line, " \t");
	if (strncmp(line, key, length) != 0 || (line[length] != ' ' && line[length] != '\t'))
		return NULL;
	return line + length + strspn(line + length, " \t");
}

/* All of KEY's values, a blank between them; NULL when there is none. */
static char *entry_value(const char *text, const char *key)
{
	char *all = NULL;
	size_t size = 0;
	bool any = false;
	FILE *out = open_memstream(&all, &size);

	for (const char *line = text; out && *line;
	     line += strcspn(line, "\n"), line += *line == '\n') {
		const char *value = line_value(line, key);
		if (!value)
			continue;
		fprintf(out, "%s%.*s", any ? " " : "", (int)strcspn(value, "\n"), value);
		any = true;
	}
	if (out)
		fclose(out);
	if (any)
		return all;
	free(all);
	return NULL;
}

/* As rpm compares versions: runs of digits by number, runs of letters by the alphabet, "~" first.
 */
static int version_compare(const char *a, const char *b)
{
	while (*a || *b) {
		while (*a && !isalnum((unsigned char)*a) && *a != '~')
			a++;
		while (*b && !isalnum((unsigned char)*b) && *b != '~')
			b++;
		if (*a == '~' || *b == '~') {
			if (*a != *b)
				return *a == '~' ? -1 : 1;
			a++, b++;
			continue;
		}
		if (!*a || !*b)
			break;
		bool digits = isdigit((unsigned char)*a) != 0;
		if (digits != (isdigit((unsigned char)*b) != 0))
			return digits ? 1 : -1;
		while (digits && *a == '0')
			a++;
		while (digits && *b == '0')
			b++;
		size_t na = 0, nb = 0;
		while (digits ? isdigit((unsigned char)a[na]) : isalpha((unsigned char)a[na]))
			na++;
		while (digits ? isdigit((unsigned char)b[nb]) : isalpha((unsigned char)b[nb]))
			nb++;
		if (digits && na != nb)
			return na < nb ? -1 : 1;
		int order = strncmp(a, b, na < nb ? na : nb);
		if (order != 0 || na != nb)
			return order != 0 ? order : na < nb ? -1 : 1;
		a += na;
		b += nb;
	}
	return *a ? 1 : *b ? -1 : 0;
}

static int entry_compare(const void *a, const void *b)
{
	const struct bls_entry *first = a, *second = b;

	return version_compare(second->id, first->id);
}

static void entry_free(struct bls_entry *entry)
{
	free(entry->path);
	free(entry->id);
	free(entry->options);
	free(entry->kernel);
	free(entry->title);
	free(entry->version);
	free(entry->initrd);
}

static int entry_read(const struct root *root, const char *directory, const char *name,
                      struct bls_entry *entry)
{
	char path[512];

	*entry = (struct bls_entry){.path = NULL};
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	char *text = root_read_file(root, path, ENTRY_LIMIT, NULL, NULL);
	if (text) {
		entry->path = strdup(path);
		entry->id = strndup(name, strlen(name) - strlen(".conf"));
		entry->options = entry_value(text, "options");
		entry->kernel = entry_value(text, "linux");
		entry->title = entry_value(text, "title");
		entry->version = entry_value(text, "version");
		entry->initrd = entry_value(text, "initrd");
		if (!entry->options)
			entry->options = strdup("");
		free(text);
	}
	if (entry->path && entry->id && entry->options)
		return 0;
	entry_free(entry);
	return -1;
}

static int name_is_entry(const struct dirent *entry)
{
	size_t length = strlen(entry->d_name);

	return length > 5 && entry->d_name[0] != '.' &&
	       strcmp(entry->d_name + length - 5, ".conf") == 0;
}

void bls_read(const struct root *root, const char *directory, struct bls_list *list)
{
	struct dirent **names = NULL;
	int count = scandir(root_path(root, directory).text, &names, name_is_entry, alphasort);

	*list = (struct bls_list){.count = 0};
	list->entries = count > 0 ? calloc((size_t)count, sizeof(*list->entries)) : NULL;
	for (int i = 0; i < count; i++) {
		if (list->entries &&
		    entry_read(root, directory, names[i]->d_name, &list->entries[list->count]) == 0)
			list->count++;
		free(names[i]);
	}
	free(names);
	if (list->count > 0)
		qsort(list->entries, list->count, sizeof(*list->entries), entry_compare);
}

void bls_free(struct bls_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		entry_free(&list->entries[i]);
	free(list->entries);
	*list = (struct bls_list){.count = 0};
}

const struct bls_entry *bls_default(const struct bls_list *list, const char *saved)
{
	for (size_t i = 0; saved && *saved && i < list->count; i++) {
		const struct bls_entry *entry = &list->entries[i];
		if (strcmp(entry->id, saved) == 0 ||
		    (entry->title && strcmp(entry->title, saved) == 0))
			return entry;
	}
	if (saved && *saved && strspn(saved, "0123456789") == strlen(saved) && strlen(saved) < 5 &&
	    (size_t)atoi(saved) < list->count)
		return &list->entries[atoi(saved)];
	return list->count > 0 ? &list->entries[0] : NULL;
}

bool bls_order_is_certain(const struct bls_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct bls_entry *entry = &list->entries[i];

		if (!entry->kernel || !entry->version)
			return false;
		if (i > 0 && (entry_compare(entry - 1, entry) == 0 ||
		              version_compare(entry[-1].version, entry->version) <= 0))
			return false;
	}
	return true;
}

static bool word_matches(const char *word, const json_t *tokens)
{
	char padded[600];
	size_t i;
	const json_t *token;

	snprintf(padded, sizeof(padded), " %s ", word);
	json_array_foreach(tokens, i, token)
	{
		if (kernel_line_has(padded, json_string_value(token)))
			return true;
	}
	return false;
}

char *bls_options(const struct root *root, const struct grub_files *files, const char *former,
                  const json_t *add, const json_t *remove)
{
	char *text = NULL, *copy = strdup(former), *save = NULL;
	size_t size = 0, i;
	const json_t *token;
	FILE *out = copy ? open_memstream(&text, &size) : NULL;

	for (char *word = out ? strtok_r(copy, " \t", &save) : NULL; word;
	     word = strtok_r(NULL, " \t", &save))
		if (!word_matches(word, remove))
			fprintf(out, " %s", word);
	free(copy);
	if (!out)
		return NULL;
	fflush(out);
	char *expanded = text ? grub_expand(root, files, text) : NULL;
	json_array_foreach(add, i, token)
	{
		if (!kernel_line_has(expanded, json_string_value(token)))
			fprintf(out, " %s", json_string_value(token));
	}
	free(expanded);
	fclose(out);
	char *line = text ? kernel_line_normal(text, size) : NULL;
	free(text);
	return line;
}

/* TEXT with OPTIONS as its only options line: malloc'd. OPTIONS is " a b c ". */
static char *entry_rewrite(const char *text, const char *options)
{
	char *all = NULL;
	size_t size = 0;
	bool done = false;
	int length = (int)strlen(options) - 2;
	FILE *out = open_memstream(&all, &size);

	for (const char *line = text; out && *line;) {
		const char *end = line + strcspn(line, "\n"), *value = line_value(line, "options");
		if (!value)
			fprintf(out, "%.*s%s", (int)(end - line), line, *end ? "\n" : "");
		else if (!done)
			done = fprintf(out, "%.*s%.*s\n", (int)(value - line), line, length,
			               options + 1) > 0;
		line = end + (*end != '\0');
	}
	if (out && !done)
		fprintf(out, "options %.*s\n", length, options + 1);
	if (out)
		fclose(out);
	return all;
}

int bls_text_write(const struct root *root, const char *path, const char *text, struct gf_err *err)
{
	const char *name;
	struct stat st;
	int result = -1, fd = -1, dir = file_place_parent(root, path, &name, err);

	if (dir < 0)
		return -1;
	fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd >= 0 && fstat(fd, &st) == 0) {
		json_t *attributes = file_place_attributes(fd);
		struct file_place_meta meta = {.mode = st.st_mode & 07777,
		                               .uid = st.st_uid,
		                               .gid = st.st_gid,
		                               .attributes = attributes};
		result = file_place_write(dir, name, path, text, strlen(text), &meta, err);
		json_decref(attributes);
	} else {
		gf_err_errno(err, GF_E_IO, "cannot read %s", path);
	}
	if (fd >= 0)
		close(fd);
	close(dir);
	return result;
}

int bls_mend(const struct root *root, const char *path, const char *options, struct gf_err *err)
{
	char *text = root_read_file(root, path, ENTRY_LIMIT, NULL, err);

	if (!text)
		return -1;
	char *now = entry_value(text, "options");
	char *line = kernel_line_normal(now ? now : "", now ? strlen(now) : 0);
	char *better = entry_rewrite(text, options);
	int result = 0;
	if (!line || !better)
		result = gf_err_set(err, GF_E_MEMORY, "out of memory");
	else if (strcmp(line, options) != 0)
		result = bls_text_write(root, path, better, err);
	free(text);
	free(now);
	free(line);
	free(better);
	return result;
}

void bls_paths(const struct root *root, const char *directory, json_t *paths)
{
	struct bls_list list;

	bls_read(root, directory, &list);
	for (size_t i = 0; i < list.count; i++)
		json_array_append_new(paths, json_string(list.entries[i].path));
	bls_free(&list);
}
