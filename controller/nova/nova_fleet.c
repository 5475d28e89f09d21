/* nova_fleet.c: see nova_fleet.h. */
#include "controller/nova/nova_fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_facts.h"
#include "controller/nova/nova_spec.h"
#include "controller/readiness/selection.h"
#include "inventory/nodeset.h"

static int no_memory(struct gf_err *err)
{
	return gf_err_set(err, GF_E_MEMORY, "out of memory");
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* What two entries of one alias may not say differently, since Nova has one alias of that name. */
static const char *difference(const struct inventory_gpu *a, const struct inventory_gpu *b)
{
	if (!text_equal(a->numa_policy, b->numa_policy))
		return "numa_policy";
	if (!text_equal(a->resource_class, b->resource_class))
		return "resource_class";
	if (!string_list_equal(&a->traits, &b->traits))
		return "traits";
	return a->live_migratable == b->live_migratable ? NULL : "live_migratable";
}

static struct nova_fleet_alias *alias_find(const struct nova_fleet *fleet, const char *name)
{
	for (size_t i = 0; i < fleet->alias_count; i++) {
		if (strcmp(fleet->aliases[i].name, name) == 0)
			return &fleet->aliases[i];
	}
	return NULL;
}

static int alias_add(struct nova_fleet *fleet, const struct inventory_gpu *gpu)
{
	struct nova_fleet_alias *alias = alias_find(fleet, gpu->alias), *grown;

	if (alias) {
		if (!alias->differs)
			alias->differs = difference(alias->gpu, gpu);
		return 0;
	}
	grown = realloc(fleet->aliases, (fleet->alias_count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	fleet->aliases = grown;
	grown[fleet->alias_count++] = (struct nova_fleet_alias){.name = gpu->alias, .gpu = gpu};
	return 0;
}

struct nova_fleet *nova_fleet_new(const struct inventory *inventory, struct gf_err *err)
{
	struct nova_fleet *fleet = calloc(1, sizeof(*fleet));

	if (!fleet)
		goto fail;
	fleet->inventory = inventory;
	for (size_t i = 0; i < inventory->gpus.count; i++) {
		if (alias_add(fleet, &inventory->gpus.items[i]) < 0)
			goto fail;
	}
	for (size_t i = 0; i < inventory->host_count; i++) {
		const struct inventory_host *host = &inventory->hosts[i];

		fleet->computes += host->role == ROLE_COMPUTE;
		for (size_t k = 0; k < host->gpus.count; k++) {
			if (alias_add(fleet, &host->gpus.items[k]) < 0)
				goto fail;
		}
	}
	return fleet;
fail:
	no_memory(err);
	nova_fleet_free(fleet);
	return NULL;
}

static int model_add(struct nova_fleet_alias *alias, const struct host_facts_device *device,
                     const char *host)
{
	const char *type = nova_spec_device_type(device);
	struct nova_fleet_model *model;

	for (size_t i = 0; i < alias->count; i++) {
		model = &alias->models[i];
		if (strcmp(model->vendor, device->vendor) == 0 &&
		    strcmp(model->device, device->device) == 0 && strcmp(model->type, type) == 0) {
			model->count++;
			return 0;
		}
	}
	model = realloc(alias->models, (alias->count + 1) * sizeof(*model));
	if (!model)
		return -1;
	alias->models = model;
	model += alias->count++;
	*model = (struct nova_fleet_model){.type = type, .host = host, .count = 1};
	memcpy(model->vendor, device->vendor, sizeof(model->vendor));
	memcpy(model->device, device->device, sizeof(model->device));
	return 0;
}

static int models_add(struct nova_fleet *fleet, const struct inventory_host *host,
                      const struct host_facts *facts, struct gf_err *err)
{
	struct selection selection;
	int rc = 0;

	/* More cards than are believed: what is stored of this host counts for nothing. */
	if (selection_from_facts(facts, host, &selection, err) < 0)
		return string_list_append(&fleet->unscanned, host->name);
	for (size_t i = 0; rc == 0 && i < selection.count; i++) {
		const struct selection_device *item = &selection.items[i];
		struct nova_fleet_alias *alias;

		if (item->ignored || !item->primary || !item->alias)
			continue;
		alias = alias_find(fleet, item->alias);
		if (alias)
			rc = model_add(alias, host_facts_find(facts, item->address), host->name);
	}
	selection_free(&selection);
	return rc;
}

static int reporting_add(struct nova_fleet *fleet, const struct inventory_host *host,
                         const json_t *document)
{
	struct nova_facts nova;
	bool reports;

	if (nova_facts_parse(document, &nova, NULL) < 0)
		return string_list_append(&fleet->not_reporting, host->name);
	reports = nova_facts_switch(nova_facts_service(&nova, "nova-compute"),
	                            "pci.report_in_placement") == FACT_YES;
	nova_facts_free(&nova);
	return reports ? 0 : string_list_append(&fleet->not_reporting, host->name);
}

int nova_fleet_add(struct nova_fleet *fleet, const struct inventory_host *host, const json_t *facts,
                   struct gf_err *err)
{
	struct host_facts parsed;
	struct gf_err ignored;
	int rc;

	if (host->role != ROLE_COMPUTE)
		return 0;
	if (!facts || host_facts_parse(facts, &parsed, &ignored) < 0)
		return string_list_append(&fleet->unscanned, host->name) < 0 ? no_memory(err) : 0;
	rc = models_add(fleet, host, &parsed, &ignored);
	if (rc == 0)
		rc = reporting_add(fleet, host, facts);
	host_facts_free(&parsed);
	return rc < 0 ? no_memory(err) : 0;
}

void nova_fleet_free(struct nova_fleet *fleet)
{
	if (!fleet)
		return;
	for (size_t i = 0; i < fleet->alias_count; i++)
		free(fleet->aliases[i].models);
	free(fleet->aliases);
	string_list_free(&fleet->unscanned);
	string_list_free(&fleet->not_reporting);
	free(fleet);
}

const struct nova_fleet_alias *nova_fleet_alias_find(const struct nova_fleet *fleet,
                                                     const char *name)
{
	return alias_find(fleet, name);
}

const char *nova_fleet_names(const struct string_list *hosts, char *buffer, size_t size)
{
	char *folded = nodeset_fold((const char *const *)hosts->items, hosts->count);

	snprintf(buffer, size, "%s", folded ? folded : "?");
	free(folded);
	return buffer;
}
