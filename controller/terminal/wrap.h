/* wrap.h: lines made to fit a terminal of 80 columns. */
#ifndef GPUFLEET_WRAP_H
#define GPUFLEET_WRAP_H

#include <stddef.h>
#include <stdio.h>

#define WRAP_COLUMNS 80

/* TEXT (LENGTH bytes of UTF-8, without control characters but newlines and color sequences) to OUT,
 * no line wider than WRAP_COLUMNS. A line is broken at a blank; inside a long word after a comma,
 * as in node sets; else anywhere. What follows is indented: below the text behind a short label
 * ("fix:  …"), or two columns more than the line. A line that begins with `gpufleet` is a command:
 * it is broken as a shell takes it, so that it can be pasted. */
void wrap_text(const char *text, size_t length, FILE *out);

#endif
