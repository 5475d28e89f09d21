/* test_ini_edit.c: own lines set, taken back, and others' lines left as they were. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "node-agent/ini/ini_edit.h"


static const char spec[] = "{\"address\":\"0000:01:00.0\"}";
static const char *const one[] = {spec};

static char *edit(const char *text, const struct ini_change *changes, size_t count)
{
	struct gf_err err = {0};
	char *result = NULL;
	size_t size = 0;

	if (ini_edit(text, strlen(text), changes, count, &result, &size, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(size, strlen(result));
	return result;
}

static char *unedit(const char *text)
{
	struct gf_err err = {0};
	char *result = NULL;
	size_t size = 0;

	if (ini_unedit(text, strlen(text), &result, &size, &err) != 0)
		fail_msg("%s", err.msg);
	assert_int_equal(size, strlen(result));
	return result;
}

/* TEXT edited reads WANT; once more changes nothing; taken back it is TEXT. */
static void edits_to(const char *text, const struct ini_change *changes, size_t count,
                     const char *want)
{
	char *edited = edit(text, changes, count), *again = edit(edited, changes, count);
	char *back = unedit(edited);

	assert_string_equal(edited, want);
	assert_string_equal(again, want);
	assert_string_equal(back, text);
	free(edited);
	free(again);
	free(back);
}

static struct ini_change set(const char *section, const char *name, const char *const *values,
                             size_t count, bool multi)
{
	return (struct ini_change){.op = INI_SET,
	                           .section = section,
	                           .name = name,
	                           .values = values,
	                           .count = count,
	                           .multi = multi};
}

static void test_places(void **state)
{
	(void)state;
	struct ini_change change = set("pci", "device_spec", one, 1, true);
	char *made = edit("", &change, 1);
	char want[1024];
	const char *lines = strstr(made, "# gpufleet: added ");

	lines = strchr(lines, '\n') + 1; /* after the section's mark */
	lines = strchr(lines, '\n') + 1; /* after its header */
	assert_memory_equal(lines, "# gpufleet: added ", 18);
	snprintf(want, sizeof(want), "[pci]\n%s", lines);
	edits_to("[pci]\n", &change, 1, want);
	snprintf(want, sizeof(want), "[PCI]\nalias = a\n  b\n%s\n# next\n[x]\ny = 1\n[pci]\n",
	         lines);
	edits_to("[PCI]\nalias = a\n  b\n\n# next\n[x]\ny = 1\n[pci]\n", &change, 1, want);
	snprintf(want, sizeof(want), "[pci]\na = 1\n[x]\n[pci]\ndevice_spec = 1\n%sb = 2\n", lines);
	edits_to("[pci]\na = 1\n[x]\n[pci]\ndevice_spec = 1\nb = 2\n", &change, 1, want);
	snprintf(want, sizeof(want), "[pci]\na = 1\n# gpufleet: added the line end above\n%s",
	         lines);
	edits_to("[pci]\na = 1", &change, 1, want);
	edits_to("", &change, 1, made);
	free(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_places),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
