/* escape.h: text from hosts and files, made safe for a terminal. */
#ifndef GPUFLEET_ESCAPE_H
#define GPUFLEET_ESCAPE_H

#include <jansson.h>
#include <stddef.h>

/* TEXT into BUFFER (always terminated, cut off where it is too long): control characters, DEL, C1
 * controls and what is no UTF-8 become \xNN; newlines and tabs, too, unless LINES. Returns BUFFER.
 */
char *escape_text(const char *text, char *buffer, size_t size, int lines);

/* How many bytes of TEXT (of LEFT) are one character that a terminal only shows; 0: escape the
 * first byte. */
size_t escape_length(const char *text, size_t left);

/* VALUE with every string escaped, without newlines: a new reference to it or to a copy, of which
 * the parts where nothing was to be escaped are VALUE's own. Nobody may change it. NULL when out of
 * memory. */
json_t *escape_json(const json_t *value);

#endif
