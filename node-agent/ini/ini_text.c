/* ini_text.c: see ini_text.h. One pass over the lines; a mark waits for the line after it. */
#include "node-agent/ini/ini_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* What the pass remembers from line to line. */
struct reading {
	struct ini_text *ini;
	struct gf_err *err;
	size_t used; /* of the arena */
	unsigned line;
	size_t start, end;                   /* of this line */
	bool open;                           /* the last entry may go on */
	bool open_out;                       /* so may the one taken out */
	bool marked;                         /* the line before was a mark that wants a line */
	bool mark_section;                   /* … a section's */
	struct py_str mark_hash, entry_hash; /* in the text; entry_hash is the open entry's */
	size_t mark_start;
};

static int fault(struct reading *reading, const char *message)
{
	reading->ini->fault_line = reading->line;
	return gf_err_set(reading->err, GF_E_INPUT, "%s", message);
}

static int no_memory(struct reading *reading)
{
	return gf_err_set(reading->err, GF_E_MEMORY, "out of memory");
}

/* Room for one more item of SIZE bytes in *items. */
static bool room(void **items, size_t count, size_t *have, size_t size)
{
	if (count < *have)
		return true;
	size_t want = *have ? *have * 2 : 16;
	void *grown = realloc(*items, want * size);
	if (!grown)
		return false;
	*items = grown;
	*have = want;
	return true;
}

/* TEXT in the arena, with a final NUL. The arena has room for all: see ini_text_parse. */
static struct py_str keep(struct reading *reading, struct py_str text)
{
	char *copy = reading->ini->arena + reading->used;

	memcpy(copy, text.data, text.size);
	copy[text.size] = '\0';
	reading->used += text.size + 1;
	return py_str_head((struct py_str){.data = copy}, text.size);
}

bool ini_section_same(struct py_str a, struct py_str b)
{
	if (a.size != b.size)
		return false;
	if (py_str_is(a, "DEFAULT") || py_str_is(b, "DEFAULT"))
		return memcmp(a.data, b.data, a.size) == 0;
	for (size_t i = 0; i < a.size; i++) {
		if (tolower((unsigned char)a.data[i]) != tolower((unsigned char)b.data[i]))
			return false;
	}
	return true;
}

/* FNV-1a of 32 bits. */
static uint32_t hash_add(uint32_t hash, struct py_str text, bool lower)
{
	for (size_t i = 0; i < text.size; i++) {
		int c = (unsigned char)text.data[i];
		hash = (hash ^ (uint32_t)(lower ? tolower(c) : c)) * 16777619U;
	}
	return (hash ^ '\n') * 16777619U;
}

void ini_mark_hash(struct py_str section, struct py_str name, struct py_str value,
                   char hash[INI_HASH_SIZE])
{
	uint32_t sum = hash_add(2166136261U, section, !py_str_is(section, "DEFAULT"));

	sum = hash_add(hash_add(sum, name, false), value, false);
	for (size_t i = INI_HASH_SIZE - 1; i-- > 0; sum >>= 4)
		hash[i] = "0123456789abcdef"[sum & 15];
	hash[INI_HASH_SIZE - 1] = '\0';
}

size_t ini_line_end(const char *text, size_t size)
{
	if (size > 0 && text[size - 1] == '\n')
		return size > 1 && text[size - 2] == '\r' ? 2 : 1;
	return size > 0 && text[size - 1] == '\r' ? 1 : 0;
}

size_t ini_line_next(struct py_str text, size_t at)
{
	size_t from = at;

	at += py_str_find(py_str_tail(text, at), '\n');
	at = from + py_str_find(py_str_tail(py_str_head(text, at), from), '\r');
	if (at == text.size)
		return at;
	return at +
	       (text.data[at] == '\r' && at + 1 < text.size && text.data[at + 1] == '\n' ? 2 : 1);
}

static int stray_add(struct reading *reading, size_t start, size_t end, bool of_line_end)
{
	struct ini_text *ini = reading->ini;

	if (!room((void **)&ini->strays, ini->stray_count, &ini->stray_room, sizeof(*ini->strays)))
		return no_memory(reading);
	ini->strays[ini->stray_count++] =
	    (struct ini_stray){.start = start, .end = end, .of_line_end = of_line_end};
	return 0;
}

/* The mark before this line marks nothing. */
static int mark_drop(struct reading *reading)
{
	if (!reading->marked)
		return 0;
	reading->marked = false;
	return stray_add(reading, reading->mark_start, reading->start, false);
}

/* The open entry is complete: is it what its mark says? */
static int entry_close(struct reading *reading)
{
	struct ini_text *ini = reading->ini;
	char hash[INI_HASH_SIZE];

	reading->open_out = false;
	if (!reading->open)
		return 0;
	reading->open = false;
	struct ini_entry *entry = &ini->entries[ini->entry_count - 1];
	if (entry->place.mark == entry->place.start)
		return 0;
	ini_mark_hash(ini->sections[entry->section].name, entry->name, entry->value, hash);
	if (py_str_is(reading->entry_hash, hash)) {
		entry->state = INI_OURS;
		return 0;
	}
	size_t mark = entry->place.mark;
	entry->place.mark = entry->place.start;
	return stray_add(reading, mark, entry->place.start, false);
}

/* Parts LINE at the first = or : as _split_key_value does. False when there is none. */
static bool assignment_split(struct py_str line, struct py_str *name, struct py_str *value)
{
	size_t at = py_str_find(line, '=');

	at = py_str_find(py_str_head(line, at), ':');
	if (at == line.size)
		return false;
	*name = py_str_strip(py_str_head(line, at));
	*value = py_str_strip(py_str_tail(line, at + 1));
	if (value->size > 0 && (value->data[0] == '"' || value->data[0] == '\'') &&
	    value->data[0] == value->data[value->size - 1])
		*value = value->size == 1 ? py_str_head(*value, 0)
		                          : py_str_tail(py_str_head(*value, value->size - 1), 1);
	return true;
}

static int entry_add(struct reading *reading, enum ini_state state, struct py_str name,
                     struct py_str value)
{
	struct ini_text *ini = reading->ini;

	if (!room((void **)&ini->entries, ini->entry_count, &ini->entry_room,
	          sizeof(*ini->entries)))
		return no_memory(reading);
	struct ini_entry *entry = &ini->entries[ini->entry_count++];
	*entry = (struct ini_entry){
	    .state = state,
	    .section = ini->section_count - 1,
	    .place = {.mark = reading->start,
	              .start = reading->start,
	              .end = reading->end,
	              .line = reading->line},
	};
	entry->name = keep(reading, name);
	entry->value = keep(reading, value);
	return 0;
}

/* LINE goes on the value of the last entry, which ends the arena. */
static void entry_continue(struct reading *reading, struct py_str line)
{
	struct ini_text *ini = reading->ini;
	struct ini_entry *entry = &ini->entries[ini->entry_count - 1];
	struct py_str more = py_str_lstrip(line);

	ini->arena[reading->used - 1] = '\n';
	keep(reading, more);
	entry->value.size += 1 + more.size;
	entry->place.end = reading->end;
}

static int section_read(struct reading *reading, struct py_str line)
{
	struct ini_text *ini = reading->ini;
	char hash[INI_HASH_SIZE];

	if (line.data[line.size - 1] != ']')
		return fault(reading, "invalid section (must end with ])");
	if (line.size <= 2)
		return fault(reading, "empty section name");
	if (!room((void **)&ini->sections, ini->section_count, &ini->section_room,
	          sizeof(*ini->sections)))
		return no_memory(reading);
	struct ini_section *section = &ini->sections[ini->section_count++];
	*section = (struct ini_section){
	    .name = keep(reading, py_str_tail(py_str_head(line, line.size - 1), 1)),
	    .place = {.mark = reading->start,
	              .start = reading->start,
	              .end = reading->end,
	              .line = reading->line},
	};
	if (reading->marked && reading->mark_section) {
		ini_mark_hash(section->name, py_str_head(line, 0), py_str_head(line, 0), hash);
		section->ours = py_str_is(reading->mark_hash, hash);
	}
	if (!section->ours)
		return mark_drop(reading);
	section->place.mark = reading->mark_start;
	reading->marked = false;
	return 0;
}

/* What was taken out is read as if it were there, where it could be. */
static int out_read(struct reading *reading, struct py_str line)
{
	struct py_str name, value;

	if (line.size == 0 || reading->ini->section_count == 0)
		return 0;
	if (line.data[0] == ' ' || line.data[0] == '\t') {
		if (reading->open_out)
			entry_continue(reading, line);
		return 0;
	}
	reading->open_out = false;
	if (strchr("[#;", line.data[0]) || !assignment_split(line, &name, &value) || name.size == 0)
		return 0;
	reading->open_out = true;
	return entry_add(reading, INI_OUT, name, value);
}

static int comment_read(struct reading *reading, struct py_str line)
{
	bool open_out = reading->open_out;

	if (mark_drop(reading) != 0 || entry_close(reading) != 0)
		return -1;
	if (py_str_starts(line, INI_MARK_OUT)) {
		reading->open_out = open_out;
		return out_read(reading, py_str_tail(line, strlen(INI_MARK_OUT)));
	}
	if (py_str_is(line, INI_MARK_LINE_END))
		return stray_add(reading, reading->start, reading->end, true);
	reading->mark_section = py_str_starts(line, INI_MARK_SECTION);
	if (!reading->mark_section && !py_str_starts(line, INI_MARK_ADDED))
		return 0;
	reading->mark_hash =
	    py_str_tail(line, strlen(reading->mark_section ? INI_MARK_SECTION : INI_MARK_ADDED));
	reading->marked = reading->mark_hash.size == INI_HASH_SIZE - 1;
	reading->mark_start = reading->start;
	return 0;
}

static int assignment_read(struct reading *reading, struct py_str line)
{
	struct py_str name, value;

	if (!assignment_split(line, &name, &value))
		return fault(reading, "no ':' or '=' found in assignment");
	if (name.size == 0)
		return fault(reading, "key cannot be empty");
	if (reading->ini->section_count == 0)
		return fault(reading, "section must be started before assignment");
	bool marked = reading->marked && !reading->mark_section;
	if (!marked && mark_drop(reading) != 0)
		return -1;
	if (entry_add(reading, INI_FOREIGN, name, value) != 0)
		return -1;
	if (marked) {
		reading->ini->entries[reading->ini->entry_count - 1].place.mark =
		    reading->mark_start;
		reading->entry_hash = reading->mark_hash;
		reading->marked = false;
	}
	reading->open = true;
	return 0;
}

static int line_read(struct reading *reading, struct py_str line)
{
	if (line.size > 0 && (line.data[0] == ' ' || line.data[0] == '\t')) {
		if (!reading->open)
			return fault(reading, "unexpected continuation line");
		entry_continue(reading, line);
		return 0;
	}
	if (line.size > 0 && (line.data[0] == '#' || line.data[0] == ';'))
		return comment_read(reading, line);
	if (entry_close(reading) != 0)
		return -1;
	if (line.size == 0)
		return mark_drop(reading);
	return line.data[0] == '[' ? section_read(reading, line) : assignment_read(reading, line);
}

int ini_text_parse(struct ini_text *ini, const char *text, size_t size, struct gf_err *err)
{
	struct reading reading = {.ini = ini, .err = err};

	*ini = (struct ini_text){.text = {.data = text, .size = size}};
	/* A line gives at most one byte more than it has: "k=" is "k", NUL, NUL. */
	ini->arena = malloc(2 * size + 16);
	if (!ini->arena)
		return no_memory(&reading);
	size_t valid = py_str_valid(text, size);
	/* Python reads the whole file before it looks at the first line, so this error is first. */
	for (size_t at = 0; at < size; at = reading.end) {
		reading.start = at;
		reading.end = ini_line_next(ini->text, at);
		reading.line++;
		if (valid < size) {
			if (valid < reading.end)
				return fault(&reading, "not UTF-8");
			continue;
		}
		size_t length = reading.end - at;
		struct py_str line = {.data = text + at,
		                      .size = length - ini_line_end(text + at, length)};
		if (line_read(&reading, py_str_rstrip(line)) != 0)
			return -1;
	}
	reading.start = size;
	if (mark_drop(&reading) != 0 || entry_close(&reading) != 0)
		return -1;
	return 0;
}

void ini_text_free(struct ini_text *ini)
{
	free(ini->sections);
	free(ini->entries);
	free(ini->strays);
	free(ini->arena);
	*ini = (struct ini_text){0};
}
