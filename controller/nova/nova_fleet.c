/* nova_fleet.c: see nova_fleet.h. */
#include "controller/nova/nova_fleet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_facts.h"
#include "controller/nova/nova_spec.h"
#include "controller/readiness/selection.h"
#include "inventory/nodeset.h"

enum host_known { HOST_UNSCANNED, HOST_SILENT, HOST_REPORTS };

/* What one host adds to the models. */
struct nova_fleet_host {
	enum host_known known;
	struct seen {
		size_t alias; /* index */
		struct nova_fleet_model model;
	} * seen;
	size_t count;
};

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
	fleet->hosts = calloc(inventory->host_count + 1, sizeof(*fleet->hosts));
	if (!fleet->hosts)
		goto fail;
	for (size_t i = 0; i < inventory->gpus.count; i++) {
		if (alias_add(fleet, &inventory->gpus.items[i]) < 0)
			goto fail;
	}
	for (size_t i = 0; i < inventory->host_count; i++) {
		const struct inventory_gpu_list *gpus = &inventory->hosts[i].gpus;

		for (size_t k = 0; k < gpus->count; k++) {
			if (alias_add(fleet, &gpus->items[k]) < 0)
				goto fail;
		}
	}
	return fleet;
fail:
	no_memory(err);
	nova_fleet_free(fleet);
	return NULL;
}

static bool model_equal(const struct nova_fleet_model *a, const struct nova_fleet_model *b)
{
	return strcmp(a->vendor, b->vendor) == 0 && strcmp(a->device, b->device) == 0 &&
	       strcmp(a->type, b->type) == 0;
}

/* Adds what one host has of MODEL to the alias. */
static int model_add(struct nova_fleet_alias *alias, const struct nova_fleet_model *model)
{
	struct nova_fleet_model *grown;

	for (size_t i = 0; i < alias->count; i++) {
		if (model_equal(&alias->models[i], model)) {
			alias->models[i].count += model->count;
			return 0;
		}
	}
	grown = realloc(alias->models, (alias->count + 1) * sizeof(*grown));
	if (!grown)
		return -1;
	alias->models = grown;
	grown[alias->count++] = *model;
	return 0;
}

static int models_add(struct nova_fleet *fleet, const struct nova_fleet_host *host)
{
	for (size_t i = 0; i < host->count; i++) {
		if (model_add(&fleet->aliases[host->seen[i].alias], &host->seen[i].model) < 0)
			return -1;
	}
	return 0;
}

/* All anew: a host has other devices than before. */
static int models_rebuild(struct nova_fleet *fleet)
{
	for (size_t i = 0; i < fleet->alias_count; i++)
		fleet->aliases[i].count = 0;
	for (size_t i = 0; i < fleet->inventory->host_count; i++) {
		if (models_add(fleet, &fleet->hosts[i]) < 0)
			return -1;
	}
	return 0;
}

static void seen_add(struct nova_fleet_host *host, size_t alias,
                     const struct host_facts_device *device, const char *name)
{
	struct nova_fleet_model model = {
	    .type = nova_spec_device_type(device), .host = name, .count = 1};

	memcpy(model.vendor, device->vendor, sizeof(model.vendor));
	memcpy(model.device, device->device, sizeof(model.device));
	for (size_t i = 0; i < host->count; i++) {
		if (host->seen[i].alias == alias && model_equal(&host->seen[i].model, &model)) {
			host->seen[i].model.count++;
			return;
		}
	}
	host->seen[host->count++] = (struct seen){.alias = alias, .model = model};
}

static int look(const struct nova_fleet *fleet, const struct inventory_host *host,
                const struct host_facts *facts, struct nova_fleet_host *out)
{
	struct selection selection;
	struct seen *shrunk;

	/* More cards than are believed: what is stored of this host counts for nothing. */
	if (selection_from_facts(facts, host, &selection, NULL) < 0)
		return 0;
	out->known = HOST_SILENT;
	out->seen = calloc(selection.count + 1, sizeof(*out->seen));
	for (size_t i = 0; out->seen && i < selection.count; i++) {
		const struct selection_device *item = &selection.items[i];
		const struct nova_fleet_alias *alias =
		    item->ignored || !item->primary || !item->alias
		        ? NULL
		        : alias_find(fleet, item->alias);

		if (alias)
			seen_add(out, (size_t)(alias - fleet->aliases),
			         host_facts_find(facts, item->address), host->name);
	}
	selection_free(&selection);
	if (!out->seen)
		return -1;
	/* Of each card there were several functions. */
	shrunk = realloc(out->seen, (out->count ? out->count : 1) * sizeof(*out->seen));
	out->seen = shrunk ? shrunk : out->seen;
	return 0;
}

static bool reports(const json_t *document)
{
	struct nova_facts nova;
	bool on;

	if (nova_facts_parse(document, &nova, NULL) < 0)
		return false;
	on = nova_facts_switch(nova_facts_service(&nova, "nova-compute"),
	                       "pci.report_in_placement") == FACT_YES;
	nova_facts_free(&nova);
	return on;
}

static bool host_equal(const struct nova_fleet_host *a, const struct nova_fleet_host *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (a->seen[i].alias != b->seen[i].alias ||
		    a->seen[i].model.count != b->seen[i].model.count ||
		    !model_equal(&a->seen[i].model, &b->seen[i].model))
			return false;
	}
	return true;
}

int nova_fleet_put(struct nova_fleet *fleet, const struct inventory_host *host, const json_t *facts,
                   struct gf_err *err)
{
	return nova_fleet_put_parsed(fleet, host, facts, NULL, err);
}

int nova_fleet_put_parsed(struct nova_fleet *fleet, const struct inventory_host *host,
                          const json_t *facts, const struct host_facts *known_facts,
                          struct gf_err *err)
{
	const struct inventory_host *own = inventory_host_find(fleet->inventory, host->name);
	struct nova_fleet_host *known, now = {.known = HOST_UNSCANNED}, former;
	struct host_facts parsed;
	int rc;

	if (!own || host->role != ROLE_COMPUTE)
		return 0;
	known = &fleet->hosts[own - fleet->inventory->hosts];
	former = *known;
	if (facts && host_facts_again(known_facts, facts, &parsed, NULL) == 0) {
		rc = look(fleet, host, &parsed, &now);
		host_facts_free(&parsed);
		if (rc < 0)
			return no_memory(err);
		if (now.known == HOST_SILENT && reports(facts))
			now.known = HOST_REPORTS;
	}
	*known = now;
	if (former.count == 0)
		rc = models_add(fleet, known);
	else
		rc = host_equal(&former, known) ? 0 : models_rebuild(fleet);
	free(former.seen);
	return rc < 0 ? no_memory(err) : 0;
}

void nova_fleet_free(struct nova_fleet *fleet)
{
	if (!fleet)
		return;
	for (size_t i = 0; i < fleet->alias_count; i++)
		free(fleet->aliases[i].models);
	for (size_t i = 0; fleet->hosts && i < fleet->inventory->host_count; i++)
		free(fleet->hosts[i].seen);
	free(fleet->aliases);
	free(fleet->hosts);
	free(fleet);
}

const struct nova_fleet_alias *nova_fleet_alias_find(const struct nova_fleet *fleet,
                                                     const char *name)
{
	return alias_find(fleet, name);
}

static size_t names_of(const struct nova_fleet *fleet, enum host_known known, char *names,
                       size_t size)
{
	const struct inventory *inventory = fleet->inventory;
	const char **list = calloc(inventory->host_count + 1, sizeof(*list));
	char *folded = NULL;
	size_t count = 0;

	for (size_t i = 0; i < inventory->host_count; i++) {
		if (inventory->hosts[i].role != ROLE_COMPUTE || fleet->hosts[i].known != known)
			continue;
		/* Without a device there is nothing to report. */
		if (known == HOST_SILENT && fleet->hosts[i].count == 0)
			continue;
		if (list)
			list[count] = inventory->hosts[i].name;
		count++;
	}
	if (list && count)
		folded = nodeset_fold(list, count);
	snprintf(names, size, "%s", folded ? folded : "");
	free(folded);
	free(list);
	return count;
}

size_t nova_fleet_unscanned(const struct nova_fleet *fleet, char *names, size_t size)
{
	return names_of(fleet, HOST_UNSCANNED, names, size);
}

size_t nova_fleet_not_reporting(const struct nova_fleet *fleet, char *names, size_t size)
{
	return names_of(fleet, HOST_SILENT, names, size);
}
