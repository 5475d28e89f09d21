/* grub_debian.c: GRUB as on Debian and Ubuntu: a late drop-in in /etc/default/grub.d, update-grub,
 * and what came of it in the generated grub.cfg. */
#include <stdlib.h>
#include <string.h>

#include "node-agent/boot/boot_loader.h"
#include "node-agent/boot/grub_config.h"

#define DROPIN         "/etc/default/grub.d/zz-gpufleet.cfg"
#define CONFIG         "/boot/grub/grub.cfg"
#define UPDATE_TIMEOUT 900
#define TEXT_LIMIT     ((size_t)1 << 20)

static bool debian_detect(const struct root *root)
{
	return root_program_exists(root, "update-grub") && !boot_is_systemd_boot(root);
}

static char *debian_next(const struct root *root, const char **source)
{
	/* tuned's arguments are set in grub.cfg itself, by /etc/grub.d/00_tuned. */
	struct grub_files files = {.config = CONFIG, .environment = "/boot/grub/grubenv"};

	*source = CONFIG;
	return grub_config_arguments(root, &files);
}

static int debian_settings(const struct root *root, struct kernel_line *line,
                           struct boot_settings *settings, struct gf_err *err)
{
	char *text = root_read_file(root, DROPIN, TEXT_LIMIT, NULL, NULL);

	(void)err;
	settings->path = DROPIN;
	grub_dropin_parse(line, text);
	free(text);
	kernel_line_settle(line);
	settings->text = grub_dropin_text(line);
	return 0;
}

static int debian_update(const struct root *root, const json_t *add, const json_t *remove,
                         struct gf_err *err)
{
	struct root_output output;
	const char *const argv[] = {"update-grub", NULL};
	int result = root_run_ok(root, argv, UPDATE_TIMEOUT, &output, err);

	(void)add, (void)remove;
	root_output_free(&output);
	return result;
}

/* Ubuntu's cloud images try to boot without an initramfs first; their 10_linux says so in grub.cfg.
 */
static const char *debian_no_initramfs(const struct root *root)
{
	char *config = root_read_file(root, CONFIG, (size_t)4 << 20, NULL, NULL);
	bool set = config && strstr(config, "# GRUB_FORCE_PARTUUID is set");

	free(config);
	return set ? "this host tries to boot without its initramfs first, and nothing could keep "
	             "devices for their driver then: take GRUB_FORCE_PARTUUID out of "
	             "/etc/default/grub.d (40-force-partuuid.cfg on cloud images) and run "
	             "update-grub"
	           : NULL;
}

const struct boot_loader boot_grub_debian = {
    .name = "update-grub",
    .command = "update-grub",
    .reads = "/etc/default/grub",
    .hint = "GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub.d and /etc/grub.d",
    .detect = debian_detect,
    .next = debian_next,
    .settings = debian_settings,
    .update = debian_update,
    .no_initramfs = debian_no_initramfs,
};
