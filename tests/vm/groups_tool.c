/* groups_tool.c: reads a facts document and prints the groups that are predicted for its host, a
 * line of addresses each; "?" before the first: not certain.
 */
#include <jansson.h>
#include <stdio.h>

#include "controller/readiness/iommu_predict.h"

static void group_print(const struct iommu_prediction *prediction, size_t group)
{
	const struct host_facts_device *devices = prediction->facts->devices;
	size_t start = prediction->starts[group], end = prediction->starts[group + 1];

	if (!iommu_prediction_certain(prediction, &devices[prediction->members[start]]))
		putchar('?');
	for (size_t i = start; i < end; i++)
		printf("%s%s", i > start ? " " : "", devices[prediction->members[i]].address);
	putchar('\n');
}

int main(void)
{
	struct gf_err err = {0};
	struct host_facts facts;
	struct iommu_prediction prediction;
	json_error_t error;
	json_t *document = json_loadf(stdin, 0, &error);

	if (!document) {
		fprintf(stderr, "groups_tool: no JSON: %s\n", error.text);
		return 1;
	}
	if (host_facts_parse(document, &facts, &err) < 0 ||
	    iommu_predict(&facts, &prediction, &err) < 0) {
		fprintf(stderr, "groups_tool: %s\n", err.msg);
		return 1;
	}
	for (size_t group = 0; group < prediction.group_count; group++)
		group_print(&prediction, group);
	iommu_prediction_free(&prediction);
	host_facts_free(&facts);
	json_decref(document);
	return 0;
}
