/* kernel_install.c: systemd-boot with entries that kernel-install makes: /etc/kernel/cmdline, and
 * every kernel added again. What it boots are copies, of the initramfs too, so they are made again
 * after each build. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/boot/bls.h"
#include "node-agent/boot/kernel_cmdline.h"

#define PROGRAM    "kernel-install"
#define TIMEOUT    3000
#define TEXT_LIMIT ((size_t)64 << 10)

/* $BOOT: where loader/entries is; NULL when nowhere. */
static const char *boot_directory(const struct root *root)
{
	static const char *const boots[] = {"/efi", "/boot", "/boot/efi"};
	char path[64];

	for (size_t i = 0; i < sizeof(boots) / sizeof(boots[0]); i++) {
		struct bls_list list;
		snprintf(path, sizeof(path), "%s/loader/entries", boots[i]);
		bls_read(root, path, &list);
		bool any = list.count > 0;
		bls_free(&list);
		if (any)
			return boots[i];
	}
	return NULL;
}

static void entries_read(const struct root *root, struct bls_list *list)
{
	char path[64];
	const char *boot = boot_directory(root);

	snprintf(path, sizeof(path), "%s/loader/entries", boot ? boot : "/boot");
	bls_read(root, path, list);
}

static bool install_detect(const struct root *root)
{
	return boot_is_systemd_boot(root) && !boot_is_image_based(root) &&
	       root_program_exists(root, PROGRAM) && boot_directory(root);
}

/* "default PATTERN" of loader.conf, which is matched with the names of the entries' files. */
static const struct bls_entry *entry_default(const struct root *root, const struct bls_list *list)
{
	char path[64], pattern[256] = "";
	const char *boot = boot_directory(root);

	snprintf(path, sizeof(path), "%s/loader/loader.conf", boot ? boot : "/boot");
	char *text = root_read_file(root, path, TEXT_LIMIT, NULL, NULL), *save = NULL;
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line;
	     line = strtok_r(NULL, "\n", &save))
		sscanf(line, " default %255s", pattern);
	free(text);
	for (size_t i = 0; *pattern && i < list->count; i++) {
		char name[300];
		snprintf(name, sizeof(name), "%s.conf", list->entries[i].id);
		if (fnmatch(pattern, name, 0) == 0 || fnmatch(pattern, list->entries[i].id, 0) == 0)
			return &list->entries[i];
	}
	return bls_default(list, NULL);
}

static char *install_next(const struct root *root, const char **source)
{
	static char path[512];
	struct bls_list list;

	entries_read(root, &list);
	const struct bls_entry *entry = entry_default(root, &list);
	char *line = entry ? kernel_line_normal(entry->options, strlen(entry->options)) : NULL;
	snprintf(path, sizeof(path), "%s", entry ? entry->path : "/boot/loader/entries");
	*source = path;
	bls_free(&list);
	return line;
}

/* What kernel-install works from now; without a file of its own, what the next boot is given. */
static char *cmdline_now(const struct root *root, const struct kernel_line *line)
{
	static const char *const files[] = {KERNEL_CMDLINE, "/usr/lib/kernel/cmdline"};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *text = root_read_file(root, files[i], TEXT_LIMIT, NULL, NULL);
		if (text)
			return text;
	}
	/* kernel-install adds this one itself. */
	json_t *own = json_pack("[s]", "systemd.machine_id=");
	char *text = kernel_cmdline_edit(line->next ? line->next : "", NULL, own);
	json_decref(own);
	return text;
}

static int install_settings(const struct root *root, struct kernel_line *line,
                            struct boot_settings *settings, struct gf_err *err)
{
	char *now = cmdline_now(root, line);

	settings->path = KERNEL_CMDLINE;
	settings->text = now ? kernel_cmdline_edit(now, line->add, line->remove) : NULL;
	if (!settings->text) {
		free(now);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	if (!root_exists(root, KERNEL_CMDLINE) && strcmp(now, settings->text) == 0) {
		free(settings->text);
		settings->text = NULL;
	}
	free(now);
	return 0;
}

static int kernel_add(const struct root *root, const char *version, struct gf_err *err)
{
	struct root_output output;
	struct root_name image = root_pathf(root, "/lib/modules/%s/vmlinuz", version);
	char path[300];

	snprintf(path, sizeof(path), "/lib/modules/%s/vmlinuz", version);
	if (!root_exists(root, path)) {
		snprintf(path, sizeof(path), "/boot/vmlinuz-%s", version);
		image = root_path(root, path);
	}
	if (!root_exists(root, path))
		return 0; /* an entry without a kernel of ours: not kernel-install's */
	const char *const argv[] = {PROGRAM, "add", version, image.text, NULL};
	int result = root_run_ok(root, argv, TIMEOUT, &output, err);
	root_output_free(&output);
	return result;
}

static int kernels_add(const struct root *root, const json_t *add, const json_t *remove,
                       struct gf_err *err)
{
	struct bls_list list;
	int result = 0;

	(void)add, (void)remove;
	entries_read(root, &list);
	for (size_t i = 0; i < list.count && result == 0; i++)
		if (list.entries[i].version)
			result = kernel_add(root, list.entries[i].version, err);
	bls_free(&list);
	return result;
}

static int install_update(const struct root *root, const json_t *add, const json_t *remove,
                          struct gf_err *err)
{
	char path[64];
	const char *boot = boot_directory(root);

	snprintf(path, sizeof(path), "%s/loader/entries", boot ? boot : "/boot");
	return bls_update(root, NULL, path, kernels_add, add, remove, err);
}

static void install_writes(const struct root *root, json_t *paths)
{
	char path[64];
	const char *boot = boot_directory(root);

	snprintf(path, sizeof(path), "%s/loader/entries", boot ? boot : "/boot");
	bls_paths(root, path, paths);
}

static bool install_image(const struct root *root, const char *version, char path[PATH_MAX])
{
	struct bls_list list;
	const char *boot = boot_directory(root);
	bool found = false;

	entries_read(root, &list);
	for (size_t i = 0; boot && i < list.count && !found; i++) {
		const struct bls_entry *entry = &list.entries[i];
		if (!entry->version || !entry->initrd || strcmp(entry->version, version) != 0)
			continue;
		/* Microcode may stand before it. */
		const char *last = strrchr(entry->initrd, ' ');
		snprintf(path, PATH_MAX, "%s%s", boot, last ? last + 1 : entry->initrd);
		found = root_exists(root, path);
	}
	bls_free(&list);
	return found;
}

static int install_refresh(const struct root *root, struct gf_err *err)
{
	char path[64];
	const char *boot = boot_directory(root);

	/* Without /etc/kernel/cmdline kernel-install would give the running kernel's arguments. */
	snprintf(path, sizeof(path), "%s/loader/entries", boot ? boot : "/boot");
	return bls_refresh(root, path, kernels_add, err);
}

const struct boot_loader boot_kernel_install = {
    .name = PROGRAM,
    .command = "kernel-install add for every kernel",
    .reads = "/etc/kernel/",
    .hint = "/etc/kernel/cmdline in /etc/kernel/install.d",
    .detect = install_detect,
    .next = install_next,
    .settings = install_settings,
    .update = install_update,
    .writes = install_writes,
    .image = install_image,
    .refresh = install_refresh,
};
