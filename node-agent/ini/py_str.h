/* py_str.h: what Python 3's str does to a line of text: decoding and white space. oslo.config is
 * Python, and how it splits a line hangs on these.
 */
#ifndef GPUFLEET_INI_PY_STR_H
#define GPUFLEET_INI_PY_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of UTF-8, not NUL-terminated; they may hold NUL. */
struct py_str {
	const char *data;
	size_t size;
};

/* How many of the SIZE bytes at TEXT are UTF-8 as Python's strict decoder takes it (no surrogates,
 * no overlong forms): SIZE when all are. */
size_t py_str_valid(const char *text, size_t size);

/* Without the white space that str.isspace() knows (also U+0085, U+00A0, U+2003, U+3000 …) at its
 * start, at its end, or both. TEXT is valid UTF-8; the result lies inside it. */
struct py_str py_str_lstrip(struct py_str text);
struct py_str py_str_rstrip(struct py_str text);
struct py_str py_str_strip(struct py_str text);

/* The first character of TEXT (valid UTF-8, not empty): its length, and *code its code point. */
size_t py_str_code(struct py_str text, uint32_t *code);

/* Does repr() print the character as it is? So are white space, control and format characters not;
 * of the rest, characters that this Unicode does not know are taken for printable. */
bool py_str_printable(uint32_t code);

/* The first SIZE bytes of TEXT; what comes from there on. */
struct py_str py_str_head(struct py_str text, size_t size);
struct py_str py_str_tail(struct py_str text, size_t from);

/* Where in TEXT the byte C is first; TEXT's size when it is not. */
size_t py_str_find(struct py_str text, char c);

/* Is TEXT the bytes of the C string WANT? Does it begin with them? */
bool py_str_is(struct py_str text, const char *want);
bool py_str_starts(struct py_str text, const char *want);

#endif
