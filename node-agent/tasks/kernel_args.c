/* kernel_args.c: brings the tokens of a stage's kernel_args tasks, and the inventory's, onto the
 * next boot's command line. Happy path: the drop-in is written, update-grub runs, grub.cfg has
 * them. */
#include "node-agent/tasks/kernel_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node-agent/tasks/backup.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"

#define UPDATE_TIMEOUT 900
#define TEXT_LIMIT     ((size_t)1 << 20)

/* What stays of OURS, and what must come to it, in the order of WANTED. */
static void set_settle(json_t **ours, const json_t *wanted, const char *grub, bool present_is_done)
{
	size_t i;
	const json_t *item;
	json_t *next = json_array();

	json_array_foreach(wanted, i, item)
	{
		const char *token = json_string_value(item);
		if (token_set_has(*ours, token) || kernel_line_has(grub, token) != present_is_done)
			json_array_append_new(next, json_string(token));
	}
	json_decref(*ours);
	*ours = next;
}

int grub_update(const struct root *root, struct gf_err *err)
{
	struct root_output output;
	const char *const argv[] = {"update-grub", NULL};
	int result = root_run_ok(root, argv, UPDATE_TIMEOUT, &output, err);

	root_output_free(&output);
	return result;
}

/* Before → after, for people. */
static void line_change(struct task_run *run, const struct kernel_line *line)
{
	char *text = NULL;
	size_t size = 0, i;
	const json_t *item;
	FILE *out = open_memstream(&text, &size);
	char *copy = line->grub ? strdup(line->grub) : NULL, *save = NULL;

	if (out) {
		size_t length = line->grub ? strlen(line->grub) : 0;
		fprintf(out, "%.*s → ", length > 1 ? (int)length - 2 : 0,
		        length > 1 ? line->grub + 1 : "");
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
			if (!kernel_line_has(line->grub, json_string_value(item))) {
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

/* Was grub.cfg made after this boot, so that a reboot would bring it? Unknown counts as yes. */
static bool grub_is_newer_than_boot(const struct root *root)
{
	struct stat st;
	char *text = root_read_file(root, "/proc/stat", TEXT_LIMIT, NULL, NULL);
	const char *field = text ? strstr(text, "\nbtime ") : NULL;
	long long boot = field ? atoll(field + 7) : 0;

	free(text);
	return boot == 0 || stat(root_path(root, GRUB_CONFIG).text, &st) != 0 ||
	       st.st_mtime >= boot;
}

static int line_apply(struct task_run *run, struct kernel_line *line, bool write,
                      struct gf_err *err)
{
	const struct root *root = run->ctx->root;
	json_t *record = json_pack("{ssss}", "kind", "run", "what", "grub");

	if (!write && !kernel_line_wrong(line, line->grub)) {
		json_decref(record);
		return 0;
	}
	if (backup_record(run->ctx->operation_dir, record, err) != 0 || grub_update(root, err) != 0)
		return -1;
	line_change(run, line);
	kernel_line_look(line, root);
	const char *wrong = kernel_line_wrong(line, line->grub);
	if (wrong)
		return gf_err_set(
		    err, GF_E_TASK,
		    "update-grub ran, but %s of %s is not as wanted: look for what overrides "
		    "GRUB_CMDLINE_LINUX_DEFAULT in /etc/default/grub.d and /etc/grub.d",
		    wrong, GRUB_CONFIG);
	return 0;
}

static int line_settle(struct task_run *run, struct kernel_line *line, struct gf_err *err)
{
	struct file_state dropin;
	const struct root *root = run->ctx->root;

	if (file_edit_read(root, GRUB_DROPIN, &dropin, err) != 0)
		return -1;
	grub_dropin_parse(line, dropin.data);
	file_state_free(&dropin);
	kernel_line_look(line, root);
	set_settle(&line->add_ours, line->add, line->grub, true);
	set_settle(&line->remove_ours, line->remove, line->grub, false);
	char *text = grub_dropin_text(line);
	struct file_want want = {
	    .path = GRUB_DROPIN, .data = text, .size = text ? strlen(text) : 0};
	int result = task_file(run, &want, err);
	free(text);
	if (result != 0)
		return -1;
	bool write = json_array_size(run->result->changes) > 0;
	if (run->mode == TASK_APPLY) {
		if (line_apply(run, line, write, err) != 0)
			return -1;
	} else if (write || kernel_line_wrong(line, line->grub)) {
		line_change(run, line);
	}
	const char *wrong = line->running ? kernel_line_wrong(line, line->running) : NULL;
	if (!wrong)
		return 0;
	bool pending = write || grub_is_newer_than_boot(root);
	run->result->reboot = run->mode != TASK_VERIFY && pending;
	if (run->mode == TASK_VERIFY)
		run->result->status = TASK_CHANGE;
	return task_say(
	    run, run->result->status, "%s is not in effect on the running kernel: %s", wrong,
	    pending ? "a reboot brings it"
	            : "the host did not boot GRUB's first entry; look at grub-editenv list and "
	              "GRUB_DEFAULT");
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

int kernel_args_task(struct task_run *run, struct gf_err *err)
{
	const char *loader = fact_host(run->ctx, "boot_loader");
	struct kernel_line line = {.add = json_array(),
	                           .remove = json_array(),
	                           .add_ours = json_array(),
	                           .remove_ours = json_array()};
	char slug[64];

	if (run->stage->kernel_args_done) {
		task_say(run, TASK_OK, "done with the first of this stage's kernel arguments");
		goto done;
	}
	run->stage->kernel_args_done = true;
	if ((*loader && strcmp(loader, "grub") != 0) ||
	    !root_program_exists(run->ctx->root, "update-grub")) {
		task_say(run, TASK_BLOCKED,
		         "the host boots with %s and has no update-grub: only GRUB as on Debian "
		         "and Ubuntu "
		         "is supported",
		         *loader ? loader : "an unknown loader");
		goto done;
	}
	task_slug(run->stage->name, slug);
	snprintf(line.mine, sizeof(line.mine), "# stage %s ", slug);
	int result = line_collect(run, &line, err);
	if (result == 0)
		result = line_settle(run, &line, err);
	free(line.grub);
	free(line.running);
	free(line.others);
	json_decref(line.add);
	json_decref(line.remove);
	json_decref(line.add_ours);
	json_decref(line.remove_ours);
	return result;
done:
	json_decref(line.add);
	json_decref(line.remove);
	json_decref(line.add_ours);
	json_decref(line.remove_ours);
	return 0;
}
