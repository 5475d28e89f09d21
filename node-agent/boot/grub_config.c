/* grub_config.c: see grub_config.h. All of GRUB's settings end up in the generated grub.cfg, so
 * that is where they are looked at; tuned's arguments and those of older boot entries are
 * variables. */
#include "node-agent/boot/grub_config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_LIMIT ((size_t)4 << 20)
#define GRUB2_CFG  "/boot/grub2/grub.cfg"

/* The value after KEY of the first line that begins with it, quotes taken away. */
static char *line_value(const char *text, const char *key, bool quoted)
{
	for (const char *line = text; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		line += strspn(line, " \t");
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		const char *value = line + strlen(key);
		size_t length = strcspn(value, "\n");
		if (quoted && length > 0 && (*value == '"' || *value == '\'')) {
			const char *end = memchr(value + 1, *value, length - 1);
			length = end ? (size_t)(end - value) - 1 : length - 1;
			value++;
		}
		return strndup(value, length);
	}
	return NULL;
}

char *grub_variable(const struct root *root, const struct grub_files *files, const char *name)
{
	char key[80], *value = NULL;
	char *text = files->environment
	                 ? root_read_file(root, files->environment, TEXT_LIMIT, NULL, NULL)
	                 : NULL;

	snprintf(key, sizeof(key), "%s=", name);
	value = line_value(text, key, false);
	free(text);
	if (value)
		return value;
	text = root_read_file(root, files->config, TEXT_LIMIT, NULL, NULL);
	snprintf(key, sizeof(key), "set %s=", name);
	value = line_value(text, key, true);
	free(text);
	return value;
}

/* The name in "$name" or "${name}"; false when WORD is something else. */
static bool word_variable(const char *word, char name[64])
{
	bool braces = word[0] == '$' && word[1] == '{';
	const char *start = word + (braces ? 2 : 1);
	size_t length = 0;

	if (word[0] != '$')
		return false;
	while (isalnum((unsigned char)start[length]) || start[length] == '_')
		length++;
	if (length == 0 || length > 60 || strcmp(start + length, braces ? "}" : "") != 0)
		return false;
	snprintf(name, 64, "%.*s", (int)length, start);
	return true;
}

char *grub_expand(const struct root *root, const struct grub_files *files, const char *text)
{
	char *copy = strdup(text), *save = NULL, *expanded = NULL, *line;
	size_t size = 0;
	FILE *out = copy ? open_memstream(&expanded, &size) : NULL;

	for (char *word = out ? strtok_r(copy, " \t\n", &save) : NULL; word;
	     word = strtok_r(NULL, " \t\n", &save)) {
		char name[64];
		char *value =
		    files && word_variable(word, name) ? grub_variable(root, files, name) : NULL;
		fprintf(out, " %s", value ? value : word);
		free(value);
	}
	free(copy);
	if (!out || fclose(out) != 0)
		return NULL;
	line = kernel_line_normal(expanded, size);
	free(expanded);
	return line;
}

static char *config_arguments(const char *config)
{
	for (const char *line = config; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		const char *p = line + strspn(line, " \t");
		if (strncmp(p, "linux", 5) != 0)
			continue;
		p += strcspn(p, " \t\n");
		p += strspn(p, " \t");
		p += strcspn(p, " \t\n"); /* the image */
		return strndup(p, strcspn(p, "\n"));
	}
	return NULL;
}

char *grub_config_arguments(const struct root *root, const struct grub_files *files)
{
	char *config = root_read_file(root, files->config, TEXT_LIMIT, NULL, NULL);
	char *arguments = config_arguments(config);
	char *expanded = arguments ? grub_expand(root, files, arguments) : NULL;

	free(arguments);
	free(config);
	return expanded;
}

const char *grub2_config_path(const struct root *root)
{
	static char path[256];
	char link[256];
	/* Red Hat keeps a link to the one in use, which older releases have on the EFI partition.
	 */
	bool efi = root_exists(root, "/sys/firmware/efi");
	ssize_t n = readlink(root_path(root, efi ? "/etc/grub2-efi.cfg" : "/etc/grub2.cfg").text,
	                     link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = '\0';
	if (strncmp(link, "../boot/", 8) != 0 || strstr(link + 3, ".."))
		return GRUB2_CFG;
	snprintf(path, sizeof(path), "%s", link + 2);
	return path;
}
