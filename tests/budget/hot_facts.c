/* hot_facts.c: from facts to rows, and from rows to verdicts and capacity. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/capacity/capacity.h"
#include "controller/nova/nova_checks.h"
#include "controller/nova/nova_fleet.h"
#include "controller/readiness/check_pool.h"
#include "controller/readiness/device_pool.h"
#include "controller/readiness/host_facts.h"
#include "controller/readiness/readiness.h"
#include "tests/budget/hot_paths.h"

#define DEVICES 34 /* in one PCI tree of host/ */
#define GPUS    8

struct rows {
	json_t *document;
	struct host_facts facts;
};

static void *rows_prepare(size_t size)
{
	struct rows *rows = hot_allocate(1, sizeof(*rows));

	rows->document = hot_facts_of("after.json", size);
	return rows;
}

static void rows_run(void *state)
{
	struct rows *rows = state;

	host_facts_parse(rows->document, &rows->facts, NULL);
}

static size_t rows_done(void *state)
{
	return ((struct rows *)state)->facts.device_count / DEVICES;
}

struct verdicts {
	size_t size;
	struct inventory *inventory;
	json_t **documents, *entries, *capacity;
};

static struct verdicts *verdicts_new(size_t hosts)
{
	struct verdicts *verdicts = hot_allocate(1, sizeof(*verdicts));

	verdicts->size = hosts;
	verdicts->inventory = hot_inventory(hosts);
	verdicts->documents = hot_allocate(hosts, sizeof(json_t *));
	verdicts->entries = json_array();
	return verdicts;
}

static void *host_prepare(size_t size)
{
	struct verdicts *verdicts = verdicts_new(1);

	verdicts->size = size;
	verdicts->documents[0] = hot_facts_of("after.json", size);
	return verdicts;
}

static void host_run(void *state)
{
	struct verdicts *verdicts = state;

	json_array_append_new(
	    verdicts->entries,
	    readiness_evaluate(verdicts->inventory->hosts, verdicts->documents[0], true, NULL));
}

static size_t ready_gpus(const json_t *entries)
{
	const json_t *entry, *device;
	size_t i, k, ready = 0;

	json_array_foreach(entries, i, entry)
	{
		json_array_foreach(json_object_get(entry, "devices"), k, device)
		{
			const char *verdict = json_string_value(json_object_get(device, "verdict"));

			ready += json_is_true(json_object_get(device, "primary")) && verdict &&
			         strcmp(verdict, "ready") == 0;
		}
	}
	return ready;
}

static size_t host_done(void *state)
{
	return ready_gpus(((struct verdicts *)state)->entries) / GPUS;
}

/* Every fourth host is still to be done. */
static void *fleet_prepare(size_t size)
{
	struct verdicts *verdicts = verdicts_new(size);

	for (size_t i = 0; i < size; i++) {
		json_t *facts = hot_facts_of(i % 4 ? "after.json" : "before.json", 1);

		json_object_set_new(json_object_get(facts, "host"), "hostname",
		                    json_string(verdicts->inventory->hosts[i].name));
		verdicts->documents[i] = facts;
	}
	return verdicts;
}

/* As report_build does, but for names from pci.ids, which differ from machine to machine. */
static void fleet_run(void *state)
{
	struct verdicts *verdicts = state;
	struct nova_fleet *nova = nova_fleet_new(verdicts->inventory, NULL);
	struct check_pool *pool = check_pool_new();
	struct device_pool *devices = device_pool_new();
	struct host_facts *parsed = calloc(verdicts->size, sizeof(*parsed));
	struct capacity_source *sources = calloc(verdicts->size, sizeof(*sources));

	for (size_t i = 0; i < verdicts->size; i++) {
		host_facts_parse_pooled(verdicts->documents[i], devices, &parsed[i], NULL);
		nova_fleet_put_parsed(nova, &verdicts->inventory->hosts[i], verdicts->documents[i],
		                      &parsed[i], NULL);
	}
	for (size_t i = 0; i < verdicts->size; i++) {
		const struct inventory_host *host = &verdicts->inventory->hosts[i];
		json_t *entry = readiness_evaluate_pooled(host, verdicts->documents[i], &parsed[i],
		                                          true, pool, devices, NULL);

		nova_checks_add_pooled(nova, host, verdicts->documents[i], &parsed[i], pool, entry,
		                       NULL);
		json_array_append_new(verdicts->entries, entry);
		sources[i] = (struct capacity_source){host, verdicts->documents[i], entry};
	}
	verdicts->capacity = capacity_build(verdicts->inventory, sources, verdicts->size);
	for (size_t i = 0; i < verdicts->size; i++)
		host_facts_free(&parsed[i]);
	free(parsed);
	free(sources);
	check_pool_free(pool);
	device_pool_free(devices);
	nova_fleet_free(nova);
}

/* Three hosts of four are ready, in the verdicts and in the capacity. */
static size_t fleet_done(void *state)
{
	const struct verdicts *verdicts = state;
	const json_t *alias = json_array_get(json_object_get(verdicts->capacity, "aliases"), 0);
	size_t ready = ready_gpus(verdicts->entries);

	if (json_integer_value(json_object_get(alias, "ready")) != (json_int_t)ready)
		return 0;
	return ready / GPUS / 3 * 4;
}

const struct hot_path hot_facts[] = {
    {"facts", 16, "PCI trees", rows_prepare, rows_run, rows_done},
    {"readiness", 4, "PCI trees", host_prepare, host_run, host_done},
    {"report", 32, "hosts", fleet_prepare, fleet_run, fleet_done},
    {0},
};
