/* nova_compute.c: what the nova-compute of one host is to be told. */
#include <string.h>

#include "controller/nova/nova_wanted_internal.h"

static int add_specs(struct nova_work *work, json_t **specs, struct gf_err *err)
{
	enum nova_rule_id rule = nova_rule_holds(NOVA_RULE_DEVICE_SPEC, work->target.release)
	                             ? NOVA_RULE_DEVICE_SPEC
	                             : NOVA_RULE_PASSTHROUGH_WHITELIST;
	json_t *values = json_array();
	struct gf_err fault = {0};

	*specs = values;
	if (nova_make_specs(work->facts, work->selection, work->wanted, &work->target, values,
	                    &fault) < 0) {
		if (fault.code != GF_E_BLOCKED) {
			json_decref(values);
			return gf_err_set(err, fault.code, "%s", fault.msg);
		}
		nova_remark(work, NOVA_REFUSED, "%s", fault.msg);
		json_array_clear(values);
	}
	/* Empty, too: what was written for cards that are wanted no more goes. */
	if (!nova_option_add(work, rule, "multi", values, "nova-compute"))
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	return 0;
}

static int add_reporting(struct nova_work *work, const struct nova_facts_service *service,
                         struct gf_err *err)
{
	int wanted = work->fleet->inventory->report_in_placement;

	if (wanted == 0 && nova_facts_switch(service, "pci.report_in_placement") == FACT_YES)
		nova_remark(work, NOVA_REFUSED,
		            "report_in_placement is on, and Nova does not let it be turned off "
		            "again (nova-compute would not start): set it to true in the "
		            "inventory, or leave it out");
	if (wanted == 1 && !nova_option_add(work, NOVA_RULE_REPORT_IN_PLACEMENT, "set",
	                                    json_string("true"), "nova-compute"))
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	return 0;
}

int nova_compute_options(struct nova_work *work, struct gf_err *err)
{
	const struct nova_facts_service *service = nova_facts_service(work->nova, "nova-compute");
	json_t *specs;

	if (!service) {
		nova_remark(work, NOVA_UNKNOWN, "no nova-compute was found on it");
		return 0;
	}
	if (nova_facts_switch(service, "pci.report_in_placement") == FACT_YES)
		work->target.report = true;
	/* Not among what gpufleet turns on here: nova-compute asks Placement nothing about devices.
	 */
	work->target.placement =
	    nova_facts_switch(service, "filter_scheduler.pci_in_placement") == FACT_YES;
	if (!work->host->gpus.given)
		return 0; /* a fleet that is only looked at */
	if (add_specs(work, &specs, err) < 0 || nova_aliases_add(work, true, service, err) < 0 ||
	    add_reporting(work, service, err) < 0)
		return -1;
	return nova_compute_risks(work, service, specs, err);
}
