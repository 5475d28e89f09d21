/* nova_wanted.h: what the hosts of a small fleet are told, as text, for the tests of nova_wanted.
 */
#ifndef TEST_NOVA_WANTED_H
#define TEST_NOVA_WANTED_H

#include "tests/unit/nova.h"

#include "controller/nova/nova_wanted.h"

#define GPUS "\"gpus\": [{\"alias\": \"nvidia1080\", \"vendor\": \"10de\", \"device\": \"1b06\"}]"
#define HOSTS                                                                                      \
	"\"groups\": {\"c\": {\"hosts\": [\"gpu01\", \"gpu02\"]}, \"x\": {\"role\": \"control\", " \
	"\"hosts\": [\"ctl1\"]}}"
#define CARD                                                                                       \
	"0000:00:01.0 8086:1901 0604; 0000:01:00.0 10de:1b06 0300; 0000:01:00.1 10de:10ef 0403;"   \
	"0000:02:00.0 8086:1533 0200"
#define ALIAS_FOR(service)                                                                         \
	"{\"section\":\"pci\",\"name\":\"alias\",\"kind\":\"multi\",\"services\":[\"" service      \
	"\"],\"values\":[\"{\\\"name\\\":\\\"nvidia1080\\\",\\\"vendor_id\\\":\\\"10de\\\","       \
	"\\\"product_id\\\":\\\"1b06\\\",\\\"device_type\\\":\\\"type-PCI\\\"}\"],"                \
	"\"identity\":\"name\"}"
#define NEW_SPEC "+/etc/nova/nova.conf:9 {\"vendor_id\":\"10de\",\"product_id\":\"1b06\"}"

static inline struct nova_fleet *fleet_of(const struct inventory *inventory, const json_t *gpu01,
                                          const json_t *gpu02)
{
	struct nova_fleet *fleet = nova_fleet_new(inventory, NULL);

	assert_non_null(fleet);
	assert_int_equal(
	    nova_fleet_put(fleet, inventory_host_find(inventory, "gpu01"), gpu01, NULL), 0);
	assert_int_equal(
	    nova_fleet_put(fleet, inventory_host_find(inventory, "gpu02"), gpu02, NULL), 0);
	return fleet;
}

/* The context as one line, then each remark ("refused: …") on a line of its own. */
static inline char *told(const char *inventory_text, const char *host, json_t *gpu01, json_t *gpu02,
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

static inline json_t *compute(const char *devices, const char *release, json_t *options)
{
	json_t *services = json_array();

	json_array_append_new(services, nova_service("nova-compute", options));
	return nova_document(devices, nova_part(release, services));
}

static inline json_t *reporting(const char *devices, const char *specs)
{
	json_t *options = json_object();

	nova_entries(options, "pci.device_spec", specs);
	nova_value(options, "pci.report_in_placement", json_string("true"));
	return compute(devices, "26.2.1", options);
}

#endif
