/* grub.c: the kernel command line as a set of tokens, through a late drop-in of GRUB's settings
 * that appends and takes away. What other files give is looked up where it ends: the generated
 * grub.cfg. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "node-agent/tasks/backup.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"

#define UPDATE_TIMEOUT 900
#define TEXT_LIMIT     ((size_t)4 << 20)

/* The tokens of one stage, and everything known of the next boot's command line. */
struct kernel_line {
	char *grub;           /* " a b c " of the first entry of grub.cfg; NULL: no such file */
	char *running;        /* " a b c " of /proc/cmdline; NULL: unknown */
	json_t *add, *remove; /* wanted by this stage, without repeats */
	json_t *add_ours, *remove_ours; /* what this stage's part of the drop-in will hold */
	char *others;                   /* lines of the drop-in that belong to other stages */
	char mine[80];                  /* "# stage NAME " */
};

static bool is_token(const char *text)
{
	size_t length =
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                 "_.,:=/@+%~*-");

	return length > 0 && length <= 256 && text[length] == '\0';
}

static bool set_has(const json_t *set, const char *token)
{
	size_t i;
	const json_t *item;

	json_array_foreach(set, i, item)
	{
		if (strcmp(json_string_value(item), token) == 0)
			return true;
	}
	return false;
}

static int set_add(json_t *set, const json_t *tokens, struct gf_err *err)
{
	size_t i;
	const json_t *item;

	json_array_foreach(tokens, i, item)
	{
		const char *token = json_string_value(item);
		if (!token || !is_token(token))
			return gf_err_set(err, GF_E_TASK, "\"%s\" cannot be a kernel argument here",
			                  token ? token : "(not a string)");
		if (!set_has(set, token))
			json_array_append_new(set, json_string(token));
	}
	return 0;
}

/* " a b c " of a line, so that " b " can be looked up. */
static char *line_normal(const char *line, size_t length)
{
	char *text = malloc(length + 3);
	size_t used = 0;

	if (!text)
		return NULL;
	text[used++] = ' ';
	for (size_t i = 0; i < length; i++) {
		char c = line[i] == '\t' || line[i] == '\n' ? ' ' : line[i];
		if (c != ' ' || text[used - 1] != ' ')
			text[used++] = c;
	}
	if (text[used - 1] != ' ')
		text[used++] = ' ';
	text[used] = '\0';
	return text;
}

/* Does the line have TOKEN? A token that ends in "=" stands for any value. */
static bool line_has(const char *line, const char *token)
{
	char padded[300];
	size_t length = strlen(token);

	snprintf(padded, sizeof(padded), " %s%s", token, token[length - 1] == '=' ? "" : " ");
	return line && strstr(line, padded) != NULL;
}

/* The arguments of the first "linux" line, which is the default entry's kernel. */
static char *grub_line(const char *config)
{
	for (const char *line = config; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		const char *p = line + strspn(line, " \t");
		if (strncmp(p, "linux", 5) != 0)
			continue;
		p += strcspn(p, " \t\n");
		p += strspn(p, " \t");
		p += strcspn(p, " \t\n"); /* the image */
		return line_normal(p, strcspn(p, "\n"));
	}
	return NULL;
}

static char *file_text(const struct root *root, const char *path)
{
	return root_read_file(root, path, TEXT_LIMIT, NULL, NULL);
}

static int line_look(struct kernel_line *line, const struct root *root)
{
	char *config = file_text(root, GRUB_CONFIG), *running = file_text(root, "/proc/cmdline");

	free(line->grub);
	free(line->running);
	line->grub = config ? grub_line(config) : NULL;
	line->running = running ? line_normal(running, strlen(running)) : NULL;
	free(config);
	free(running);
	return line->grub ? 0 : -1;
}

/* Reads the drop-in: this stage's tokens into the sets, other stages' lines as they are. */
static void dropin_parse(struct kernel_line *line, char *text)
{
	size_t size = 0;
	char *save = NULL;
	FILE *others = open_memstream(&line->others, &size);

	for (char *l = text ? strtok_r(text, "\n", &save) : NULL; l && others;
	     l = strtok_r(NULL, "\n", &save)) {
		if (strncmp(l, "# stage ", 8) != 0)
			continue;
		if (strncmp(l, line->mine, strlen(line->mine)) != 0) {
			fprintf(others, "%s\n", l);
			continue;
		}
		char *words = NULL, *word = strtok_r(l + strlen(line->mine), " ", &words);
		json_t *set = word && strcmp(word, "add") == 0 ? line->add_ours : line->remove_ours;
		while ((word = strtok_r(NULL, " ", &words)))
			if (is_token(word))
				json_array_append_new(set, json_string(word));
	}
	if (others)
		fclose(others);
}

/* What stays of OURS, and what must come to it, in the order of WANTED. */
static void set_settle(json_t **ours, const json_t *wanted, const char *grub, bool present_is_done)
{
	size_t i;
	const json_t *item;
	json_t *next = json_array();

	json_array_foreach(wanted, i, item)
	{
		const char *token = json_string_value(item);
		if (set_has(*ours, token) || line_has(grub, token) != present_is_done)
			json_array_append_new(next, json_string(token));
	}
	json_decref(*ours);
	*ours = next;
}

static void words_print(FILE *out, const json_t *set, const char *before, const char *after)
{
	size_t i;
	const json_t *item;

	json_array_foreach(set, i, item)
	    fprintf(out, "%s%s%s", before, json_string_value(item), after);
}

static void shell_print(FILE *out, const json_t *add, const json_t *remove)
{
	size_t i;
	const json_t *item;

	if (json_array_size(remove) > 0) {
		fputs("gpufleet_without() (\n\tset -f\n\tkept=\n\tfor word in $1; do\n\t\tcase "
		      "$word in\n",
		      out);
		json_array_foreach(remove, i, item)
		{
			const char *token = json_string_value(item);
			fprintf(out, "\t\t'%s'%s) ;;\n", token,
			        token[strlen(token) - 1] == '=' ? "*" : "");
		}
		fputs("\t\t*) kept=\"$kept $word\" ;;\n\t\tesac\n\tdone\n"
		      "\tprintf '%s' \"${kept# }\"\n)\n"
		      "GRUB_CMDLINE_LINUX=$(gpufleet_without \"${GRUB_CMDLINE_LINUX:-}\")\n"
		      "GRUB_CMDLINE_LINUX_DEFAULT=$(gpufleet_without "
		      "\"${GRUB_CMDLINE_LINUX_DEFAULT:-}\")\n",
		      out);
	}
	if (json_array_size(add) > 0) {
		fputs("for gpufleet_arg in", out);
		words_print(out, add, " '", "'");
		fputs("; do\n"
		      "\tcase \" ${GRUB_CMDLINE_LINUX:-} ${GRUB_CMDLINE_LINUX_DEFAULT:-} \" in\n"
		      "\t*\" $gpufleet_arg \"*) ;;\n"
		      "\t*) GRUB_CMDLINE_LINUX_DEFAULT=\"${GRUB_CMDLINE_LINUX_DEFAULT:-} "
		      "$gpufleet_arg\" ;;\n"
		      "\tesac\ndone\n",
		      out);
	}
}

/* Adds the tokens of the "# stage" lines to the sets. */
static void lines_merge(const char *const *lines, size_t count, json_t *add, json_t *remove)
{
	for (size_t i = 0; i < count; i++) {
		char *copy = strdup(lines[i]), *words = NULL;
		char *word =
		    copy ? strtok_r(copy, " ", &words) : NULL; /* "#" "stage" NAME VERB … */
		for (int n = 0; word && n < 3; n++)
			word = strtok_r(NULL, " ", &words);
		json_t *set = word && strcmp(word, "add") == 0 ? add : remove;
		while (word && (word = strtok_r(NULL, " ", &words)))
			if (is_token(word) && !set_has(set, word))
				json_array_append_new(set, json_string(word));
		free(copy);
	}
}

static int compare_lines(const void *a, const void *b)
{
	const char *const *first = a, *const *second = b;

	return strcmp(*first, *second);
}

/* The "# stage" lines of every stage, this one's as they should be; NULL when out of memory. */
static char *stage_lines(const struct kernel_line *line)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	fputs(line->others ? line->others : "", out);
	if (json_array_size(line->add_ours) > 0) {
		fprintf(out, "%sadd", line->mine);
		words_print(out, line->add_ours, " ", "");
		fputc('\n', out);
	}
	if (json_array_size(line->remove_ours) > 0) {
		fprintf(out, "%sremove", line->mine);
		words_print(out, line->remove_ours, " ", "");
		fputc('\n', out);
	}
	fclose(out);
	return text;
}

static void dropin_print(FILE *out, const char *const *lines, size_t count)
{
	json_t *add = json_array(), *remove = json_array();

	fputs("# Written by gpufleet; \"gpufleet rollback\" takes it away again. Read after the "
	      "other\n"
	      "# files here: takes arguments away from what they gave, and appends to it.\n",
	      out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s\n", lines[i]);
	lines_merge(lines, count, add, remove);
	shell_print(out, add, remove);
	json_decref(add);
	json_decref(remove);
}

/* The drop-in's text, the same whichever stage asks; NULL when nothing of ours is needed. */
static char *dropin_text(const struct kernel_line *line)
{
	const char *lines[64];
	char *text = NULL, *save = NULL, *all = stage_lines(line);
	size_t size = 0, count = 0;

	for (char *l = all ? strtok_r(all, "\n", &save) : NULL; l && count < 64;
	     l = strtok_r(NULL, "\n", &save))
		lines[count++] = l;
	qsort(lines, count, sizeof(lines[0]), compare_lines);
	FILE *out = count > 0 ? open_memstream(&text, &size) : NULL;
	if (out) {
		dropin_print(out, lines, count);
		fclose(out);
	}
	free(all);
	return text;
}

int grub_update(const struct root *root, struct gf_err *err)
{
	struct root_output output;
	const char *const argv[] = {"update-grub", NULL};
	int result = root_run_ok(root, argv, UPDATE_TIMEOUT, &output, err);

	root_output_free(&output);
	return result;
}

/* The first token that is not as it should be on TEXT; NULL when all are. */
static const char *line_wrong(const struct kernel_line *line, const char *text)
{
	size_t i;
	const json_t *item;

	json_array_foreach(line->add, i, item)
	{
		if (!line_has(text, json_string_value(item)))
			return json_string_value(item);
	}
	json_array_foreach(line->remove, i, item)
	{
		if (line_has(text, json_string_value(item)))
			return json_string_value(item);
	}
	return NULL;
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
			    line_has(padded, json_string_value(item));
			if (!gone) {
				fprintf(out, "%s%s", gap, w);
				gap = " ";
			}
		}
		json_array_foreach(line->add, i, item)
		{
			if (!line_has(line->grub, json_string_value(item))) {
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
	char *text = file_text(root, "/proc/stat");
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

	if (!write && !line_wrong(line, line->grub)) {
		json_decref(record);
		return 0;
	}
	if (backup_record(run->ctx->operation_dir, record, err) != 0 || grub_update(root, err) != 0)
		return -1;
	line_change(run, line);
	line_look(line, root);
	const char *wrong = line_wrong(line, line->grub);
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
	dropin_parse(line, dropin.data);
	file_state_free(&dropin);
	line_look(line, root);
	set_settle(&line->add_ours, line->add, line->grub, true);
	set_settle(&line->remove_ours, line->remove, line->grub, false);
	char *text = dropin_text(line);
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
	} else if (write || line_wrong(line, line->grub)) {
		line_change(run, line);
	}
	const char *wrong = line->running ? line_wrong(line, line->running) : NULL;
	if (!wrong)
		return 0;
	bool pending = grub_is_newer_than_boot(root);
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
		    (set_add(line->add, json_object_get(task, "add"), err) != 0 ||
		     set_add(line->remove, json_object_get(task, "remove"), err) != 0))
			return -1;
	}
	if (set_add(line->add, json_object_get(inventory, "add"), err) != 0 ||
	    set_add(line->remove, json_object_get(inventory, "remove"), err) != 0)
		return -1;
	/* The inventory's `remove` takes back what a playbook adds. */
	const json_t *removed = json_object_get(inventory, "remove");
	for (i = json_array_size(line->add); i-- > 0;)
		if (set_has(removed, json_string_value(json_array_get(line->add, i))))
			json_array_remove(line->add, i);
	for (i = json_array_size(line->remove); i-- > 0;)
		if (set_has(line->add, json_string_value(json_array_get(line->remove, i))))
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
