/* nova_make_alias.c: the entries of alias, the same on every host of the fleet; see nova_make.h. */
#include "controller/nova/nova_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_rules.h"
#include "inventory/nodeset.h"

static bool same_model(const struct nova_fleet_model *a, const struct nova_fleet_model *b)
{
	return strcmp(a->vendor, b->vendor) == 0 && strcmp(a->device, b->device) == 0;
}

/* All devices of an alias are of one type to Nova: other entries of one name are refused. */
static int check_types(const struct nova_fleet_alias *alias, struct gf_err *err)
{
	const struct nova_fleet_model *first = alias->models;

	for (size_t i = 1; i < alias->count; i++) {
		const struct nova_fleet_model *other = &alias->models[i];
		const struct nova_fleet_model *pf =
		    strcmp(first->type, "type-PF") == 0 ? first : other;
		const struct nova_fleet_model *pci = pf == first ? other : first;

		if (strcmp(first->type, other->type) == 0)
			continue;
		return gf_err_set(
		    err, GF_E_BLOCKED,
		    "alias %s would need type-PF on %s (%s:%s has SR-IOV there) and %s on %s "
		    "(%s:%s): Nova takes one type an alias; give one of them an alias of its own, "
		    "or switch SR-IOV on or off in the firmware of all",
		    alias->name, pf->host, pf->vendor, pf->device, pci->type, pci->host,
		    pci->vendor, pci->device);
	}
	return 0;
}

/* Does A ask for a trait that devices of B lack? */
static bool asks_for_more(const struct string_list *a, const struct string_list *b)
{
	for (size_t i = 0; i < a->count; i++) {
		size_t k = 0;

		while (k < b->count && strcmp(a->items[i], b->items[k]) != 0)
			k++;
		if (k == b->count)
			return true;
	}
	return false;
}

/* Can Placement tell the devices of two aliases apart that are of one model? A request's traits are
 * those that a device must have, not all that it may have: each needs one that the other lacks. */
static bool distinguished(const struct nova_fleet_alias *a, const struct nova_fleet_alias *b)
{
	const char *x = a->gpu->resource_class, *y = b->gpu->resource_class;

	if ((x || y) && !(x && y && strcmp(x, y) == 0))
		return true;
	return asks_for_more(&a->gpu->traits, &b->gpu->traits) &&
	       asks_for_more(&b->gpu->traits, &a->gpu->traits);
}

/* PLACEMENT: Nova asks it. */
static int check_shared(const struct nova_fleet *fleet, const struct nova_fleet_alias *alias,
                        bool placement, struct gf_err *err)
{
	for (size_t i = 0; i < fleet->alias_count; i++) {
		const struct nova_fleet_alias *other = &fleet->aliases[i];

		if (other == alias || (placement && distinguished(alias, other)))
			continue;
		for (size_t k = 0; k < alias->count * other->count; k++) {
			const struct nova_fleet_model *mine = &alias->models[k % alias->count];
			const struct nova_fleet_model *theirs = &other->models[k / alias->count];

			if (!same_model(mine, theirs) || strcmp(mine->type, theirs->type) != 0)
				continue;
			return gf_err_set(
			    err, GF_E_BLOCKED,
			    "aliases %s and %s are the same to Nova, which knows a device by "
			    "vendor and product only (%s:%s on %s and on %s): use one alias, or "
			    "two values of resource_class and pci_in_placement (Nova 27)",
			    alias->name, other->name, mine->vendor, mine->device, mine->host,
			    theirs->host);
		}
	}
	return 0;
}

static int set_text(json_t *json, const char *key, const char *text)
{
	return json_object_set_new(json, key, json_string(text));
}

static int set_numa(json_t *json, const char *policy, const struct nova_target *target,
                    struct gf_err *err)
{
	enum nova_rule_id id = strcmp(policy, "socket") == 0 ? NOVA_RULE_ALIAS_NUMA_SOCKET
	                                                     : NOVA_RULE_ALIAS_NUMA_POLICY;
	char what[48];

	snprintf(what, sizeof(what), "numa_policy \"%.20s\"", policy);
	if (nova_rule_require(id, target->release, what, target->said, err) < 0)
		return -1;
	return set_text(json, "numa_policy", policy);
}

/* MODEL NULL: by resource class alone. */
static int append_entry(const struct nova_fleet_alias *alias, const struct nova_fleet_model *model,
                        const struct nova_target *target, json_t *values, struct gf_err *err)
{
	const struct inventory_gpu *gpu = alias->gpu;
	json_t *json = json_object();
	char *text = NULL;
	int rc = set_text(json, "name", alias->name);

	if (model) {
		rc |= set_text(json, "vendor_id", model->vendor);
		rc |= set_text(json, "product_id", model->device);
	}
	rc |= set_text(json, "device_type", alias->models[0].type);
	if (rc == 0 && gpu->numa_policy)
		rc = set_numa(json, gpu->numa_policy, target, err);
	/* To an alias they mean something in Placement only. */
	if (rc == 0 && target->placement && gpu->resource_class)
		rc = set_text(json, "resource_class", gpu->resource_class);
	if (rc == 0 && target->placement && gpu->traits.count)
		rc = nova_make_traits(json, &gpu->traits);
	if (rc == 0 && gpu->live_migratable >= 0) {
		rc = nova_rule_require(NOVA_RULE_ALIAS_LIVE_MIGRATABLE, target->release,
		                       "live_migratable", target->said, err);
		if (rc == 0)
			rc = set_text(json, "live_migratable", gpu->live_migratable ? "yes" : "no");
	}
	if (rc == 0) {
		text = json_dumps(json, JSON_COMPACT);
		rc = text ? json_array_append_new(values, json_string(text)) : -1;
	}
	free(text);
	json_decref(json);
	return rc;
}

int nova_make_alias(const struct nova_fleet *fleet, const struct nova_fleet_alias *alias,
                    const struct nova_target *target, json_t *values, struct gf_err *err)
{
	struct gf_err fault = {GF_E_MEMORY, "out of memory"};
	int rc = 0;

	if (alias->differs)
		return gf_err_set(err, GF_E_BLOCKED,
		                  "alias %s has different values of %s in the inventory: Nova has "
		                  "one alias of that name; make them equal",
		                  alias->name, alias->differs);
	if (alias->count == 0 || !alias->models)
		return 0;
	bool placement = target->placement || target->placement_wanted;
	if (check_types(alias, err) < 0 || check_shared(fleet, alias, placement, err) < 0)
		return -1;
	/* Said before anything is written, also where it is turned on later. */
	if (placement && alias->count > 1) {
		if (!alias->gpu->resource_class)
			return gf_err_set(
			    err, GF_E_BLOCKED,
			    "alias %s has several models (%s:%s, %s:%s), which pci_in_placement "
			    "allows only with a resource_class that they share",
			    alias->name, alias->models[0].vendor, alias->models[0].device,
			    alias->models[1].vendor, alias->models[1].device);
		if (target->placement)
			rc = append_entry(alias, NULL, target, values, &fault);
	}
	for (size_t i = 0; rc == 0 && i < alias->count; i++) {
		if (!target->placement || alias->count == 1)
			rc = append_entry(alias, &alias->models[i], target, values, &fault);
	}
	if (rc < 0)
		gf_err_set(err, fault.code, "%s", fault.msg);
	return rc < 0 ? -1 : 0;
}

bool nova_make_alias_waits(const struct nova_fleet *fleet, const struct nova_fleet_alias *alias,
                           const struct nova_target *target)
{
	struct gf_err fault;

	return target->placement_wanted && !target->placement && alias->count && alias->models &&
	       check_shared(fleet, alias, false, &fault) < 0;
}
