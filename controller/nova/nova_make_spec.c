/* nova_make_spec.c: the entries of device_spec for one host; see nova_make.h. */
#include "controller/nova/nova_make.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/nova/nova_rules.h"
#include "controller/nova/nova_spec.h"
#include "inventory/nodeset.h"

struct work {
	const struct host_facts *facts;
	const struct selection *selection;
	const json_t *wanted;
	const struct nova_target *target;
	json_t *values;
	struct gf_err *err;
};

static bool in_wanted(const json_t *wanted, const char *address)
{
	const json_t *item;
	size_t i;

	json_array_foreach(wanted, i, item)
	{
		const char *other = json_string_value(json_object_get(item, "address"));

		if (other && strcmp(other, address) == 0)
			return true;
	}
	return false;
}

bool nova_make_offers(const struct selection_device *item, const json_t *wanted)
{
	return item->primary && !item->ignored && item->gpu &&
	       (!wanted || in_wanted(wanted, item->address));
}

/* The item of the selection at ADDRESS when it is to be offered, else NULL. */
static const struct selection_device *offered_at(const struct work *work, const char *address)
{
	const struct selection_device *item = selection_find(work->selection, address);

	return item && nova_make_offers(item, work->wanted) ? item : NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_tags(const struct inventory_gpu *a, const struct inventory_gpu *b)
{
	return same_text(a->resource_class, b->resource_class) &&
	       string_list_equal(&a->traits, &b->traits) && a->managed == b->managed &&
	       a->live_migratable == b->live_migratable && a->one_time_use == b->one_time_use;
}

/* Is every device of the host with these ids offered, and with the same tags? */
static bool all_of_model(const struct work *work, const struct host_facts_device *device,
                         const struct inventory_gpu *gpu)
{
	for (size_t i = 0; i < work->facts->device_count; i++) {
		const struct host_facts_device *other = &work->facts->devices[i];
		const struct selection_device *item;

		if (strcmp(other->vendor, device->vendor) != 0 ||
		    strcmp(other->device, device->device) != 0)
			continue;
		item = offered_at(work, other->address);
		if (!item || !same_tags(item->gpu, gpu))
			return false;
	}
	return true;
}

static int set_text(json_t *json, const char *key, const char *text)
{
	return json_object_set_new(json, key, json_string(text));
}

static int require(const struct work *work, enum nova_rule_id id)
{
	return nova_rule_require(id, work->target->release, nova_rule(id)->key, work->target->said,
	                         work->err);
}

static int set_flag(const struct work *work, json_t *json, enum nova_rule_id id, int flag)
{
	if (flag < 0)
		return 0;
	if (require(work, id) < 0)
		return -1;
	return set_text(json, nova_rule(id)->key, flag ? "yes" : "no");
}

int nova_make_traits(json_t *json, const struct string_list *traits)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	int rc;

	for (size_t i = 0; out && i < traits->count; i++)
		fprintf(out, "%s%s", i ? "," : "", traits->items[i]);
	if (!out || fclose(out) != 0) {
		free(text);
		return -1;
	}
	rc = set_text(json, "traits", text);
	free(text);
	return rc;
}

static int set_tags(const struct work *work, json_t *json, const struct inventory_gpu *gpu)
{
	if (gpu->resource_class) {
		if (require(work, NOVA_RULE_SPEC_RESOURCE_CLASS) < 0 ||
		    set_text(json, "resource_class", gpu->resource_class) < 0)
			return -1;
	}
	if (gpu->traits.count) {
		if (require(work, NOVA_RULE_SPEC_TRAITS) < 0 ||
		    nova_make_traits(json, &gpu->traits) < 0)
			return -1;
	}
	if (set_flag(work, json, NOVA_RULE_SPEC_MANAGED, gpu->managed) < 0 ||
	    set_flag(work, json, NOVA_RULE_SPEC_LIVE_MIGRATABLE, gpu->live_migratable) < 0 ||
	    set_flag(work, json, NOVA_RULE_SPEC_ONE_TIME_USE, gpu->one_time_use) < 0)
		return -1;
	if (gpu->one_time_use == 1 && !work->target->report)
		return gf_err_set(work->err, GF_E_BLOCKED,
		                  "one_time_use needs report_in_placement: set it in the "
		                  "inventory's \"nova\"");
	return 0;
}

static int append_spec(const struct work *work, const struct host_facts_device *device,
                       const struct inventory_gpu *gpu, bool whole_model)
{
	json_t *json = json_object();
	char *text = NULL;
	int rc = -1;

	/* The ids stand beside an address, too: another device that moves there is not offered. */
	if (set_text(json, "vendor_id", device->vendor) == 0 &&
	    set_text(json, "product_id", device->device) == 0 &&
	    (whole_model || set_text(json, "address", device->address) == 0) &&
	    set_tags(work, json, gpu) == 0) {
		text = json_dumps(json, JSON_COMPACT);
		rc = text ? json_array_append_new(work->values, json_string(text)) : -1;
	}
	free(text);
	json_decref(json);
	return rc;
}

static bool model_seen(const struct work *work, size_t before,
                       const struct host_facts_device *device)
{
	for (size_t i = 0; i < before; i++) {
		const struct selection_device *item = &work->selection->items[i];
		const struct host_facts_device *other;

		if (!nova_make_offers(item, work->wanted))
			continue;
		other = host_facts_find(work->facts, item->address);
		if (strcmp(other->vendor, device->vendor) == 0 &&
		    strcmp(other->device, device->device) == 0)
			return true;
	}
	return false;
}

static int append_all(const struct work *work)
{
	for (size_t i = 0; i < work->selection->count; i++) {
		const struct selection_device *item = &work->selection->items[i];
		const struct host_facts_device *device;
		bool whole_model;

		if (!nova_make_offers(item, work->wanted))
			continue;
		device = host_facts_find(work->facts, item->address);
		if (strlen(device->address) > 12)
			return gf_err_set(work->err, GF_E_BLOCKED,
			                  "%s can't be offered: Nova ignores devices whose PCI "
			                  "domain has more than four digits",
			                  device->address);
		whole_model = all_of_model(work, device, item->gpu);
		if (whole_model && model_seen(work, i, device))
			continue;
		if (append_spec(work, device, item->gpu, whole_model) < 0)
			return -1;
	}
	return 0;
}

/* By Nova's own rules: exactly the devices that are wanted? */
static int prove(const struct work *work, const char *const *texts, size_t count)
{
	struct nova_offers offers;
	int rc = 0;

	if (nova_offers_compute(texts, count, work->target->release, work->facts, &offers,
	                        work->err) < 0)
		return -1;
	for (size_t i = 0; rc == 0 && i < work->facts->device_count; i++) {
		const struct host_facts_device *device = &work->facts->devices[i];
		bool wanted = offered_at(work, device->address) != NULL;
		enum fact offered = offers.items[i].offered;

		if (offered == (wanted ? FACT_YES : FACT_NO))
			continue;
		if (wanted)
			rc = gf_err_set(work->err, GF_E_INTERNAL,
			                "no entry of device_spec matches %s", device->address);
		else
			rc = gf_err_set(work->err, GF_E_BLOCKED,
			                "device_spec %.120s would offer %s (%s:%s), too%s",
			                texts[offers.items[i].entry], device->address,
			                device->vendor, device->device,
			                device->physical_function
			                    ? ", a virtual function of it: write 0 to its "
			                      "sriov_numvfs"
			                    : "");
	}
	nova_offers_free(&offers);
	return rc;
}

int nova_make_specs(const struct host_facts *facts, const struct selection *selection,
                    const json_t *wanted, const struct nova_target *target, json_t *values,
                    struct gf_err *err)
{
	struct gf_err fault = {GF_E_MEMORY, "out of memory"};
	struct work work = {facts, selection, wanted, target, values, &fault};
	size_t begin = json_array_size(values), count;
	const char **texts;
	int rc = append_all(&work);

	count = json_array_size(values) - begin;
	texts = calloc(count + 1, sizeof(*texts));
	if (!texts)
		rc = -1;
	for (size_t i = 0; rc == 0 && i < count; i++)
		texts[i] = json_string_value(json_array_get(values, begin + i));
	if (rc == 0)
		rc = prove(&work, texts, count);
	free(texts);
	if (rc < 0)
		gf_err_set(err, fault.code, "%s", fault.msg);
	return rc;
}
