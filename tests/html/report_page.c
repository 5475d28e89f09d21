/* report_page.c: reports to open in a browser, and the page that is written of one.
 *
 *   report_page fleet HOSTS GPUS    the JSON report of a made-up fleet, by the real checks: the
 * facts of tests/unit/facts, each card GPUS times, in racks of 40 hosts report_page render < REPORT
 * the HTML page of a JSON report
 *
 * The same numbers give the same report.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/report/report.h"
#include "controller/report/report_html.h"

#define RACK     40
#define SCANS    60         /* in the history */
#define NEWEST   1767323045 /* 2026-01-02T03:04:05Z */
#define NAME_MAX 16

struct fleet {
	struct inventory_gpu gpus[2];
	struct inventory_flavor_gpu wants[2];
	struct inventory_flavor flavors[2];
	struct inventory inventory;
	struct inventory_host *hosts;
	struct report_host *entries;
	char (*names)[NAME_MAX], (*domains)[NAME_MAX];
	size_t count;
};

/* Of a hundred hosts so many are of each kind; a rack in nine is yet to be done. */
static const char *kind_of(size_t host)
{
	static const struct {
		unsigned below;
		const char *facts;
	} kinds[] = {{66, "done"},     {80, "in-use"},    {86, "nvidia"}, {90, "shared-group"},
	             {93, "no-iommu"}, {95, "iommu-off"}, {97, "amd"},    {99, "twin"}};
	unsigned draw = (unsigned)(host * 7919 % 100);

	if (host / RACK % 9 == 3)
		return host % 11 == 0 ? "shared-group" : "nvidia";
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (draw < kinds[i].below)
			return kinds[i].facts;
	}
	return NULL; /* never reached */
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (!memory)
		exit(1);
	return memory;
}

static json_t *load(const char *name)
{
	char path[512];
	json_error_t error;
	json_t *facts;

	snprintf(path, sizeof(path), "%s/tests/unit/facts/%s.json", TEST_SOURCE_DIR, name);
	facts = json_load_file(path, 0, &error);
	if (!facts) {
		fprintf(stderr, "%s:%d: %s\n", path, error.line, error.text);
		exit(1);
	}
	return facts;
}

static json_t *moved_address(const char *address, size_t copy)
{
	return json_sprintf("0000:%02zx:%s", 0x40 + copy, address + 8);
}

/* The GPU and its functions again, in a slot and a group of their own, on the other socket from the
 * middle on; a guest that has the first card has every second one. */
static void copy_cards(json_t *facts, size_t gpus)
{
	json_t *pci = json_object_get(facts, "pci"), *guests, *used;
	size_t original = json_array_size(pci), i, k;

	guests = json_object_get(json_object_get(facts, "host"), "guests");
	used = json_object_get(json_array_get(guests, 0), "devices");
	for (size_t copy = 1; copy < gpus; copy++) {
		for (i = 0; i < original; i++) {
			json_t *device = json_array_get(pci, i), *moved, *siblings, *sibling;
			const char *address = json_string_value(json_object_get(device, "address"));

			if (strncmp(address, "0000:01:00.", 11) != 0 &&
			    strncmp(address, "0000:0b:00.", 11) != 0)
				continue;
			moved = json_deep_copy(device);
			json_object_set_new(moved, "address", moved_address(address, copy));
			if (json_is_integer(json_object_get(moved, "iommu_group")))
				json_object_set_new(moved, "iommu_group",
				                    json_integer((json_int_t)copy + 50));
			json_object_set_new(moved, "numa_node", json_integer(copy >= gpus / 2));
			siblings = json_object_get(moved, "siblings");
			json_array_foreach(siblings, k, sibling) json_array_set_new(
			    siblings, k, moved_address(json_string_value(sibling), copy));
			if (used && copy % 2)
				json_array_append_new(used, moved_address(address, copy));
			json_array_append_new(pci, moved);
		}
	}
}

static void fleet_inventory(struct fleet *fleet)
{
	static char nvidia[] = "nvidia1080", amd[] = "navi", vendor[] = "10de", device[] = "1b06",
	            other_vendor[] = "1002", other_device[] = "73bf", one[] = "gpu.1",
	            two[] = "gpu.2", name[] = "prod-a";

	fleet->gpus[0] = (struct inventory_gpu){.alias = nvidia,
	                                        .vendor = vendor,
	                                        .device = device,
	                                        .functions = FUNCTIONS_ALL,
	                                        .managed = -1,
	                                        .live_migratable = -1,
	                                        .one_time_use = -1};
	fleet->gpus[1] = fleet->gpus[0];
	fleet->gpus[1].alias = amd;
	fleet->gpus[1].vendor = other_vendor;
	fleet->gpus[1].device = other_device;
	fleet->wants[0] = (struct inventory_flavor_gpu){nvidia, 1};
	fleet->wants[1] = (struct inventory_flavor_gpu){nvidia, 2};
	fleet->flavors[0] = (struct inventory_flavor){one, 4, 16384, 50, &fleet->wants[0], 1};
	fleet->flavors[1] = (struct inventory_flavor){two, 8, 32768, 100, &fleet->wants[1], 1};
	fleet->inventory = (struct inventory){.fleet = name,
	                                      .hosts = fleet->hosts,
	                                      .host_count = fleet->count,
	                                      .gpus = {fleet->gpus, 2, true},
	                                      .flavors = fleet->flavors,
	                                      .flavor_count = 2};
}

static void fleet_host(struct fleet *fleet, size_t i, json_t *facts)
{
	snprintf(fleet->names[i], NAME_MAX, "gpu%04zu", i + 1);
	snprintf(fleet->domains[i], NAME_MAX, "rack%zu", i / RACK + 1);
	fleet->hosts[i] = (struct inventory_host){.name = fleet->names[i],
	                                          .address = fleet->names[i],
	                                          .role = ROLE_COMPUTE,
	                                          .domain = fleet->domains[i],
	                                          .gpus = {fleet->gpus, 2, true}};
	fleet->entries[i] = (struct report_host){&fleet->hosts[i], facts, facts && i % 97 != 5};
}

/* What the store would say of earlier scans: a fleet that was brought up in steps. */
static json_t *history(const json_t *totals)
{
	static const char *const keys[] = {"ready",   "in_use",  "pending",
	                                   "blocked", "unknown", "ignored"};
	json_t *list = json_array();

	for (int i = 0; i < SCANS; i++) {
		time_t at = NEWEST - (SCANS - 1 - i) * 86400;
		json_t *entry = json_object();
		json_int_t moved = 0;
		struct tm tm;
		char text[32];

		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&at, &tm));
		json_object_set_new(entry, "time", json_string(text));
		for (int k = 0; k < 6; k++) {
			json_int_t now = json_integer_value(json_object_get(totals, keys[k]));
			json_int_t then = k < 2 ? now * (i / 4 * 4 + 4) / SCANS : now;

			moved += now - then;
			json_object_set_new(entry, keys[k],
			                    json_integer(k == 2 ? now + moved : then));
		}
		json_object_set(entry, "total", json_object_get(totals, "gpus"));
		json_array_append_new(list, entry);
	}
	return list;
}

static int make_fleet(size_t count, size_t gpus)
{
	static const char *const kinds[] = {"done",     "in-use",    "nvidia", "shared-group",
	                                    "no-iommu", "iommu-off", "amd",    "twin"};
	struct fleet fleet = {.count = count};
	json_t *facts = json_object(), *report;
	struct gf_err err;
	int rc;

	fleet.hosts = allocate(count + 1, sizeof(*fleet.hosts));
	fleet.entries = allocate(count + 1, sizeof(*fleet.entries));
	fleet.names = allocate(count + 1, sizeof(*fleet.names));
	fleet.domains = allocate(count + 1, sizeof(*fleet.domains));
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		json_t *one = load(kinds[i]);

		copy_cards(one, gpus);
		json_object_set_new(facts, kinds[i], one);
	}
	fleet_inventory(&fleet);
	for (size_t i = 0; i < count; i++) {
		const char *kind = kind_of(i);

		fleet_host(&fleet, i, kind ? json_object_get(facts, kind) : NULL);
	}
	report = report_build(&fleet.inventory, fleet.entries, count, "2026-01-02T03:04:05Z", &err);
	if (report)
		json_object_set_new(report, "history", history(json_object_get(report, "totals")));
	rc = report ? report_json(report, true, stdout, &err) : -1;
	json_decref(report);
	json_decref(facts);
	free(fleet.hosts);
	free(fleet.entries);
	free(fleet.names);
	free(fleet.domains);
	return rc < 0;
}

static int render(void)
{
	json_error_t error;
	json_t *report = json_loadf(stdin, 0, &error);
	struct gf_err err;
	clock_t start = clock();
	int rc;

	if (!report) {
		fprintf(stderr, "report_page: line %d: %s\n", error.line, error.text);
		return 1;
	}
	rc = report_html(report, stdout, &err);
	if (rc < 0)
		fprintf(stderr, "report_page: %s\n", err.msg);
	if (getenv("REPORT_PAGE_TIME"))
		fprintf(stderr, "rendered in %.0f ms of CPU\n",
		        1000.0 * (double)(clock() - start) / CLOCKS_PER_SEC);
	json_decref(report);
	return rc < 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "fleet") == 0)
		return make_fleet(strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
	if (argc == 2 && strcmp(argv[1], "render") == 0)
		return render();
	fprintf(stderr, "usage: report_page fleet HOSTS GPUS | report_page render\n");
	return 1;
}
