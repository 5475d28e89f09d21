/* test_report_libvirt.c: the XML for libvirt: what is in it, and that libvirt's schemas take it. */
#include "tests/unit/report_fleet.h"

#include <unistd.h>

#include "controller/report/report_libvirt.h"

static char *document_of(const json_t *report, const struct report_host *hosts, size_t count)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_int_equal(report_libvirt(report, hosts, count, out, NULL), 0);
	fclose(out);
	return text;
}

/* virt-xml-validate takes it. Without the program nothing is proven: the test is skipped. */
static void expect_valid(const char *text)
{
	char path[] = "/tmp/test_report_libvirt.XXXXXX", command[128];
	FILE *out = fdopen(mkstemp(path), "w");
	int status;

	fputs(text, out);
	fclose(out);
	snprintf(command, sizeof(command), "virt-xml-validate %s >/dev/null", path);
	status = system(command); /* NOLINT(cert-env33-c): a path of this test's own */
	unlink(path);
	if (status != 0)
		fail_msg("not valid:\n%s", text);
}

static void need_validator(void)
{
	/* NOLINTNEXTLINE(cert-env33-c) */
	if (system("command -v virt-xml-validate >/dev/null && command -v xmllint >/dev/null") !=
	    0) {
		print_message("skipped: libvirt-clients and libxml2-utils are not installed\n");
		skip();
	}
}

static char *document(const struct fleet *fleet)
{
	json_t *report = fleet_report(fleet);
	char *text = document_of(report, fleet->entries, FLEET_HOSTS);

	json_decref(report);
	return text;
}

/* The document of the first host alone. */
static char *document_of_one(const struct fleet *fleet)
{
	json_t *report =
	    report_build(&fleet->inventory, fleet->entries, 1, "2026-01-02T03:04:05Z", NULL);
	char *text = document_of(report, fleet->entries, 1);

	json_decref(report);
	return text;
}

static void test_golden(void **state)
{
	char *text;

	need_validator();
	text = document(*state);
	expect_file(text, "libvirt.expected");
	expect_valid(text);
	free(text);
}

static void test_one_host_is_a_guest_to_start_from(void **state)
{
	char *text;

	need_validator();
	text = document_of_one(*state);
	expect_text(text, "A guest to start from");
	expect_text(text,
	            "<controller type='pci' index='1' model='pcie-root-port'/>\n    <!-- gpu01 ");
	expect_valid(text);
	free(text);
}

static void test_nothing_ready(void **state)
{
	struct fleet *fleet = *state;
	json_t *report;
	char *text;

	need_validator();
	report =
	    report_build(&fleet->inventory, fleet->entries + 2, 4, "2026-01-02T03:04:05Z", NULL);
	text = document_of(report, fleet->entries + 2, 4);
	json_decref(report);
	expect_no_text(text, "<hostdev");
	expect_no_text(text, "pcie-root-port");
	expect_text(text, "<hidden state='on'/>");
	expect_text(text, "3 on 4 hosts: 0 ready, which are below; 1 in use by guests");
	expect_valid(text);
	free(text);
}

/* "--" ends a comment's right to be one; a host's name and a device's may be anything here. */
static void test_hostile_names(void **state)
{
	static char label[] = "a--b---><x>&amp;\x1b[2J]]>-";
	static const char name[] = "--><hostdev/><!-- \xef\xbf\xbe \xef\xbf\xbf \xc2\x9b & - -- -";
	struct fleet *fleet = *state;
	json_t *report, *device;
	char *text;
	size_t i;

	need_validator();
	fleet->inventory.fleet = label;
	fleet->hosts[0].name = label;
	fleet->gpus[0].alias = label;
	report = fleet_report(fleet);
	json_array_foreach(
	    json_object_get(json_array_get(json_object_get(report, "hosts"), 0), "devices"), i,
	    device) json_object_set_new(device, "name", json_string(name));
	text = document_of(report, fleet->entries, FLEET_HOSTS);
	json_decref(report);
	expect_text(text, "a- -b- - -><x>&amp;\\x1b[2J]]>-");
	expect_text(text,
	            "- -><hostdev/><!- - \\xef\\xbf\\xbe \\xef\\xbf\\xbf \\xc2\\x9b & - - - -");
	expect_no_text(text, "\x1b");
	expect_valid(text);
	free(text);
}

/* Moves the functions of the first host's card: .0 and .1 at FROM. */
static void move(struct fleet *fleet, const char *from, const char *first, const char *second)
{
	char old_first[32], old_second[32];
	json_t *device, *siblings;
	size_t i;

	snprintf(old_first, sizeof(old_first), "%s.0", from);
	snprintf(old_second, sizeof(old_second), "%s.1", from);
	json_array_foreach(json_object_get(fleet->facts[0], "pci"), i, device)
	{
		const char *address = json_string_value(json_object_get(device, "address"));
		bool is_first = strcmp(address, old_first) == 0;

		if (!is_first && strcmp(address, old_second) != 0)
			continue;
		siblings = json_object_get(device, "siblings");
		json_array_clear(siblings);
		json_array_append_new(siblings, json_string(is_first ? second : first));
		json_object_set_new(device, "address", json_string(is_first ? first : second));
	}
}

#define FUNCTION(domain, host_bus, host_function, guest, more)                                     \
	"<address domain='0x" domain "' bus='0x" host_bus                                          \
	"' slot='0x00' function='0x" host_function                                                 \
	"'/>\n      </source>\n      <address type='pci' domain='0x0000' bus='0x01' slot='0x00' "  \
	"function='0x" guest "'" more "/>"

static void test_functions_keep_their_numbers(void **state)
{
	struct fleet *fleet = *state;
	char *text;

	need_validator();
	/* The GPU is not the first function, the domain is a long one. */
	move(fleet, "0000:01:00", "10000:e1:00.3", "10000:e1:00.0");
	text = document_of_one(fleet);
	expect_text(text, FUNCTION("10000", "e1", "3", "3", ""));
	expect_text(text, FUNCTION("10000", "e1", "0", "0", " multifunction='on'"));
	expect_valid(text);
	free(text);
}

static void test_functions_of_two_slots_share_one(void **state)
{
	struct fleet *fleet = *state;
	char *text;

	need_validator();
	move(fleet, "0000:01:00", "0000:02:00.0", "0000:01:00.0");
	text = document_of_one(fleet);
	expect_text(text, FUNCTION("0000", "02", "0", "0", " multifunction='on'"));
	expect_text(text, FUNCTION("0000", "01", "0", "1", ""));
	expect_valid(text);
	free(text);
}

static void test_no_function_zero(void **state)
{
	struct fleet *fleet = *state;
	char *text;

	need_validator();
	move(fleet, "0000:01:00", "0000:01:00.2", "0000:01:00.1");
	text = document_of_one(fleet);
	expect_text(text, FUNCTION("0000", "01", "2", "0", " multifunction='on'"));
	expect_text(text, FUNCTION("0000", "01", "1", "1", ""));
	expect_valid(text);
	free(text);
}

/* A card of one function needs no "multifunction"; other vendors' need no other vendor id. */
static void test_single_function_of_another_vendor(void **state)
{
	struct fleet *fleet = *state;
	json_t *pci = json_object_get(fleet->facts[0], "pci"), *device;
	char *text;
	size_t i;

	need_validator();
	json_array_foreach(pci, i, device)
	{
		if (strcmp(json_string_value(json_object_get(device, "address")), "0000:01:00.1") ==
		    0)
			break;
	}
	json_array_remove(pci, i);
	device = facts_device(fleet->facts[0], "pci", "0000:01:00.0");
	json_array_clear(json_object_get(device, "siblings"));
	json_object_set_new(device, "vendor", json_string(fleet_amd));
	json_object_set_new(device, "device", json_string(fleet_amd_device));
	text = document_of_one(fleet);
	expect_text(text, FUNCTION("0000", "01", "0", "0", ""));
	expect_text(text, "alias mi210");
	expect_no_text(text, "<hyperv>");
	expect_valid(text);
	free(text);
}

/* What the report does not call ready is not handed out, whatever the card's other half is. */
static void test_a_function_that_is_not_ready(void **state)
{
	struct fleet *fleet = *state;
	json_t *report, *host;
	char *text;

	need_validator();
	report = report_build(&fleet->inventory, fleet->entries, 1, "2026-01-02T03:04:05Z", NULL);
	host = json_array_get(json_object_get(report, "hosts"), 0);
	json_object_set_new(facts_device(host, "devices", "0000:01:00.1"), "verdict",
	                    json_string("in_use"));
	text = document_of(report, fleet->entries, 1);
	json_decref(report);
	expect_text(text, "; left out: its function 0000:01:00.1 is not ready -->");
	expect_no_text(text, "<hostdev");
	expect_valid(text);
	free(text);
}

/* Functions that stay with the host do not go to the guest. */
static void test_primary_alone(void **state)
{
	struct fleet *fleet = *state;
	char *text;

	need_validator();
	fleet->gpus[0].functions = FUNCTIONS_PRIMARY;
	json_object_set_new(facts_device(fleet->facts[0], "pci", "0000:01:00.0"), "reset_methods",
	                    json_pack("[s]", "flr"));
	text = document_of_one(fleet);
	expect_text(text, FUNCTION("0000", "01", "0", "0", ""));
	expect_no_text(text, "function='0x1'");
	expect_valid(text);
	free(text);
}

/* A host may claim any number of cards and functions; a guest has so many buses, a slot so many
 * functions. */
static void test_more_than_a_guest_holds(void **state)
{
	struct fleet *fleet = *state;
	json_t *pci = json_object_get(fleet->facts[0], "pci");
	json_t *card = json_incref(facts_device(fleet->facts[0], "pci", "0000:01:00.0"));
	json_t *sound = json_incref(facts_device(fleet->facts[0], "pci", "0000:01:00.1"));
	char *text;

	need_validator();
	json_array_clear(pci);
	for (int i = 0; i < 256; i++) {
		json_t *copy = json_deep_copy(card);

		json_object_set_new(copy, "address", json_sprintf("%04x:01:00.0", i));
		json_object_set_new(copy, "iommu_group", json_integer(100 + i));
		json_array_clear(json_object_get(copy, "siblings"));
		json_array_append_new(pci, copy);
	}
	text = document_of_one(fleet);
	expect_text(text, "bus='0xff'");
	expect_text(text, "00ff:01:00.0");
	expect_text(text, "; left out: a guest has no place for so many cards -->");
	expect_valid(text);
	free(text);

	json_array_clear(pci);
	json_array_append(pci, card);
	json_array_clear(json_object_get(card, "siblings"));
	for (int i = 0; i < 8; i++) {
		json_t *copy = json_deep_copy(sound);

		json_object_set_new(copy, "address", json_sprintf("0000:02:00.%d", i));
		json_array_append(json_object_get(card, "siblings"),
		                  json_object_get(copy, "address"));
		json_array_append_new(pci, copy);
	}
	text = document_of_one(fleet);
	expect_text(text, "; left out: a guest has no place for so many functions -->");
	expect_valid(text);
	free(text);
	json_decref(card);
	json_decref(sound);
}

int main(void)
{
#define FLEET_TEST(name) cmocka_unit_test_setup_teardown(name, fleet_setup, fleet_teardown)
	const struct CMUnitTest tests[] = {
	    FLEET_TEST(test_golden),
	    FLEET_TEST(test_one_host_is_a_guest_to_start_from),
	    FLEET_TEST(test_nothing_ready),
	    FLEET_TEST(test_hostile_names),
	    FLEET_TEST(test_functions_keep_their_numbers),
	    FLEET_TEST(test_functions_of_two_slots_share_one),
	    FLEET_TEST(test_no_function_zero),
	    FLEET_TEST(test_single_function_of_another_vendor),
	    FLEET_TEST(test_a_function_that_is_not_ready),
	    FLEET_TEST(test_primary_alone),
	    FLEET_TEST(test_more_than_a_guest_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
