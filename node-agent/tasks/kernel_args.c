/* kernel_args.c: brings the tokens of a stage's kernel_args tasks, and the inventory's, onto the
 * next boot's command line. Happy path: the boot loader's settings are written, its program runs,
 * and what it made of them is read again and has the tokens. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node-agent/boot/boot_loader.h"
#include "node-agent/tasks/backup.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"
#include "node-agent/trial/trial.h"
#include "node-agent/wire/json_text.h"

#define TEXT_LIMIT ((size_t)1 << 20)

static void line_look(struct kernel_line *line, const struct root *root,
                      const struct boot_loader *loader, const char **source)
{
	size_t size = 0;
	char *running = root_read_file(root, "/proc/cmdline", TEXT_LIMIT, &size, NULL);

	free(line->next);
	free(line->running);
	line->next = loader->next(root, source);
	line->running = running ? kernel_line_normal(running, size) : NULL;
	free(running);
}

/* Before → after, for people. */
static void line_change(struct task_run *run, const struct kernel_line *line)
{
	char *text = NULL;
	size_t size = 0, i;
	const json_t *item;
	FILE *out = open_memstream(&text, &size);
	char *copy = line->next ? strdup(line->next) : NULL, *save = NULL;

	if (out) {
		size_t length = line->next ? strlen(line->next) : 0;
		fprintf(out, "%.*s → ", length > 1 ? (int)length - 2 : 0,
		        length > 1 ? line->next + 1 : "");
		const char *gap = "";
		for (char *w = copy ? strtok_r(copy, " ", &save) : NULL; w;
		     w = strtok_r(NULL, " ", &save)) {
			char padded[512];
			bool gone = false;
			snprintf(padded, sizeof(padded), " %s ", w);
			json_array_foreach(line->remove, i, item) gone |=
			    kernel_line_has(padded, json_string_value(item));
			if (!gone) {
				fprintf(out, "%s%s", gap, w);
				gap = " ";
			}
		}
		json_array_foreach(line->add, i, item)
		{
			if (!kernel_line_has(line->next, json_string_value(item))) {
				fprintf(out, "%s%s", gap, json_string_value(item));
				gap = " ";
			}
		}
		fclose(out);
		task_change(run, run->mode == TASK_VERIFY ? "modify" : "run", "kernel command line",
		            text);
	}
	free(text);
	free(copy);
}

/* Was SOURCE made after this boot, so that a reboot would bring it? Unknown counts as yes. */
static bool is_newer_than_boot(const struct root *root, const char *source)
{
	struct stat st;
	char *text = root_read_file(root, "/proc/stat", TEXT_LIMIT, NULL, NULL);
	const char *field = text ? strstr(text, "\nbtime ") : NULL;
	long long boot = field ? atoll(field + 7) : 0;

	free(text);
	return boot == 0 || stat(root_path(root, source).text, &st) != 0 || st.st_mtime >= boot;
}

/* The words of the next boot's arguments that this stage takes away, and those that it brings: what
 * an undo must exchange. */
static json_t *arguments_record(const struct kernel_line *line)
{
	json_t *add = json_array(), *remove = json_array();
	char *copy = strdup(line->next ? line->next : ""), *save = NULL;
	size_t i;
	const json_t *item;

	json_array_foreach(line->add, i, item)
	{
		if (!kernel_line_has(line->next, json_string_value(item)))
			json_array_append_new(add, json_copy((json_t *)(uintptr_t)item));
	}
	for (char *word = copy ? strtok_r(copy, " ", &save) : NULL; word;
	     word = strtok_r(NULL, " ", &save)) {
		char padded[600];
		snprintf(padded, sizeof(padded), " %s ", word);
		json_array_foreach(line->remove, i, item)
		{
			if (kernel_line_has(padded, json_string_value(item))) {
				json_array_append_new(remove, json_string(word));
				break;
			}
		}
	}
	free(copy);
	return json_pack("{ss so so}", "kind", "arguments", "add", add, "remove", remove);
}

/* Runs the boot loader's program, what it changes kept and recorded. */
static int loader_update(struct task_run *run, const struct kernel_line *line,
                         const struct boot_loader *loader, struct gf_err *err)
{
	size_t i;
	const json_t *path;
	const struct root *root = run->ctx->root;
	const char *operation = run->ctx->operation_dir;
	json_t *paths = json_array();
	int result =
	    backup_record(operation, json_pack("{ssss}", "kind", "run", "what", "grub"), err);

	if (result == 0)
		result = backup_record(operation, arguments_record(line), err);
	if (loader->writes)
		loader->writes(root, paths);
	json_array_foreach(paths, i, path)
	{
		if (result == 0)
			result = file_edit_keep(root, operation, json_string_value(path), err);
	}
	if (result == 0)
		result = loader->update(root, line->add, line->remove, err);
	json_array_foreach(paths, i, path)
	{
		if (result == 0)
			result = file_edit_kept(root, operation, json_string_value(path), err);
	}
	json_decref(paths);
	return result;
}

static int line_apply(struct task_run *run, struct kernel_line *line,
                      const struct boot_loader *loader, bool write, struct gf_err *err)
{
	const struct root *root = run->ctx->root;
	const char *source;

	if (!write && !kernel_line_wrong(line, line->next))
		return 0;
	if (loader_update(run, line, loader, err) != 0)
		return -1;
	line_change(run, line);
	line_look(line, root, loader, &source);
	const char *wrong = kernel_line_wrong(line, line->next);
	if (wrong)
		return gf_err_set(
		    err, GF_E_TASK,
		    "%s ran, but %s of %s is not as wanted: look for what overrides %s",
		    loader->name, wrong, source, loader->hint);
	return 0;
}

static int settings_settle(struct task_run *run, struct kernel_line *line,
                           const struct boot_loader *loader, struct gf_err *err)
{
	struct boot_settings settings = {.text = NULL};

	if (!loader->settings)
		return 0;
	if (loader->settings(run->ctx->root, line, &settings, err) != 0)
		return -1;
	struct file_want want = {.path = settings.path,
	                         .data = settings.text,
	                         .size = settings.text ? strlen(settings.text) : 0};
	int result = task_file(run, &want, err);
	free(settings.text);
	return result;
}

/* The stage is tried first: the settings wait for its commit, and the arguments go onto the trial's
 * own entry. */
static int line_try(struct task_run *run, const struct kernel_line *line, bool write)
{
	trial_arguments(run->ctx->trial, line->add, line->remove);
	if (write || kernel_line_wrong(line, line->next))
		line_change(run, line);
	return 0;
}

static int line_settle(struct task_run *run, struct kernel_line *line,
                       const struct boot_loader *loader, struct gf_err *err)
{
	const struct root *root = run->ctx->root;
	const char *source;

	line_look(line, root, loader, &source);
	/* What a trial runs with becomes the default when it is committed. */
	if (run->ctx->trial_up && line->running && !kernel_line_wrong(line, line->running))
		return task_say(run, TASK_OK, "in effect in the trial boot");
	bool tried = run->mode == TASK_APPLY && run->ctx->trial;
	enum task_mode mode = run->mode;
	run->mode = tried ? TASK_PLAN : mode;
	int failed = settings_settle(run, line, loader, err);
	run->mode = mode;
	if (failed)
		return -1;
	bool write = json_array_size(run->result->changes) > 0;
	if (tried) {
		if (line_try(run, line, write) != 0)
			return -1;
	} else if (run->mode == TASK_APPLY) {
		if (line_apply(run, line, loader, write, err) != 0)
			return -1;
	} else if (write || kernel_line_wrong(line, line->next)) {
		line_change(run, line);
	}
	const char *wrong = line->running ? kernel_line_wrong(line, line->running) : NULL;
	if (!wrong)
		return 0;
	/* GRUB reads file systems without their journals: after a power cut it can find what was
	 * there before, although the kernel, which comes later, does not. */
	bool pending = write || run->ctx->restarted || is_newer_than_boot(root, source);
	run->result->reboot = run->mode != TASK_VERIFY && pending;
	if (run->mode == TASK_VERIFY)
		run->result->status = TASK_CHANGE;
	if (pending)
		return task_say(run, run->result->status,
		                "%s is not in effect on the running kernel: a reboot brings it",
		                wrong);
	return task_say(run, run->result->status,
	                "%s is not in effect on the running kernel: the host did not boot the "
	                "default entry (%s); look at what the boot loader's default is",
	                wrong, source);
}

static int line_collect(struct task_run *run, struct kernel_line *line, struct gf_err *err)
{
	size_t i;
	const json_t *task, *inventory = json_object_get(run->ctx->context, "kernel_args");

	json_array_foreach(json_object_get(run->stage->stage, "tasks"), i, task)
	{
		if (strcmp(json_text(task, "type"), "kernel_args") == 0 &&
		    task_is_applicable(run->ctx, task) &&
		    (token_set_add(line->add, json_object_get(task, "add"), err) != 0 ||
		     token_set_add(line->remove, json_object_get(task, "remove"), err) != 0))
			return -1;
	}
	if (token_set_add(line->add, json_object_get(inventory, "add"), err) != 0 ||
	    token_set_add(line->remove, json_object_get(inventory, "remove"), err) != 0)
		return -1;
	/* The inventory's `remove` takes back what a playbook adds. */
	const json_t *removed = json_object_get(inventory, "remove");
	for (i = json_array_size(line->add); i-- > 0;)
		if (token_set_has(removed, json_string_value(json_array_get(line->add, i))))
			json_array_remove(line->add, i);
	for (i = json_array_size(line->remove); i-- > 0;)
		if (token_set_has(line->add, json_string_value(json_array_get(line->remove, i))))
			json_array_remove(line->remove, i);
	return 0;
}

static const struct boot_loader *loader_find(const struct task_run *run)
{
	const char *name = fact_host(run->ctx, "boot_loader");

	if (*name && strcmp(name, "grub") != 0 && strcmp(name, "systemd-boot") != 0)
		return NULL;
	return boot_loader_detect(run->ctx->root);
}

static int loader_unknown(struct task_run *run)
{
	const char *name = fact_host(run->ctx, "boot_loader");

	return task_say(run, TASK_BLOCKED, "no way to set this host's kernel arguments (%s): %s",
	                *name ? name : "unknown boot loader", boot_loader_why_none(run->ctx->root));
}

int kernel_args_task(struct task_run *run, struct gf_err *err)
{
	const struct boot_loader *loader = loader_find(run);
	struct kernel_line line;
	char slug[64];

	if (run->stage->kernel_args_done)
		return task_say(run, TASK_OK,
		                "done with the first of this stage's kernel arguments");
	run->stage->kernel_args_done = true;
	if (!loader)
		return loader_unknown(run);
	task_slug(run->stage->name, slug);
	int result = kernel_line_init(&line);
	snprintf(line.mine, sizeof(line.mine), "# stage %s ", slug);
	if (result != 0)
		gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (result == 0)
		result = line_collect(run, &line, err);
	if (result == 0)
		result = line_settle(run, &line, loader, err);
	kernel_line_free(&line);
	return result;
}
