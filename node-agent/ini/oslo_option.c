/* oslo_option.c: one option's value, and the options that it refers to. The entries of an option
 * are collected in the order in which a multi-valued one has them; any other has one winner among
 * them. */
#include "node-agent/ini/oslo_read.h"

#include <ctype.h>
#include <string.h>

static struct py_str c_str(const char *text)
{
	return (struct py_str){.data = text, .size = strlen(text)};
}

/* An option as it is asked for: the names that count, the current one first. */
struct names {
	struct oslo_name *names;
	size_t count;
};

static char *underscored(struct oslo_reading *reading, const char *name)
{
	char *copy = oslo_take(reading, strlen(name) + 1);

	if (!copy)
		return NULL;
	strcpy(copy, name);
	for (char *at = copy; *at; at++)
		*at = *at == '-' ? '_' : *at;
	return copy;
}

/* Opt._get_from_namespace: SECTION is what was asked for, which a deprecated name can make another
 * than the option's own. */
static int names_list(struct oslo_reading *reading, const struct oslo_option *option,
                      const char *section, struct names *list)
{
	const struct oslo_name *old = option->deprecated;
	size_t former = 0;

	while (old && (old[former].section || old[former].name))
		former++;
	list->names = oslo_take(reading, (2 * former + 1) * sizeof(*list->names));
	char *own = underscored(reading, option->name);
	if (!list->names || !own)
		return -1;
	list->names[0] = (struct oslo_name){.section = section, .name = own};
	list->count = 1;
	for (size_t i = 0; i < 2 * former; i++) {
		const struct oslo_name *from = &old[i % former];
		const char *name = from->name ? from->name : own;
		if (i >= former && !strchr(name, '-'))
			continue;
		if (i >= former)
			name = underscored(reading, name);
		if (!name)
			return -1;
		list->names[list->count++] = (struct oslo_name){
		    .section = from->section ? from->section : section, .name = name};
	}
	return 0;
}

/* The entries of FILE under NAME go to *entries (when not NULL); returns their number. */
static size_t file_entries(const struct oslo_file *file, const struct oslo_name *name,
                           struct oslo_entry *entries)
{
	struct py_str section = c_str(name->section);
	size_t count = 0;

	for (size_t i = 0; i < file->ini.entry_count; i++) {
		const struct ini_entry *entry = &file->ini.entries[i];
		const struct ini_section *of = &file->ini.sections[entry->section];
		if (entry->state == INI_OUT || !py_str_is(entry->name, name->name) ||
		    !ini_section_same(of->name, section))
			continue;
		if (entries)
			entries[count] = (struct oslo_entry){.file = file->path,
			                                     .line = entry->place.line,
			                                     .section = of->name.data,
			                                     .name = entry->name.data,
			                                     .raw = entry->value,
			                                     .ours = entry->state == INI_OURS};
		count++;
	}
	return count;
}

/* All entries, in a multi-valued option's order; *winner is the index of the one that any other
 * option has (only when there are entries). */
static int entries_list(struct oslo_reading *reading, const struct names *names,
                        struct oslo_entry **entries, size_t *count, size_t *winner)
{
	const struct oslo_config *config = reading->config;
	size_t total = 0;

	for (size_t i = 0; i < config->file_count; i++) {
		for (size_t j = 0; j < names->count; j++)
			total += file_entries(&config->files[i], &names->names[j], NULL);
	}
	*count = 0;
	*entries = oslo_take(reading, (total + 1) * sizeof(**entries));
	if (!*entries)
		return -1;
	for (size_t i = 0; i < config->file_count; i++) {
		for (size_t j = names->count; j-- > 0;) {
			size_t more =
			    file_entries(&config->files[i], &names->names[j], *entries + *count);
			*count += more;
			/* The names go from the last to the current one, the files from the first
			 * to the last: the last that has any wins. */
			if (more > 0)
				*winner = *count - 1;
		}
	}
	return 0;
}

/* The environment's value, NULL when there is none. */
static const char *environment_find(const struct oslo_config *config, const char *section,
                                    const char *name)
{
	const char *const *at = config->environment;

	for (; at && *at; at++) {
		const char *have = *at, *want = "OS_";
		const char *parts[] = {want, section, "__", name};
		size_t part = 0;
		for (; part < 4; part++) {
			const char *from = parts[part];
			while (*from && *have == toupper((unsigned char)*from)) {
				from++;
				have++;
			}
			if (*from)
				break;
		}
		if (part == 4 && *have == '=')
			return have + 1;
	}
	return NULL;
}

/* Puts the texts of COUNT items in, in place. */
static int items_substitute(struct oslo_reading *reading, const char *section,
                            struct oslo_items *items)
{
	for (size_t i = 0; i < items->count; i++) {
		if (oslo_substitute(reading, section, items->items[i], &items->items[i]) != 0)
			return -1;
	}
	return 0;
}

/* TEXT from the environment, of a multi-valued option: each of its characters. */
static int characters(struct oslo_reading *reading, struct py_str text, struct oslo_items *items)
{
	items->items = oslo_take(reading, (text.size + 1) * sizeof(*items->items));
	if (!items->items)
		return -1;
	for (size_t at = 0; at < text.size;) {
		size_t end = at + 1;
		while (end < text.size && ((unsigned char)text.data[end] & 0xc0) == 0x80)
			end++;
		struct py_str one = oslo_copy(reading, py_str_tail(py_str_head(text, end), at));
		if (!one.data)
			return -1;
		items->items[items->count++] = one;
		at = end;
	}
	return 0;
}

static int defaults_read(struct oslo_reading *reading, const struct oslo_option *option,
                         const char *section, struct oslo_items *items)
{
	size_t count = 0;

	if (!option->defaults)
		return 0;
	while (option->defaults[count])
		count++;
	items->source = OSLO_DEFAULT;
	items->items = oslo_take(reading, (count + 1) * sizeof(*items->items));
	if (!items->items)
		return -1;
	for (; items->count < count; items->count++)
		items->items[items->count] = c_str(option->defaults[items->count]);
	if (items_substitute(reading, section, items) != 0)
		return -1;
	if (option->kind == OSLO_BOOL && count == 1)
		return oslo_convert(reading, option, items->items[0], items);
	return 0;
}

/* What ENTRIES make of a multi-valued option. */
static int multi_read(struct oslo_reading *reading, const char *section,
                      const struct oslo_entry *entries, size_t count, struct oslo_items *items)
{
	items->source = OSLO_FILE;
	items->items = oslo_take(reading, (count + 1) * sizeof(*items->items));
	if (!items->items)
		return -1;
	for (; items->count < count; items->count++)
		items->items[items->count] = entries[items->count].raw;
	return items_substitute(reading, section, items);
}

/* ConfigOpts._do_get. */
int oslo_option_read(struct oslo_reading *reading, const struct oslo_option *option,
                     const char *section, const char *name, struct oslo_items *items,
                     struct oslo_entry **entries, size_t *count, size_t *winner)
{
	struct names names;
	struct py_str text;

	*items = (struct oslo_items){.source = OSLO_UNSET};
	if (names_list(reading, option, section, &names) != 0 ||
	    entries_list(reading, &names, entries, count, winner) != 0)
		return -1;
	const char *from =
	    environment_find(reading->config, section, name ? name : names.names[0].name);
	if (!from && *count == 0)
		return defaults_read(reading, option, section, items);
	if (!from && option->kind == OSLO_MULTI)
		return multi_read(reading, section, *entries, *count, items);
	items->source = from ? OSLO_ENVIRONMENT : OSLO_FILE;
	if (oslo_substitute(reading, section, from ? c_str(from) : (*entries)[*winner].raw,
	                    &text) != 0)
		return -1;
	if (option->kind == OSLO_MULTI)
		return characters(reading, text, items);
	return oslo_convert(reading, option, text, items);
}

/* Is NAME (with _) what OPTION is called? */
static bool name_same(struct py_str name, const char *of)
{
	if (name.size != strlen(of))
		return false;
	for (size_t i = 0; i < name.size; i++) {
		if (name.data[i] != (of[i] == '-' ? '_' : of[i]))
			return false;
	}
	return true;
}

/* ConfigOpts._get_opt_info: by its own name, else by a deprecated one (the last that has it). */
static const struct oslo_option *option_find(const struct oslo_config *config, const char *section,
                                             struct py_str name)
{
	const struct oslo_option *found = NULL;

	for (size_t i = 0; i < config->known_count; i++) {
		const struct oslo_option *option = &config->known[i];
		if (strcmp(option->section, section) == 0 && name_same(name, option->name))
			return option;
		for (const struct oslo_name *old = option->deprecated;
		     old && (old->section || old->name); old++) {
			if (old->name && name_same(name, old->name) &&
			    strcmp(old->section ? old->section : "DEFAULT", section) == 0)
				found = option;
		}
	}
	return found;
}

/* Is there an option in the group NAME? */
static bool group_is_known(const struct oslo_config *config, const char *name)
{
	for (size_t i = 0; i < config->known_count; i++) {
		if (strcmp(config->known[i].section, name) == 0)
			return true;
	}
	return false;
}

/* The same, or is it a section of a file, by its name in lower case? */
static bool group_can_be(const struct oslo_config *config, const char *name)
{
	for (const char *at = name; *at; at++) {
		if (isupper((unsigned char)*at))
			return false;
	}
	for (size_t i = 0; i < config->file_count; i++) {
		const struct ini_text *ini = &config->files[i].ini;
		for (size_t j = 0; j < ini->section_count; j++) {
			if (ini_section_same(ini->sections[j].name, c_str(name)))
				return true;
		}
	}
	return group_is_known(config, name);
}

/* Would reading WHAT not end? oslo.config fails then, and where the references are too many or too
 * deep it is the better answer, too. */
static bool refers_to_itself(struct oslo_reading *reading, struct oslo_referred *what)
{
	for (const struct oslo_referred *at = what->by; at; at = at->by) {
		if (strcmp(at->name, what->name) == 0 && strcmp(at->section, what->section) == 0)
			return true;
	}
	what->depth = what->by ? what->by->depth + 1 : 0;
	return ++reading->steps > OSLO_STEPS || what->depth > OSLO_DEPTH;
}

/* NAME of SECTION, if it is known or stands in a file. */
static int refer_in(struct oslo_reading *reading, const char *section, struct py_str name,
                    bool *found, struct py_str *text)
{
	const struct oslo_option *option = option_find(reading->config, section, name);
	const char *own = oslo_copy(reading, name).data;
	struct oslo_option unknown = {.section = section, .name = own, .kind = OSLO_STRING};
	struct oslo_referred self = {.by = reading->referred, .section = section, .name = own};
	struct oslo_entry *entries;
	struct oslo_items items;
	size_t count, winner;

	if (!own)
		return -1;
	*found = false;
	reading->fatal = reading->fatal || refers_to_itself(reading, &self) ||
	                 (strcmp(section, "DEFAULT") == 0 && group_is_known(reading->config, own));
	if (reading->fatal)
		return 0;
	reading->referred = &self;
	int result = oslo_option_read(reading, option ? option : &unknown, section, own, &items,
	                              &entries, &count, &winner);
	reading->referred = self.by;
	if (result != 0)
		return -1;
	*found = option || items.source != OSLO_UNSET;
	return *found ? oslo_str(reading, option ? option : &unknown, &items, text) : 0;
}

/* $group.name */
static int refer_in_group(struct oslo_reading *reading, struct py_str group, struct py_str name,
                          bool *found, struct py_str *text)
{
	const char *section = oslo_copy(reading, group).data;

	if (!section)
		return -1;
	if (group_can_be(reading->config, section))
		return refer_in(reading, section, name, found, text);
	reading->fatal = true;
	return 0;
}

/* StrSubWrapper.__getitem__: what fails with NoSuchOptError, however deep, is looked for in
 * [DEFAULT]; a missing group, a group's name or an endless reference fail for good. */
int oslo_refer(struct oslo_reading *reading, const char *section, struct py_str name, bool *found,
               struct py_str *text)
{
	const char *dot = memchr(name.data, '.', name.size), *before = reading->unresolved;
	size_t length = dot ? (size_t)(dot - name.data) : 0;

	*found = false;
	if (dot)
		return refer_in_group(reading, py_str_head(name, length),
		                      py_str_tail(name, length + 1), found, text);
	reading->unresolved = NULL;
	if (refer_in(reading, section, name, found, text) != 0)
		return -1;
	if ((!*found || reading->unresolved) && !reading->fatal &&
	    strcmp(section, "DEFAULT") != 0) {
		reading->unresolved = NULL;
		if (refer_in(reading, "DEFAULT", name, found, text) != 0)
			return -1;
	}
	if (before)
		reading->unresolved = before;
	return 0;
}
