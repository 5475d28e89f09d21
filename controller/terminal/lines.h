/* lines.h: text laid out in columns: wrapped, cut and counted. Pure functions. */
#ifndef GPUFLEET_LINES_H
#define GPUFLEET_LINES_H

#include <stddef.h>
#include <stdio.h>

/* The columns of OUT when it is a terminal, else 0. */
unsigned lines_columns(FILE *out);

/* How many columns TEXT (UTF-8, one column a character) takes. */
size_t lines_width(const char *text);

/* Cuts TEXT to COLUMNS, at a character. */
void lines_cut(char *text, size_t columns);

/* Prints TEXT at INDENT spaces and wraps it at spaces so that no line is longer than COLUMNS (0:
 * does not wrap). Words that are longer stay whole. Ends with a newline. */
void lines_wrap(FILE *out, const char *text, unsigned indent, unsigned columns);

#endif
