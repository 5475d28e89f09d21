/* grub_mkconfig.c: GRUB whose menu is one generated file, as on SUSE: a block in /etc/default/grub,
 * and grub2-mkconfig. */
#include "node-agent/boot/grub_config.h"

#define SETTINGS       "/etc/default/grub"
#define UPDATE_TIMEOUT 900

static bool mkconfig_detect(const struct root *root)
{
	return root_program_exists(root, "grub2-mkconfig") && root_exists(root, SETTINGS) &&
	       !boot_is_systemd_boot(root) && !boot_is_image_based(root);
}

static char *mkconfig_next(const struct root *root, const char **source)
{
	struct grub_files files = {.config = grub2_config_path(root),
	                           .environment = "/boot/grub2/grubenv"};

	*source = files.config;
	return grub_config_arguments(root, &files);
}

static int mkconfig_update(const struct root *root, const json_t *add, const json_t *remove,
                           struct gf_err *err)
{
	struct root_output output;
	struct root_name config = root_path(root, grub2_config_path(root));
	const char *const argv[] = {"grub2-mkconfig", "-o", config.text, NULL};
	int result = root_run_ok(root, argv, UPDATE_TIMEOUT, &output, err);

	(void)add, (void)remove;
	root_output_free(&output);
	return result;
}

const struct boot_loader boot_grub_mkconfig = {
    .name = "grub2-mkconfig",
    .command = "grub2-mkconfig",
    .reads = SETTINGS,
    .hint = "GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub and /etc/grub.d",
    .detect = mkconfig_detect,
    .next = mkconfig_next,
    .settings = grub_default_settings,
    .update = mkconfig_update,
};
