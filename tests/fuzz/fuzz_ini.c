/* fuzz_ini.c: any bytes as a configuration file: read, edited and taken back. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "node-agent/ini/ini_edit.h"
#include "node-agent/ini/oslo_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(const char *a, size_t a_size, const char *b, size_t b_size)
{
	if (a_size != b_size || (a_size > 0 && memcmp(a, b, a_size) != 0))
		abort();
}

/* Can ini_edit be asked for an option of this name? */
static int nameable(struct py_str name, int section)
{
	for (size_t i = 0; i < name.size; i++) {
		char c = name.data[i];
		int word =
		    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!word && c != '_' && c != '-' && c != '.' && !(section && c > ' ' && c < '['))
			return 0;
	}
	return 1;
}

static void edit(const char *text, size_t size, const struct ini_change *changes, size_t count)
{
	char *edited, *again, *back;
	size_t edited_size, again_size, back_size;

	if (ini_edit(text, size, changes, count, &edited, &edited_size, NULL) != 0 ||
	    ini_edit(edited, edited_size, changes, count, &again, &again_size, NULL) != 0 ||
	    ini_unedit(edited, edited_size, &back, &back_size, NULL) != 0)
		abort();
	same(again, again_size, edited, edited_size);
	if (!memmem(text, size, INI_MARK, strlen(INI_MARK)))
		same(back, back_size, text, size);
	free(edited);
	free(again);
	free(back);
}

static void read_option(const char *text, size_t size, const struct oslo_option *option)
{
	struct oslo_config *config = oslo_config_new(option, 1, NULL, NULL);
	struct oslo_value value;

	if (!config || oslo_config_add(config, "file", text, size, NULL, NULL) != 0)
		abort();
	if (oslo_config_get(config, option, &value, NULL) == 0)
		oslo_value_free(&value);
	oslo_config_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const values[] = {"{\"a\": \"$b\"}", " \"x\" "};
	const char *text = (const char *)data;
	struct ini_text ini;
	struct ini_change changes[3] = {
	    {.op = INI_SET,
	     .section = "pci",
	     .name = "alias",
	     .values = values,
	     .count = 2,
	     .multi = true},
	    {.op = INI_TAKE_OUT, .section = "pci", .name = "alias"},
	    {.op = INI_SET, .section = "new", .name = "one", .values = values, .count = 1},
	};

	if (ini_text_parse(&ini, text, size, NULL) == 0) {
		/* Which option is ours, and what becomes of others' lines, hangs on the input. */
		if (ini.entry_count > 0) {
			const struct ini_entry *entry = &ini.entries[size % ini.entry_count];
			struct py_str section = ini.sections[entry->section].name;
			if (nameable(section, 1) && nameable(entry->name, 0)) {
				changes[0].section = changes[1].section = section.data;
				changes[0].name = changes[1].name = entry->name.data;
				changes[1].values = &entry->value.data;
				changes[1].count = 1;
			}
			changes[0].multi = size % 3 > 0;
		}
		const struct oslo_option option = {.section = changes[0].section,
		                                   .name = changes[0].name,
		                                   .kind = (enum oslo_kind)(size % 4)};
		read_option(text, size, &option);
		edit(text, size, changes + size % 2, 3 - size % 2);
	}
	ini_text_free(&ini);
	return 0;
}
