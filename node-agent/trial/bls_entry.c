/* bls_entry.c: see bls_entry.h. Happy path: grub.cfg says `blscfg` once and which entry is the
 * default; that entry's file is read as GRUB reads it; its menu entry is written as GRUB makes it.
 *
 * Sources, all of rhboot/grub2 (Fedora's and Red Hat's GRUB):
 * grub-core/commands/blscfg.c: read_entry() stops at a line without a value; bls_get_val() takes a
 *   key's first value, bls_make_list() all of grub_arg and initrd; expand_val() puts variables in
 *   when the menu is made, and takes a name to the next character that is none; create_entry()
 *   makes "load_video, set gfxpayload=keep, insmod gzio, linux ($root)PATH OPTIONS, initrd
 *   ($root)PATH…", takes default_kernelopts where there are no options, puts early_initrd before
 *   the others, and restricts the entry to grub_users where those are set.
 * util/grub.d/00_header.in: next_entry, saved_entry; 10_linux.in: `search … --set=root` for the
 *   file system of /boot, a kernelopts for where grubenv has none, blscfg; 41_custom.in: custom.cfg
 *   is read after that, in the same context. So $root and tuned's variables are in our entry what
 *   they are in the default's, and no search of our own can lead elsewhere than the default's.
 * 10_reset_boot_success.in, 12_menu_auto_hide.in: boot_success, boot_indeterminate and
 *   menu_auto_hide decide whether the menu is shown and for how long, not what is booted.
 */
#include "node-agent/trial/bls_entry.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/boot/bls.h"
#include "node-agent/trial/grub_text.h"

#define CONFIG_LIMIT ((size_t)4 << 20)
#define ENTRY_LIMIT  ((size_t)64 << 10)

static bool is_command(const char *text)
{
	return grub_word_is(text, "blscfg") || grub_word_is(text, "bls_import");
}

bool bls_entry_is_used(const char *config)
{
	for (const char *line = config; *line; line = grub_line_next(line))
		if (is_command(grub_skip_blanks(line)))
			return true;
	return false;
}

/* One `blscfg` without arguments; *FIRST: no entry stands before it. */
static bool config_is_plain(const char *config, bool *first)
{
	unsigned commands = 0;
	bool plain = true;
	char word[64];

	*first = true;
	for (const char *line = config; *line; line = grub_line_next(line)) {
		const char *text = grub_skip_blanks(line);

		if (!commands && (grub_word_is(text, "menuentry") || grub_word_is(text, "submenu")))
			*first = false;
		if (!is_command(text))
			continue;
		text = grub_word_take(text, word, sizeof(word));
		plain = plain && text && !grub_word_take(text, word, sizeof(word));
		commands++;
	}
	return plain && commands == 1;
}

/* What ends an unquoted word of GRUB's script or is more than itself in one. */
static bool is_special(char c)
{
	return strchr(";|&<>{}#`\\", c) != NULL;
}

/* Would GRUB take TEXT for nothing but words, and its variables for whole ones? Where it would not,
 * this entry is nothing to copy. */
static bool is_plain(const char *text)
{
	char quote = '\0', before = ' ';

	for (const char *c = text; *c; before = *c++) {
		if (((unsigned char)*c < ' ' && *c != '\t') || *c == 0x7f)
			return false;
		if (*c == quote)
			quote = '\0';
		else if (quote && (*c == '$' || *c == '\\'))
			return false;
		else if (!quote && (*c == '\'' || *c == '"'))
			quote = *c;
		else if (!quote && is_special(*c))
			return false;
		else if (!quote && *c == '$') {
			size_t length = 1;
			while (isalnum((unsigned char)c[length]) || c[length] == '_')
				length++;
			if ((before != ' ' && before != '\t') || length == 1 ||
			    !strchr(" \t", c[length]))
				return false;
		}
	}
	return !quote;
}

static bool is_path(const char *text)
{
	size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                             "0123456789_.+~/-");

	return *text == '/' && !text[length] && !strstr(text, "..");
}

/* What blscfg takes of a file. */
struct parts {
	char *kernel, *options, *users; /* within the text; NULL: not there */
	char *images;                   /* " ($root)/a.img $b", malloc'd; NULL: none */
	size_t size;
	FILE *out; /* of images */
};

static bool is_key(char *const words[2], const char *key)
{
	return strcmp(words[0], key) == 0;
}

/* False: GRUB would not read on, or this is not for us to copy. */
static bool line_take(struct parts *parts, char *const words[2])
{
	char **once = is_key(words, "linux")        ? &parts->kernel
	              : is_key(words, "options")    ? &parts->options
	              : is_key(words, "grub_users") ? &parts->users
	                                            : NULL;

	if (once) {
		if (*once)
			return false;
		*once = words[1];
	}
	if (is_key(words, "initrd")) {
		if (*words[1] != '/' || !is_plain(words[1]))
			return false;
		if (!parts->out)
			parts->out = open_memstream(&parts->images, &parts->size);
		if (!parts->out)
			return false;
		fprintf(parts->out, " ($root)%s", words[1]);
	}
	return !is_key(words, "devicetree") && !is_key(words, "efi");
}

/* Cuts TEXT to pieces. */
static bool parts_take(struct parts *parts, char *text)
{
	bool ended = false;

	for (char *line = text, *next; line; line = next) {
		char *words[2];

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		words[0] = line + strspn(line, " \t");
		size_t length = strcspn(words[0], " \t");
		words[1] = words[0] + length;
		words[1] += strspn(words[1], " \t");
		if (*words[0] == '#')
			continue;
		if (!*words[1]) {
			if (*words[0])
				return false;
			ended = true; /* GRUB reads no further */
			continue;
		}
		words[0][length] = '\0';
		if (ended || !line_take(parts, words))
			return false;
	}
	return true;
}

/* early_initrd's, in the directory of the first of the others. */
static void early_print(FILE *out, const char *early, const char *images)
{
	const char *path = images + strspn(images, " "), *end = path + strcspn(path, " ");

	while (end > path && end[-1] != '/')
		end--;
	for (const char *word = early; *(word += strspn(word, " ")); word += strcspn(word, " "))
		fprintf(out, " %.*s%.*s", (int)(end - path), path, (int)strcspn(word, " "), word);
}

/* The words as they are, but $kernelopts, which arguments may have to be taken out of. False:
 * nothing sets it. */
static bool options_print(const struct root *root, const struct grub_files *files, FILE *out,
                          const char *options)
{
	for (const char *word = options; *(word += strspn(word, " \t"));
	     word += strcspn(word, " \t")) {
		int length = (int)strcspn(word, " \t");

		if (length != 11 || strncmp(word, "$kernelopts", 11) != 0) {
			fprintf(out, " %.*s", length, word);
			continue;
		}
		char *value = grub_variable(root, files, "kernelopts");
		bool good = value && *value && is_plain(value);
		if (good)
			fprintf(out, " %s", value);
		free(value);
		if (!good)
			return false;
	}
	return true;
}

/* Is the entry anybody's to boot? Only grub_users restricts one, not grub_arg. */
static bool is_unrestricted(const struct root *root, const struct grub_files *files,
                            const char *users)
{
	if (!users)
		return true;
	char *value =
	    strcmp(users, "$grub_users") == 0 ? grub_variable(root, files, "grub_users") : NULL;
	bool set = value || strcmp(users, "$grub_users") != 0;

	free(value);
	return !set;
}

static char *menu_entry(const struct root *root, const struct grub_files *files,
                        const struct parts *parts)
{
	char *text = NULL;
	size_t size = 0;
	char *early = grub_variable(root, files, "early_initrd");
	char *fallback = grub_variable(root, files, "default_kernelopts");
	const char *options = parts->options ? parts->options : fallback;
	bool good = parts->kernel && is_path(parts->kernel) && options && is_plain(options) &&
	            parts->images && (!early || is_plain(early));
	FILE *out = good ? open_memstream(&text, &size) : NULL;

	if (out) {
		fprintf(out,
		        "menuentry 'default'%s {\n\tload_video\n\tset gfxpayload=keep\n"
		        "\tinsmod gzio\n\tlinux ($root)%s",
		        is_unrestricted(root, files, parts->users) ? " --unrestricted" : "",
		        parts->kernel);
		good = options_print(root, files, out, options);
		fputs("\n\tinitrd", out);
		if (early)
			early_print(out, early, parts->images);
		fprintf(out, "%s\n}\n", parts->images);
		fclose(out);
	}
	if (!good) {
		free(text);
		text = NULL;
	}
	free(early);
	free(fallback);
	return text;
}

/* The trial's image is put beside the entry's own: into /boot. */
static bool is_in_boot(const struct root *root, const char *image)
{
	static const char *const directories[] = {"($root)/", "($root)/boot/"};
	const char *base = strrchr(image, '/');
	char path[600];

	if (!base)
		return false;
	for (size_t i = 0; i < 2; i++)
		if ((size_t)(base + 1 - image) == strlen(directories[i]) &&
		    strncmp(image, directories[i], strlen(directories[i])) == 0)
			return (size_t)snprintf(path, sizeof(path), "/boot%s", base) <
			           sizeof(path) &&
			       root_exists(root, path);
	return false;
}

static int entry_read(const struct root *root, const struct grub_files *files,
                      const struct bls_entry *chosen, char **text, struct grub_entry *entry,
                      struct gf_err *err)
{
	struct parts parts = {.kernel = NULL};
	size_t size = 0;
	char *file = root_read_file(root, chosen->path, ENTRY_LIMIT, &size, err);

	if (!file)
		return -1;
	bool good = strlen(file) == size && parts_take(&parts, file);
	if (parts.out)
		fclose(parts.out);
	*text = good ? menu_entry(root, files, &parts) : NULL;
	free(parts.images);
	free(file);
	if (!*text)
		return gf_err_set(err, GF_E_TASK, "what %s boots can't be told", chosen->path);
	if (grub_entry_default(*text, NULL, entry, err) != 0)
		return -1;
	if (!is_in_boot(root, entry->image))
		return gf_err_set(err, GF_E_TASK, "the initramfs of %s is not in /boot itself",
		                  chosen->path);
	return 0;
}

/* The one whose id or title SELECTOR is, else what GRUB takes instead; NULL: not certain. */
static const struct bls_entry *entry_choose(const struct bls_list *list, const char *selector,
                                            bool first, const char *others[2])
{
	const struct bls_entry *titled = NULL;
	size_t digits = strspn(selector, "0123456789"), titles = 0, index = 0;

	for (size_t i = 0; *selector && i < list->count; i++) {
		const struct bls_entry *entry = &list->entries[i];

		if (strcmp(entry->id, selector) == 0)
			return entry;
		if (entry->title && strcmp(entry->title, selector) == 0) {
			titled = entry;
			titles++;
		}
	}
	if (titles)
		return titles == 1 ? titled : NULL;
	if (*selector && !selector[digits]) {
		if (digits > 3)
			return NULL;
		index = strtoul(selector, NULL, 10);
	} else if (*selector && (strchr(selector, '>') || strstr(others[0], selector) ||
	                         strstr(others[1], selector))) {
		return NULL; /* one of grub.cfg's own */
	}
	return first && index < list->count && bls_order_is_certain(list) ? &list->entries[index]
	                                                                  : NULL;
}

static int default_read(const struct root *root, const struct grub_files *files,
                        const char *others[2], char **text, struct grub_entry *entry,
                        struct gf_err *err)
{
	char selector[GRUB_ENVIRONMENT_SIZE];
	bool first = false;
	struct bls_list list;
	char *environment = root_read_file(root, files->environment, CONFIG_LIMIT, NULL, NULL);
	char *directory = grub_variable(root, files, "blsdir");
	int failed = grub_selector(others[0], environment, selector, err);

	if (!failed && (directory || !config_is_plain(others[0], &first)))
		failed = gf_err_set(err, GF_E_TASK,
		                    "where GRUB's boot entries lie can't be told from %s",
		                    files->config);
	free(directory);
	free(environment);
	if (failed)
		return -1;
	bls_read(root, BLS_ENTRIES, &list);
	const struct bls_entry *chosen = entry_choose(&list, selector, first, others);
	if (chosen)
		failed = entry_read(root, files, chosen, text, entry, err);
	else
		failed = gf_err_set(err, GF_E_TASK,
		                    "which entry GRUB boots by default can't be told from "
		                    "grubenv and " BLS_ENTRIES);
	bls_free(&list);
	return failed;
}

int bls_entry_default(const struct root *root, const struct grub_files *files, const char *custom,
                      char **text, struct grub_entry *entry, struct gf_err *err)
{
	char *config = root_read_file(root, files->config, CONFIG_LIMIT, NULL, err);
	char *own = root_read_file(root, custom, CONFIG_LIMIT, NULL, NULL);
	const char *others[2] = {config, own ? own : ""};

	*text = NULL;
	int failed = config ? default_read(root, files, others, text, entry, err) : -1;
	if (failed) {
		free(*text);
		*text = NULL;
	}
	free(own);
	free(config);
	return failed;
}

int bls_entry_check(const struct root *root, const struct grub_files *files, const char *text,
                    const json_t *remove, struct gf_err *err)
{
	const char *line = strstr(text, "\n\tlinux ");
	char *words = line ? strndup(line + 1, strcspn(line + 1, "\n")) : NULL;
	char *expanded = words ? grub_expand(root, files, words) : NULL;
	size_t i;
	const json_t *item;
	int failed = 0;

	json_array_foreach(remove, i, item)
	{
		if (!failed && kernel_line_has(expanded, json_string_value(item)))
			failed = gf_err_set(err, GF_E_TASK,
			                    "%s cannot be taken off the boot entry: $tuned_params "
			                    "of tuned's active "
			                    "profile (/etc/tuned/bootcmdline), or another variable "
			                    "of GRUB's, brings it",
			                    json_string_value(item));
	}
	free(expanded);
	free(words);
	return failed;
}
