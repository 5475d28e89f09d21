/* bind.c: devices kept for a driver by address, from inside the initramfs: a list, a script that
 * runs before udev is there, and the hook that puts the list and the driver into the image. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/boot/bind_scripts.h"
#include "node-agent/boot/boot_loader.h"
#include "node-agent/boot/initramfs_tool.h"
#include "node-agent/tasks/bind_driver.h"
#include "node-agent/tasks/bind_live.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"

bool bind_driver_is_valid(const char *driver)
{
	size_t length =
	    strspn(driver, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return length > 0 && length <= 64 && driver[length] == '\0' && driver[0] != '-';
}

static int compare_lines(const void *a, const void *b)
{
	const char *const *first = a, *const *second = b;

	return strcmp(*first, *second);
}

/* The list's text, sorted by address; NULL with *err. */
static char *list_text(const struct task_run *run, const char *driver, struct gf_err *err)
{
	size_t count = wanted_count(run->ctx), size = 0;
	char **lines = calloc(count + 1, sizeof(*lines));
	char *text = NULL;
	bool good = lines != NULL;

	for (size_t i = 0; good && i < count; i++) {
		struct wanted_device d;
		good = wanted_get(run->ctx, i, &d, err) == 0 &&
		       asprintf(&lines[i], "%s %s %s %s %s %s", d.address, d.vendor, d.device,
		                d.subsystem_vendor, d.subsystem_device, driver) > 0;
	}
	FILE *out = good ? open_memstream(&text, &size) : NULL;
	if (out) {
		qsort(lines, count, sizeof(*lines), compare_lines);
		fputs(bind_list_head, out);
		for (size_t i = 0; i < count; i++)
			fprintf(out, "%s\n", lines[i]);
		fclose(out);
	}
	for (size_t i = 0; lines && i < count; i++)
		free(lines[i]);
	free(lines);
	return text;
}

/* Are the devices still where they were? A difference blocks: nothing is bound by mistake. */
static bool devices_are_there(struct task_run *run, struct gf_err *err)
{
	for (size_t i = 0; i < wanted_count(run->ctx); i++) {
		struct wanted_device device;
		char why[400] = "";
		if (wanted_get(run->ctx, i, &device, err) != 0)
			return false;
		if (!wanted_present(run->ctx, &device, why, sizeof(why))) {
			gf_err_set(err, GF_E_BLOCKED, "%s", why);
			return false;
		}
	}
	return true;
}

/* A line "nouveau → vfio-pci" for each device that is on another driver. */
static size_t drivers_report(struct task_run *run, const char *driver)
{
	size_t count = 0;

	for (size_t i = 0; i < wanted_count(run->ctx); i++) {
		struct wanted_device device;
		char now[64], diff[160];
		if (wanted_get(run->ctx, i, &device, NULL) != 0)
			continue;
		wanted_driver(run->ctx, device.address, now, sizeof(now));
		if (strcmp(now, driver) == 0)
			continue;
		snprintf(diff, sizeof(diff), "%s → %s", *now ? now : "(none)", driver);
		task_change(run, "driver", device.address, diff);
		count++;
	}
	return count;
}

/* The list (NULL: nothing is wanted), and what brings it into the image. */
static int files_settle(struct task_run *run, const struct initramfs_tool *tool, const char *list,
                        struct gf_err *err)
{
	struct file_want want = {
	    .path = BIND_LIST, .data = list, .size = list ? strlen(list) : 0, .mode = 0644};
	int result = task_file(run, &want, err);

	for (size_t i = 0; tool && i < tool->bind_count && result == 0; i++) {
		const struct initramfs_file *file = &tool->bind_files[i];
		want = (struct file_want){.path = file->path,
		                          .data = list ? file->text : NULL,
		                          .size = strlen(file->text),
		                          .mode = file->mode};
		result = task_file(run, &want, err);
	}
	return result;
}

int bind_task(struct task_run *run, struct gf_err *err)
{
	const char *driver = task_text(run, "driver", "vfio-pci");
	bool any = wanted_count(run->ctx) > 0;

	if (!bind_driver_is_valid(driver))
		return gf_err_set(err, GF_E_TASK, "\"%s\" is not the name of a driver", driver);
	const struct initramfs_tool *tool = task_initramfs_tool(run);
	if (!tool && any)
		return task_initramfs_unknown(run);
	const struct boot_loader *loader = boot_loader_detect(run->ctx->root);
	const char *why =
	    any && loader && loader->no_initramfs ? loader->no_initramfs(run->ctx->root) : NULL;
	if (why)
		return task_say(run, TASK_BLOCKED, "%s", why);
	char hindered[BIND_DRIVER_WHY];
	if (any && run->mode != TASK_VERIFY && !bind_driver_loads(run->ctx->root, driver, hindered))
		return task_say(run, TASK_BLOCKED, "%s", hindered);
	if (!devices_are_there(run, err))
		return -1;
	char *list = any ? list_text(run, driver, err) : NULL;
	if (any && !list)
		return -1;
	int result = files_settle(run, tool, list, err);
	free(list);
	if (result != 0)
		return -1;
	bool changed = run->result->status == TASK_CHANGE;
	size_t off = 0;
	if (changed || run->mode == TASK_VERIFY)
		off = drivers_report(run, driver);
	if (any && run->mode == TASK_APPLY && run->stage->live &&
	    bind_live_all(run, driver, err) != 0)
		return -1;
	const char *when = run->stage->live && !run->stage->boot_changed
	                       ? ", without a reboot"
	                       : ", from the next boot on";
	return task_say(run, run->result->status, "%zu devices for %s%s", wanted_count(run->ctx),
	                driver, off && run->mode != TASK_VERIFY ? when : "");
}
