/* ini_text.h: the text of one configuration file, read as oslo.config reads it
 * (oslo_config/iniparser.py and cfg.ConfigParser, the same from oslo.config 4 to 10 on Python 3),
 * with the place of everything in the text and with what gpufleet's own marks say.
 *
 * The rules: the text is UTF-8; \n, \r\n and \r end a line; a line that begins with a blank or a
 * tab goes on the value before it, a blank line or a comment ends that; # and ; are comments at the
 * start of a line only; the first of = and : parts name and value; a value in one pair of quotes
 * loses them; a section may come again; names keep their case, sections (but DEFAULT) lose it.
 *
 * The marks are comments that ini_edit writes, each in front of one line of its own:
 *   # gpufleet: added HASH               the next line is gpufleet's
 *   # gpufleet: added the section HASH   so is the next section's header
 *   # gpufleet: added the line end above the line before it had none and was the last
 *   # gpufleet: took out: TEXT           TEXT was a line that others wrote
 * HASH is of section, name and value, so that a line which somebody changed, moved elsewhere or put
 * in place of ours is not taken for ours: then it is theirs, and stays.
 */
#ifndef GPUFLEET_INI_INI_TEXT_H
#define GPUFLEET_INI_INI_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "node-agent/ini/py_str.h"
#include "node-agent/wire/error.h"

#define INI_MARK          "# gpufleet: "
#define INI_MARK_ADDED    INI_MARK "added "
#define INI_MARK_SECTION  INI_MARK "added the section "
#define INI_MARK_LINE_END INI_MARK "added the line end above"
#define INI_MARK_OUT      INI_MARK "took out: "
#define INI_HASH_SIZE     9 /* with the final NUL */

enum ini_state {
	INI_FOREIGN, /* others wrote it */
	INI_OURS,    /* gpufleet wrote it, and nobody changed it */
	INI_OUT,     /* others wrote it, gpufleet took it out: a comment to oslo.config */
};

/* Bytes of the text: [start, end), whole lines with their ends. mark is where the line with our
 * mark begins (whose end is start), or start where there is none. */
struct ini_place {
	size_t mark, start, end;
	unsigned line; /* of start, from 1 */
};

struct ini_section {
	struct py_str name;     /* as written; NUL-terminated as all names and values here */
	struct ini_place place; /* the header's */
	bool ours;
};

struct ini_entry {
	enum ini_state state;
	size_t section;      /* index in ini_text.sections */
	struct py_str name;  /* as written */
	struct py_str value; /* stripped, unquoted, lines joined by \n; not interpolated */
	struct ini_place place;
};

/* A mark that marks nothing (any more), or the mark of a line end (then of_line_end). */
struct ini_stray {
	size_t start, end;
	bool of_line_end;
};

struct ini_text {
	struct py_str text; /* the caller's */
	struct ini_section *sections;
	struct ini_entry *entries;
	struct ini_stray *strays;
	size_t section_count, entry_count, stray_count;
	size_t section_room, entry_room, stray_room;
	char *arena;
	unsigned
	    fault_line; /* where ini_text_parse found the error; 0 when nowhere in particular */
};

/* Reads the SIZE bytes at TEXT, which stay the caller's and must outlive *ini. What oslo.config
 * would refuse (the service would not start) is -1 with GF_E_INPUT, the reason in oslo.config's
 * sense and ini->fault_line; ini_text_free after either. */
int ini_text_parse(struct ini_text *ini, const char *text, size_t size, struct gf_err *err);
void ini_text_free(struct ini_text *ini);

/* Are the sections A and B one to oslo.config: the same but for case, DEFAULT only as it stands? */
bool ini_section_same(struct py_str a, struct py_str b);

/* The HASH of a mark; NAME and VALUE are "" for a section's. */
void ini_mark_hash(struct py_str section, struct py_str name, struct py_str value,
                   char hash[INI_HASH_SIZE]);

/* The length of the line's end (\n, \r\n, \r; 0: none) that ends the SIZE bytes at TEXT. */
size_t ini_line_end(const char *text, size_t size);

/* Where the line that begins at AT ends, its line end included. */
size_t ini_line_next(struct py_str text, size_t at);

#endif
