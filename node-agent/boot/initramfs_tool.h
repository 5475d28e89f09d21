/* initramfs_tool.h: the programs that build a host's initramfs images, one table each, and looking
 * into the images.
 *
 * As with boot loaders, a back end knows a root and its files, nothing of tasks.
 */
#ifndef GPUFLEET_BOOT_INITRAMFS_TOOL_H
#define GPUFLEET_BOOT_INITRAMFS_TOOL_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "node-agent/root.h"
#include "node-agent/wire/error.h"

#define BIND_LIST    "/etc/gpufleet/bind.conf"
#define MODPROBE_DIR "/etc/modprobe.d"

/* A file of ours that makes the tool take in the list of devices and run our script early. */
struct initramfs_file {
	const char *path, *text;
	mode_t mode;
};

struct initramfs_tool {
	const char *name;     /* facts.host.initramfs */
	const char *program;  /* what builds images */
	const char *second;   /* another program that a host has that uses it */
	const char *command;  /* what builds all images, for people */
	const char *settings; /* where to look when an image is not as it should be */

	/* Prefixes of the tool's own files that go into images; ended by NULL. */
	const char *const *places;

	/* Kernel arguments with which an image that finds no root file system starts the machine
	 * again, beside `panic=`; ended by NULL. NULL: none are needed. */
	const char *const *restart_args;

	const struct initramfs_file *bind_files;
	size_t bind_count;
	const char *bind_source; /* the host's file that is … */
	const char *bind_target; /* … this one in an image */

	/* Where the image of kernel VERSION lies. False: it has none. */
	bool (*image)(const struct root *root, const char *version, char path[PATH_MAX]);

	/* Builds the images of all kernels, in place. */
	int (*build)(const struct root *root, struct gf_err *err);

	/* Builds an image of kernel VERSION at PATH (the host's own), which replaces nothing. */
	int (*build_to)(const struct root *root, const char *version, const char *path,
	                struct gf_err *err);

	/* Unpacks IMAGE into the empty directory DIR (both the host's own); *TREE is where in it
	 * the root of the image is ("" for DIR itself). */
	int (*unpack)(const struct root *root, const char *image, const char *dir,
	              const char **tree, struct gf_err *err);

	/* Does the unpacked image (a path as the process sees it) run our script before udev? WHY
	 * says what is in the way. */
	bool (*is_early)(const char *tree, char *why, size_t size);
};

/* The back end of that name, or NULL. */
const struct initramfs_tool *initramfs_tool_find(const char *name);

/* The back end that fits the host, or NULL. */
const struct initramfs_tool *initramfs_tool_detect(const struct root *root);

/* Does the host have its programs? */
bool initramfs_tool_is_there(const struct root *root, const struct initramfs_tool *tool);

/* Does this file of the host go into initramfs images, whatever tool it has? */
bool initramfs_tool_takes(const char *path);

/* The kernels that have both modules and an image: array of {"kernel": VERSION, "path": PATH},
 * sorted by version's text. */
json_t *initramfs_images(const struct root *root, const struct initramfs_tool *tool);

/* Unpacks IMAGE and compares it with what should be in it: every file of ours with the same
 * content, the script before udev, the drivers' modules (BUILTIN: array of modules that are in the
 * kernel). 1 as it should be, 0 not (WHY says), -1 with *err. initramfs_tree.c */
int initramfs_inspect(const struct root *root, const struct initramfs_tool *tool, const char *image,
                      const json_t *builtin, char *why, size_t size, struct gf_err *err);

/* Reads TREE/PATH, at most 1 MiB: malloc'd; NULL when it cannot be read. */
char *initramfs_tree_read(const char *tree, const char *path, size_t *size);

/* Is DRIVER's module in the unpacked image, or (BUILTIN: see above) in the kernel? */
bool initramfs_tree_has_driver(const char *tree, const json_t *builtin, const char *driver);

/* Removes an unpacked image, best effort. */
void initramfs_tree_remove(const char *path);

extern const struct initramfs_tool initramfs_debian, initramfs_dracut;

#endif
