/* loader_model.c: GRUB, as far as it decides what boots: grub.cfg with the custom.cfg that it reads
 * last, the one-time entry in grubenv, which is cleared before anything is started, and the
 * default. Reads the files as they are: what a power cut left of them counts. Shares nothing with
 * gpufleet.
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
		if (!strncmp(line, "set default=", 12) && !strstr(line, "next_entry"))
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

/* GRUB's own variables, as Ubuntu's $vt_handoff, are empty. */
static void line_expand(const char *line, char *out, size_t room)
{
	size_t used = 0;

	for (const char *c = line; *c && used + 1 < room; c++) {
		if (*c == '$' && c[1] != ' ') {
			c += strcspn(c, " ");
			c -= !*c;
			continue;
		}
		out[used++] = *c;
	}
	out[used] = '\0';
}

int loader_model_choose(const struct sim_host *host, char *cmdline, char *image, size_t room)
{
	static const char *const nowhere = "(none)";
	struct menu *menu = calloc(1, sizeof(*menu));
	char path[SIM_PATH], environment[SIM_PATH], once[256];
	const struct entry *entry;
	int found;

	if (red_hat_is(host)) {
		free(menu);
		return red_hat_loader(host, cmdline, image, room);
	}
	if (!menu)
		sim_die("out of memory");
	snprintf(menu->chosen, sizeof(menu->chosen), "%s", nowhere);
	sim_path(path, "%.900s/boot/grub/grub.cfg", host->root);
	menu_read(menu, path);
	sim_path(path, "%.900s/boot/grub/custom.cfg", host->root);
	menu_read(menu, path);
	sim_path(environment, "%.900s/boot/grub/grubenv", host->root);
	environment_take(environment, "next_entry", true, once, sizeof(once));
	if (!strcmp(menu->chosen, "${saved_entry}"))
		environment_take(environment, "saved_entry", false, menu->chosen,
		                 sizeof(menu->chosen));
	entry = menu_find(menu, *once ? once : menu->chosen);
	if (!entry && menu->count)
		entry = &menu->entries[0];
	found = entry && *entry->cmdline && *entry->image;
	if (found) {
		line_expand(entry->cmdline, cmdline, room);
		snprintf(image, room, "%s", entry->image);
	}
	free(menu);
	return found ? 0 : -1;
}
