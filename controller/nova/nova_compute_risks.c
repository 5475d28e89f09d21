/* nova_compute_risks.c: would nova-compute start with the new configuration, and what of what is in
 * use would it change? What the host shows decides; what it can't show is said to be unknown.
 *
 * Sources: nova/compute/pci_placement_translator.py (devname, parent beside child, mixed classes
 * and traits, reporting turned off), nova/pci/manager.py (devices that are gone while allocated).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_spec.h"
#include "controller/nova/nova_wanted_internal.h"

#define MANY_DEVICES 8 /* from here on Placement's defaults are too small */

struct risks {
	struct nova_work *work;
	const struct nova_facts_option *option; /* device_spec as it is; may be NULL */
	const char **before, **after;           /* values */
	const struct nova_facts_entry **places; /* of `after`; NULL: a new line of ours */
	size_t before_count, after_count;
	struct nova_offers old, new;
	bool reporting; /* already, as the host shows */
};

static const char *place(const struct risks *risks, size_t entry, char buffer[NOVA_PLACE_SIZE])
{
	if (risks->places[entry])
		return nova_facts_place(risks->places[entry], buffer);
	snprintf(buffer, NOVA_PLACE_SIZE, "the new device_spec");
	return buffer;
}

/* What Nova will read: the lines of others stay, ours are replaced. */
static int lay_out(struct risks *risks, const json_t *specs)
{
	size_t count = risks->option ? risks->option->count : 0;
	size_t total = count + json_array_size(specs) + 1;

	risks->before = calloc(total, sizeof(*risks->before));
	risks->after = calloc(total, sizeof(*risks->after));
	risks->places = calloc(total, sizeof(const struct nova_facts_entry *));
	if (!risks->before || !risks->after || !risks->places)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const struct nova_facts_entry *entry = &risks->option->entries[i];

		risks->before[risks->before_count++] = entry->value;
		if (entry->ours)
			continue;
		risks->places[risks->after_count] = entry;
		risks->after[risks->after_count++] = entry->value;
	}
	for (size_t i = 0; i < json_array_size(specs); i++)
		risks->after[risks->after_count++] = json_string_value(json_array_get(specs, i));
	return 0;
}

static void check_refused(struct risks *risks)
{
	char where[NOVA_PLACE_SIZE];

	for (size_t i = 0; i < risks->new.entry_count; i++) {
		if (*risks->new.wrong[i])
			nova_remark(risks->work, NOVA_REFUSED,
			            "%s: Nova refuses this entry, and nova-compute would not "
			            "start: %s; correct or remove it",
			            place(risks, i, where), risks->new.wrong[i]);
	}
}

/* Entries of others that offer what the inventory does not want. */
static void tell_surplus(struct risks *risks, size_t entry)
{
	const struct host_facts *facts = risks->work->facts;
	char where[NOVA_PLACE_SIZE], list[200] = "";
	size_t count = 0, used = 0;

	for (size_t i = 0; i < facts->device_count; i++) {
		const struct nova_offer *offer = &risks->new.items[i];
		const struct selection_device *item =
		    selection_find(risks->work->selection, facts->devices[i].address);

		if (offer->offered != FACT_YES || offer->entry != entry ||
		    nova_spec_is_network(offer->spec, &facts->devices[i]) ||
		    (item && nova_make_offers(item, risks->work->wanted)))
			continue;
		if (count++ < 4)
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
			                         used ? ", " : "", facts->devices[i].address);
	}
	if (count)
		nova_remark(risks->work, NOVA_TOLD,
		            "%s offers %zu device%s that the inventory does not want: %s%s",
		            place(risks, entry, where), count, count == 1 ? "" : "s", list,
		            count > 4 ? " ..." : "");
}

static const char *tag_of(const struct nova_offer *offer, const char *tag)
{
	const char *text =
	    offer->spec ? json_string_value(json_object_get(nova_spec_json(offer->spec), tag))
	                : NULL;

	return text ? text : "";
}

static const struct nova_offer *offer_of(const struct nova_offers *offers, const char *address)
{
	const struct host_facts_device *device = host_facts_find(offers->facts, address);

	return device ? &offers->items[device - offers->facts->devices] : NULL;
}

static bool is_offered(const struct nova_offer *offer)
{
	return offer && offer->offered != FACT_NO;
}

/* Devices that guests hold: no longer offered, or under another resource class. */
static void check_held(struct risks *risks)
{
	const struct host_facts *facts = risks->work->facts;
	bool removed = false, reclassed = false;

	for (size_t i = 0; i < facts->device_count; i++) {
		const char *address = facts->devices[i].address;
		const char *guest = host_facts_guest_of(facts, address);
		const struct nova_offer *old = &risks->old.items[i], *new = &risks->new.items[i];

		if (old->offered != FACT_YES)
			continue;
		removed = removed || new->offered != FACT_YES;
		bool other_class =
		    strcmp(tag_of(old, "resource_class"), tag_of(new, "resource_class")) != 0;
		if (!guest) {
			reclassed = reclassed || (new->offered == FACT_YES &&other_class);
			continue;
		}
		if (new->offered != FACT_YES)
			nova_remark(risks->work, NOVA_REFUSED,
			            "the guest %.60s holds %s, which Nova would no longer offer: "
			            "migrate or stop it first, or keep the device in \"gpus\"",
			            guest, address);
		else if (risks->reporting && other_class)
			nova_remark(risks->work, NOVA_REFUSED,
			            "the guest %.60s holds %s, whose resource_class would change: "
			            "Placement refuses that (InventoryInUse), and nova-compute "
			            "would not start; migrate or stop it first",
			            guest, address);
	}
	if (removed && !facts->guests)
		nova_remark(risks->work, NOVA_UNKNOWN,
		            "devices would no longer be offered, and it could not be seen whether "
		            "guests hold them");
	if (removed && risks->reporting)
		nova_remark(risks->work, NOVA_UNKNOWN,
		            "devices would no longer be offered; whether Placement holds an "
		            "allocation of them (a stopped or shelved server has one) can't be "
		            "seen from the host");
	if (reclassed && risks->reporting)
		nova_remark(
		    risks->work, NOVA_UNKNOWN,
		    "the resource_class of devices would change; while Placement holds an "
		    "allocation of one (a stopped or shelved server has one, which can't be "
		    "seen from the host) nova-compute would not start (InventoryInUse)");
}

/* What ends nova-compute at its start once it reports to Placement. */
static void check_placement(struct risks *risks)
{
	const struct host_facts *facts = risks->work->facts;
	char where[NOVA_PLACE_SIZE];
	bool unseen = false;

	for (size_t i = 0; i < risks->new.entry_count; i++) {
		for (size_t k = 0; k < risks->new.lists[i].count; k++) {
			if (nova_spec_has_devname(risks->new.lists[i].items[k]))
				nova_remark(risks->work, NOVA_REFUSED,
				            "%s names a device by devname, which ends "
				            "nova-compute with report_in_placement: name it by "
				            "address",
				            place(risks, i, where));
		}
	}
	for (size_t i = 0; i < facts->device_count; i++) {
		const struct host_facts_device *child = &facts->devices[i];
		const struct nova_offer *parent;

		unseen = unseen || child->sriov_used > 0;
		if (!child->physical_function || !is_offered(&risks->new.items[i]))
			continue;
		parent = offer_of(&risks->new, child->physical_function);
		if (is_offered(parent))
			nova_remark(risks->work, NOVA_REFUSED,
			            "%s and its virtual function %s would both be offered (%s), "
			            "which ends nova-compute with report_in_placement: write 0 to "
			            "sriov_numvfs, or leave one out",
			            child->physical_function, child->address,
			            place(risks, risks->new.items[i].entry, where));
		for (size_t k = 0; k < i; k++) {
			const struct host_facts_device *other = &facts->devices[k];
			const char *tags[] = {"resource_class", "traits"};

			if (!other->physical_function || !is_offered(&risks->new.items[k]) ||
			    strcmp(other->physical_function, child->physical_function) != 0)
				continue;
			for (size_t t = 0; t < 2; t++) {
				if (strcmp(tag_of(&risks->new.items[i], tags[t]),
				           tag_of(&risks->new.items[k], tags[t])) != 0)
					nova_remark(risks->work, NOVA_REFUSED,
					            "the virtual functions %s and %s of one "
					            "device have different %s, which ends "
					            "nova-compute with report_in_placement",
					            other->address, child->address, tags[t]);
			}
		}
	}
	for (size_t i = 0; unseen && i < facts->device_count; i++)
		unseen = !facts->devices[i].physical_function;
	if (unseen)
		nova_remark(risks->work, NOVA_UNKNOWN,
		            "virtual functions are in use, and facts don't say whose they are: "
		            "run `gpufleet scan` again");
}

/* Ours would apply to a device that a line of others claims first. */
static void tell_shadowed(struct risks *risks)
{
	const struct host_facts *facts = risks->work->facts;
	char where[NOVA_PLACE_SIZE];

	for (size_t i = 0; i < facts->device_count; i++) {
		const struct nova_offer *offer = &risks->new.items[i];
		const struct selection_device *item =
		    selection_find(risks->work->selection, facts->devices[i].address);

		if (!item || !nova_make_offers(item, risks->work->wanted) ||
		    offer->offered == FACT_NO || !risks->places[offer->entry])
			continue;
		if (!item->gpu->resource_class && item->gpu->traits.count == 0 &&
		    item->gpu->managed < 0 && item->gpu->live_migratable < 0 &&
		    item->gpu->one_time_use < 0)
			continue;
		nova_remark(risks->work, NOVA_TOLD,
		            "%s offers %s first, so that what the inventory says of it "
		            "(resource_class, traits, managed) has no effect: remove that line",
		            place(risks, offer->entry, where), facts->devices[i].address);
	}
}

static void tell_many(struct risks *risks)
{
	const struct host_facts *facts = risks->work->facts;

	for (size_t i = 0; i < facts->device_count; i++) {
		const struct host_facts_device *device = &facts->devices[i];
		size_t same = 0;
		bool first = true;

		if (risks->new.items[i].offered != FACT_YES)
			continue;
		for (size_t k = 0; k < facts->device_count; k++) {
			if (risks->new.items[k].offered != FACT_YES ||
			    strcmp(facts->devices[k].vendor, device->vendor) != 0 ||
			    strcmp(facts->devices[k].device, device->device) != 0)
				continue;
			first = first && k >= i;
			same++;
		}
		if (first && same >= MANY_DEVICES)
			nova_remark(risks->work, NOVA_TOLD,
			            "%zu devices %s:%s report to Placement: raise [placement] "
			            "max_allocation_candidates and set "
			            "allocation_candidates_generation_strategy = breadth-first "
			            "there",
			            same, device->vendor, device->device);
	}
}

int nova_compute_risks(struct nova_work *work, const struct nova_facts_service *service,
                       const json_t *specs, struct gf_err *err)
{
	struct risks risks = {.work = work,
	                      .option = nova_facts_option(service, "pci.device_spec"),
	                      .reporting = nova_facts_switch(service, "pci.report_in_placement") ==
	                                   FACT_YES};
	int rc = lay_out(&risks, specs);

	if (rc < 0)
		gf_err_set(err, GF_E_MEMORY, "out of memory");
	else
		rc = nova_offers_compute(risks.before, risks.before_count, work->target.release,
		                         work->facts, &risks.old, err);
	if (rc == 0)
		rc = nova_offers_compute(risks.after, risks.after_count, work->target.release,
		                         work->facts, &risks.new, err);
	if (rc == 0) {
		check_refused(&risks);
		for (size_t i = 0; i < risks.after_count; i++) {
			if (risks.places[i])
				tell_surplus(&risks, i);
		}
		tell_shadowed(&risks);
		check_held(&risks);
		if (work->target.report) {
			check_placement(&risks);
			tell_many(&risks);
		}
		rc = nova_foreign_aliases(work, service, err);
	}
	nova_offers_free(&risks.old);
	nova_offers_free(&risks.new);
	free(risks.before);
	free(risks.after);
	free(risks.places);
	return rc;
}
