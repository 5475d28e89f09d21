/* nova_control.c: what the API, the scheduler and the conductor of a control host are to be told.
 */
#include <string.h>

#include "controller/nova/nova_wanted_internal.h"

#define PCI_FILTER       "PciPassthroughFilter"
#define PCI_FILTER_CLASS "nova.scheduler.filters.pci_passthrough_filter.PciPassthroughFilter"
#define ALL_FILTERS      "nova.scheduler.filters.all_filters"

static int no_memory(struct gf_err *err)
{
	return gf_err_set(err, GF_E_MEMORY, "out of memory");
}

static json_t *list_json(const char *const *list)
{
	json_t *array = json_array();

	for (; array && *list; list++)
		json_array_append_new(array, json_string(*list));
	return array;
}

static bool has_text(const json_t *array, const char *text)
{
	const json_t *item;
	size_t i;

	json_array_foreach(array, i, item)
	{
		if (strcmp(json_string_value(item), text) == 0)
			return true;
	}
	return false;
}

/* A filter that is listed and that this Nova has no more keeps nova-scheduler from starting. */
static void check_listed(struct nova_work *work, const struct nova_facts_option *option)
{
	const json_t *list = json_is_array(option->value) ? option->value : NULL, *item;
	char where[NOVA_PLACE_SIZE], shown[NOVA_RELEASE_SHOW_SIZE];
	size_t i;

	json_array_foreach(list, i, item)
	{
		int gone = nova_rule_filter_gone(json_string_value(item), work->target.release);

		if (gone)
			nova_remark(work, NOVA_REFUSED,
			            "%s lists %.60s, which Nova has no more since %s: "
			            "nova-scheduler would not start (SchedulerHostFilterNotFound); "
			            "take it out",
			            option->count ? nova_facts_place(
			                                &option->entries[option->count - 1], where)
			                          : "enabled_filters",
			            json_string_value(item), nova_release_show(gone, shown));
	}
}

static int add_filters(struct nova_work *work, const struct nova_facts_service *scheduler,
                       struct gf_err *err)
{
	const struct nova_facts_option *enabled =
	    nova_facts_option(scheduler, "filter_scheduler.enabled_filters");
	const struct nova_facts_option *available =
	    nova_facts_option(scheduler, "filter_scheduler.available_filters");
	json_t *option = nova_option_add(work, NOVA_RULE_ENABLED_FILTERS, "list-add",
	                                 json_pack("[s]", PCI_FILTER), "nova-scheduler");

	if (!option)
		return no_memory(err);
	/* For where no line of others sets the list: then it is Nova's own. */
	if (json_object_set_new(option, "default",
	                        list_json(nova_rule_filters_default(work->target.release))) < 0)
		return no_memory(err);
	/* Our own line is written anew. */
	if (enabled && !(enabled->count && enabled->entries[enabled->count - 1].ours))
		check_listed(work, enabled);
	if (!available || available->count == 0 || has_text(available->value, ALL_FILTERS) ||
	    has_text(available->value, PCI_FILTER_CLASS))
		return 0;
	return nova_option_add(work, NOVA_RULE_AVAILABLE_FILTERS, "multi",
	                       json_pack("[s]", PCI_FILTER_CLASS), "nova-scheduler")
	           ? 0
	           : no_memory(err);
}

/* Requests would find no device on a compute that does not report yet. */
static bool everybody_reports(struct nova_work *work)
{
	char names[200];
	bool all = true;

	if (nova_fleet_unscanned(work->fleet, names, sizeof(names))) {
		nova_remark(work, NOVA_WAITS,
		            "pci_in_placement waits for compute hosts that were never scanned: %s",
		            names);
		all = false;
	}
	if (nova_fleet_not_reporting(work->fleet, names, sizeof(names))) {
		nova_remark(work, NOVA_WAITS,
		            "pci_in_placement waits for compute hosts that don't report to "
		            "Placement yet: %s",
		            names);
		all = false;
	}
	return all;
}

static const char *const services[] = {"nova-api", "nova-scheduler", "nova-conductor"};

static bool placement_is_on(const struct nova_work *work)
{
	bool on = false;

	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++)
		on = on || nova_facts_switch(nova_facts_service(work->nova, services[i]),
		                             "filter_scheduler.pci_in_placement") == FACT_YES;
	return on;
}

/* Will it be on once the context is written? */
static bool placement_will_be_on(struct nova_work *work)
{
	int wanted = work->fleet->inventory->pci_in_placement;

	if (wanted < 0)
		return placement_is_on(work);
	return wanted == 1 && work->target.placement_wanted &&
	       (placement_is_on(work) || everybody_reports(work));
}

static int add_placement(struct nova_work *work, struct gf_err *err)
{
	int wanted = work->fleet->inventory->pci_in_placement;
	const char *value = wanted == 1 ? "true" : "false";

	if (wanted < 0 || (wanted == 0 && !placement_is_on(work)) ||
	    (wanted == 1 && !work->target.placement))
		return 0;
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		if (!nova_facts_service(work->nova, services[i]))
			continue;
		if (!nova_option_add(work, NOVA_RULE_PCI_IN_PLACEMENT, "set", json_string(value),
		                     services[i]))
			return no_memory(err);
	}
	return 0;
}

static void tell_unscanned(struct nova_work *work)
{
	char names[200];

	if (nova_fleet_unscanned(work->fleet, names, sizeof(names)))
		nova_remark(work, NOVA_UNKNOWN,
		            "never scanned: %s: what devices these compute hosts have, and of "
		            "what type, is not known",
		            names);
}

int nova_control_options(struct nova_work *work, struct gf_err *err)
{
	const struct nova_facts_service *api = nova_facts_service(work->nova, "nova-api");
	const struct nova_facts_service *scheduler =
	    nova_facts_service(work->nova, "nova-scheduler");

	if (!api && !scheduler && !nova_facts_service(work->nova, "nova-conductor")) {
		nova_remark(work, NOVA_UNKNOWN,
		            "neither nova-api, nova-scheduler nor nova-conductor was found on it");
		return 0;
	}
	if (work->fleet->alias_count == 0)
		return 0;
	tell_unscanned(work);
	work->target.placement = placement_will_be_on(work);
	if (api && (nova_aliases_add(work, false, api, err) < 0 ||
	            nova_foreign_aliases(work, api, err) < 0))
		return -1;
	if (scheduler && add_filters(work, scheduler, err) < 0)
		return -1;
	return add_placement(work, err);
}
