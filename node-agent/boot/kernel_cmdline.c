/* kernel_cmdline.c: see kernel_cmdline.h. */
#include "node-agent/boot/kernel_cmdline.h"

#include <stdlib.h>
#include <string.h>

#include "node-agent/boot/bls.h"

#define TEXT_LIMIT ((size_t)64 << 10)

char *kernel_cmdline_edit(const char *text, const json_t *add, const json_t *remove)
{
	char *former = kernel_line_normal(text, strlen(text));
	char *line = former ? bls_options(NULL, NULL, former, add, remove) : NULL;
	char *edited = NULL;

	if (line && strcmp(line, former) == 0)
		edited = strdup(text);
	else if (line && asprintf(&edited, "%.*s\n", (int)strlen(line) - 2, line + 1) < 0)
		edited = NULL;
	free(former);
	free(line);
	return edited;
}

char *kernel_cmdline_text(const struct root *root, const json_t *add, const json_t *remove)
{
	char *text = root_read_file(root, KERNEL_CMDLINE, TEXT_LIMIT, NULL, NULL);
	char *edited = text ? kernel_cmdline_edit(text, add, remove) : NULL;

	free(text);
	return edited;
}

int kernel_cmdline_write(const struct root *root, const char *text, struct gf_err *err)
{
	char *now = root_read_file(root, KERNEL_CMDLINE, TEXT_LIMIT, NULL, NULL);
	int result =
	    !now || strcmp(now, text) == 0 ? 0 : bls_text_write(root, KERNEL_CMDLINE, text, err);

	free(now);
	return result;
}
