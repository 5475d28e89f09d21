/* lines.c: see lines.h. */
#include "controller/terminal/lines.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_LEAST 20 /* a terminal that claims to be narrower is taken for 80 */

static int begins_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

unsigned lines_columns(FILE *out)
{
	struct winsize size = {0};

	if (!isatty(fileno(out)))
		return 0;
	if (ioctl(fileno(out), TIOCGWINSZ, &size) || size.ws_col < COLUMNS_LEAST)
		return 80;
	return size.ws_col;
}

size_t lines_width(const char *text)
{
	size_t width = 0;

	for (; *text; text++)
		width += begins_character(*text);
	return width;
}

void lines_cut(char *text, size_t columns)
{
	for (; *text; text++) {
		if (begins_character(*text) && columns-- == 0)
			break;
	}
	*text = '\0';
}

void lines_wrap(FILE *out, const char *text, unsigned indent, unsigned columns)
{
	size_t room = columns > 2 * indent ? columns - indent : columns;

	do {
		const char *end = text + strlen(text), *space = NULL;
		size_t used = 0;

		for (const char *c = text; columns && *c; c++) {
			if (*c == ' ' && used <= room)
				space = c;
			used += begins_character(*c);
			if (used > room && space) {
				end = space;
				break;
			}
			if (used > room && *c == ' ') {
				end = c;
				break;
			}
		}
		fprintf(out, "%*s%.*s\n", (int)indent, "", (int)(end - text), text);
		text = end + strspn(end, " ");
	} while (*text);
}
