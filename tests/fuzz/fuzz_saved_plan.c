/* fuzz_saved_plan.c: any bytes as a saved plan. What is taken is compared with a host that is
 * another, and with itself: a host of which everything is still as it was saved is never refused.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/plan/saved_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int compare(const struct saved_plan *saved, const char *host, const json_t *facts,
                   const json_t *stages)
{
	json_t *plan = json_pack("{s:O}", "stages", stages);
	struct gf_err err = {0};
	int rc = saved_plan_compare(saved, host, facts, plan, &err);

	/* Names and values in it are cut and escaped where it is shown. */
	if (rc && (err.code != GF_E_BLOCKED || !err.msg[0]))
		abort();
	json_decref(plan);
	return rc;
}

static void compare_other(const struct saved_plan *saved, const char *host)
{
	json_t *facts = json_pack("{s:{s:s}, s:[{s:s}]}", "host", "kernel", "6.1", "pci", "address",
	                          "0000:01:00.0");
	json_t *stages = json_pack("[{s:s, s:b, s:[{s:s}]}]", "name", "host", "changed", 1, "tasks",
	                           "task", "args");

	compare(saved, host, facts, stages);
	json_decref(stages);
	json_decref(facts);
}

static void compare_same(const struct saved_plan *saved, const json_t *document)
{
	const json_t *plans = json_object_get(document, "plans"), *host;
	const char *name;

	json_object_foreach(json_object_get(document, "hosts"), name, host)
	{
		size_t index = (size_t)json_integer_value(json_object_get(host, "plan"));
		const json_t *plan = json_array_get(plans, index);
		const char *devices = json_string_value(json_object_get(host, "devices"));
		json_t *facts =
		    json_pack("{s:O, s:[]}", "host", json_object_get(host, "host"), "pci");

		/* No document leads back from the digests of devices: only without any is it the
		 * same. */
		if (compare(saved, name, facts, json_object_get(plan, "stages")) &&
		    !strchr(devices, '='))
			abort();
		/* And as another host's plan would have it. */
		compare(saved, name, facts, json_object_get(json_array_get(plans, 0), "stages"));
		json_decref(facts);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct saved_plan_heading heading = {"test", "", ""};
	struct gf_err err = {0};
	struct saved_plan *saved = saved_plan_parse("fuzz.json", (const char *)data, size, &err);

	if (!saved) {
		if (!err.msg[0] || strchr(err.msg, '\n'))
			abort();
		return 0;
	}
	if (saved_plan_belongs(saved, &heading, &err) == 0 || err.code != GF_E_INPUT)
		abort();
	compare_other(saved, "gpu01");
	if (size >= 3 && !memcmp(data, "\xef\xbb\xbf", 3)) {
		data += 3;
		size -= 3;
	}
	json_t *document = json_loadb((const char *)data, size, 0, NULL);
	if (!document)
		abort();
	compare_same(saved, document);
	json_decref(document);
	saved_plan_free(saved);
	return 0;
}
