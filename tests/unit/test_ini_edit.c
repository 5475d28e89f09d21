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

static void test_single(void **state)
{
	(void)state;
	static const char *const values[] = {"A,PciPassthroughFilter"};
	struct ini_change change = set("filter_scheduler", "enabled_filters", values, 1, false);
	const char *text = "[filter_scheduler]\nenabled_filters = A\n[x]\n[Filter_Scheduler]\n"
	                   "enabled_filters = B,\n  C\nother = 1\n";

	/* After the last line of that name, which would win otherwise. */
	edits_to(text, &change, 1,
	         "[filter_scheduler]\nenabled_filters = A\n[x]\n[Filter_Scheduler]\n"
	         "enabled_filters = B,\n  C\n# gpufleet: added 6e708a95\n"
	         "enabled_filters = A,PciPassthroughFilter\nother = 1\n");
	/* Somebody set it again after ours: ours goes behind. */
	char *edited = edit("[filter_scheduler]\nenabled_filters = A\n", &change, 1);
	char later[512], want[512];
	snprintf(later, sizeof(later), "%senabled_filters = D\n", edited);
	snprintf(want, sizeof(want),
	         "[filter_scheduler]\nenabled_filters = A\nenabled_filters = D\n%s",
	         strstr(edited, "# gpufleet"));
	char *again = edit(later, &change, 1);
	assert_string_equal(again, want);
	free(again);
	free(edited);
}

static void test_take_out(void **state)
{
	(void)state;
	static const char *const values[] = {"{\"name\": \"t4\",\n\"x\": 1}"};
	struct ini_change changes[] = {
	    {.op = INI_TAKE_OUT, .section = "pci", .name = "alias", .values = values, .count = 1},
	    set("pci", "alias", one, 1, true),
	};
	const char *text = "[pci]\r\nalias = 1\r\nalias = {\"name\": \"t4\",\r\n\t\"x\": 1}";
	char *edited = edit(text, changes, 2);

	assert_non_null(strstr(edited, "\r\n# gpufleet: took out: alias = {\"name\": \"t4\",\r\n"
	                               "# gpufleet: took out: \t\"x\": 1}\r\n"));
	edits_to(text, changes, 2, edited);
	/* Back alone: ours stays. */
	changes[0].op = INI_PUT_BACK;
	changes[0].count = 0;
	char *back = edit(edited, changes, 1);
	assert_non_null(strstr(back, "\r\nalias = {\"name\": \"t4\",\r\n\t\"x\": 1}\r\n"));
	assert_non_null(strstr(back, spec));
	/* … and ours away: the line end, too. */
	changes[1].count = 0;
	char *all = edit(back, changes, 2);
	assert_string_equal(all, text);
	free(all);
	free(back);
	free(edited);
}

/* Others went on writing: only what is ours goes. */
static void test_others_since(void **state)
{
	(void)state;
	struct ini_change change = set("pci", "device_spec", one, 1, true);
	char *edited = edit("[a]\nb = 1", &change, 1), text[1024];

	/* Lines in our section keep its header; the line end stays where something follows. */
	snprintf(text, sizeof(text), "# new\n%salias = 2\n", edited);
	char *back = unedit(text);
	assert_string_equal(back, "# new\n[a]\nb = 1\n[pci]\nalias = 2\n");
	free(back);
	/* Our line changed by somebody is theirs. */
	char *value = strstr(edited, "01:00");
	value[1] = '9';
	back = unedit(edited);
	assert_string_equal(back,
	                    "[a]\nb = 1\n[pci]\ndevice_spec = {\"address\":\"0000:09:00.0\"}\n");
	free(back);
	/* … and ours is written anew beside it. */
	back = edit(edited, &change, 1);
	assert_non_null(strstr(back, "0000:09:00.0"));
	assert_non_null(strstr(back, spec));
	free(back);
	free(edited);
	/* Copied: both are ours. */
	edited = edit("[pci]\n", &change, 1);
	snprintf(text, sizeof(text), "%s%s", edited, strchr(edited, '\n') + 1);
	back = edit(text, &change, 1);
	assert_string_equal(back, edited);
	free(back);
	free(edited);
}

static void test_refused(void **state)
{
	(void)state;
	static const char *const lines[] = {"a\nb = 1"}, *const latin[] = {"\xfc"};
	struct ini_change changes[] = {
	    set("pci", "alias", lines, 1, true), set("pci", "alias", latin, 1, true),
	    set("p]i", "alias", one, 1, true),   set("pci", "al=ias", one, 1, true),
	    set("pci", "", one, 1, true),
	};
	struct gf_err err = {0};
	char *result = NULL;
	size_t size = 0;

	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		err = (struct gf_err){0};
		assert_int_equal(ini_edit("[pci]\n", 6, &changes[i], 1, &result, &size, &err), -1);
		assert_int_equal(err.code, GF_E_INPUT);
	}
	assert_int_equal(ini_edit("[pci\n", 5, NULL, 0, &result, &size, &err), -1);
	assert_string_equal(err.msg, "line 1: invalid section (must end with ])");
	assert_int_equal(ini_unedit("[pci]\nx\n", 8, &result, &size, &err), -1);
	assert_string_equal(err.msg, "line 2: no ':' or '=' found in assignment");
	assert_null(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_places),   cmocka_unit_test(test_single),
	    cmocka_unit_test(test_take_out), cmocka_unit_test(test_others_since),
	    cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
