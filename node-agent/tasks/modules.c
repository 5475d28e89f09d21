/* modules.c: the kernel modules to load, options of modules, and modules that must not load by
 * themselves because all that they could claim is wanted. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/boot/initramfs_tool.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"
#include "node-agent/wire/json_text.h"

#define HEAD "# Written by gpufleet; \"gpufleet rollback\" takes it away again.\n"

static bool is_module_name(const char *name)
{
	size_t length =
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return length > 0 && length <= 64 && name[length] == '\0' && name[0] != '-';
}

/* The file DIR/gpufleet-SLUG.conf with TEXT (NULL: no such file). Frees TEXT. */
static int slug_file(struct task_run *run, const char *dir, char *text, struct gf_err *err)
{
	char slug[64], path[160];

	task_slug(run->name, slug);
	snprintf(path, sizeof(path), "%s/gpufleet-%s.conf", dir, slug);
	struct file_want want = {.path = path, .data = text, .size = text ? strlen(text) : 0};
	int result = task_file(run, &want, err);
	free(text);
	if (result == 0 && !run->result->message[0])
		task_say(run, run->result->status, "%s", path);
	return result;
}

/* HEAD and a line for each string of LIST that CHECK likes. */
static char *lines_text(const json_t *list, const char *prefix, bool (*check)(const char *),
                        struct gf_err *err)
{
	char *text = NULL;
	size_t size = 0, i;
	const json_t *item;
	FILE *out = open_memstream(&text, &size);

	if (!out) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	fputs(HEAD, out);
	bool good = json_array_size(list) > 0;
	json_array_foreach(list, i, item)
	{
		const char *line = json_string_value(item);
		good = good && line && check(line);
		if (good)
			fprintf(out, "%s%s\n", prefix, line);
	}
	if (fclose(out) != 0 || !good) {
		free(text);
		gf_err_set(err, GF_E_TASK,
		           "the list is empty, or an entry of it is not of the right form");
		return NULL;
	}
	return text;
}

int load_modules_task(struct task_run *run, struct gf_err *err)
{
	char *text = lines_text(json_object_get(run->task, "modules"), "", is_module_name, err);

	return text ? slug_file(run, "/etc/modules-load.d", text, err) : -1;
}

static bool is_modprobe_line(const char *line)
{
	static const char *const verbs[] = {"options ",   "softdep ", "alias ",
	                                    "blacklist ", "install ", "remove "};

	size_t length = strlen(line);
	if (strpbrk(line, "\n\r") || length > 1000 || (length > 0 && line[length - 1] == '\\'))
		return false;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strncmp(line, verbs[i], strlen(verbs[i])) == 0)
			return true;
	return false;
}

int modprobe_task(struct task_run *run, struct gf_err *err)
{
	char *text = lines_text(json_object_get(run->task, "lines"), "", is_modprobe_line, err);

	return text ? slug_file(run, MODPROBE_DIR, text, err) : -1;
}

/* modprobe takes - and _ for the same. */
static bool same_module(const char *a, const char *b)
{
	for (; *a && *b; a++, b++)
		if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b))
			return false;
	return *a == *b;
}

static bool is_never_blacklisted(const char *module)
{
	static const char *const never[] = {
	    "snd_hda_intel", "xhci_hcd", "xhci_pci", "xhci_pci_renesas", "nvme",
	    "nvme_core",     "vfio",     "vfio_pci", "vfio_pci_core",    "vfio_iommu_type1"};

	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		if (same_module(never[i], module))
			return true;
	return strncmp(module, "vfio", 4) == 0;
}

static bool device_can_use(const json_t *device, const char *module)
{
	size_t i;
	const json_t *item;

	json_array_foreach(json_object_get(device, "modules"), i, item)
	{
		if (json_is_string(item) && same_module(json_string_value(item), module))
			return true;
	}
	return same_module(json_text(device, "driver"), module);
}

/* Is every device of this host that the module can claim wanted? */
static bool claims_only_wanted(const struct task_context *ctx, const char *module)
{
	size_t i;
	const json_t *device;

	json_array_foreach(fact_devices(ctx), i, device)
	{
		if (device_can_use(device, module) &&
		    !wanted_has(ctx, json_text(device, "address")))
			return false;
	}
	return true;
}

static bool list_has(const json_t *list, const char *text)
{
	size_t i;
	const json_t *item;

	json_array_foreach(list, i, item)
	{
		if (same_module(json_string_value(item), text))
			return true;
	}
	return false;
}

static void consider(const struct task_context *ctx, json_t *chosen, json_t *left,
                     const json_t *item)
{
	const char *module = json_string_value(item);

	if (!module || !is_module_name(module) || list_has(chosen, module) ||
	    list_has(left, module))
		return;
	bool good = !is_never_blacklisted(module) && claims_only_wanted(ctx, module);
	json_array_append_new(good ? chosen : left, json_string(module));
}

static int compare_modules(const void *a, const void *b)
{
	const json_t *const *first = a, *const *second = b;

	return strcmp(json_string_value(*first), json_string_value(*second));
}

/* "blacklist a\n…", in the alphabet's order so that a second look gives the same. NULL: none. */
static char *blacklist_text(const json_t *chosen)
{
	size_t count = json_array_size(chosen), size = 0;
	const json_t **order = calloc(count + 1, sizeof(*order));
	char *text = NULL;
	FILE *out = order && count > 0 ? open_memstream(&text, &size) : NULL;

	if (out) {
		for (size_t i = 0; i < count; i++)
			order[i] = json_array_get(chosen, i);
		qsort(order, count, sizeof(const json_t *), compare_modules);
		fputs(HEAD "# All that these can claim on this host is handed to guests.\n", out);
		for (size_t i = 0; i < count; i++)
			fprintf(out, "blacklist %s\n", json_string_value(order[i]));
		fclose(out);
	}
	free(order);
	return text;
}

static void blacklist_choose(const struct task_run *run, json_t *chosen, json_t *left)
{
	size_t i, j;
	const json_t *item, *device, *named = json_object_get(run->task, "modules");

	json_array_foreach(named, i, item) consider(run->ctx, chosen, left, item);
	if (named)
		return;
	json_array_foreach(fact_devices(run->ctx), i, device)
	{
		if (!wanted_has(run->ctx, json_text(device, "address")))
			continue;
		json_array_foreach(json_object_get(device, "modules"), j, item)
		    consider(run->ctx, chosen, left, item);
	}
}

/* "a, b" */
static void names_print(const json_t *list, char *text, size_t size)
{
	size_t i;
	const json_t *item;

	text[0] = '\0';
	json_array_foreach(list, i, item)
	{
		size_t used = strlen(text);
		snprintf(text + used, size - used, "%s%s", used ? ", " : "",
		         json_string_value(item));
	}
}

int blacklist_task(struct task_run *run, struct gf_err *err)
{
	json_t *chosen = json_array(), *left = json_array();
	char yes[200], no[200];

	blacklist_choose(run, chosen, left);
	names_print(chosen, yes, sizeof(yes));
	names_print(left, no, sizeof(no));
	int result = slug_file(run, MODPROBE_DIR, blacklist_text(chosen), err);
	if (result == 0)
		task_say(run, run->result->status, "%s%s%s", *yes ? yes : "none",
		         *no ? "; not, because the host may need them: " : "", no);
	json_decref(chosen);
	json_decref(left);
	return result;
}
