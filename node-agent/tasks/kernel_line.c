/* kernel_line.c: see kernel_line.h. What GRUB's files give is looked up where it ends, in the
 * generated grub.cfg. */
#include "node-agent/tasks/kernel_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/tasks/task_types.h"

#define TEXT_LIMIT ((size_t)4 << 20)

bool kernel_token_valid(const char *text)
{
	size_t length =
	    strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	                 "_.,:=/@+%~*-");

	return length > 0 && length <= 256 && text[length] == '\0';
}

bool token_set_has(const json_t *set, const char *token)
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

int token_set_add(json_t *set, const json_t *tokens, struct gf_err *err)
{
	size_t i;
	const json_t *item;

	json_array_foreach(tokens, i, item)
	{
		const char *token = json_string_value(item);
		if (!token || !kernel_token_valid(token))
			return gf_err_set(err, GF_E_TASK, "\"%s\" cannot be a kernel argument here",
			                  token ? token : "(not a string)");
		if (!token_set_has(set, token))
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
bool kernel_line_has(const char *line, const char *token)
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

int kernel_line_look(struct kernel_line *line, const struct root *root)
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

/* The first token that is not as it should be on TEXT; NULL when all are. */
const char *kernel_line_wrong(const struct kernel_line *line, const char *text)
{
	size_t i;
	const json_t *item;

	json_array_foreach(line->add, i, item)
	{
		if (!kernel_line_has(text, json_string_value(item)))
			return json_string_value(item);
	}
	json_array_foreach(line->remove, i, item)
	{
		if (kernel_line_has(text, json_string_value(item)))
			return json_string_value(item);
	}
	return NULL;
}
