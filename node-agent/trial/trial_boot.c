/* trial_boot.c: see trial_boot.h. */
#include "node-agent/trial/trial_boot.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "node-agent/boot/initramfs_tool.h"
#include "node-agent/trial/bls_entry.h"
#include "node-agent/trial/grub_custom.h"
#include "node-agent/trial/grub_text.h"

#define CONFIG_LIMIT ((size_t)4 << 20)
#define TOOL_TIMEOUT 120

/* linux/magic.h is not everywhere */
#define MAGIC_TMPFS   0x01021994
#define MAGIC_RAMFS   0x858458f6
#define MAGIC_OVERLAY 0x794c7630

static const struct trial_grub debian = {"/boot/grub/grub.cfg", "/boot/grub/custom.cfg",
                                         "/boot/grub/grubenv",  "grub-reboot",
                                         "grub-editenv",        "grub-probe"};

const struct trial_grub *trial_grub_find(const struct root *root)
{
	static char config[256], custom[256], environment[256];
	static struct trial_grub other = {config,         custom,          environment,
	                                  "grub2-reboot", "grub2-editenv", "grub2-probe"};

	if (root_exists(root, debian.config))
		return &debian;
	/* GRUB looks for the others where grub.cfg lies, be that the EFI partition. */
	snprintf(config, sizeof(config), "%s", grub2_config_path(root));
	int directory = (int)(strrchr(config, '/') - config);
	if (directory > 200 || !root_exists(root, config))
		return NULL;
	snprintf(custom, sizeof(custom), "%.*s/custom.cfg", directory, config);
	snprintf(environment, sizeof(environment), "%.*s/grubenv", directory, config);
	return &other;
}

static struct grub_files files_of(const struct trial_grub *grub)
{
	return (struct grub_files){.config = grub->config, .environment = grub->environment};
}

static int tool_run(const struct root *root, const char *const *argv, struct root_output *output,
                    struct gf_err *err)
{
	int failed = root_run_ok(root, argv, TOOL_TIMEOUT, output, err);

	if (failed) {
		root_output_free(output);
		output->text = NULL;
	}
	return failed;
}

/* The first words of what `grub-probe --target=WHAT /boot/grub` says. */
static int probe(const struct root *root, const struct trial_grub *grub, const char *what,
                 char *said, size_t size)
{
	char target[64], directory[256];
	struct root_output output;

	snprintf(target, sizeof(target), "--target=%s", what);
	snprintf(directory, sizeof(directory), "%.*s",
	         (int)(strrchr(grub->config, '/') - grub->config), grub->config);
	const char *const argv[] = {grub->probe, target, directory, NULL};
	*said = '\0';
	if (tool_run(root, argv, &output, NULL) != 0)
		return -1;
	size_t used = 0;
	for (const char *c = output.text; *c && used + 1 < size; c++)
		said[used++] = (unsigned char)*c <= ' ' ? ' ' : *c;
	while (used > 0 && said[used - 1] == ' ')
		used--;
	said[used] = '\0';
	root_output_free(&output);
	return 0;
}

static bool has_word(const char *list, const char *word)
{
	size_t length = strlen(word);

	for (const char *p = list; (p = strstr(p, word)); p += length)
		if ((p == list || p[-1] == ' ') && (p[length] == ' ' || !p[length]))
			return true;
	return false;
}

/* GRUB forgets the one-time entry by writing to grubenv, block by block: what it can't write to, it
 * would boot again and again. The lists are those of grub-mkconfig's own check. */
static bool environment_is_writable(const struct root *root, const struct trial_grub *grub,
                                    char *why, size_t size)
{
	static const char *const read_only[] = {"btrfs", "cpiofs", "newc",    "odc",    "romfs",
	                                        "tarfs", "zfs",    "squash4", "iso9660"};
	char said[128];

	if (probe(root, grub, "abstraction", said, sizeof(said)) != 0) {
		snprintf(why, size, "%s cannot tell what grubenv lies on", grub->probe);
		return false;
	}
	if (*said) {
		snprintf(why, size, "grubenv lies on %s, where GRUB cannot forget a one-time entry",
		         has_word(said, "lvm")          ? "LVM"
		         : strstr(said, "mdraid")       ? "RAID"
		         : has_word(said, "diskfilter") ? "LVM or RAID"
		                                        : said);
		return false;
	}
	if (probe(root, grub, "fs", said, sizeof(said)) != 0 || !*said) {
		snprintf(why, size, "%s cannot tell which file system grubenv lies on",
		         grub->probe);
		return false;
	}
	for (size_t i = 0; i < sizeof(read_only) / sizeof(read_only[0]); i++) {
		if (strcmp(said, read_only[i]) == 0) {
			snprintf(why, size,
			         "grubenv lies on %s, where GRUB cannot forget a one-time entry",
			         said);
			return false;
		}
	}
	return true;
}

/* What the early unit needs must be on the root file system: no other one is mounted by then. */
static bool is_on_root(const struct agent *agent, const char *path, char *why, size_t size)
{
	struct stat root, st;
	struct statfs fs;

	if (stat(root_path(&agent->root, "/").text, &root) != 0 || stat(path, &st) != 0 ||
	    statfs(path, &fs) != 0 || st.st_dev != root.st_dev) {
		snprintf(why, size,
		         "%s is not on the root file system, so former files could not be put back "
		         "early enough",
		         path);
		return false;
	}
	if (!root_is_sysroot(&agent->root) &&
	    (fs.f_type == MAGIC_TMPFS || fs.f_type == MAGIC_RAMFS || fs.f_type == MAGIC_OVERLAY)) {
		snprintf(why, size, "%s does not outlive a reboot", path);
		return false;
	}
	return true;
}

static char *file_text(const struct root *root, const char *path)
{
	return root_read_file(root, path, CONFIG_LIMIT, NULL, NULL);
}

/* Reads the default entry; *TEXT, which it points into, is for free(). */
static int entry_read(const struct root *root, const struct trial_grub *grub, char **text,
                      struct grub_entry *entry, struct gf_err *err)
{
	struct grub_files files = files_of(grub);

	*text = file_text(root, grub->config);
	if (!*text)
		return gf_err_set(err, GF_E_IO, "%s cannot be read", grub->config);
	if (bls_entry_is_used(*text)) {
		free(*text);
		return bls_entry_default(root, &files, grub->custom, text, entry, err);
	}
	char *environment = file_text(root, grub->environment);
	int failed = grub_entry_default(*text, environment, entry, err);
	free(environment);
	return failed;
}

/* GRUB clears the choice in grubenv beside its grub.cfg, whatever it was read from: that must be
 * what grub-reboot writes to. A link there may lead off the file system, where GRUB is lost
 * (images for both kinds of firmware have such ones). */
static bool environment_is_its_own(const struct root *root, const struct trial_grub *grub,
                                   const char *config, char *why, size_t size)
{
	struct stat own, tools;
	struct root_name name = root_path(root, grub->environment);

	if (strstr(config, "load_env -f (") || strstr(config, "load_env --file (") ||
	    lstat(name.text, &own) != 0 || !S_ISREG(own.st_mode)) {
		snprintf(why, size, "%s is not a file that GRUB reads and writes itself",
		         grub->environment);
		return false;
	}
	if (grub != &debian && (stat(root_path(root, "/boot/grub2/grubenv").text, &tools) != 0 ||
	                        tools.st_dev != own.st_dev || tools.st_ino != own.st_ino)) {
		snprintf(why, size, "%s writes to /boot/grub2/grubenv, and GRUB reads %s",
		         grub->reboot, grub->environment);
		return false;
	}
	return true;
}

static bool config_fits(const struct root *root, const struct trial_grub *grub, char *why,
                        size_t size)
{
	char *config = file_text(root, grub->config), *text = NULL;
	struct grub_entry entry;
	struct gf_err err = {.code = GF_OK};
	bool fits = false;

	if (!config)
		snprintf(why, size, "%s cannot be read", grub->config);
	else if (!strstr(config, "next_entry") || !strstr(config, "/custom.cfg"))
		snprintf(why, size, "%s knows no one-time entries or no custom.cfg", grub->config);
	else if (environment_is_its_own(root, grub, config, why, size)) {
		fits = entry_read(root, grub, &text, &entry, &err) == 0;
		if (!fits)
			snprintf(why, size, "%s", err.msg);
	}
	free(config);
	free(text);
	return fits;
}

bool trial_possible(const struct agent *agent, char *why, size_t size)
{
	const char *directory =
	    agent ? (*agent->directory ? agent->directory : agent->program) : NULL;
	const struct trial_grub *grub = agent ? trial_grub_find(&agent->root) : NULL;

	*why = '\0';
	if (!agent) {
		snprintf(why, size, "the agent keeps no records here");
		return false;
	}
	if (!grub || !root_program_exists(&agent->root, grub->reboot) ||
	    !root_program_exists(&agent->root, grub->editenv) ||
	    !root_program_exists(&agent->root, grub->probe)) {
		snprintf(why, size, "it does not boot with GRUB, or lacks grub-reboot");
		return false;
	}
	if (!root_exists(&agent->root, "/run/systemd/system")) {
		snprintf(why, size, "there is no systemd to put former files back at boot");
		return false;
	}
	/* At plan the place of the records may not have been made yet; it will be where the agent
	 * is. */
	struct root_name state = root_path(&agent->root, agent->state);
	return config_fits(&agent->root, grub, why, size) &&
	       (access(state.text, F_OK) != 0 || is_on_root(agent, state.text, why, size)) &&
	       is_on_root(agent, directory, why, size) &&
	       environment_is_writable(&agent->root, grub, why, size);
}

int trial_kernel(const struct root *root, char version[128], struct gf_err *err)
{
	const struct trial_grub *grub = trial_grub_find(root);
	struct grub_entry entry;
	char *text = NULL;

	if (!grub)
		return gf_err_set(err, GF_E_TASK, "there is no grub.cfg");
	int failed = entry_read(root, grub, &text, &entry, err);
	if (!failed)
		snprintf(version, 128, "%s", entry.version);
	free(text);
	return failed;
}

/* /boot, and the file system of PATH, a file of GRUB's. */
static int boot_sync(const struct root *root, const char *path, struct gf_err *err)
{
	const char *const places[] = {"/boot", path};
	int failed = 0;

	for (size_t i = 0; i < 2 && !failed; i++) {
		int fd = open(root_path(root, places[i]).text, O_RDONLY | O_CLOEXEC);
		if (fd < 0 || syncfs(fd) != 0)
			failed = gf_err_errno(err, GF_E_IO, "cannot sync %s", places[i]);
		if (fd >= 0)
			close(fd);
	}
	return failed;
}

static bool choice_is_made(const struct root *root, const struct trial_grub *grub)
{
	char value[128];
	char *environment = file_text(root, grub->environment);

	grub_environment_get(environment, "next_entry", value, sizeof(value));
	free(environment);
	return strcmp(value, TRIAL_ENTRY) == 0;
}

/* Last: until it has run the next boot is the default one. */
static int choice_make(const struct root *root, const struct trial_grub *grub, struct gf_err *err)
{
	struct root_output output = {.text = NULL};
	const char *const argv[] = {grub->reboot, TRIAL_ENTRY, NULL};
	int failed = tool_run(root, argv, &output, err);

	root_output_free(&output);
	if (!failed && !choice_is_made(root, grub))
		failed = gf_err_set(err, GF_E_TASK, "%s ran, but %s does not say what it chose",
		                    grub->reboot, grub->environment);
	return failed ? -1 : boot_sync(root, grub->environment, err);
}

int trial_boot_arm(const struct root *root, const char *operation, const json_t *add,
                   const json_t *remove, const char *image, struct gf_err *err)
{
	const struct trial_grub *grub = trial_grub_find(root);
	struct grub_entry entry;
	char title[128], argument[128];
	char *config = NULL, *text = NULL;

	if (!grub)
		return gf_err_set(err, GF_E_TASK, "there is no grub.cfg");
	struct grub_files files = files_of(grub);
	snprintf(title, sizeof(title), "gpufleet trial of %s", operation);
	snprintf(argument, sizeof(argument), TRIAL_ARGUMENT "%s", operation);
	json_t *arguments = json_deep_copy(add);
	json_array_append_new(arguments, json_string(argument));
	const struct initramfs_tool *tool = initramfs_tool_detect(root);
	for (const char *const *word = tool ? tool->restart_args : NULL; word && *word; word++)
		json_array_append_new(arguments, json_string(*word));
	struct grub_entry_copy copy = {.title = title,
	                               .id = TRIAL_ENTRY,
	                               .add = arguments,
	                               .remove = remove,
	                               .image = *image ? TRIAL_IMAGE : NULL};
	int failed = entry_read(root, grub, &config, &entry, err);
	if (!failed)
		text = grub_entry_write(&entry, &copy, err);
	failed = failed || !text || bls_entry_check(root, &files, text, remove, err) != 0 ||
	         grub_custom_write(root, grub->custom, text, err) != 0 ||
	         boot_sync(root, grub->config, err) != 0 || choice_make(root, grub, err) != 0;
	json_decref(arguments);
	free(text);
	free(config);
	return failed ? -1 : 0;
}

/* GRUB must not look for an entry that is gone. */
static int choice_clear(const struct root *root, const struct trial_grub *grub, struct gf_err *err)
{
	struct root_output output = {.text = NULL};
	int failed = 0;

	if (choice_is_made(root, grub)) {
		struct root_name file = root_path(root, grub->environment);
		const char *const argv[] = {grub->editenv, file.text, "unset", "next_entry", NULL};
		failed = tool_run(root, argv, &output, err);
		root_output_free(&output);
	}
	return failed;
}

int trial_boot_clear(const struct root *root, const json_t *marker, struct gf_err *err)
{
	const struct trial_grub *grub = trial_grub_find(root);
	bool absent = json_is_true(json_object_get(marker, "custom_absent"));

	if (!grub)
		return gf_err_set(err, GF_E_IO, "/boot is not mounted");
	if (choice_clear(root, grub, err) != 0 ||
	    grub_custom_clear(root, grub->custom, absent, NULL, err) != 0)
		return -1;
	unlink(root_path(root, "/boot/" TRIAL_IMAGE).text);
	return boot_sync(root, grub->config, err);
}
