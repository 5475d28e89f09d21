/* grub_bls.c: GRUB with boot entries as files, as on Red Hat and its derivatives: by grubby, or
 * where there is none by /etc/default/grub and grub2-mkconfig. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/boot/bls.h"
#include "node-agent/boot/kernel_cmdline.h"

#define ENTRIES        "/boot/loader/entries"
#define ENVIRONMENT    "/boot/grub2/grubenv"
#define SETTINGS       "/etc/default/grub"
#define UPDATE_TIMEOUT 900

static struct grub_files files_of(const struct root *root)
{
	return (struct grub_files){.config = grub2_config_path(root), .environment = ENVIRONMENT};
}

/* Entries that GRUB reads: not those of another loader. */
static bool has_entries(const struct root *root)
{
	struct bls_list list;

	if (boot_is_systemd_boot(root) || boot_is_image_based(root))
		return false;
	bls_read(root, ENTRIES, &list);
	bool any = list.count > 0;
	bls_free(&list);
	return any;
}

static bool grubby_detect(const struct root *root)
{
	return root_program_exists(root, "grubby") && has_entries(root);
}

static bool mkconfig_detect(const struct root *root)
{
	return root_program_exists(root, "grub2-mkconfig") && has_entries(root);
}

static char *entry_next(const struct root *root, const char **source)
{
	static char path[512];
	struct bls_list list;
	struct grub_files files = files_of(root);
	char *saved = grub_variable(root, &files, "saved_entry");

	bls_read(root, ENTRIES, &list);
	const struct bls_entry *entry = bls_default(&list, saved);
	char *line = entry ? grub_expand(root, &files, entry->options) : NULL;
	snprintf(path, sizeof(path), "%s", entry ? entry->path : ENTRIES);
	*source = path;
	bls_free(&list);
	free(saved);
	return line;
}

/* grub2-mkconfig reads the settings, which are ours to change and to undo. */
static void mkconfig_writes(const struct root *root, json_t *paths)
{
	bls_paths(root, ENTRIES, paths);
	json_array_append_new(paths, json_string(KERNEL_CMDLINE));
}

static void grubby_writes(const struct root *root, json_t *paths)
{
	mkconfig_writes(root, paths);
	json_array_append_new(paths, json_string(SETTINGS));
}

/* "OPTIONa b c": malloc'd. A token that ends in "=" goes without it: grubby takes any value then.
 */
static char *words_option(const char *option, const json_t *words)
{
	char *text = NULL;
	size_t size = 0, i;
	const json_t *word;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs(option, out);
	json_array_foreach(words, i, word)
	{
		const char *token = json_string_value(word);
		size_t length = strlen(token);
		fprintf(out, "%s%.*s", i ? " " : "", (int)(length - (token[length - 1] == '=')),
		        token);
	}
	fclose(out);
	return text;
}

static int grubby_run(const struct root *root, const json_t *add, const json_t *remove,
                      struct gf_err *err)
{
	struct root_output output;
	char *args = words_option("--args=", add), *gone = words_option("--remove-args=", remove);
	const char *argv[5] = {"grubby", "--update-kernel=ALL"};
	size_t n = 2;

	if (json_array_size(remove) > 0)
		argv[n++] = gone;
	if (json_array_size(add) > 0)
		argv[n++] = args;
	int result = args && gone ? root_run_ok(root, argv, UPDATE_TIMEOUT, &output, err)
	                          : gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (args && gone)
		root_output_free(&output);
	free(args);
	free(gone);
	return result;
}

static int grubby_update(const struct root *root, const json_t *add, const json_t *remove,
                         struct gf_err *err)
{
	struct grub_files files = files_of(root);

	return bls_update(root, &files, ENTRIES, grubby_run, add, remove, err);
}

/* Newer ones leave the entries alone unless told; older ones do not know the option and never do.
 */
static bool mkconfig_has_option(const struct root *root)
{
	struct root_output output;
	const char *const argv[] = {"grub2-mkconfig", "--help", NULL};
	bool has = root_run(root, argv, 60, &output, NULL) == 0 &&
	           strstr(output.text, "--update-bls-cmdline");

	root_output_free(&output);
	return has;
}

static int mkconfig_run(const struct root *root, const json_t *add, const json_t *remove,
                        struct gf_err *err)
{
	struct root_output output;
	struct root_name config = root_path(root, grub2_config_path(root));
	const char *const argv[] = {"grub2-mkconfig", "-o", config.text,
	                            mkconfig_has_option(root) ? "--update-bls-cmdline" : NULL,
	                            NULL};
	int result = root_run_ok(root, argv, UPDATE_TIMEOUT, &output, err);

	(void)add, (void)remove;
	root_output_free(&output);
	return result;
}

static int mkconfig_update(const struct root *root, const json_t *add, const json_t *remove,
                           struct gf_err *err)
{
	struct grub_files files = files_of(root);

	return bls_update(root, &files, ENTRIES, mkconfig_run, add, remove, err);
}

const struct boot_loader boot_grubby = {
    .name = "grubby",
    .command = "grubby --update-kernel=ALL",
    .reads = ENTRIES,
    .hint = "it: $kernelopts in /boot/grub2/grubenv, $tuned_params of tuned's active profile "
            "(/etc/tuned/bootcmdline)",
    .detect = grubby_detect,
    .next = entry_next,
    .update = grubby_update,
    .writes = grubby_writes,
};

const struct boot_loader boot_grub_bls = {
    .name = "grub2-mkconfig-bls",
    .command = "grub2-mkconfig --update-bls-cmdline",
    .reads = SETTINGS,
    .hint = "it: $tuned_params of tuned's active profile (/etc/tuned/bootcmdline)",
    .detect = mkconfig_detect,
    .next = entry_next,
    .settings = grub_default_settings,
    .update = mkconfig_update,
    .writes = mkconfig_writes,
};
