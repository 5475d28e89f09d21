/* escape.c: see escape.h. */
#include "controller/terminal/escape.h"

#include <stdio.h>
#include <string.h>

/* The length of the UTF-8 sequence at TEXT, or 0 when it is none or a C1 control. */
static size_t sequence_length(const unsigned char *text)
{
	size_t length = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;

	if (text[0] < 0xc2 || text[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	}
	if (text[0] == 0xc2 && text[1] < 0xa0)
		return 0;
	/* Marks that turn the direction of writing make a line read otherwise than it is. */
	if (text[0] == 0xe2 && text[1] == 0x80 && text[2] >= 0xaa && text[2] <= 0xae)
		return 0;
	return length;
}

char *escape_text(const char *text, char *buffer, size_t size, int lines)
{
	const unsigned char *from = (const unsigned char *)text;
	size_t used = 0;

	while (*from && used + 5 < size) {
		size_t length = 1;

		if (*from >= 0x80)
			length = sequence_length(from);
		else if ((*from < 0x20 && !(lines && (*from == '\n' || *from == '\t'))) ||
		         *from == 0x7f)
			length = 0;
		if (!length) {
			used += (size_t)snprintf(buffer + used, size - used, "\\x%02x", *from);
			from++;
			continue;
		}
		memcpy(buffer + used, from, length);
		used += length;
		from += length;
	}
	buffer[used] = '\0';
	return buffer;
}
