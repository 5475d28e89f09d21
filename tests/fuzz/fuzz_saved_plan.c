/* fuzz_saved_plan.c: any bytes as a saved plan, and what is taken against a host that answers. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/plan/saved_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gf_err err = {0};
	struct saved_plan *saved = saved_plan_parse("fuzz.json", (const char *)data, size, &err);

	if (!saved) {
		if (!err.msg[0] || strchr(err.msg, '\n'))
			abort();
		return 0;
	}
	json_t *facts = json_pack("{s:{s:s}, s:[{s:s}]}", "host", "kernel", "6.1", "pci", "address",
	                          "0000:01:00.0");
	json_t *plan = json_pack("{s:[{s:s, s:b, s:[{s:s}]}]}", "stages", "name", "host", "changed",
	                         1, "tasks", "task", "args");
	if (saved_plan_compare(saved, "gpu01", facts, plan, &err) && err.code != GF_E_BLOCKED)
		abort();
	json_decref(plan);
	json_decref(facts);
	saved_plan_free(saved);
	return 0;
}
