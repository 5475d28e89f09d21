/* Entries of alias by Nova's schema: what is taken, what is refused and with which words. */
#include "tests/unit/nova.h"

#include "controller/nova/nova_alias.h"

/* VALUES, one a line: the reasons of the refused ones ("-" for one that is taken), one a line. */
static void expect(const char *values, int release, bool placement, const char *wanted)
{
	const char *list[8];
	size_t count = 0;
	char *copy = strdup(values), *rest = copy, *line, got[1024] = "";
	struct nova_alias_list aliases;

	while ((line = strsep(&rest, "\n")))
		list[count++] = line;
	assert_int_equal(nova_alias_judge(list, count, release, placement, &aliases, NULL), 0);
	for (size_t i = 0; i < count; i++)
		snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", i ? "\n" : "",
		         *aliases.items[i].wrong ? aliases.items[i].wrong : "-");
	assert_string_equal(got, wanted);
	nova_alias_list_free(&aliases);
	free(copy);
}

#define IDS "\"vendor_id\":\"10de\",\"product_id\":\"1b06\""

static void test_schema(void **state)
{
	(void)state;
	expect("{\"name\":\"a\"," IDS ",\"device_type\":\"type-PF\"}", 16, false, "-");
	expect("nonsense", 26, false, "it is not JSON");
	expect("[{\"name\":\"a\"}]", 26, false, "it is not a JSON object (a list is refused, too)");
	expect("{}", 26, false, "'name' is a required property");
	expect("{\"name\":\"\"}", 26, false, "the name is empty");
	expect("{\"name\":1}", 26, false, "name is not a string");
	expect("{\"name\":\"a\",\"vendor_id\":\"0x10de\"}", 26, false,
	       "vendor_id '0x10de' is not four hex digits (without 0x)");
	expect("{\"name\":\"a\",\"device_type\":\"pf\"}", 26, false,
	       "device_type 'pf' is not type-PCI, type-PF or type-VF");
	expect("{\"name\":\"a\",\"capability_type\":\"usb\"}", 26, false,
	       "capability_type 'usb' is not pci");
	expect("{\"name\":\"a\",\"managed\":\"yes\"}", 32, false,
	       "the key 'managed' is not one that Nova 32 (2025.2 Flamingo) knows");
}

static void test_releases(void **state)
{
	(void)state;
	expect("{\"name\":\"a\",\"numa_policy\":\"legacy\"}", 16, false,
	       "the key 'numa_policy' is not one that Nova 16 (Pike) knows");
	expect("{\"name\":\"a\",\"numa_policy\":\"legacy\"}", 17, false, "-");
	expect("{\"name\":\"a\",\"numa_policy\":\"socket\"}", 22, false,
	       "numa_policy 'socket' is not one that this Nova knows");
	expect("{\"name\":\"a\",\"numa_policy\":\"socket\"}", 23, false, "-");
	expect("{\"name\":\"a\",\"resource_class\":\"X\"}", 26, false,
	       "the key 'resource_class' is not one that Nova 26 (Zed) knows");
	expect("{\"name\":\"a\",\"resource_class\":\"X\"}", 27, false, "-");
	expect("{\"name\":\"a\"," IDS ",\"live_migratable\":true}", 31, false,
	       "live_migratable is not a string");
	expect("{\"name\":\"a\"," IDS ",\"live_migratable\":\"perhaps\"}", 31, false,
	       "live_migratable 'perhaps' is neither yes nor no");
	expect("{\"name\":\"a\"," IDS ",\"live_migratable\":\" Yes \"}", 31, false, "-");
	expect("{\"name\":\"a\",\"vendor_id\":\"10de\"}", 30, false, "-");
	expect("{\"name\":\"a\",\"vendor_id\":\"10de\"}", 32, false,
	       "the alias 'a' does not have vendor_id and product_id");
	expect("{\"name\":\"a\",\"resource_class\":\"X\"}", 32, false,
	       "the alias 'a' does not have vendor_id and product_id");
	expect("{\"name\":\"a\",\"resource_class\":\"X\"}", 32, true, "-");
}

static void test_repeated(void **state)
{
	(void)state;
	expect("{\"name\":\"a\"}\n{\"name\":\"a\"}", 26, false,
	       "-\nthe alias 'a' has several entries, and one lacks device_type (Nova says only: "
	       "'dev_type')");
	expect("{\"name\":\"a\",\"device_type\":\"type-PF\"}\n"
	       "{\"name\":\" a\",\"device_type\":\"type-PCI\"}",
	       26, false, "-\nDevice type mismatch for alias ' a'");
	expect("{\"name\":\"a\",\"device_type\":\"type-PF\"}\n"
	       "{\"name\":\"a\",\"device_type\":\"type-PF\",\"numa_policy\":\"required\"}",
	       26, false, "-\nNUMA policy mismatch for alias 'a'");
	expect("{\"name\":\"a\",\"device_type\":\"type-PF\"}\n"
	       "{\"name\":\"a\",\"device_type\":\"type-PF\",\"numa_policy\":\"legacy\"}",
	       26, false, "-\n-");
	expect("{\"name\":\"a\",\"device_type\":\"type-PF\"}\n"
	       "{\"name\":\"a\",\"device_type\":\"type-PF\"}",
	       27, true,
	       "-\nthe alias 'a' has several entries, which pci_in_placement does not allow");
}

static void test_names(void **state)
{
	char buffer[NOVA_ALIAS_NAME_SIZE];

	(void)state;
	assert_string_equal(nova_alias_name("{\"name\":\" a b \"}", buffer), "a b");
	assert_string_equal(nova_alias_name("{\"name\":1}", buffer), "");
	assert_string_equal(nova_alias_name("nonsense", buffer), "");
	assert_true(nova_alias_requestable("nvidia1080"));
	assert_false(nova_alias_requestable("a:1"));
	assert_false(nova_alias_requestable("a,b"));
	assert_false(nova_alias_requestable("a b"));
	assert_false(nova_alias_requestable(""));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_schema),
	    cmocka_unit_test(test_releases),
	    cmocka_unit_test(test_repeated),
	    cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
