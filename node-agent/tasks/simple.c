/* simple.c: the tasks that need little: a file, a command, a reboot. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/tasks/backup.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/tasks/task_types.h"

#define MAX_ARGS 256

/* The number of a name (or of digits) in /etc/passwd or /etc/group. Not by the C library: on the
 * host this agent runs with its own, whose name services may not fit. */
static int id_find(const struct root *root, const char *database, const char *name, long *id)
{
	char *end, *save = NULL;
	size_t length = strlen(name);

	*id = strtol(name, &end, 10);
	if (length > 0 && *end == '\0' && isdigit((unsigned char)*name))
		return 0;
	char *text = root_read_file(root, database, (size_t)4 << 20, NULL, NULL);
	int result = -1;
	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line && result != 0;
	     line = strtok_r(NULL, "\n", &save)) {
		char *field =
		    strchr(line + length < line + strlen(line) ? line + length : line, ':');
		if (strncmp(line, name, length) != 0 || field != line + length)
			continue;
		field = strchr(field + 1, ':');
		if (field && isdigit((unsigned char)field[1])) {
			*id = strtol(field + 1, NULL, 10);
			result = 0;
		}
	}
	free(text);
	return result;
}

/* "user", "user:group" or ":group" into the want. */
static int owner_read(const struct root *root, const char *owner, struct file_want *want,
                      struct gf_err *err)
{
	char user[64];
	long id;
	const char *colon = strchr(owner, ':');

	snprintf(user, sizeof(user), "%.*s", colon ? (int)(colon - owner) : 63, owner);
	want->own = true;
	if (*user && id_find(root, "/etc/passwd", user, &id) != 0)
		return gf_err_set(err, GF_E_BLOCKED, "the host has no user \"%s\"", user);
	want->uid = *user ? (uid_t)id : 0;
	const char *group = colon ? colon + 1 : "";
	if (*group && id_find(root, "/etc/group", group, &id) != 0)
		return gf_err_set(err, GF_E_BLOCKED, "the host has no group \"%s\"", group);
	want->gid = *group ? (gid_t)id : want->gid;
	return 0;
}

int file_task(struct task_run *run, struct gf_err *err)
{
	const char *owner = task_text(run, "owner", NULL), *mode = task_text(run, "mode", NULL);
	const json_t *content = json_object_get(run->task, "content");
	struct file_want want = {.path = task_text(run, "path", ""),
	                         .data = json_string_value(content),
	                         .size = json_string_length(content)};

	if (want.path[0] != '/' || !want.data)
		return gf_err_set(err, GF_E_TASK, "a file needs an absolute `path` and `content`");
	if (mode) {
		char *end;
		unsigned long bits = strtoul(mode, &end, 8);
		if (!*mode || *end || bits == 0 || bits > 07777)
			return gf_err_set(err, GF_E_TASK, "\"%s\" is not a mode such as \"0644\"",
			                  mode);
		want.mode = (mode_t)bits;
	}
	if (owner && owner_read(run->ctx->root, owner, &want, err) != 0)
		return -1;
	return task_file(run, &want, err);
}

int command_task(struct task_run *run, struct gf_err *err)
{
	const char *argv[MAX_ARGS + 1] = {NULL};
	const char *creates = task_text(run, "creates", NULL);
	const json_t *list = json_object_get(run->task, "argv"), *item;
	struct root_output output;
	size_t i;
	char line[256] = "";

	json_array_foreach(list, i, item)
	{
		if (i >= MAX_ARGS || !json_is_string(item))
			break;
		argv[i] = json_string_value(item);
		size_t used = strlen(line);
		snprintf(line + used, sizeof(line) - used, "%s%s", used ? " " : "", argv[i]);
	}
	if (!argv[0] || i != json_array_size(list))
		return gf_err_set(err, GF_E_TASK, "a command needs `argv`: 1 to %d strings",
		                  MAX_ARGS);
	if (creates && root_exists(run->ctx->root, creates))
		return task_say(run, TASK_OK, "%s is there", creates);
	if (run->mode == TASK_VERIFY && !creates)
		return task_say(run, TASK_OK,
		                "cannot be verified: it names nothing that it creates");
	if (run->mode == TASK_APPLY) {
		int result = root_run_ok(run->ctx->root, argv, task_seconds(run, "timeout", 300),
		                         &output, err);
		root_output_free(&output);
		if (result != 0)
			return -1;
		if (creates && !root_exists(run->ctx->root, creates))
			return gf_err_set(err, GF_E_TASK, "\"%s\" ran, but %s is not there", line,
			                  creates);
	}
	task_change(run, "run", line, NULL);
	return 0;
}

int reboot_task(struct task_run *run, struct gf_err *err)
{
	(void)err;
	if (!run->stage->changed || run->mode == TASK_VERIFY)
		return task_say(run, TASK_OK, "nothing changed, no reboot");
	run->result->reboot = true;
	return task_say(run, TASK_OK, "after this stage");
}
