/* bad_inputs.h: walks a folder of malformed files, each with its exact message in NAME.expected. */
#ifndef GPUFLEET_TEST_BAD_INPUTS_H
#define GPUFLEET_TEST_BAD_INPUTS_H

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/wire/error.h"

/* Reads PATH; returns whether it was taken. */
typedef bool bad_input_reader(const char *path, struct gf_err *err);

static void expected_read(const char *path, char *text, size_t size)
{
	char name[PATH_MAX];
	snprintf(name, sizeof(name), "%.*s.expected", (int)strlen(path) - 5, path);
	FILE *file = fopen(name, "r");
	if (!file || !fgets(text, (int)size, file))
		snprintf(text, size, "(%s is missing)", name);
	text[strcspn(text, "\n")] = '\0';
	if (file)
		fclose(file);
}

/* Returns how many files there were; *wrong counts those that were taken or got another message. */
static size_t bad_inputs_walk(const char *dir, bad_input_reader *reader, size_t *wrong)
{
	struct dirent **entries;
	size_t seen = 0;
	int count = scandir(dir, &entries, NULL, alphasort);
	*wrong = 0;
	for (int i = 0; i < count; i++) {
		size_t length = strlen(entries[i]->d_name);
		char path[PATH_MAX], expected[1024];
		struct gf_err err = {0};
		if (length > 5 && (!strcmp(entries[i]->d_name + length - 5, ".json") ||
		                   !strcmp(entries[i]->d_name + length - 5, ".conf"))) {
			seen++;
			snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
			expected_read(path, expected, sizeof(expected));
			bool taken = reader(path, &err);
			const char *message = taken ? "(taken without a word)" : err.msg;
			if (!strncmp(message, dir, strlen(dir)))
				message += strlen(dir) + 1;
			if (strcmp(message, expected)) {
				fprintf(stderr, "%s:\n  expected: %s\n  got:      %s\n",
				        entries[i]->d_name, expected, message);
				(*wrong)++;
			}
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return seen;
}

#endif
