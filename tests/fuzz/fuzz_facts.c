/* fuzz_facts.c: a facts document from a hostile host, through selection, readiness, the report and
 * what its Nova is to be told. */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/nova/nova_wanted.h"
#include "controller/readiness/readiness.h"
#include "controller/report/report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void preconditions(const struct inventory_host *host, const json_t *facts)
{
	json_t *wanted = NULL;
	struct gf_err err;

	if (readiness_preconditions(host, facts, &wanted, &err) == 0)
		json_decref(wanted);
}

static void tell_nova(const struct inventory *inventory, const json_t *facts)
{
	struct nova_fleet *fleet = nova_fleet_new(inventory, NULL);
	struct nova_wanted wanted;

	if (!fleet || nova_fleet_put(fleet, &inventory->hosts[0], facts, NULL) < 0)
		abort();
	if (nova_wanted_compute(fleet, &inventory->hosts[0], facts, NULL, &wanted, NULL) == 0)
		nova_wanted_free(&wanted);
	nova_fleet_free(fleet);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char name[] = "gpu01", fleet[] = "fuzz", alias[] = "gpu", vendor[] = "10de",
	            model[] = "1b06";
	struct inventory_gpu gpu = {.alias = alias,
	                            .vendor = vendor,
	                            .device = model,
	                            .managed = -1,
	                            .live_migratable = -1,
	                            .one_time_use = -1};
	struct inventory_host host = {.name = name,
	                              .gpus = {.items = &gpu, .count = 1, .given = true}};
	struct inventory inventory = {
	    .fleet = fleet, .hosts = &host, .host_count = 1, .gpus = host.gpus};
	json_t *facts = json_loadb((const char *)data, size, 0, NULL);
	struct report_host entry = {.host = &host, .facts = facts, .reachable = true};
	json_t *report;
	FILE *out;

	if (!facts)
		return 0;
	preconditions(&host, facts);
	inventory.report_in_placement = size % 3 ? -1 : 1;
	host.role = size % 5 ? ROLE_COMPUTE : ROLE_CONTROL;
	tell_nova(&inventory, facts);
	host.gpus.given = size % 2;
	report = report_build(&inventory, &entry, 1, "2026-01-01T00:00:00Z", NULL);
	out = fopen("/dev/null", "w");
	if (!report || !out)
		abort();
	report_text(report, NULL, out, true, NULL);
	report_gpus_block(&inventory, &entry, 1, out, NULL);
	fclose(out);
	json_decref(report);
	json_decref(facts);
	return 0;
}
