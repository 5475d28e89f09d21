/* grub_default.c: our part of /etc/default/grub, as a block at its end: grub2-mkconfig reads that
 * file as a shell script and, unlike Debian's, no drop-ins beside it. */
#include "node-agent/boot/grub_config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS   "/etc/default/grub"
#define BEGIN      "# BEGIN gpufleet\n"
#define END        "# END gpufleet\n"
#define TEXT_LIMIT ((size_t)1 << 20)

/* Takes our block out of TEXT: malloc'd, or NULL when there is none. */
static char *block_take(char *text)
{
	char *begin = strstr(text, BEGIN);
	char *end = begin ? strstr(begin, END) : NULL;

	if (!end || (begin > text && begin[-1] != '\n'))
		return NULL;
	char *block = strndup(begin + strlen(BEGIN), (size_t)(end - begin) - strlen(BEGIN));
	end += strlen(END);
	memmove(begin, end, strlen(end) + 1);
	return block;
}

int grub_default_settings(const struct root *root, struct kernel_line *line,
                          struct boot_settings *settings, struct gf_err *err)
{
	char *text = root_read_file(root, SETTINGS, TEXT_LIMIT, NULL, NULL);
	char *block = text ? block_take(text) : NULL;
	size_t length = text ? strlen(text) : 0;

	grub_dropin_parse(line, block);
	free(block);
	kernel_line_settle(line);
	char *ours = grub_dropin_text(line);
	settings->path = SETTINGS;
	if (ours && asprintf(&settings->text, "%s%s" BEGIN "%s" END, length ? text : "",
	                     length && text[length - 1] != '\n' ? "\n" : "", ours) < 0) {
		settings->text = NULL;
		free(ours);
		free(text);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	if (ours)
		free(text);
	else
		settings->text = text; /* NULL: there is no such file, and none is needed */
	free(ours);
	return 0;
}
