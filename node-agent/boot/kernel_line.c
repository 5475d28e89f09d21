/* kernel_line.c: see kernel_line.h. */
#include "node-agent/boot/kernel_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int kernel_line_init(struct kernel_line *line)
{
	*line = (struct kernel_line){.add = json_array(),
	                             .remove = json_array(),
	                             .add_ours = json_array(),
	                             .remove_ours = json_array()};
	return line->add && line->remove && line->add_ours && line->remove_ours ? 0 : -1;
}

void kernel_line_free(struct kernel_line *line)
{
	free(line->next);
	free(line->running);
	free(line->others);
	json_decref(line->add);
	json_decref(line->remove);
	json_decref(line->add_ours);
	json_decref(line->remove_ours);
}

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

char *kernel_line_normal(const char *line, size_t length)
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

bool kernel_line_has(const char *line, const char *token)
{
	char padded[300];
	size_t length = strlen(token);

	snprintf(padded, sizeof(padded), " %s%s", token, token[length - 1] == '=' ? "" : " ");
	return line && strstr(line, padded) != NULL;
}

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

static void set_settle(json_t **ours, const json_t *wanted, const char *next, bool present_is_done)
{
	size_t i;
	const json_t *item;
	json_t *settled = json_array();

	json_array_foreach(wanted, i, item)
	{
		const char *token = json_string_value(item);
		if (token_set_has(*ours, token) || kernel_line_has(next, token) != present_is_done)
			json_array_append_new(settled, json_string(token));
	}
	json_decref(*ours);
	*ours = settled;
}

void kernel_line_settle(struct kernel_line *line)
{
	set_settle(&line->add_ours, line->add, line->next, true);
	set_settle(&line->remove_ours, line->remove, line->next, false);
}
