/* initramfs.c: the images are built again when something that goes into them changed, or when a
 * look into them says that it is missing (a kernel package built them, or somebody else did). What
 * was looked at is remembered with its fingerprint, so that the next look costs nothing. */
#include "node-agent/boot/boot_loader.h"
#include "node-agent/boot/initramfs_tool.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "node-agent/tasks/backup.h"
#include "node-agent/file_place.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"
#include "node-agent/trial/trial.h"
#include "node-agent/wire/json_text.h"
#include "node-agent/wire/sha256.h"

#define MARGIN ((unsigned long long)8 << 20)

/* Has the file system of DIRECTORY room for NEEDED bytes? */
static int directory_has_room(const struct root *root, const char *directory,
                              unsigned long long needed, struct gf_err *err)
{
	struct statvfs fs;

	if (statvfs(root_path(root, directory).text, &fs) != 0)
		return gf_err_errno(err, GF_E_IO, "cannot see how much room %s has", directory);
	unsigned long long free_bytes = (unsigned long long)fs.f_bavail * fs.f_frsize;
	if (free_bytes < needed)
		return gf_err_set(
		    err, GF_E_BLOCKED,
		    "%s has %llu MiB free and a new initramfs needs %llu MiB, %llu MiB "
		    "more: remove old kernels (apt-get autoremove --purge, dnf remove "
		    "--oldinstallonly), then run apply again",
		    directory, free_bytes >> 20, (needed >> 20) + 1,
		    ((needed - free_bytes) >> 20) + 1);
	return 0;
}

/* A new image stands beside the old one until it is complete; where the boot loader has copies of
 * its own, those, too. */
static int boot_has_room(const struct root *root, const struct initramfs_tool *tool,
                         struct gf_err *err)
{
	unsigned long long largest = 0;
	char copies[PATH_MAX] = "";
	json_t *images = initramfs_images(root, tool);
	size_t i;
	const json_t *item;

	json_array_foreach(images, i, item)
	{
		struct stat st;
		const char *path = json_text(item, "path"), *booted = json_text(item, "booted");
		if (stat(root_path(root, path).text, &st) == 0 &&
		    (unsigned long long)st.st_size > largest)
			largest = (unsigned long long)st.st_size;
		if (strcmp(path, booted) != 0)
			snprintf(copies, sizeof(copies), "%.*s",
			         (int)(strrchr(booted, '/') - booted), booted);
	}
	json_decref(images);
	unsigned long long needed = largest + largest / 10 + (largest ? MARGIN : 0);
	if (directory_has_room(root, "/boot", needed, err) != 0)
		return -1;
	return *copies ? directory_has_room(root, copies, needed, err) : 0;
}

int initramfs_update(const struct root *root, const struct initramfs_tool *tool, struct gf_err *err)
{
	if (boot_has_room(root, tool, err) != 0)
		return -1;
	unlink(root_path(root, INITRAMFS_SEEN).text);
	if (tool->build(root, err) != 0)
		return -1;
	const struct boot_loader *loader = boot_loader_detect(root);
	return loader && loader->refresh ? loader->refresh(root, err) : 0;
}

static void hash_file(const struct root *root, struct sha256 *hash, const char *path, bool *any)
{
	size_t size = 0;
	char *data = root_read_file(root, path, 1 << 20, &size, NULL);

	if (data) {
		sha256_update(hash, path, strlen(path) + 1);
		sha256_update(hash, data, size);
		*any = true;
	}
	free(data);
}

static int is_ours(const struct dirent *entry)
{
	return strncmp(entry->d_name, "gpufleet-", 9) == 0;
}

/* The fingerprint of all files of ours that go in; false when there are none. */
static bool fingerprint(const struct root *root, const struct initramfs_tool *tool,
                        char hex[SHA256_HEX_SIZE])
{
	struct sha256 hash;
	struct dirent **names = NULL;
	bool any = false;
	int count = scandir(root_path(root, MODPROBE_DIR).text, &names, is_ours, alphasort);

	sha256_init(&hash);
	hash_file(root, &hash, BIND_LIST, &any);
	for (size_t i = 0; i < tool->bind_count; i++)
		hash_file(root, &hash, tool->bind_files[i].path, &any);
	for (int i = 0; i < count; i++) {
		char path[400];
		snprintf(path, sizeof(path), MODPROBE_DIR "/%s", names[i]->d_name);
		hash_file(root, &hash, path, &any);
		free(names[i]);
	}
	free(names);
	sha256_final_hex(&hash, hex);
	return any;
}

/* {"fingerprint":…,"images":{KERNEL:"size mtime inode"}} as the images are now. */
static json_t *seen_now(const struct root *root, const json_t *list, const char *hex)
{
	json_t *images = json_object();
	size_t i;
	const json_t *item;

	json_array_foreach(list, i, item)
	{
		struct stat st;
		char text[128];
		if (stat(root_path(root, json_text(item, "booted")).text, &st) != 0)
			continue;
		snprintf(text, sizeof(text), "%lld %lld.%09ld %llu", (long long)st.st_size,
		         (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
		         (unsigned long long)st.st_ino);
		json_object_set_new(images, json_text(item, "kernel"), json_string(text));
	}
	return json_pack("{ss so}", "fingerprint", hex, "images", images);
}

static bool seen_before(const struct root *root, const json_t *now)
{
	char *text = root_read_file(root, INITRAMFS_SEEN, 1 << 20, NULL, NULL);
	json_t *before = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
	bool same = before && json_equal(before, now);

	json_decref(before);
	free(text);
	return same;
}

/* Best effort: without it the next look unpacks the images again. */
static void seen_write(const struct root *root, const json_t *now)
{
	const char *name;
	struct file_place_meta meta = {.mode = 0644, .uid = geteuid(), .gid = getegid()};
	char *text = json_dumps(now, JSON_COMPACT);

	mkdir(root_path(root, "/var/lib/gpufleet").text, 0755);
	int dir = file_place_parent(root, INITRAMFS_SEEN, &name, NULL);
	if (dir >= 0 && text)
		file_place_write(dir, name, INITRAMFS_SEEN, text, strlen(text), &meta, NULL);
	if (dir >= 0)
		close(dir);
	free(text);
}

/* All images: 1 right, 0 not (WHY), -1 *err. */
static int images_inspect(const struct task_context *ctx, const struct initramfs_tool *tool,
                          const json_t *images, char *why, size_t size, struct gf_err *err)
{
	size_t i;
	const json_t *item;
	const json_t *host = json_object_get(ctx->facts, "host");
	const json_t *builtin = json_object_get(json_object_get(host, "modules"), "builtin");

	json_array_foreach(images, i, item)
	{
		char reason[300] = "";
		const char *path = json_text(item, "booted");
		int right =
		    initramfs_inspect(ctx->root, tool, path, builtin, reason, sizeof(reason), err);
		if (right < 0)
			return -1;
		if (right == 0) {
			snprintf(why, size, "%s: %s", path, reason);
			return 0;
		}
	}
	return 1;
}

/* The image is not as it should be after it was built, or (-1) could not be looked into. */
static int images_wrong(const struct initramfs_tool *tool, int right, const char *why,
                        struct gf_err *err)
{
	if (right == 0)
		gf_err_set(err, GF_E_TASK,
		           "%s ran, but %s. Nothing was rebooted; look at %s and run %s by hand",
		           tool->program, why, tool->settings, tool->command);
	return -1;
}

/* A trial's own image, in the shape of initramfs_images(). */
static json_t *trial_images(const char *path)
{
	return json_pack("[{ss ss ss}]", "kernel", "trial", "path", path, "booted", path);
}

/* The stage is tried first: an image for the default entry's kernel, beside the untouched ones. */
static int image_try(struct task_run *run, const struct initramfs_tool *tool, const char *hex,
                     char *why, size_t size, struct gf_err *err)
{
	const struct root *root = run->ctx->root;
	struct trial *trial = run->ctx->trial;
	const char *path = "/boot/" TRIAL_IMAGE;

	if (tool->build_to(root, trial->kernel, path, err) != 0)
		return -1;
	task_change(run, "create", path, why);
	json_t *images = trial_images(path);
	int right = images_inspect(run->ctx, tool, images, why, size, err);
	if (right == 1) {
		json_t *seen = seen_now(root, images, hex);
		seen_write(root, seen);
		json_decref(seen);
		trial->image = true;
	}
	json_decref(images);
	return right == 1 ? 0 : images_wrong(tool, right, why, err);
}

static int images_rebuild(struct task_run *run, const struct initramfs_tool *tool,
                          const json_t *images, const char *hex, char *why, size_t size,
                          struct gf_err *err)
{
	const struct root *root = run->ctx->root;

	if (boot_has_room(root, tool, err) != 0)
		return -1;
	if (run->mode != TASK_APPLY) {
		task_change(run, "run", tool->command, why);
		return 0;
	}
	if (run->ctx->trial)
		return image_try(run, tool, hex, why, size, err);
	json_t *record = json_pack("{ssss}", "kind", "run", "what", "initramfs");
	if (backup_record(run->ctx->operation_dir, record, err) != 0 ||
	    initramfs_update(root, tool, err) != 0)
		return -1;
	task_change(run, "run", tool->command, why);
	int right = images_inspect(run->ctx, tool, images, why, size, err);
	if (right != 1)
		return images_wrong(tool, right, why, err);
	json_t *seen = seen_now(root, images, hex);
	seen_write(root, seen);
	json_decref(seen);
	return 0;
}

static int images_settle(struct task_run *run, const struct initramfs_tool *tool,
                         const json_t *images, struct gf_err *err)
{
	char hex[SHA256_HEX_SIZE], why[400] = "";
	const struct root *root = run->ctx->root;
	bool any = fingerprint(root, tool, hex);

	if (run->stage->initramfs_dirty) {
		snprintf(why, sizeof(why), "files that go into it changed");
		return images_rebuild(run, tool, images, hex, why, sizeof(why), err);
	}
	if (!any && !root_exists(root, INITRAMFS_SEEN))
		return task_say(run, TASK_OK, "nothing of gpufleet goes into it");
	json_t *seen = seen_now(root, images, hex);
	int right = seen_before(root, seen)
	                ? 1
	                : images_inspect(run->ctx, tool, images, why, sizeof(why), err);
	if (right == 1 && run->mode == TASK_APPLY && !seen_before(root, seen))
		seen_write(root, seen);
	json_decref(seen);
	if (right == 0)
		return images_rebuild(run, tool, images, hex, why, sizeof(why), err);
	return right < 0 ? -1
	                 : task_say(run, TASK_OK, "%zu images hold what they should",
	                            json_array_size(images));
}

const struct initramfs_tool *task_initramfs_tool(const struct task_run *run)
{
	const char *name = fact_host(run->ctx, "initramfs");
	const struct initramfs_tool *tool =
	    *name ? initramfs_tool_find(name) : initramfs_tool_detect(run->ctx->root);

	return tool && initramfs_tool_is_there(run->ctx->root, tool) ? tool : NULL;
}

int task_initramfs_unknown(struct task_run *run)
{
	const char *name = fact_host(run->ctx, "initramfs");

	return task_say(
	    run, TASK_BLOCKED,
	    "the host makes its initramfs with %s; only initramfs-tools and dracut "
	    "are supported: install one of them, or leave bind and initramfs out of the "
	    "playbook for this host",
	    *name ? name : "an unknown tool");
}

int initramfs_task(struct task_run *run, struct gf_err *err)
{
	const struct initramfs_tool *tool = task_initramfs_tool(run);
	int result;

	if (!tool)
		return task_initramfs_unknown(run);
	const struct trial_status *up = run->ctx->trial_up;
	/* In a trial boot its own image is what counts: the others follow when it is committed. */
	json_t *images =
	    up && *up->image ? trial_images(up->image) : initramfs_images(run->ctx->root, tool);
	if (json_array_size(images) == 0)
		result = task_say(run, TASK_BLOCKED,
		                  "no kernel of /lib/modules has an initramfs image: is /boot "
		                  "mounted?");
	else
		result = images_settle(run, tool, images, err);
	json_decref(images);
	return result;
}
