/* fuzz_playbook.c: any bytes as a playbook, and what is taken against any facts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "playbooks/playbook.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gf_err err = {0};
	struct playbook *playbook = playbook_parse("fuzz.json", (const char *)data, size, &err);
	if (!playbook) {
		if (!err.msg[0] || strchr(err.msg, '\n'))
			abort();
		return 0;
	}
	json_t *facts = json_pack("{s:{s:s,s:{s:s},s:o}}", "host", "cpu_vendor", "intel",
	                          "distribution", "id", "debian", "initramfs", json_array());
	json_t *stages = playbook_for_host(playbook, 1U << ROLE_COMPUTE, facts, &err);
	if (json_array_size(stages) != playbook->stage_count)
		abort();
	json_decref(stages);
	json_decref(facts);
	playbook_free(playbook);
	return 0;
}
