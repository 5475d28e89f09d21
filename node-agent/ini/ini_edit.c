/* ini_edit.c: see ini_edit.h. Each change reads the text anew, lists what becomes of which bytes
 * and writes the text once more: files are small, and nothing has to be kept in step. */
#include "node-agent/ini/ini_edit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/ini/ini_text.h"

/* What becomes of the bytes [start, end). */
struct cut {
	enum {
		CUT_DROP,
		CUT_TAKE_OUT,
		CUT_PUT_BACK,
	} how;
	size_t start, end;
	bool of_line_end; /* the mark of a line end */
};

struct editing {
	struct ini_text ini;
	char *text; /* what ini was read from */
	struct cut *cuts;
	size_t cut_count, cut_room;
	char *out;
	size_t out_size, out_room;
	bool failed; /* no memory */
};

static struct py_str c_str(const char *text)
{
	return (struct py_str){.data = text, .size = strlen(text)};
}

static void cut_add(struct editing *editing, int how, size_t start, size_t end, bool of_line_end)
{
	if (editing->cut_count == editing->cut_room) {
		size_t want = editing->cut_room ? 2 * editing->cut_room : 16;
		struct cut *grown = realloc(editing->cuts, want * sizeof(*grown));
		if (!grown) {
			editing->failed = true;
			return;
		}
		editing->cuts = grown;
		editing->cut_room = want;
	}
	editing->cuts[editing->cut_count++] =
	    (struct cut){.how = how, .start = start, .end = end, .of_line_end = of_line_end};
}

static void put(struct editing *editing, struct py_str text)
{
	if (!editing->out || editing->out_size + text.size + 1 > editing->out_room) {
		size_t want = 2 * (editing->out_size + text.size) + 256;
		char *grown = realloc(editing->out, want);
		if (!grown) {
			editing->failed = true;
			return;
		}
		editing->out = grown;
		editing->out_room = want;
	}
	if (text.size > 0)
		memcpy(editing->out + editing->out_size, text.data, text.size);
	editing->out_size += text.size;
	editing->out[editing->out_size] = '\0';
}

static void put_range(struct editing *editing, size_t start, size_t end)
{
	put(editing, py_str_tail(py_str_head(editing->ini.text, end), start));
}

/* Reads TEXT, which becomes the editing's. */
static int editing_read(struct editing *editing, char *text, size_t size, struct gf_err *err)
{
	struct ini_text ini;
	int result = ini_text_parse(&ini, text, size, err);

	ini_text_free(&editing->ini);
	free(editing->text);
	editing->ini = ini;
	editing->text = text;
	editing->cut_count = 0;
	editing->out = NULL;
	editing->out_size = editing->out_room = 0;
	if (result != 0 && ini.fault_line > 0)
		gf_err_wrap(err, "line %u", ini.fault_line);
	return result;
}

/* What was put becomes what is read. */
static int editing_next(struct editing *editing, struct gf_err *err)
{
	put(editing, py_str_head(c_str(""), 0));
	if (editing->failed) {
		free(editing->out);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	return editing_read(editing, editing->out, editing->out_size, err);
}

static int editing_start(struct editing *editing, const char *text, size_t size, struct gf_err *err)
{
	*editing = (struct editing){0};
	char *copy = malloc(size + 1);

	if (!copy)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (size > 0)
		memcpy(copy, text, size);
	copy[size] = '\0';
	return editing_read(editing, copy, size, err);
}

static int editing_end(struct editing *editing, int result, char **text, size_t *size)
{
	if (result == 0) {
		*text = editing->text;
		*size = editing->ini.text.size;
		editing->text = NULL;
	}
	ini_text_free(&editing->ini);
	free(editing->text);
	free(editing->cuts);
	return result;
}

static int cut_compare(const void *a, const void *b)
{
	const struct cut *one = a, *other = b;

	return one->start < other->start ? -1 : one->start > other->start;
}

static void cut_put(struct editing *editing, const struct cut *cut)
{
	for (size_t at = cut->start; cut->how != CUT_DROP && at < cut->end;) {
		size_t next = ini_line_next(py_str_head(editing->ini.text, cut->end), at);
		if (cut->how == CUT_TAKE_OUT)
			put(editing, c_str(INI_MARK_OUT));
		else
			at += strlen(INI_MARK_OUT);
		put_range(editing, at, next);
		at = next;
	}
}

/* Writes the text with its cuts made, and reads it. */
static int cuts_make(struct editing *editing, struct gf_err *err)
{
	size_t at = 0;

	if (editing->cut_count == 0 && !editing->failed)
		return 0;
	if (editing->cut_count > 1)
		qsort(editing->cuts, editing->cut_count, sizeof(*editing->cuts), cut_compare);
	for (size_t i = 0; i < editing->cut_count; i++) {
		const struct cut *cut = &editing->cuts[i];
		put_range(editing, at, cut->start);
		cut_put(editing, cut);
		at = cut->end;
	}
	put_range(editing, at, editing->ini.text.size);
	return editing_next(editing, err);
}

static bool entry_is(const struct editing *editing, const struct ini_entry *entry,
                     const struct ini_change *change)
{
	return py_str_is(entry->name, change->name) &&
	       ini_section_same(editing->ini.sections[entry->section].name, c_str(change->section));
}

/* VALUE as it has to stand in the file for oslo.config to read VALUE, without the quotes that it
 * may need: \$ for $, which holds after a backslash, too. malloc'd. */
static char *value_raw(const char *value)
{
	char *raw = malloc(2 * strlen(value) + 1), *at = raw;

	for (; raw && *value; value++) {
		if (*value == '$')
			*at++ = '\\';
		*at++ = *value;
	}
	if (raw)
		*at = '\0';
	return raw;
}

/* Would oslo.config take something off RAW's ends? */
static bool value_wants_quotes(struct py_str raw)
{
	return py_str_strip(raw).size != raw.size ||
	       (raw.size > 0 && (raw.data[0] == '"' || raw.data[0] == '\'') &&
	        raw.data[0] == raw.data[raw.size - 1]);
}

/* Are our lines of the option what CHANGE says, and do they count? 1, 0, -1. */
static int set_holds(const struct editing *editing, const struct ini_change *change,
                     struct gf_err *err)
{
	size_t found = 0;
	bool same = true, last = true;

	for (size_t i = 0; i < editing->ini.entry_count && same; i++) {
		const struct ini_entry *entry = &editing->ini.entries[i];
		if (entry->state == INI_OUT || !entry_is(editing, entry, change))
			continue;
		last = entry->state == INI_OURS;
		if (!last)
			continue;
		char *raw = found < change->count ? value_raw(change->values[found]) : NULL;
		if (found < change->count && !raw)
			return gf_err_set(err, GF_E_MEMORY, "out of memory");
		same = raw && py_str_is(entry->value, raw);
		free(raw);
		found++;
	}
	return same && found == change->count && (last || change->multi || found == 0);
}

/* Where new lines go; false when the section is missing. */
static bool place_find(const struct editing *editing, const struct ini_change *change, size_t *at)
{
	const struct ini_text *ini = &editing->ini;
	size_t first = 0;
	bool named = false;

	while (first < ini->section_count &&
	       !ini_section_same(ini->sections[first].name, c_str(change->section)))
		first++;
	if (first == ini->section_count)
		return false;
	*at = ini->sections[first].place.end;
	for (size_t i = 0, in = first; i < ini->entry_count; i++) {
		const struct ini_entry *entry = &ini->entries[i];
		bool is = entry_is(editing, entry, change);
		/* Any line that counts will do for a multi-valued option: stay in one section. */
		if (change->multi && named && entry->section != in)
			break;
		if (is || (!named && entry->section == first))
			*at = entry->place.end;
		if (is) {
			named = true;
			in = entry->section;
		}
	}
	return true;
}

/* How lines end at AT: as the one before it does, else as the text's first. */
static const char *line_end_at(const struct editing *editing, size_t at, size_t *length)
{
	struct py_str text = editing->ini.text;

	*length = ini_line_end(text.data, at);
	if (*length == 0) {
		at = ini_line_next(text, 0);
		*length = ini_line_end(text.data, at);
	}
	if (*length == 0) {
		*length = 1;
		return "\n";
	}
	return text.data + at - *length;
}

static void put_line(struct editing *editing, const char *text, const char *hash, struct py_str end)
{
	put(editing, c_str(text));
	put(editing, c_str(hash));
	put(editing, end);
}

static int value_put(struct editing *editing, const struct ini_change *change, const char *value,
                     struct py_str end)
{
	char hash[INI_HASH_SIZE], *raw = value_raw(value);

	if (!raw) {
		editing->failed = true;
		return -1;
	}
	const char *quote = value_wants_quotes(c_str(raw)) ? "\"" : "";
	ini_mark_hash(c_str(change->section), c_str(change->name), c_str(raw), hash);
	put_line(editing, INI_MARK_ADDED, hash, end);
	put(editing, c_str(change->name));
	put(editing, c_str(" = "));
	put(editing, c_str(quote));
	put(editing, c_str(raw));
	put_line(editing, quote, "", end);
	free(raw);
	return 0;
}

static int values_insert(struct editing *editing, const struct ini_change *change,
                         struct gf_err *err)
{
	struct py_str text = editing->ini.text, end;
	char hash[INI_HASH_SIZE];
	size_t at = text.size;
	bool have = place_find(editing, change, &at);

	end.data = line_end_at(editing, at, &end.size);
	put_range(editing, 0, at);
	if (at == text.size && at > 0 && ini_line_end(text.data, at) == 0) {
		put(editing, end);
		put_line(editing, INI_MARK_LINE_END, "", end);
	}
	if (!have) {
		ini_mark_hash(c_str(change->section), c_str(""), c_str(""), hash);
		put_line(editing, INI_MARK_SECTION, hash, end);
		put(editing, c_str("["));
		put(editing, c_str(change->section));
		put_line(editing, "]", "", end);
	}
	for (size_t i = 0; i < change->count; i++)
		value_put(editing, change, change->values[i], end);
	put_range(editing, at, text.size);
	return editing_next(editing, err);
}

static int change_set(struct editing *editing, const struct ini_change *change, struct gf_err *err)
{
	int holds = set_holds(editing, change, err);

	if (holds != 0)
		return holds < 0 ? -1 : 0;
	for (size_t i = 0; i < editing->ini.entry_count; i++) {
		const struct ini_entry *entry = &editing->ini.entries[i];
		if (entry->state == INI_OURS && entry_is(editing, entry, change))
			cut_add(editing, CUT_DROP, entry->place.mark, entry->place.end, false);
	}
	if (cuts_make(editing, err) != 0)
		return -1;
	return change->count > 0 ? values_insert(editing, change, err) : 0;
}

static bool value_listed(const struct ini_change *change, struct py_str value)
{
	for (size_t i = 0; i < change->count; i++) {
		if (py_str_is(value, change->values[i]))
			return true;
	}
	return change->count == 0 && change->op == INI_PUT_BACK;
}

static int change_take(struct editing *editing, const struct ini_change *change, struct gf_err *err)
{
	bool back = change->op == INI_PUT_BACK;

	for (size_t i = 0; i < editing->ini.entry_count; i++) {
		const struct ini_entry *entry = &editing->ini.entries[i];
		if (entry->state == (back ? INI_OUT : INI_FOREIGN) &&
		    entry_is(editing, entry, change) && value_listed(change, entry->value))
			cut_add(editing, back ? CUT_PUT_BACK : CUT_TAKE_OUT, entry->place.start,
			        entry->place.end, false);
	}
	return cuts_make(editing, err);
}

/* The section's headers of ours: those that hold nothing go, the others only their marks when ALL.
 */
static void sections_cut(struct editing *editing, bool all)
{
	const struct ini_text *ini = &editing->ini;

	for (size_t i = 0, j = 0; i < ini->section_count; i++) {
		const struct ini_section *section = &ini->sections[i];
		bool held = false;
		for (; j < ini->entry_count && ini->entries[j].section <= i; j++)
			held = held || !all || ini->entries[j].state != INI_OURS;
		if (section->ours && (all || !held))
			cut_add(editing, CUT_DROP, section->place.mark,
			        held ? section->place.start : section->place.end, false);
	}
}

/* When all from a mark of a line end to the end of the text goes, so does the line end before it.
 */
static void line_end_cut(struct editing *editing)
{
	size_t tail = editing->ini.text.size;
	bool of_line_end = false;

	if (editing->cut_count > 1)
		qsort(editing->cuts, editing->cut_count, sizeof(*editing->cuts), cut_compare);
	size_t i = editing->cut_count;
	for (; i > 0; i--) {
		const struct cut *cut = &editing->cuts[i - 1];
		if (cut->how != CUT_DROP || cut->end != tail)
			break;
		tail = cut->start;
		of_line_end = of_line_end || cut->of_line_end;
	}
	size_t length = ini_line_end(editing->ini.text.data, tail);
	if (!of_line_end || length == 0)
		return;
	if (i > 0 && editing->cuts[i - 1].end == tail) /* a line that comes back */
		editing->cuts[i - 1].end -= length;
	cut_add(editing, CUT_DROP, tail - length, tail, false);
}

/* Is the line that ends at AT one of ours? */
static bool line_is_ours(const struct ini_text *ini, size_t at)
{
	for (size_t i = 0; i < ini->entry_count; i++) {
		if (ini->entries[i].state == INI_OURS && ini->entries[i].place.end == at)
			return true;
	}
	for (size_t i = 0; i < ini->section_count; i++) {
		if (ini->sections[i].ours && ini->sections[i].place.end == at)
			return true;
	}
	return false;
}

/* Sections of ours that hold nothing any more go, and a mark of a line end that ends the text. */
static int tidy(struct editing *editing, struct gf_err *err)
{
	const struct ini_text *ini = &editing->ini;

	sections_cut(editing, false);
	if (cuts_make(editing, err) != 0)
		return -1;
	for (size_t i = 0; i < ini->stray_count; i++) {
		const struct ini_stray *stray = &ini->strays[i];
		if (stray->of_line_end && stray->end == ini->text.size &&
		    !line_is_ours(ini, stray->start))
			cut_add(editing, CUT_DROP, stray->start, stray->end, true);
	}
	line_end_cut(editing);
	return cuts_make(editing, err);
}

static int change_check(const struct ini_change *change, struct gf_err *err)
{
	for (const char *at = change->section; *at; at++) {
		if (!isgraph((unsigned char)*at) || *at == '[' || *at == ']')
			return gf_err_set(err, GF_E_INPUT, "not the name of a section: \"%s\"",
			                  change->section);
	}
	for (const char *at = change->name; *at; at++) {
		if (!isalnum((unsigned char)*at) && !strchr("_-.", *at))
			return gf_err_set(err, GF_E_INPUT, "not the name of an option: \"%s\"",
			                  change->name);
	}
	if (!*change->section || !*change->name)
		return gf_err_set(err, GF_E_INPUT, "an option without section or name");
	for (size_t i = 0; change->op == INI_SET && i < change->count; i++) {
		const char *value = change->values[i];
		if (strpbrk(value, "\r\n") || py_str_valid(value, strlen(value)) != strlen(value))
			return gf_err_set(err, GF_E_INPUT,
			                  "[%s] %s: a value that cannot be written in one line",
			                  change->section, change->name);
	}
	return 0;
}

int ini_edit(const char *text, size_t size, const struct ini_change *changes, size_t count,
             char **result, size_t *result_size, struct gf_err *err)
{
	struct editing editing;
	int failed = editing_start(&editing, text, size, err);

	for (size_t i = 0; i < count && failed == 0; i++) {
		failed = change_check(&changes[i], err);
		if (failed != 0)
			break;
		failed = changes[i].op == INI_SET ? change_set(&editing, &changes[i], err)
		                                  : change_take(&editing, &changes[i], err);
	}
	if (failed == 0)
		failed = tidy(&editing, err);
	return editing_end(&editing, failed, result, result_size);
}

int ini_unedit(const char *text, size_t size, char **result, size_t *result_size,
               struct gf_err *err)
{
	struct editing editing;
	int failed = editing_start(&editing, text, size, err);

	if (failed == 0) {
		const struct ini_text *ini = &editing.ini;
		for (size_t i = 0; i < ini->entry_count; i++) {
			const struct ini_entry *entry = &ini->entries[i];
			if (entry->state == INI_OURS)
				cut_add(&editing, CUT_DROP, entry->place.mark, entry->place.end,
				        false);
			if (entry->state == INI_OUT)
				cut_add(&editing, CUT_PUT_BACK, entry->place.start,
				        entry->place.end, false);
		}
		for (size_t i = 0; i < ini->stray_count; i++)
			cut_add(&editing, CUT_DROP, ini->strays[i].start, ini->strays[i].end,
			        ini->strays[i].of_line_end);
		sections_cut(&editing, true);
		line_end_cut(&editing);
		failed = cuts_make(&editing, err);
	}
	return editing_end(&editing, failed, result, result_size);
}
