/* nova_wanted_alias.c: the entries of alias that are to be written, and those of others that stay.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_alias.h"
#include "controller/nova/nova_wanted_internal.h"

/* Does the host have a selected card of the alias? */
static bool host_has(const struct nova_work *work, const char *alias)
{
	for (size_t i = 0; i < work->selection->count; i++) {
		const struct selection_device *item = &work->selection->items[i];

		if (nova_make_offers(item, work->wanted) && strcmp(item->alias, alias) == 0)
			return true;
	}
	return false;
}

/* What gpufleet wrote of an alias before: it stays while nothing newer is known. */
static bool keep_former(const struct nova_facts_service *service, const char *alias, json_t *values)
{
	const struct nova_facts_option *option = nova_facts_option(service, "pci.alias");
	char name[NOVA_ALIAS_NAME_SIZE];
	bool kept = false;

	for (size_t i = 0; option && i < option->count; i++) {
		const struct nova_facts_entry *entry = &option->entries[i];

		if (!entry->ours || strcmp(nova_alias_name(entry->value, name), alias) != 0)
			continue;
		json_array_append_new(values, json_string(entry->value));
		kept = true;
	}
	return kept;
}

int nova_aliases_add(struct nova_work *work, bool own_only,
                     const struct nova_facts_service *service, struct gf_err *err)
{
	json_t *values = json_array(), *option;

	for (size_t i = 0; i < work->fleet->alias_count; i++) {
		const struct nova_fleet_alias *alias = &work->fleet->aliases[i];
		struct gf_err fault = {0};

		if (own_only && !host_has(work, alias->name))
			continue;
		/* A request to the API would get any device of the model; compute takes what it is
		 * given. */
		if (!own_only && nova_make_alias_waits(work->fleet, alias, &work->target)) {
			keep_former(service, alias->name, values);
			nova_remark(work, NOVA_WAITS,
			            "alias %s waits for pci_in_placement: only Placement tells its "
			            "devices from those of another alias",
			            alias->name);
			continue;
		}
		if (nova_make_alias(work->fleet, alias, &work->target, values, &fault) < 0) {
			if (fault.code != GF_E_BLOCKED) {
				json_decref(values);
				return gf_err_set(err, fault.code, "%s", fault.msg);
			}
			nova_remark(work, NOVA_REFUSED, "%s", fault.msg);
		} else if (alias->count == 0) {
			nova_remark(work, NOVA_UNKNOWN,
			            "alias %s %s: no scanned host has a device of it, and its "
			            "device_type comes from the devices",
			            alias->name,
			            keep_former(service, alias->name, values) ? "stays as it is"
			                                                      : "is left out");
		}
	}
	option = nova_option_add(work, NOVA_RULE_ALIAS, "multi", values, service->name);
	if (!option || json_object_set_new(option, "identity", json_string("name")) < 0)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	return 0;
}

/* The values of alias that the context holds, or NULL. */
static const json_t *new_aliases(const struct nova_work *work)
{
	const json_t *option;
	size_t i;

	json_array_foreach(work->options, i, option)
	{
		const char *name = json_string_value(json_object_get(option, "name"));

		if (strcmp(name, nova_rule(NOVA_RULE_ALIAS)->name) == 0)
			return json_object_get(option, "values");
	}
	return NULL;
}

static bool is_replaced(const json_t *values, const char *foreign)
{
	char name[NOVA_ALIAS_NAME_SIZE], other[NOVA_ALIAS_NAME_SIZE];
	const json_t *value;
	size_t i;

	nova_alias_name(foreign, name);
	json_array_foreach(values, i, value)
	{
		if (*name && strcmp(nova_alias_name(json_string_value(value), other), name) == 0)
			return true;
	}
	return false;
}

int nova_foreign_aliases(struct nova_work *work, const struct nova_facts_service *service,
                         struct gf_err *err)
{
	const struct nova_facts_option *option = nova_facts_option(service, "pci.alias");
	const json_t *values = new_aliases(work);
	size_t count = option ? option->count : 0, kept = 0;
	const char **texts = calloc(count + json_array_size(values) + 1, sizeof(*texts));
	const struct nova_facts_entry **places =
	    calloc(count + 1, sizeof(const struct nova_facts_entry *));
	struct nova_alias_list list = {0};
	char where[NOVA_PLACE_SIZE];
	int rc = -1;

	if (!texts || !places)
		goto out;
	for (size_t i = 0; i < count; i++) {
		const struct nova_facts_entry *entry = &option->entries[i];

		if (entry->ours || is_replaced(values, entry->value))
			continue;
		places[kept] = entry;
		texts[kept++] = entry->value;
	}
	for (size_t i = 0; i < json_array_size(values); i++)
		texts[kept + i] = json_string_value(json_array_get(values, i));
	rc = nova_alias_judge(texts, kept + json_array_size(values), work->target.release,
	                      work->target.placement, &list, err);
	for (size_t i = 0; rc == 0 && i < list.count; i++) {
		if (*list.items[i].wrong)
			nova_remark(work, NOVA_REFUSED,
			            "%s: Nova refuses this alias, and every alias with it: %s; "
			            "correct or remove it",
			            i < kept ? nova_facts_place(places[i], where) : "the new alias",
			            list.items[i].wrong);
	}
out:
	if (!texts || !places)
		gf_err_set(err, GF_E_MEMORY, "out of memory");
	nova_alias_list_free(&list);
	free(texts);
	free(places);
	return rc;
}
