/* What a host's Nova is to be told, and what is refused: whole contexts and exact messages. */
#include "tests/unit/nova.h"

#include "controller/nova/nova_wanted.h"

#define GPUS "\"gpus\": [{\"alias\": \"nvidia1080\", \"vendor\": \"10de\", \"device\": \"1b06\"}]"
#define HOSTS                                                                                      \
	"\"groups\": {\"c\": {\"hosts\": [\"gpu01\", \"gpu02\"]}, \"x\": {\"role\": \"control\", " \
	"\"hosts\": [\"ctl1\"]}}"
#define CARD                                                                                       \
	"0000:00:01.0 8086:1901 0604; 0000:01:00.0 10de:1b06 0300; 0000:01:00.1 10de:10ef 0403;"   \
	"0000:02:00.0 8086:1533 0200"

static struct nova_fleet *fleet_of(const struct inventory *inventory, const json_t *gpu01,
                                   const json_t *gpu02)
{
	struct nova_fleet *fleet = nova_fleet_new(inventory, NULL);

	assert_non_null(fleet);
	assert_int_equal(
	    nova_fleet_add(fleet, inventory_host_find(inventory, "gpu01"), gpu01, NULL), 0);
	assert_int_equal(
	    nova_fleet_add(fleet, inventory_host_find(inventory, "gpu02"), gpu02, NULL), 0);
	return fleet;
}

/* The context as one line, then each remark ("refused: …") on a line of its own. */
static char *told(const char *inventory_text, const char *host, json_t *gpu01, json_t *gpu02,
                  json_t *facts)
{
	static const char *const kinds[] = {"refused", "unknown", "waits", "told"};
	struct inventory *inventory = nova_inventory(inventory_text);
	struct nova_fleet *fleet = fleet_of(inventory, gpu01, gpu02);
	struct nova_wanted wanted;
	struct gf_err err = {0};
	char *text = NULL, *context;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (nova_wanted_compute(fleet, inventory_host_find(inventory, host), facts, NULL, &wanted,
	                        &err) < 0)
		fail_msg("%s", err.msg);
	context = wanted.context ? json_dumps(wanted.context, JSON_COMPACT) : strdup("nothing");
	fprintf(out, "%s", context);
	free(context);
	for (size_t i = 0; i < wanted.count; i++)
		fprintf(out, "\n%s: %s", kinds[wanted.remarks[i].kind], wanted.remarks[i].text);
	fclose(out);
	nova_wanted_free(&wanted);
	nova_fleet_free(fleet);
	inventory_free(inventory);
	return text;
}

static json_t *compute(const char *devices, const char *release, json_t *options)
{
	json_t *services = json_array();

	json_array_append_new(services, nova_service("nova-compute", options));
	return nova_document(devices, nova_part(release, services));
}

static void expect_compute(const char *nova, json_t *facts, const char *wanted)
{
	char text[1024], *got;

	snprintf(text, sizeof(text), HOSTS ", " GPUS "%s", nova);
	got = told(text, "gpu01", facts, NULL, facts);
	assert_string_equal(got, wanted);
	free(got);
	json_decref(facts);
}

static void test_compute(void **state)
{
	(void)state;
	expect_compute(
	    ", \"nova\": {}", compute(CARD, "26.2.1", json_object()),
	    "{\"release\":26,\"role\":\"compute\",\"options\":["
	    "{\"section\":\"pci\",\"name\":\"device_spec\",\"kind\":\"multi\","
	    "\"services\":[\"nova-compute\"],"
	    "\"values\":[\"{\\\"vendor_id\\\":\\\"10de\\\",\\\"product_id\\\":\\\"1b06\\\"}\"]},"
	    "{\"section\":\"pci\",\"name\":\"alias\",\"kind\":\"multi\","
	    "\"services\":[\"nova-compute\"],\"values\":[\"{\\\"name\\\":\\\"nvidia1080\\\","
	    "\\\"vendor_id\\\":\\\"10de\\\",\\\"product_id\\\":\\\"1b06\\\","
	    "\\\"device_type\\\":\\\"type-PCI\\\"}\"],\"identity\":\"name\"}],"
	    "\"services\":[\"nova-compute\"]}");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_compute),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
