/* verdicts.h: what readiness makes of a facts document, as text. */
#ifndef TEST_VERDICTS_H
#define TEST_VERDICTS_H

#include "tests/unit/facts.h"

#include <stdlib.h>

#include "controller/readiness/readiness.h"

/* "pending: 01:00.0 pending device.driver device.siblings; 01:00.1 …": the host's verdict, then
 * each device that is not ignored. */
static inline char *summary(const json_t *entry)
{
	const json_t *device, *reason;
	char *text = NULL;
	size_t size, i, k, shown = 0;
	FILE *out = open_memstream(&text, &size);

	fprintf(out, "%s:", json_string_value(json_object_get(entry, "verdict")));
	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		const char *verdict = json_string_value(json_object_get(device, "verdict"));

		if (strcmp(verdict, "ignored") == 0)
			continue;
		fprintf(out, "%s %s %s", shown++ ? ";" : "",
		        json_string_value(json_object_get(device, "address")) + 5, verdict);
		json_array_foreach(json_object_get(device, "reasons"), k, reason)
		    fprintf(out, " %s", json_string_value(reason));
	}
	fclose(out);
	return text;
}

static inline void expect_facts(json_t *facts, const struct inventory_host *host,
                                const char *wanted)
{
	json_t *entry = readiness_evaluate(host, facts, true, NULL);
	char *got;

	assert_non_null(entry);
	got = summary(entry);
	assert_string_equal(got, wanted);
	free(got);
	json_decref(entry);
	json_decref(facts);
}

/* The check ID about DEVICE (NULL: the host): "status: evidence". */
static inline void expect_result(json_t *facts, const struct inventory_host *host, const char *id,
                                 const char *device, const char *wanted)
{
	json_t *entry = readiness_evaluate(host, facts, true, NULL);
	const json_t *check;
	char got[512] = "absent";
	size_t i;

	assert_non_null(entry);
	json_array_foreach(json_object_get(entry, "checks"), i, check)
	{
		const char *about = json_string_value(json_object_get(check, "device"));
		const char *status = json_string_value(json_object_get(check, "status"));

		if (strcmp(json_string_value(json_object_get(check, "id")), id) != 0 ||
		    strcmp(about ? about : "", device ? device : "") != 0)
			continue;
		snprintf(got, sizeof(got), "%s: %s", status,
		         json_string_value(json_object_get(check, "evidence")));
		/* Whoever is told of a fault is told what to do. */
		if (strcmp(status, "fail") == 0) {
			assert_string_not_equal(json_string_value(json_object_get(check, "cause")),
			                        "");
			assert_string_not_equal(json_string_value(json_object_get(check, "fix")),
			                        "");
		}
	}
	assert_string_equal(got, wanted);
	json_decref(entry);
	json_decref(facts);
}

#define GPU   "0000:01:00.0"
#define AUDIO "0000:01:00.1"
#define CLEAN                                                                                      \
	"pending: 01:00.0 pending device.driver device.siblings; 01:00.1 pending device.driver"
#define BLOCKED_BY(id) "blocked: 01:00.0 blocked " id "; 01:00.1 blocked " id

static inline json_t *with_device(const char *fixture, const char *address, const char *key,
                                  json_t *value)
{
	json_t *facts = facts_load(fixture);

	json_object_set_new(facts_device(facts, "pci", address), key, value);
	return facts;
}

static inline json_t *with_host(const char *fixture, const char *key, json_t *value)
{
	json_t *facts = facts_load(fixture);

	json_object_set_new(json_object_get(facts, "host"), key, value);
	return facts;
}

static inline json_t *with_iommu(const char *fixture, const char *key, json_t *value)
{
	json_t *facts = facts_load(fixture);

	json_object_set_new(json_object_get(json_object_get(facts, "host"), "iommu"), key, value);
	return facts;
}

#endif
