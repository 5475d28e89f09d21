/* grub_dropin.c: the late drop-in of GRUB's settings, which takes tokens away from what the other
 * files gave and appends to it. A "# stage" line remembers what each stage asked for. */
#include "node-agent/boot/grub_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void grub_dropin_parse(struct kernel_line *line, char *text)
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
			if (kernel_token_valid(word))
				json_array_append_new(set, json_string(word));
	}
	if (others)
		fclose(others);
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
			if (kernel_token_valid(word) && !token_set_has(set, word))
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

char *grub_dropin_text(const struct kernel_line *line)
{
	const char *lines[64] = {NULL};
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
