/* wrap.c: see wrap.h. */
#include "controller/terminal/wrap.h"

#include <stdbool.h>
#include <string.h>

#define LABEL_MAX 7  /* columns of a label and its colon */
#define WORD_LONG 30 /* columns: a longer word is rather broken than moved to the next line */

/* One line, and where it stands. */
struct line {
	const char *at, *end;
	size_t indent; /* of what is written first */
	size_t hang;   /* of what follows */
	bool command, quoted;
};

/* Characters of East Asian scripts and emoji take two columns. */
static size_t width_of(unsigned long code)
{
	static const unsigned long wide[][2] = {
	    {0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
	    {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff00, 0xff60},
	    {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};

	for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
		if (code >= wide[i][0] && code <= wide[i][1])
			return 2;
	}
	return 1;
}

/* The bytes of the character at AT, and its columns: a color sequence has none. */
static size_t character(const char *at, const char *end, size_t *columns)
{
	const unsigned char *bytes = (const unsigned char *)at;
	static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	size_t length = 1;
	unsigned long code;

	*columns = 1;
	if (*bytes == '\033') {
		while (at + length < end && at[length - 1] != 'm')
			length++;
		*columns = 0;
		return length;
	}
	if (*bytes < 0x80)
		return 1;
	length = *bytes < 0xe0 ? 2 : *bytes < 0xf0 ? 3 : 4;
	if (length > (size_t)(end - at))
		return 1;
	code = *bytes & masks[length];
	for (size_t i = 1; i < length; i++)
		code = code << 6 | (bytes[i] & 0x3f);
	*columns = width_of(code);
	return length;
}

static size_t columns_of(const char *at, const char *end)
{
	size_t sum = 0, columns;

	while (at < end) {
		at += character(at, end, &columns);
		sum += columns;
	}
	return sum;
}

static const char *word_end(const char *at, const char *end)
{
	const char *blank = memchr(at, ' ', (size_t)(end - at));

	return blank ? blank : end;
}

/* How far what is left fits into ROOM columns. *NEXT: where to go on. */
static const char *fit(const struct line *line, size_t room, const char **next)
{
	const char *at = line->at, *blank = NULL, *comma = NULL, *hard = NULL;
	bool quoted = line->quoted;
	size_t used = 0, columns, bytes;

	while (at < line->end) {
		bytes = character(at, line->end, &columns);
		if (used + columns > room)
			break;
		if (*at == ' ' && at > line->at && !(line->command && quoted))
			blank = at;
		quoted = quoted != (*at == '\'');
		used += columns;
		at += bytes;
		if (at[-1] == ',')
			comma = at;
		hard = at;
	}
	if (at == line->end || (*at == ' ' && !(line->command && quoted)))
		blank = at;
	else if (comma &&
	         (!blank || (comma > blank &&
	                     columns_of(blank + 1, word_end(blank + 1, line->end)) > WORD_LONG)))
		blank = NULL;
	else if (blank)
		comma = NULL;
	if (!blank) {
		*next = comma  ? comma
		        : hard ? hard
		               : line->at + character(line->at, line->end, &columns);
		return *next;
	}
	for (*next = blank; *next < line->end && **next == ' '; (*next)++)
		;
	while (blank > line->at && blank[-1] == ' ')
		blank--;
	return blank;
}

/* "      fix:  Move the card": what follows stands below "Move". */
static size_t hang_of(const char *at, const char *end, size_t indent)
{
	const char *label = word_end(at, end), *text = label;

	if (label == at || label[-1] != ':' || label - at > LABEL_MAX)
		return indent + 2;
	while (text < end && *text == ' ')
		text++;
	return indent + (size_t)(text - at);
}

static void put_piece(struct line *line, const char *until, const char *next, FILE *out)
{
	bool quoted = line->quoted;

	for (size_t i = 0; i < line->indent; i++)
		fputc(' ', out);
	for (const char *at = line->at; at < until; at++)
		quoted = quoted != (*at == '\'');
	fwrite(line->at, 1, (size_t)(until - line->at), out);
	line->at = next;
	line->indent = line->hang;
	if (line->command && next < line->end) {
		/* A quoted word goes on in the first column: blanks would end it. */
		fputs(quoted ? "'\\\n'" : until < next ? " \\" : "\\", out);
		if (quoted || until == next)
			line->indent = 0;
		line->quoted = quoted;
		if (quoted)
			return;
	}
	fputc('\n', out);
}

static void wrap_line(const char *at, const char *end, FILE *out)
{
	struct line line = {.at = at, .end = end};

	while (line.at < end && *line.at == ' ')
		line.at++;
	line.indent = (size_t)(line.at - at);
	if (line.indent > WRAP_COLUMNS / 2) {
		/* A line of a table. */
		line.at = at;
		line.indent = 0;
	}
	line.hang = hang_of(line.at, end, line.indent);
	line.command = end - line.at > 9 && memcmp(line.at, "gpufleet ", 9) == 0;
	if (line.command)
		line.hang = line.indent + 4;
	do {
		size_t room = WRAP_COLUMNS - line.indent;
		const char *next = line.end, *until = line.end;

		if (columns_of(line.at, line.end) > room)
			until = fit(&line, line.command ? room - 3 : room, &next);
		put_piece(&line, until, next, out);
	} while (line.at < end);
}

void wrap_text(const char *text, size_t length, FILE *out)
{
	const char *end = text + length;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));

		wrap_line(text, newline ? newline : end, out);
		text = newline ? newline + 1 : end;
	}
}
