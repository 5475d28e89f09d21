/* cases_tool.c: the report (as `gpufleet report --format json` has it) of one host, from a facts
 * document and an inventory that names that host alone: cases_tool INVENTORY FACTS
 */
#include <jansson.h>
#include <stdio.h>

#include "controller/report/report.h"

int main(int argc, char **argv)
{
	struct gf_err err = {0};
	struct report_host host = {.reachable = true};
	struct inventory *inventory;
	json_error_t error;
	json_t *facts, *report;

	if (argc != 3) {
		fprintf(stderr, "usage: cases_tool INVENTORY FACTS\n");
		return 1;
	}
	inventory = inventory_read(argv[1], &err);
	facts = json_load_file(argv[2], 0, &error);
	if (!inventory || !facts || inventory->host_count != 1) {
		fprintf(stderr, "cases_tool: %s\n",
		        !inventory ? err.msg
		        : !facts   ? error.text
		                   : "the inventory has not exactly one host");
		return 1;
	}
	host.host = &inventory->hosts[0];
	host.facts = facts;
	report = report_build(inventory, &host, 1, "2026-01-01T00:00:00Z", &err);
	if (!report || report_json(report, false, stdout, &err) < 0) {
		fprintf(stderr, "cases_tool: %s\n", err.msg);
		return 1;
	}
	json_decref(report);
	json_decref(facts);
	inventory_free(inventory);
	return 0;
}
