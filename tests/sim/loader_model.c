/* loader_model.c: GRUB, as far as it decides what boots: grub.cfg with the custom.cfg that it reads
 * last, the one-time entry in grubenv, which is cleared before anything is started, and the
 * default (where that is a file of its own, see red_hat.c). Reads the files as they are: what a
 * power cut left of them counts. Shares nothing with gpufleet.
 */
#include "sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ENTRIES_MAX 64

struct entry {
	char title[256], id[256], cmdline[2048], image[512];
};

struct menu {
	struct entry entries[ENTRIES_MAX];
	size_t count;
	char chosen[256]; /* what `set default` names */
};

/* The text between the first pair of quotes C after KEY in LINE. */
static void quoted(const char *line, const char *key, char c, char *value, size_t size)
{
	const char *p = strstr(line, key), *end;

	*value = '\0';
	p = p ? strchr(p + strlen(key), c) : NULL;
	end = p ? strchr(p + 1, c) : NULL;
	if (end)
		snprintf(value, size, "%.*s", (int)(end - p - 1), p + 1);
}

static void id_of(const char *line, char *id, size_t size)
{
	const char *p = strstr(line, "--id ");

	quoted(line, "--id", '\'', id, size);
	if (p && p[5] != '\'')
		snprintf(id, size, "%.*s", (int)strcspn(p + 5, " {"), p + 5);
}

static void menu_read(struct menu *menu, const char *path)
{
	struct entry *entry = NULL;
	char *text = sim_read(path), *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save)) {
		line += strspn(line, " \t");
		if (!strncmp(line, "set default=", 12) && strchr(line, '"') &&
		    !strstr(line, "next_entry"))
			quoted(line, "=", '"', menu->chosen, sizeof(menu->chosen));
		if (!strncmp(line, "menuentry ", 10) && menu->count < ENTRIES_MAX) {
			entry = &menu->entries[menu->count++];
			quoted(line, "menuentry", '\'', entry->title, sizeof(entry->title));
			id_of(line, entry->id, sizeof(entry->id));
		} else if (*line == '}') {
			entry = NULL;
		} else if (entry && (!strncmp(line, "linux\t", 6) || !strncmp(line, "linux ", 6))) {
			snprintf(entry->cmdline, sizeof(entry->cmdline), "BOOT_IMAGE=%s", line + 6);
		} else if (entry &&
		           (!strncmp(line, "initrd\t", 7) || !strncmp(line, "initrd ", 7))) {
			snprintf(entry->image, sizeof(entry->image), "%s", line + 7);
		}
	}
	free(text);
}

static const struct entry *menu_find(const struct menu *menu, const char *name)
{
	char *end;
	unsigned long index = strtoul(name, &end, 10);

	if (*name && !*end)
		return index < menu->count ? &menu->entries[index] : NULL;
	for (size_t i = 0; i < menu->count; i++)
		if (*name &&
		    (!strcmp(menu->entries[i].id, name) || !strcmp(menu->entries[i].title, name)))
			return &menu->entries[i];
	return NULL;
}

/* The value of NAME in the block; when CLEAR it becomes empty, in place and at the block's full
 * size, as save_env does. */
static void environment_take(const char *path, const char *name, bool clear, char *value,
                             size_t size)
{
	char *text = sim_read(path), key[64];

	*value = '\0';
	snprintf(key, sizeof(key), "\n%s=", name);
	char *at = text ? strstr(text, key) : NULL;
	if (at) {
		char *from = at + strlen(key), *end = from + strcspn(from, "\n");
		size_t length = strlen(text), gone = (size_t)(end - from);

		snprintf(value, size, "%.*s", (int)(end - from), from);
		if (clear) {
			memmove(from, end, length - (size_t)(end - text));
			memset(text + length - gone, '#', gone);
			sim_write_bytes(path, text, length);
		}
	}
	free(text);
}

/* The value of a variable, from grubenv; GRUB's own, as Ubuntu's $vt_handoff, are empty. */
static void variable_print(FILE *out, const char *environment, const char *name, int length)
{
	char key[128], value[1024];

	snprintf(key, sizeof(key), "%.*s", length, name);
	environment_take(environment, key, false, value, sizeof(value));
	fputs(!strcmp(key, "root") ? "hd0,gpt2" : value, out);
}

void loader_model_expand(const char *environment, const char *line, char *text, size_t room)
{
	FILE *out = fmemopen(text, room, "w");

	*text = '\0';
	for (const char *c = line; out && *c; c++) {
		if (*c != '$') {
			fputc(*c, out);
			continue;
		}
		bool braces = c[1] == '{';
		const char *name = c + 1 + braces;
		size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz_");
		variable_print(out, environment, name, (int)length);
		c = name + length - !braces;
	}
	if (out)
		fclose(out);
}

/* What the menu's entry NAME starts; false when there is none that starts anything. */
static bool entry_start(const struct sim_host *host, const struct entry *entry,
                        const char *environment, char *cmdline, char *image, size_t room)
{
	char path[SIM_PATH];

	if (!entry || !*entry->cmdline || !*entry->image)
		return false;
	loader_model_expand(environment, entry->cmdline, cmdline, room);
	loader_model_expand(environment, entry->image, path, sizeof(path));
	path[strcspn(path, " ")] = '\0';
	if (!strchr(path, '/'))
		return false;
	/* A host of Red Hat's kind has /boot on a file system of its own. */
	snprintf(image, room, "%s%s", red_hat_is(host) ? "/boot" : "", strchr(path, '/'));
	return true;
}

int loader_model_choose(const struct sim_host *host, char *cmdline, char *image, size_t room)
{
	static const char *const nowhere = "(none)";
	struct menu *menu = calloc(1, sizeof(*menu));
	char path[SIM_PATH], environment[SIM_PATH], once[256];
	const char *directory = red_hat_is(host) ? "grub2" : "grub";
	const struct entry *entry;
	bool started;

	if (!menu)
		sim_die("out of memory");
	snprintf(menu->chosen, sizeof(menu->chosen), "%s", nowhere);
	sim_path(path, "%.900s/boot/%s/grub.cfg", host->root, directory);
	menu_read(menu, path);
	sim_path(path, "%.900s/boot/%s/custom.cfg", host->root, directory);
	menu_read(menu, path);
	sim_path(environment, "%.900s/boot/%s/grubenv", host->root, directory);
	environment_take(environment, "next_entry", true, once, sizeof(once));
	if (!strcmp(menu->chosen, "${saved_entry}"))
		environment_take(environment, "saved_entry", false, menu->chosen,
		                 sizeof(menu->chosen));
	entry = menu_find(menu, *once ? once : menu->chosen);
	if (!entry && red_hat_is(host)) {
		free(menu);
		return red_hat_loader(host, cmdline, image, room);
	}
	if (!entry && menu->count)
		entry = &menu->entries[0];
	started = entry_start(host, entry, environment, cmdline, image, room);
	free(menu);
	return started ? 0 : -1;
}
