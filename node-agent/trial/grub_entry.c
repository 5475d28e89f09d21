/* grub_entry.c: see grub_entry.h. grub.cfg is a script; what grub-mkconfig writes has one shape: a
 * line `menuentry … {` or `submenu … {`, its body, a line `}`. What does not look like that is not
 * guessed at. */
#include "node-agent/trial/grub_entry.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/trial/grub_text.h"

#define DEPTH_MAX       8
#define LINE_MAX_LENGTH 2000 /* the kernel cuts at 2048 on most architectures */

/* Does SELECTOR name the entry that opens at LINE, the COUNT-th of its menu? */
static bool entry_matches(const char *line, const char *selector, size_t length, unsigned count)
{
	char word[512], title[512] = "", id[512] = "";
	const char *p = line + strcspn(line, " \t");
	bool first = true, is_id = false;

	if (length > 0 && strspn(selector, "0123456789") >= length)
		return (unsigned)strtoul(selector, NULL, 10) == count;
	while ((p = grub_word_take(p, word, sizeof(word)))) {
		if (first)
			snprintf(title, sizeof(title), "%s", word);
		else if (is_id)
			snprintf(id, sizeof(id), "%s", word);
		is_id = strcmp(word, "--id") == 0 || strcmp(word, "$menuentry_id_option") == 0;
		first = false;
	}
	return (strlen(title) == length && strncmp(title, selector, length) == 0) ||
	       (strlen(id) == length && strncmp(id, selector, length) == 0);
}

/* The brace that closes an entry stands alone on its line. */
static bool is_closing(const char *line)
{
	line = grub_skip_blanks(line);
	return *line == '}' && strchr("\n", *grub_skip_blanks(line + 1));
}

static const char *entry_end(const char *line)
{
	for (line = grub_line_next(line); *line; line = grub_line_next(line))
		if (is_closing(line))
			return grub_line_next(line);
	return NULL;
}

/* Looks for "a>b>c" in the menu; false when there is no such entry. */
static bool entry_find(const char *config, const char *selector, struct grub_entry *entry)
{
	unsigned counts[DEPTH_MAX] = {0};
	unsigned depth = 0, matched = 0;
	const char *part = selector;

	for (const char *line = config, *next; *line; line = next) {
		const char *text = grub_skip_blanks(line);
		size_t length = strcspn(part, ">");
		bool menu = grub_word_is(text, "submenu");

		next = grub_line_next(line);
		if (!menu && !grub_word_is(text, "menuentry")) {
			if (depth > 0 && is_closing(line) && matched > --depth)
				return false; /* the submenu has no such entry */
			continue;
		}
		bool hit = matched == depth && entry_matches(text, part, length, counts[depth]);
		counts[depth]++;
		if (menu) {
			if (hit && part[length] == '>') {
				matched++;
				part += length + 1;
			}
			if (depth + 1 >= DEPTH_MAX)
				return false;
			counts[++depth] = 0;
			continue;
		}
		const char *end = entry_end(line);
		if (!end)
			return false;
		if (hit && !part[length]) {
			entry->text = text;
			entry->length = (size_t)(end - text);
			return true;
		}
		next = end;
	}
	return false;
}

/* The line of ENTRY whose first word begins with WORD; NULL when there is none. */
static const char *entry_line(const struct grub_entry *entry, const char *word)
{
	for (const char *line = entry->text; line < entry->text + entry->length;
	     line = grub_line_next(line)) {
		const char *text = grub_skip_blanks(line);

		if (strncmp(text, word, strlen(word)) == 0 &&
		    !isalnum((unsigned char)text[strlen(word)]))
			return text;
	}
	return NULL;
}

/* NULL also when there is more than one: Ubuntu's cloud images try without an initramfs first. */
static const char *kernel_line_of(const struct grub_entry *entry)
{
	static const char *const commands[] = {"linux", "linux16", "linuxefi"};
	const char *found = NULL;

	for (const char *line = entry->text; line < entry->text + entry->length;
	     line = grub_line_next(line)) {
		const char *text = grub_skip_blanks(line);

		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
			if (!grub_word_is(text, commands[i]))
				continue;
			if (found)
				return NULL;
			found = text;
		}
	}
	return found;
}

static const char *image_line_of(const struct grub_entry *entry)
{
	static const char *const commands[] = {"initrd", "initrd16", "initrdefi"};
	const char *line = NULL;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]) && !line; i++)
		line = entry_line(entry, commands[i]);
	return line;
}

/* initrd.img-VERSION, initrd-VERSION, initramfs-VERSION.img */
static bool is_image_of(const char *path, const char *version)
{
	static const char *const forms[] = {"initrd.img-%s", "initrd-%s", "initramfs-%s.img"};
	const char *base = strrchr(path, '/');
	char name[256];

	for (size_t i = 0; i < 3; i++) {
		const char *percent = strchr(forms[i], '%');
		snprintf(name, sizeof(name), "%.*s%s%s", (int)(percent - forms[i]), forms[i],
		         version, percent + 2);
		if (strcmp(base ? base + 1 : path, name) == 0)
			return true;
	}
	return false;
}

static int entry_files(struct grub_entry *entry, struct gf_err *err)
{
	const char *line = kernel_line_of(entry), *images = image_line_of(entry), *p;
	char word[512] = "";

	p = line ? grub_word_take(line, word, sizeof(word)) : NULL;
	if (p)
		p = grub_word_take(p, word, sizeof(word));
	const char *base = p ? strrchr(word, '/') : NULL;
	const char *dash = base ? strchr(base, '-') : NULL;
	if (!dash || strncmp(base, "/vmlinu", 7) != 0)
		return gf_err_set(err, GF_E_TASK,
		                  "GRUB's default entry does not boot a kernel "
		                  "named vmlinuz-VERSION");
	snprintf(entry->version, sizeof(entry->version), "%.*s", (int)sizeof(entry->version) - 1,
	         dash + 1);
	p = images ? grub_word_take(images, word, sizeof(word)) : NULL;
	while (p && (p = grub_word_take(p, word, sizeof(word)))) {
		if (is_image_of(word, entry->version)) {
			snprintf(entry->image, sizeof(entry->image), "%s", word);
			return 0;
		}
	}
	return gf_err_set(err, GF_E_TASK,
	                  "GRUB's default entry has no initramfs of its kernel's "
	                  "version");
}

int grub_entry_default(const char *config, const char *environment, struct grub_entry *entry,
                       struct gf_err *err)
{
	char selector[GRUB_ENVIRONMENT_SIZE];

	memset(entry, 0, sizeof(*entry));
	if (grub_selector(config, environment, selector, err) != 0)
		return -1;
	/* GRUB itself falls back to the first entry. */
	if (!(*selector && entry_find(config, selector, entry)) && !entry_find(config, "0", entry))
		return gf_err_set(err, GF_E_TASK,
		                  "which entry GRUB boots by default can't be told from its "
		                  "configuration");
	return entry_files(entry, err);
}

/* Is WORD (of LENGTH) one of REMOVE? */
static bool is_removed(const json_t *remove, const char *word, size_t length)
{
	size_t i;
	const json_t *item;

	json_array_foreach(remove, i, item)
	{
		const char *token = json_string_value(item);
		size_t size = strlen(token);

		if (size == 0)
			continue;
		if (token[size - 1] == '=' ? length > size && strncmp(word, token, size) == 0
		                           : length == size && strncmp(word, token, size) == 0)
			return true;
	}
	return false;
}

static size_t word_length(const char *text)
{
	char ignored[4];
	const char *end = grub_word_take(text, ignored, sizeof(ignored));

	return end ? (size_t)(end - text) : 0;
}

/* The line as it is, less what is removed, plus what is not there yet. */
static void kernel_line_print(FILE *out, const char *line, const struct grub_entry_copy *copy)
{
	const char *p = line, *gap = "";
	size_t i, length;
	const json_t *item;
	bool panic = false;
	json_t *had = json_object();

	for (; (p = grub_skip_blanks(p)), (length = word_length(p)) > 0; p += length) {
		if (is_removed(copy->remove, p, length))
			continue;
		fprintf(out, "%s%.*s", gap, (int)length, p);
		json_object_setn_new(had, p, length, json_true());
		panic |= strncmp(p, "panic=", 6) == 0;
		gap = " ";
	}
	json_array_foreach(copy->add, i, item)
	{
		const char *token = json_string_value(item);

		panic |= strncmp(token, "panic=", 6) == 0;
		if (!json_object_get(had, token))
			fprintf(out, " %s", token);
	}
	/* A kernel that panics, or an initramfs that finds no root, starts the machine again by
	 * itself: into the untouched default entry. */
	if (!panic)
		fputs(" panic=30", out);
	fputc('\n', out);
	json_decref(had);
}

static void image_line_print(FILE *out, const char *line, const struct grub_entry *entry,
                             const struct grub_entry_copy *copy)
{
	const char *p = line, *gap = "";
	size_t length;

	for (; (p = grub_skip_blanks(p)), (length = word_length(p)) > 0; p += length) {
		char word[512];

		grub_word_take(p, word, sizeof(word));
		if (copy->image && strcmp(word, entry->image) == 0) {
			const char *base = strrchr(word, '/');
			int directory = base ? (int)(base + 1 - word) : 0;
			fprintf(out, "%s%.*s%s", gap, directory, word, copy->image);
		} else {
			fprintf(out, "%s%.*s", gap, (int)length, p);
		}
		gap = " ";
	}
	fputc('\n', out);
}

static bool is_left_out(const char *text)
{
	return grub_word_is(text, "savedefault") || grub_word_is(text, "recordfail");
}

char *grub_entry_write(const struct grub_entry *entry, const struct grub_entry_copy *copy,
                       struct gf_err *err)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	const char *kernel = kernel_line_of(entry), *images = image_line_of(entry);
	const char *body = grub_line_next(entry->text), *end = entry->text + entry->length;
	long start = 0, length = 0;

	if (!out) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	const char *unrestricted = strstr(entry->text, " --unrestricted");
	fprintf(out, "menuentry '%s' --id %s%s {\n", copy->title, copy->id,
	        unrestricted && unrestricted < body ? " --unrestricted" : "");
	for (const char *line = body; line < end; line = grub_line_next(line)) {
		const char *p = grub_skip_blanks(line);

		if (is_left_out(p))
			continue;
		if (p != kernel && p != images) {
			fprintf(out, "%.*s", (int)(grub_line_next(line) - line), line);
			continue;
		}
		fputc('\t', out);
		if (p == kernel) {
			start = ftell(out);
			kernel_line_print(out, p, copy);
			length = ftell(out) - start;
		} else {
			image_line_print(out, p, entry, copy);
		}
	}
	fclose(out);
	if (length > LINE_MAX_LENGTH) {
		gf_err_set(err, GF_E_TASK, "the kernel command line would be longer than %d bytes",
		           LINE_MAX_LENGTH);
		free(text);
		return NULL;
	}
	return text;
}
