/* A facts document's part about Nova: what is read, and every wrong shape. */
#include "tests/unit/nova.h"

#include "controller/nova/nova_facts.h"

#define GOOD                                                                                       \
	"{\"nova\":{\"deployment\":\"debian\",\"release\":\"26.2.1\",\"services\":["               \
	"{\"name\":\"nova-compute\",\"state\":\"active\",\"substate\":\"running\",\"restarts\":2," \
	"\"options\":{\"pci.device_spec\":{\"kind\":\"multi\",\"entries\":["                       \
	"{\"value\":\"{}\",\"file\":\"/etc/nova/nova.conf\",\"line\":12,\"name\":"                 \
	"\"passthrough_whitelist\",\"section\":\"pci\",\"ours\":false},"                           \
	"{\"value\":\"[]\",\"file\":\"/etc/nova/nova.conf\",\"line\":13,\"ours\":true}]},"         \
	"\"pci.report_in_placement\":{\"kind\":\"set\",\"value\":\"True\",\"entries\":[]},"        \
	"\"pci.alias\":null,"                                                                      \
	"\"filter_scheduler.enabled_filters\":{\"kind\":\"list\",\"value\":[\"A\",\"B\"]}}}],"     \
	"\"files\":[{\"path\":\"/etc/nova/nova.conf\",\"managed_by\":\"puppet\"}],"                \
	"\"problems\":[{\"file\":\"/etc/nova/x\",\"line\":3,\"message\":\"no\"}]}}"

static void test_read(void **state)
{
	json_t *document = json_loads(GOOD, 0, NULL);
	struct nova_facts facts;
	const struct nova_facts_service *service;
	const struct nova_facts_option *option;
	char place[NOVA_PLACE_SIZE];

	(void)state;
	assert_int_equal(nova_facts_parse(document, &facts, NULL), 0);
	assert_true(facts.present);
	assert_string_equal(facts.release, "26.2.1");
	service = nova_facts_service(&facts, "nova-compute");
	assert_non_null(service);
	assert_null(nova_facts_service(&facts, "nova-api"));
	assert_int_equal(service->restarts, 2);
	option = nova_facts_option(service, "pci.device_spec");
	assert_int_equal(option->count, 2);
	assert_string_equal(option->entries[0].name, "passthrough_whitelist");
	assert_false(option->entries[0].ours);
	assert_true(option->entries[1].ours);
	assert_string_equal(nova_facts_place(&option->entries[0], place), "/etc/nova/nova.conf:12");
	assert_null(nova_facts_option(service, "pci.alias"));
	assert_null(nova_facts_option(NULL, "pci.alias"));
	option = nova_facts_option(service, "filter_scheduler.enabled_filters");
	assert_int_equal(json_array_size(option->value), 2);
	assert_int_equal(nova_facts_switch(service, "pci.report_in_placement"), FACT_YES);
	assert_int_equal(nova_facts_switch(service, "filter_scheduler.pci_in_placement"), FACT_NO);
	assert_int_equal(nova_facts_switch(NULL, "pci.report_in_placement"), FACT_UNKNOWN);
	assert_string_equal(facts.files[0].managed_by, "puppet");
	assert_int_equal(facts.problems[0].line, 3);
	nova_facts_free(&facts);
	json_decref(document);
}

static void test_absent(void **state)
{
	static const char *const documents[] = {"{}", "{\"nova\":null}"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		json_t *document = json_loads(documents[i], 0, NULL);
		struct nova_facts facts;

		assert_int_equal(nova_facts_parse(document, &facts, NULL), 0);
		assert_false(facts.present);
		nova_facts_free(&facts);
		json_decref(document);
	}
}

/* Replaces in GOOD, and must be refused with a word about WHAT. */
static void refused(const char *from, const char *to, const char *what)
{
	const char *at = strstr(GOOD, from);
	char text[4096], wanted[200];
	json_t *document;
	struct nova_facts facts;
	struct gf_err err = {0};

	assert_non_null(at);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - GOOD), GOOD, to, at + strlen(from));
	document = json_loads(text, 0, NULL);
	assert_non_null(document);
	assert_int_equal(nova_facts_parse(document, &facts, &err), -1);
	assert_int_equal(err.code, GF_E_PROTOCOL);
	snprintf(wanted, sizeof(wanted),
	         "the host's facts are malformed: nova's %s is not as agreed; run `gpufleet scan` "
	         "again",
	         what);
	assert_string_equal(err.msg, wanted);
	json_decref(document);
}

static void test_malformed(void **state)
{
	(void)state;
	refused("\"26.2.1\"", "26", "release");
	refused("\"debian\"", "[]", "deployment");
	refused("\"nova-compute\"", "null", "name");
	refused("\"active\"", "1", "state");
	refused("\"restarts\":2", "\"restarts\":-3", "restarts");
	refused("\"value\":\"{}\"", "\"value\":{}", "value");
	refused("\"value\":\"True\"", "\"value\":true", "value");
	refused("[\"A\",\"B\"]", "[\"A\",1]", "value");
	refused("\"line\":12", "\"line\":\"12\"", "line");
	refused("\"pci.alias\":null", "\"pci.alias\":[]", "options");
	refused("\"path\":\"/etc/nova/nova.conf\"", "\"path\":null", "path");
	refused("\"message\":\"no\"", "\"message\":1", "message");
	refused("[{\"path\"", "[1,{\"path\"", "files");
}

static void test_place(void **state)
{
	struct nova_facts_entry entry = {.file = "/etc/\x1b[1m", .line = -1};
	char place[NOVA_PLACE_SIZE];

	(void)state;
	assert_string_equal(nova_facts_place(&entry, place), "/etc/?[1m");
	entry.file = NULL;
	assert_string_equal(nova_facts_place(&entry, place), "a file");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_read),
	    cmocka_unit_test(test_absent),
	    cmocka_unit_test(test_malformed),
	    cmocka_unit_test(test_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
