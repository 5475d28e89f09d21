/* report_html_text.c: strings of hosts and files, made safe for a page and for the JSON inside it.
 */
#include <stdbool.h>
#include <string.h>

#include "controller/report/report_html_parts.h"
#include "controller/terminal/escape.h"

/* Characters that a terminal may show but that a page hides or lets turn its text around: the soft
 * hyphen, the Arabic letter mark, zero-width ones and direction marks, invisible operators, the
 * byte order mark, annotations and tags. */
static bool is_invisible(const unsigned char *text, size_t length)
{
	if (length == 2)
		return (text[0] == 0xc2 && text[1] == 0xad) || (text[0] == 0xd8 && text[1] == 0x9c);
	if (length == 3)
		return (text[0] == 0xe2 && text[1] == 0x80 && text[2] >= 0x8b && text[2] <= 0x8f) ||
		       (text[0] == 0xe2 && text[1] == 0x81 && text[2] >= 0xa0) ||
		       (text[0] == 0xef && text[1] == 0xbb && text[2] == 0xbf) ||
		       (text[0] == 0xef && text[1] == 0xbf && text[2] >= 0xb9 && text[2] != 0xbd);
	return length == 4 && text[0] == 0xf3 && text[1] == 0xa0;
}

/* How many bytes of TEXT (of LEFT) are shown as they are; 0: the first one is to be shown as \xNN.
 */
static size_t shown_length(const char *text, size_t left)
{
	size_t length = escape_length(text, left);

	return is_invisible((const unsigned char *)text, length) ? 0 : length;
}

static void put_character(FILE *out, const char *text, size_t length)
{
	switch (*text) {
	case '<':
		fputs("&lt;", out);
		break;
	case '>':
		fputs("&gt;", out);
		break;
	case '&':
		fputs("&amp;", out);
		break;
	case '"':
		fputs("&quot;", out);
		break;
	case '\'':
		fputs("&#39;", out);
		break;
	default:
		fwrite(text, 1, length, out);
	}
}

void report_html_text(FILE *out, const char *text)
{
	const char *end = text + strlen(text);

	while (text < end) {
		size_t length = shown_length(text, (size_t)(end - text));

		if (length)
			put_character(out, text, length);
		else
			fprintf(out, "\\x%02x", (unsigned char)*text);
		text += length ? length : 1;
	}
}

void report_html_prose(FILE *out, const char *text)
{
	const char *end = text + strlen(text);
	bool code = false;

	while (text < end) {
		size_t length = shown_length(text, (size_t)(end - text));

		/* One that is never closed is a character like others. */
		if (*text == '`' && (code || memchr(text + 1, '`', (size_t)(end - text) - 1))) {
			fputs(code ? "</code>" : "<code>", out);
			code = !code;
		} else if (length) {
			put_character(out, text, length);
		} else {
			fprintf(out, "\\x%02x", (unsigned char)*text);
		}
		text += length ? length : 1;
	}
}

/* One UTF-8 sequence, known to be right, as JSON's \uXXXX: pure ASCII survives any reader. */
static void put_unicode(FILE *out, const char *bytes, size_t length)
{
	const unsigned char *text = (const unsigned char *)bytes;
	unsigned point = length == 1 ? text[0] : text[0] & (0xffu >> (length + 1));

	for (size_t i = 1; i < length; i++)
		point = point << 6 | (text[i] & 0x3f);
	if (point < 0x10000) {
		fprintf(out, "\\u%04x", point);
		return;
	}
	point -= 0x10000;
	fprintf(out, "\\u%04x\\u%04x", 0xd800 + (point >> 10), 0xdc00 + (point & 0x3ff));
}

/* "<", ">" and "&" are written as \u00XX: neither </script> nor <!-- can come about. */
void report_html_string(FILE *out, const char *text)
{
	const char *end = text + strlen(text);

	fputc('"', out);
	while (text < end) {
		size_t length = shown_length(text, (size_t)(end - text));

		if (!length)
			fprintf(out, "\\\\x%02x", (unsigned char)*text);
		else if (length > 1 || strchr("<>&", *text))
			put_unicode(out, text, length);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else
			fputc(*text, out);
		text += length ? length : 1;
	}
	fputc('"', out);
}
