/* What entries of device_spec offer; tests/nova compares the same rules with Nova's own code. */
#include "tests/unit/nova.h"

#include "controller/nova/nova_spec.h"

#define HOST                                                                                       \
	"0000:01:00.0 10de:1b06 0300; 0000:01:00.1 10de:10ef 0403; 0000:3b:00.0 15b3:1017 0200 "   \
	"sriov=8/1; 0000:3b:00.2 15b3:1018 0200 of=0000:3b:00.0; 10000:e1:00.0 144d:a808 0108"

/* "ADDRESS:ENTRY …" (? after the entry: perhaps), or why an entry is refused. */
static void expect(const char *const *values, size_t count, int release, const char *wanted)
{
	json_t *document = nova_document(HOST, NULL);
	struct host_facts facts;
	struct nova_offers offers;
	char text[1024] = "";

	assert_int_equal(host_facts_parse(document, &facts, NULL), 0);
	assert_int_equal(nova_offers_compute(values, count, release, &facts, &offers, NULL), 0);
	for (size_t i = 0; i < facts.device_count; i++) {
		if (offers.items[i].offered != FACT_NO)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s:%zu%s",
			         *text ? " " : "", facts.devices[i].address + 5,
			         offers.items[i].entry,
			         offers.items[i].offered == FACT_YES ? "" : "?");
	}
	for (size_t i = 0; i < count; i++) {
		if (*offers.wrong[i])
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s!%s",
			         *text ? " " : "", offers.wrong[i]);
	}
	assert_string_equal(text, wanted);
	nova_offers_free(&offers);
	host_facts_free(&facts);
	json_decref(document);
}

static void expect_one(const char *value, const char *wanted)
{
	expect(&value, 1, 26, wanted);
}

#define ALL "01:00.0:0 01:00.1:0 3b:00.0:0 3b:00.2:0"

static void test_lax(void **state)
{
	(void)state;
	expect_one("{\"venodr_id\":\"10de\"}", ALL);
	expect_one("{}", ALL);
	expect_one("{\"address\":\"\"}", ALL);
	expect_one("{\"address\":\"*\"}", ALL);
	expect_one("[]", "");
	expect_one("{\"vendor_id\":\" 0x10DE \"}", "01:00.0:0 01:00.1:0");
	expect_one("{\"vendor_id\":\"-1\"}", "");
	expect_one("{\"address\":\"01:00.\"}", "01:00.0:0 01:00.1:0");
	expect_one("{\"address\":{\"bus\":\"0\"}}", "01:00.0:0 01:00.1:0");
	expect_one("{\"address\":{\"function\":\"[1-7]\"}}", "01:00.1:0 3b:00.2:0");
	/* A physical function stands for its virtual ones when it alone is named. */
	expect_one("{\"address\":\"0000:3b:00.0\"}", "3b:00.0:0 3b:00.2:0");
	expect_one("{\"address\":\"*:3b:00.0\"}", "3b:00.0:0");
	expect_one("{\"address\":{\"domain\":\"0000\",\"bus\":\"3b\",\"slot\":\"00\",\"function\":"
	           "\"0\"}}",
	           "3b:00.0:0 3b:00.2:0");
	expect_one("{\"devname\":\"eth0\"}", "3b:00.0:0? 3b:00.2:0?");
	expect_one("{\"remote_managed\":\"true\",\"vendor_id\":\"15b3\"}", "3b:00.0:0? 3b:00.2:0?");
	expect_one("{\"vendor_id\":\"\xef\xbc\x91\"}",
	           "01:00.0:0? 01:00.1:0? 3b:00.0:0? 3b:00.2:0?");
}

static void test_refused(void **state)
{
	(void)state;
	expect_one("", "!it is not JSON");
	expect_one("{'vendor_id':'10de'}", "!it is not JSON");
	expect_one("1", "!it is neither a dict nor a list of dicts");
	expect_one("[1]", "!it holds something that is not a dict");
	expect_one(
	    "{\"vendor_id\":4318}",
	    "!vendor_id is not a string, which Nova does not expect: nova-compute fails with "
	    "AttributeError");
	expect_one(
	    "{\"product_id\":null}",
	    "!product_id is not a string, which Nova does not expect: nova-compute fails with "
	    "TypeError");
	expect_one("{\"vendor_id\":\"nvidia\"}",
	           "!property vendor_id ('nvidia') does not parse as a hex number");
	expect_one("{\"address\":\"0*:01:00.0\"}",
	           "!property domain ('0*') does not parse as a hex number");
	expect_one("{\"address\":\"0000:01:20.0\"}",
	           "!property slot (20) is greater than the maximum allowable value (1F)");
	expect_one("{\"address\":\"0000:01:00.8\"}",
	           "!property func (8) is greater than the maximum allowable value (7)");
	expect_one("{\"address\":\"a:b:c:d.0\"}", "!the address 'a:b:c:d.0' is in a wrong format");
	expect_one("{\"address\":1}", "!the address is neither a string nor an object");
	expect_one("{\"address\":{\"bus\":\"[\"}}",
	           "!the address's bus '[' is no regular expression");
	expect_one("{\"address\":{\"bus\":1}}",
	           "!the address's bus is not a string, which Nova does not expect: nova-compute "
	           "fails with TypeError");
	expect_one("{\"devname\":\"eth0\",\"address\":\"01:00.0\"}",
	           "!devname and address stand together");
}

static void test_order(void **state)
{
	static const char *const values[] = {"{\"product_id\":\"1b06\"}",
	                                     "{\"vendor_id\":\"10de\"}", "nonsense"};

	(void)state;
	expect(values, 2, 26, "01:00.0:0 01:00.1:1");
	expect(values, 3, 26, "01:00.0:0 01:00.1:1 !it is not JSON");
	expect(NULL, 0, 26, "");
}

/* Before Yoga nobody knew remote_managed: a tag as any other. */
static void test_by_release(void **state)
{
	static const char *const values[] = {
	    "{\"remote_managed\":\"true\",\"vendor_id\":\"15b3\"}"};

	(void)state;
	expect(values, 1, 24, "3b:00.0:0 3b:00.2:0");
}

static void test_odd_keys(void **state)
{
	struct nova_spec_list list;

	(void)state;
	assert_int_equal(
	    nova_spec_parse("[{\"venodr_id\":\"1\"},{\"traits\":\"a\"}]", 25, &list, NULL), 0);
	assert_string_equal(nova_spec_odd_key(list.items[0], 25), "venodr_id");
	assert_string_equal(nova_spec_odd_key(list.items[1], 25), "traits");
	assert_null(nova_spec_odd_key(list.items[1], 26));
	assert_false(nova_spec_has_devname(list.items[0]));
	nova_spec_list_free(&list);
}

static void test_types(void **state)
{
	struct host_facts_device device = {.sriov_total = 0};

	(void)state;
	assert_string_equal(nova_spec_device_type(&device), "type-PCI");
	device.sriov_total = 16; /* without a single virtual function, too */
	assert_string_equal(nova_spec_device_type(&device), "type-PF");
	device.physical_function = "0000:01:00.0";
	assert_string_equal(nova_spec_device_type(&device), "type-VF");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_lax),      cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_order),    cmocka_unit_test(test_by_release),
	    cmocka_unit_test(test_odd_keys), cmocka_unit_test(test_types),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
