/* initramfs_debian.c: initramfs-tools. A hook puts the list and the drivers in; a script of
 * init-top without prerequisites runs before udev's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node-agent/boot/bind_scripts.h"
#include "node-agent/boot/initramfs_tool.h"

#define BIND_SCRIPT    "/etc/initramfs-tools/scripts/init-top/gpufleet-bind"
#define BIND_HOOK      "/etc/initramfs-tools/hooks/gpufleet-bind"
#define BUILD_TIMEOUT  3000
#define UNPACK_TIMEOUT 600

static const char *const places[] = {"/etc/initramfs-tools/", NULL};

static const struct initramfs_file files[] = {
    {.path = BIND_SCRIPT, .text = bind_script, .mode = 0755},
    {.path = BIND_HOOK, .text = bind_hook, .mode = 0755},
};

static bool debian_image(const struct root *root, const char *version, char path[PATH_MAX])
{
	(void)root;
	snprintf(path, PATH_MAX, "/boot/initrd.img-%s", version);
	return true;
}

static int debian_run(const struct root *root, const char *const *argv, struct gf_err *err)
{
	struct root_output output;
	int result = root_run_ok(root, argv, BUILD_TIMEOUT, &output, err);

	root_output_free(&output);
	return result;
}

static int debian_build(const struct root *root, struct gf_err *err)
{
	const char *const argv[] = {"update-initramfs", "-u", "-k", "all", NULL};

	return debian_run(root, argv, err);
}

static int debian_build_to(const struct root *root, const char *version, const char *path,
                           struct gf_err *err)
{
	struct root_name target = root_path(root, path);
	const char *const argv[] = {"mkinitramfs", "-o", target.text, version, NULL};

	return debian_run(root, argv, err);
}

static bool path_is(const struct root *root, const char *dir, const char *below)
{
	return access(root_pathf(root, "%s%s", dir, below).text, F_OK) == 0;
}

static int debian_unpack(const struct root *root, const char *image, const char *dir,
                         const char **tree, struct gf_err *err)
{
	struct root_output output;
	struct root_name from = root_path(root, image), to = root_path(root, dir);
	const char *const argv[] = {"unmkinitramfs", from.text, to.text, NULL};
	int result = root_run(root, argv, UNPACK_TIMEOUT, &output, err);

	/* cpio complains, and ends non-zero, about device nodes in a container: look at what is
	 * there. */
	root_output_free(&output);
	if (result != 0)
		return -1;
	/* With microcode in front of it the image proper is under main/. */
	*tree = path_is(root, dir, "/main") ? "/main" : "";
	if (!path_is(root, dir, **tree ? "/main/scripts" : "/scripts"))
		return gf_err_set(err, GF_E_TASK,
		                  "%s could not be unpacked: is there room in /var/tmp?", image);
	return 0;
}

/* Does the script stand before udev's in the image's ORDER? */
static bool debian_is_early(const char *tree, char *why, size_t size)
{
	size_t length;
	char *order = initramfs_tree_read(tree, "/scripts/init-top/ORDER", &length);
	const char *ours = order ? strstr(order, "/scripts/init-top/gpufleet-bind ") : NULL;
	const char *udev = order ? strstr(order, "/scripts/init-top/udev ") : NULL;
	bool right = ours && (!udev || ours < udev);

	if (!right)
		snprintf(why, size, "scripts/init-top/ORDER %s",
		         !ours ? "does not run gpufleet-bind" : "runs udev before gpufleet-bind");
	free(order);
	return right;
}

const struct initramfs_tool initramfs_debian = {
    .name = "initramfs-tools",
    .program = "update-initramfs",
    /* dracut's package may bring an update-initramfs, too. */
    .second = "mkinitramfs",
    .command = "update-initramfs -u -k all",
    .settings = "/etc/initramfs-tools",
    .places = places,
    .bind_files = files,
    .bind_count = sizeof(files) / sizeof(files[0]),
    .bind_source = BIND_SCRIPT,
    .bind_target = "/scripts/init-top/gpufleet-bind",
    .image = debian_image,
    .build = debian_build,
    .build_to = debian_build_to,
    .unpack = debian_unpack,
    .is_early = debian_is_early,
};
