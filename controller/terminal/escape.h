/* escape.h: text from hosts and files, made safe for a terminal. */
#ifndef GPUFLEET_ESCAPE_H
#define GPUFLEET_ESCAPE_H

#include <stddef.h>

/* TEXT into BUFFER (always terminated, cut off where it is too long): control characters, DEL, C1
 * controls and what is no UTF-8 become \xNN; newlines and tabs, too, unless LINES. Returns BUFFER.
 */
char *escape_text(const char *text, char *buffer, size_t size, int lines);

#endif
