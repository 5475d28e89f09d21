/* report_fleet.h: a small fleet with a card in every state, for tests of what is written of it. */
#ifndef TEST_REPORT_FLEET_H
#define TEST_REPORT_FLEET_H

#include "tests/unit/facts.h"

#include <stdlib.h>

#include "controller/report/report.h"

#define FLEET_HOSTS 6

static const char *const fleet_fixtures[FLEET_HOSTS] = {"done",         "done",   "nvidia",
                                                        "shared-group", "in-use", NULL};
static char fleet_label[] = "prod-a", fleet_names[FLEET_HOSTS][8];
static char fleet_amd[] = "1002", fleet_amd_alias[] = "mi210", fleet_amd_device[] = "740f";
static char flavor_one[] = "gpu.1", flavor_two[] = "gpu.2", flavor_mixed[] = "gpu.mixed",
            flavor_plain[] = "plain";

struct fleet {
	struct inventory inventory;
	struct inventory_gpu gpus[2]; /* an NVIDIA card that is there, an AMD one that is not */
	struct inventory_flavor_gpu one, two, mixed[2];
	struct inventory_flavor flavors[4];
	struct inventory_host hosts[FLEET_HOSTS];
	struct report_host entries[FLEET_HOSTS];
	json_t *facts[FLEET_HOSTS];
};

/* Bound by ids at the next boot, whatever a test makes of the addresses. */
static inline void fleet_bind_by_ids(json_t *facts)
{
	json_t *early = json_object_get(json_object_get(facts, "host"), "early_binding");

	json_object_set_new(early, "lines",
	                    json_pack("[{ssss}]", "where", "/etc/modprobe.d/vfio.conf", "line",
	                              "options vfio-pci ids=10de:1b06,10de:10ef,1002:740f"));
}

static inline int fleet_setup(void **state)
{
	struct fleet *fleet = calloc(1, sizeof(*fleet));

	fleet->gpus[0] = (struct inventory_gpu)FACTS_GPU;
	fleet->gpus[1] = (struct inventory_gpu){.alias = fleet_amd_alias,
	                                        .vendor = fleet_amd,
	                                        .device = fleet_amd_device,
	                                        .managed = -1,
	                                        .live_migratable = -1,
	                                        .one_time_use = -1};
	fleet->one = (struct inventory_flavor_gpu){facts_alias, 1};
	fleet->two = (struct inventory_flavor_gpu){fleet_amd_alias, 2};
	fleet->mixed[0] = (struct inventory_flavor_gpu){facts_alias, 1};
	fleet->mixed[1] = (struct inventory_flavor_gpu){fleet_amd_alias, 2};
	fleet->flavors[0] = (struct inventory_flavor){flavor_one, 4, 16384, 50, &fleet->one, 1};
	fleet->flavors[1] = (struct inventory_flavor){flavor_two, 8, 32768, 100, &fleet->two, 1};
	fleet->flavors[2] = (struct inventory_flavor){flavor_mixed, 8, 32768, 0, fleet->mixed, 2};
	fleet->flavors[3] =
	    (struct inventory_flavor){.name = flavor_plain, .vcpus = 1, .ram_mb = 512};
	for (size_t i = 0; i < FLEET_HOSTS; i++) {
		snprintf(fleet_names[i], sizeof(fleet_names[i]), "gpu%02zu", i + 1);
		fleet->hosts[i] = facts_host(fleet->gpus, 2);
		fleet->hosts[i].name = fleet_names[i];
		fleet->facts[i] = fleet_fixtures[i] ? facts_load(fleet_fixtures[i]) : NULL;
		fleet_bind_by_ids(fleet->facts[i]);
		fleet->entries[i] = (struct report_host){&fleet->hosts[i], fleet->facts[i],
		                                         fleet_fixtures[i] != NULL};
	}
	fleet->inventory = (struct inventory){
	    .fleet = fleet_label,
	    .hosts = fleet->hosts,
	    .host_count = FLEET_HOSTS,
	    .gpus = {fleet->gpus, 2, true},
	    .flavors = fleet->flavors,
	    .flavor_count = 4,
	};
	*state = fleet;
	return 0;
}

static inline int fleet_teardown(void **state)
{
	struct fleet *fleet = *state;

	for (size_t i = 0; i < FLEET_HOSTS; i++)
		json_decref(fleet->facts[i]);
	free(fleet);
	return 0;
}

/* With names that don't depend on this machine's pci.ids. */
static inline json_t *fleet_report(const struct fleet *fleet)
{
	json_t *report = report_build(&fleet->inventory, fleet->entries, FLEET_HOSTS,
	                              "2026-01-02T03:04:05Z", NULL);
	json_t *host, *device;
	size_t i, k;

	assert_non_null(report);
	json_array_foreach(json_object_get(report, "hosts"), i, host)
	{
		json_array_foreach(json_object_get(host, "devices"), k, device) json_object_set_new(
		    device, "name",
		    json_sprintf("Maker's model [%s]",
		                 json_string_value(json_object_get(device, "device"))));
	}
	return report;
}

/* TEXT is what tests/unit/reports/NAME holds; where it is not, it is put where it can be looked at.
 */
static inline void expect_file(const char *text, const char *name)
{
	static char wanted[65536];
	char path[512], got[512];
	FILE *file;
	size_t length;

	snprintf(path, sizeof(path), "%s/tests/unit/reports/%s", TEST_SOURCE_DIR, name);
	file = fopen(path, "r");
	length = file ? fread(wanted, 1, sizeof(wanted) - 1, file) : 0;
	wanted[length] = '\0';
	if (file)
		fclose(file);
	if (strcmp(text, wanted) == 0)
		return;
	snprintf(got, sizeof(got), "%s/%s", TEST_BINARY_DIR, name);
	file = fopen(got, "w");
	if (file) {
		fputs(text, file);
		fclose(file);
	}
	fail_msg("%s is not what was written (%s)", path, got);
}

static inline void expect_text(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" is missing in:\n%s", part, text);
}

static inline void expect_no_text(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("\"%s\" is in:\n%s", part, text);
}

#endif
