/* grub_config.c: see grub_config.h. All of GRUB's settings end up in the generated grub.cfg, so
 * that is where they are looked at. */
#include "node-agent/boot/grub_config.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_LIMIT ((size_t)4 << 20)

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
		return kernel_line_normal(p, strcspn(p, "\n"));
	}
	return NULL;
}

char *grub_config_arguments(const struct root *root, const char *path)
{
	char *config = root_read_file(root, path, TEXT_LIMIT, NULL, NULL);
	char *arguments = config_arguments(config);

	free(config);
	return arguments;
}
