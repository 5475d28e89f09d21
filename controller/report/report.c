/* report.c: builds the report: each host's readiness, named, added up, and turned into capacity. */
#include "controller/report/report.h"

#include <stdlib.h>
#include <string.h>

#include "controller/capacity/capacity.h"
#include "controller/nova/nova_checks.h"
#include "controller/readiness/check_pool.h"
#include "controller/readiness/device_pool.h"
#include "controller/readiness/readiness.h"
#include "controller/report/json_out.h"
#include "controller/report/pci_names.h"
#include "node-agent/wire/json_text.h"

static const char *const verdicts[] = {"ready",  "pending", "blocked",
                                       "in_use", "ignored", "unknown"};

static void increment(json_t *object, const char *key)
{
	json_t *number = json_object_get(object, key);

	if (json_is_integer(number))
		json_integer_set(number, json_integer_value(number) + 1);
}

/* A host that sent nonsense is one line of the report, not its end. */
static json_t *malformed(const struct report_host *host, const struct gf_err *err)
{
	json_t *entry = readiness_evaluate(host->host, NULL, host->reachable, NULL);
	json_t *check = json_array_get(json_object_get(entry, "checks"), 0);

	json_object_set_new(check, "status", json_string("fail"));
	json_object_set_new(check, "evidence", json_string(err->msg));
	json_object_set_new(check, "cause",
	                    json_string("The facts that are stored of the host make no sense."));
	json_object_set_new(
	    check, "fix",
	    json_string("Run `gpufleet scan` again; if it stays, another program may answer "
	                "in the agent's place on that host."));
	return entry;
}

/* The name of a model, which is looked up once: borrowed from SEEN. NULL where the list's is not
 * UTF-8. */
static json_t *model_name(const json_t *device, struct pci_names *names, json_t *seen)
{
	const char *vendor = json_text(device, "vendor"), *model = json_text(device, "device");
	char key[16], name[256];
	json_t *known;

	snprintf(key, sizeof(key), "%.4s:%.4s", vendor, model);
	known = json_object_get(seen, key);
	if (known)
		return known;
	json_object_set_new(
	    seen, key, json_string(pci_names_device(names, vendor, model, name, sizeof(name))));
	return json_object_get(seen, key);
}

static void name_devices(json_t *entry, struct pci_names *names, json_t *seen)
{
	json_t *device;
	size_t i;

	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		json_t *name = model_name(device, names, seen);

		/* A list that is not UTF-8 leaves the ids that are there. */
		if (name)
			json_object_set(device, "name", name);
	}
}

static void count_totals(json_t *totals, const json_t *entry)
{
	const json_t *device;
	size_t i;

	increment(totals, "hosts");
	json_array_foreach(json_object_get(entry, "devices"), i, device)
	{
		if (!json_is_true(json_object_get(device, "primary")))
			continue;
		increment(totals, "gpus");
		increment(totals, json_text(device, "verdict"));
	}
}

/* What is needed once for all hosts. */
struct build {
	const struct report_host *hosts;
	size_t count;
	struct host_facts *parsed; /* of each host */
	bool *usable;              /* … where its facts have the right shape */
	struct nova_fleet *fleet;
	struct check_pool *pool;
	struct device_pool *devices;
	struct pci_names *names;
	json_t *models; /* their names, by vendor:device */
};

/* The host's entry: readiness, and what Nova there makes of it. */
static json_t *host_entry(const struct build *b, size_t index)
{
	const struct report_host *host = &b->hosts[index];
	const struct host_facts *parsed = b->usable[index] ? &b->parsed[index] : NULL;
	struct gf_err fault;
	json_t *entry = readiness_evaluate_pooled(host->host, host->facts, parsed, host->reachable,
	                                          b->pool, b->devices, &fault);

	if (entry && nova_checks_add_pooled(b->fleet, host->host, host->facts, parsed, b->pool,
	                                    entry, &fault) < 0) {
		json_decref(entry);
		entry = NULL;
	}
	return entry ? entry : malformed(host, &fault);
}

static void build_free(struct build *b)
{
	for (size_t i = 0; b->parsed && b->usable && i < b->count; i++) {
		if (b->usable[i])
			host_facts_free(&b->parsed[i]);
	}
	free(b->parsed);
	free(b->usable);
	nova_fleet_free(b->fleet);
	check_pool_free(b->pool);
	device_pool_free(b->devices);
	pci_names_close(b->names);
	json_decref(b->models);
}

/* Reads everybody's facts, since what is told of one host depends on the others. */
static int build_begin(struct build *b, const struct inventory *inventory, struct gf_err *err)
{
	b->parsed = calloc(b->count + 1, sizeof(*b->parsed));
	b->usable = calloc(b->count + 1, sizeof(*b->usable));
	b->names = pci_names_open(NULL);
	b->models = json_object();
	b->pool = check_pool_new();
	b->devices = device_pool_new();
	b->fleet = nova_fleet_new(inventory, err);
	if (!b->fleet)
		return -1;
	if (!b->parsed || !b->usable)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	for (size_t i = 0; i < b->count; i++) {
		const struct report_host *host = &b->hosts[i];

		b->usable[i] = host->facts && host_facts_parse_pooled(host->facts, b->devices,
		                                                      &b->parsed[i], NULL) == 0;
		if (nova_fleet_put_parsed(b->fleet, host->host, host->facts,
		                          b->usable[i] ? &b->parsed[i] : NULL, err) < 0)
			return -1;
	}
	return 0;
}

static json_t *build_capacity(const struct inventory *inventory, const struct report_host *hosts,
                              size_t count, const json_t *entries)
{
	struct capacity_source *sources = calloc(count + 1, sizeof(*sources));
	json_t *capacity;

	if (!sources)
		return NULL;
	for (size_t i = 0; i < count; i++)
		sources[i] = (struct capacity_source){hosts[i].host, hosts[i].facts,
		                                      json_array_get(entries, i)};
	capacity = capacity_build(inventory, sources, count);
	free(sources);
	return capacity;
}

json_t *report_build(const struct inventory *inventory, const struct report_host *hosts,
                     size_t count, const char *generated, struct gf_err *err)
{
	struct build b = {.hosts = hosts, .count = count};
	json_t *report, *entries, *totals, *capacity;

	if (build_begin(&b, inventory, err) < 0) {
		build_free(&b);
		return NULL;
	}
	report = json_object();
	entries = json_array();
	totals = json_object();

	json_object_set_new(totals, "hosts", json_integer(0));
	json_object_set_new(totals, "gpus", json_integer(0));
	for (size_t i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++)
		json_object_set_new(totals, verdicts[i], json_integer(0));
	for (size_t i = 0; i < count; i++) {
		json_t *entry = host_entry(&b, i);

		name_devices(entry, b.names, b.models);
		count_totals(totals, entry);
		json_array_append_new(entries, entry);
	}
	build_free(&b);
	capacity = build_capacity(inventory, hosts, count, entries);
	if (json_object_set_new(report, "fleet", json_string(inventory->fleet)) < 0 ||
	    json_object_set_new(report, "generated", json_string(generated)) < 0 ||
	    json_object_set_new(report, "totals", totals) < 0 ||
	    json_object_set_new(report, "hosts", entries) < 0 ||
	    json_object_set_new(report, "capacity", capacity) < 0) {
		json_decref(report);
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	return report;
}

int report_json(const json_t *report, bool compact, FILE *out, struct gf_err *err)
{
	struct json_out *json = json_out_new(out);

	if (!json)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	json_out_value(json, report, compact, 0);
	json_out_raw(json, "\n");
	json_out_free(json);
	if (fflush(out) == EOF || ferror(out))
		return gf_err_errno(err, GF_E_IO, "cannot write the report");
	return 0;
}
