/* initramfs_dracut.c: dracut, as on Red Hat, SUSE and Debian's package of it. A module of ours puts
 * the list and the drivers in; its pre-udev hook runs before udev is started. */
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node-agent/boot/bind_scripts.h"
#include "node-agent/boot/initramfs_tool.h"

#define MODULE         "/usr/lib/dracut/modules.d/90gpufleet"
#define SETTINGS       "/etc/dracut.conf.d/90-gpufleet.conf"
#define HOOK           "/dracut/hooks/pre-udev/00-gpufleet-bind.sh"
#define BUILD_TIMEOUT  3000
#define UNPACK_TIMEOUT 600

/* Its shell would wait for somebody at the console; it asks panic= nothing (dracut.cmdline(7);
 * dracut-lib.sh, emergency_shell). */
static const char *const restart_args[] = {"rd.shell=0", "rd.emergency=reboot", NULL};

static const char *const places[] = {"/etc/dracut.conf", "/usr/lib/dracut/modules.d/", NULL};

static const struct initramfs_file files[] = {
    {.path = MODULE "/gpufleet-bind", .text = bind_script, .mode = 0755},
    {.path = MODULE "/gpufleet-bind.sh", .text = bind_dracut_hook, .mode = 0755},
    {.path = MODULE "/module-setup.sh", .text = bind_dracut_module, .mode = 0755},
    {.path = SETTINGS, .text = bind_dracut_settings, .mode = 0644},
};

/* With boot entries as files, kernel-install's layout is $BOOT/TOKEN/VERSION/initrd. */
static bool entry_image(const struct root *root, const char *version, char path[PATH_MAX])
{
	static const char *const boots[] = {"/efi", "/boot", "/boot/efi"};
	char token[128];

	if (root_read_line(root, "/etc/kernel/entry-token", token, sizeof(token)) != 0 &&
	    root_read_line(root, "/etc/machine-id", token, sizeof(token)) != 0)
		return false;
	if (!*token || strchr(token, '/'))
		return false;
	for (size_t i = 0; i < sizeof(boots) / sizeof(boots[0]); i++) {
		snprintf(path, PATH_MAX, "%s/%s/%s/initrd", boots[i], token, version);
		if (root_exists(root, path))
			return true;
	}
	return false;
}

static bool dracut_image(const struct root *root, const char *version, char path[PATH_MAX])
{
	/* Red Hat's, SUSE's, Debian's. */
	static const char *const names[] = {"/boot/initramfs-%s.img", "/boot/initrd-%s",
	                                    "/boot/initrd.img-%s"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *mark = strstr(names[i], "%s");
		snprintf(path, PATH_MAX, "%.*s%s%s", (int)(mark - names[i]), names[i], version,
		         mark + 2);
		if (root_exists(root, path))
			return true;
	}
	return entry_image(root, version, path);
}

static int dracut_build_to(const struct root *root, const char *version, const char *path,
                           struct gf_err *err)
{
	struct root_output output;
	struct root_name target = root_path(root, path);
	const char *const argv[] = {"dracut", "--force", target.text, version, NULL};
	int result = root_run_ok(root, argv, BUILD_TIMEOUT, &output, err);

	root_output_free(&output);
	return result;
}

static int path_sync(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int result = fd < 0 ? -1 : fsync(fd);

	if (fd >= 0)
		close(fd);
	return result;
}

/* dracut itself copies over the image that is there, and removes it where that fails (dracut.sh, at
 * its end): a power cut meanwhile would leave an entry without an initramfs. Here the old image or
 * the new one stands there, whole, at any instant. */
static int dracut_replace(const struct root *root, const char *version, const char *path,
                          struct gf_err *err)
{
	char beside[PATH_MAX];

	if (snprintf(beside, sizeof(beside), "%s.gpufleet-new", path) >= (int)sizeof(beside))
		return gf_err_set(err, GF_E_IO, "%s: the name is too long", path);
	struct root_name built = root_path(root, beside), image = root_path(root, path);
	int result = dracut_build_to(root, version, beside, err);
	if (result == 0 && (path_sync(built.text) != 0 || rename(built.text, image.text) != 0))
		result = gf_err_errno(err, GF_E_IO, "cannot put the new %s in its place", path);
	if (result != 0)
		unlink(built.text);
	/* A directory that can't be synced (FAT) is with the whole of /boot, before the reboot. */
	else
		path_sync(dirname(image.text));
	return result;
}

/* Not --regenerate-all: it writes each image where dracut would put it, which need not be the name
 * that the distribution boots (Debian's is another). */
static int dracut_build(const struct root *root, struct gf_err *err)
{
	size_t i;
	const json_t *image;
	json_t *images = initramfs_images(root, &initramfs_dracut);
	int result = 0;

	json_array_foreach(images, i, image)
	{
		if (result == 0)
			result = dracut_replace(
			    root, json_string_value(json_object_get(image, "kernel")),
			    json_string_value(json_object_get(image, "path")), err);
	}
	json_decref(images);
	return result;
}

static int dracut_unpack(const struct root *root, const char *image, const char *dir,
                         const char **tree, struct gf_err *err)
{
	struct root_output output;
	struct root_name from = root_path(root, image);
	const char *const argv[] = {"lsinitrd", "--unpack", from.text, NULL};
	int result = root_run_in(root, dir, argv, UNPACK_TIMEOUT, &output, err);

	/* As with unmkinitramfs: device nodes may be refused, so look at what is there. */
	root_output_free(&output);
	*tree = "";
	if (result != 0)
		return -1;
	if (access(root_pathf(root, "%s/usr/lib/dracut", dir).text, F_OK) != 0 &&
	    access(root_pathf(root, "%s/var/lib/dracut", dir).text, F_OK) != 0)
		return gf_err_set(err, GF_E_TASK,
		                  "%s could not be unpacked: is there room in /var/tmp?", image);
	return 0;
}

/* Newer ones (dracut-ng) keep hooks below /var. */
static bool dracut_is_early(const char *tree, char *why, size_t size)
{
	static const char *const hooks[] = {"/var/lib" HOOK, "/usr/lib" HOOK};
	bool right = false;

	for (size_t i = 0; i < sizeof(hooks) / sizeof(hooks[0]) && !right; i++) {
		size_t length;
		char *hook = initramfs_tree_read(tree, hooks[i], &length);
		right = hook && strcmp(hook, bind_dracut_hook) == 0;
		free(hook);
	}
	if (!right)
		snprintf(why, size, "no pre-udev hook runs gpufleet-bind in it");
	return right;
}

const struct initramfs_tool initramfs_dracut = {
    .name = "dracut",
    .program = "dracut",
    .second = "lsinitrd",
    .command = "dracut --force for every kernel",
    .settings = "/etc/dracut.conf and /etc/dracut.conf.d",
    .places = places,
    .restart_args = restart_args,
    .bind_files = files,
    .bind_count = sizeof(files) / sizeof(files[0]),
    .bind_source = MODULE "/gpufleet-bind",
    .bind_target = "/usr/sbin/gpufleet-bind",
    .image = dracut_image,
    .build = dracut_build,
    .build_to = dracut_build_to,
    .unpack = dracut_unpack,
    .is_early = dracut_is_early,
};
