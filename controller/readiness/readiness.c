/* readiness.c: what the report says of a host that was judged (judgement.h), and whether its stages
 * may be applied.
 */
#include "controller/readiness/readiness.h"

#include <string.h>

#include "controller/readiness/check_pool.h"
#include "controller/readiness/check_table.h"
#include "controller/readiness/device_pool.h"
#include "controller/readiness/judgement.h"

/* The ids of the checks that brought about the verdict: each once. */
static void find_reasons(const struct judgement *j, const struct selection_device *item,
                         enum verdict verdict, struct device_said *said)
{
	bool seen[CHECK_COUNT] = {false};

	if (verdict == VERDICT_READY || verdict == VERDICT_IGNORED)
		return;
	for (size_t i = judgement_check_next(j, item, 0); i < j->list.count;
	     i = judgement_check_next(j, item, i + 1)) {
		const struct check *check = &j->list.items[i];
		enum verdict own = judgement_check_verdict(check);

		if (own == VERDICT_READY || seen[check->id])
			continue;
		if (own == VERDICT_UNKNOWN && verdict != VERDICT_UNKNOWN)
			continue;
		if (verdict == VERDICT_IN_USE && own != VERDICT_IN_USE)
			continue;
		seen[check->id] = true;
		said->reasons[said->reason_count++] = (unsigned char)check->id;
	}
}

static json_t *reasons_json(const struct device_said *said)
{
	json_t *reasons = json_array();

	for (size_t i = 0; i < said->reason_count; i++)
		json_array_append_new(reasons,
		                      json_string(check_name((enum check_id)said->reasons[i])));
	return reasons;
}

static json_t *string_or_null(const char *text)
{
	return text ? json_string(text) : json_null();
}

/* The addresses of the group that the device will be in, itself among them; null: not certain. */
static json_t *predicted_json(const struct judgement *j, const struct host_facts_device *device)
{
	size_t count;
	const size_t *members = iommu_prediction_group(&j->prediction, device, &count);
	json_t *addresses;

	if (!iommu_prediction_certain(&j->prediction, device))
		return json_null();
	addresses = json_array();
	for (size_t i = 0; i < count; i++)
		json_array_append_new(addresses, json_string(j->facts.devices[members[i]].address));
	return addresses;
}

static json_t *device_json(const struct judgement *j, size_t index, struct device_pool *pool)
{
	const struct selection_device *item = &j->selection.items[index];
	const struct host_facts_device *device = host_facts_find(&j->facts, item->address);
	/* Which group is to be expected depends on the other devices, too. */
	bool predicted = checks_group_is_predicted(&j->facts, device);
	struct device_said said = {.alias = item->alias,
	                           .primary = item->primary,
	                           .verdict = (unsigned char)j->verdicts[index]};
	json_t *json;

	find_reasons(j, item, j->verdicts[index], &said);
	json = predicted ? NULL : device_pool_entry(pool, device->json, &said);
	if (json)
		return json;
	json = json_object();
	json_object_set(json, "address", json_object_get(device->json, "address"));
	json_object_set(json, "vendor", json_object_get(device->json, "vendor"));
	json_object_set(json, "device", json_object_get(device->json, "device"));
	json_object_set_new(json, "name", json_sprintf("%s:%s", device->vendor, device->device));
	json_object_set(json, "class", json_object_get(device->json, "class"));
	json_object_set_new(json, "primary", json_boolean(item->primary));
	json_object_set_new(json, "driver", string_or_null(device->driver));
	json_object_set_new(json, "iommu_group",
	                    device->group >= 0 ? json_integer(device->group) : json_null());
	if (predicted)
		json_object_set_new(json, "predicted_group", predicted_json(j, device));
	json_object_set_new(json, "numa_node",
	                    device->numa_node >= 0 ? json_integer(device->numa_node) : json_null());
	json_object_set_new(json, "alias", string_or_null(item->alias));
	json_object_set_new(json, "verdict",
	                    json_string(judgement_verdict_name(j->verdicts[index])));
	json_object_set_new(json, "reasons", reasons_json(&said));
	if (!predicted)
		device_pool_keep_entry(pool, device->json, &said, json);
	return json;
}

static json_t *host_json(const struct inventory_host *host, bool reachable, const char *observed,
                         enum verdict verdict)
{
	json_t *json = json_object();

	json_object_set_new(json, "name", json_string(host->name));
	json_object_set_new(json, "domain", string_or_null(host->domain));
	json_object_set_new(json, "reachable", json_boolean(reachable));
	json_object_set_new(json, "observed", string_or_null(observed));
	json_object_set_new(json, "verdict", json_string(judgement_verdict_name(verdict)));
	json_object_set_new(json, "checks", json_array());
	json_object_set_new(json, "devices", json_array());
	return json;
}

static json_t *never_reached(const struct inventory_host *host, bool reachable)
{
	json_t *json = host_json(host, reachable, NULL, VERDICT_UNKNOWN);
	struct check_list list = {0};

	check_add(&list, CHECK_HOST_FACTS, NULL, CHECK_UNKNOWN, "The host was never reached.",
	          "Run `gpufleet scan`; its recap says what kept it from being reached.",
	          "no facts are stored");
	if (list.count)
		json_array_append_new(json_object_get(json, "checks"), check_json(&list.items[0]));
	check_list_free(&list);
	return json;
}

/* A check that keeps a device from being ready says what it alone makes of it. */
static json_t *checked_json(const struct check *check)
{
	json_t *json = check_json(check);
	enum verdict verdict = judgement_check_verdict(check);

	if (verdict != VERDICT_READY)
		json_object_set_new(json, "verdict", json_string(judgement_verdict_name(verdict)));
	return json;
}

static json_t *evaluate(const struct inventory_host *host, const json_t *facts,
                        const struct host_facts *parsed, bool reachable, const bool *fixed,
                        struct check_pool *pool, struct device_pool *devices, struct gf_err *err)
{
	struct judgement j;
	json_t *json, *checks;

	if (!facts)
		return never_reached(host, reachable);
	if (judgement_make(host, facts, parsed, fixed, &j, err) < 0)
		return NULL;
	json = host_json(host, reachable, j.facts.observed, judgement_host_verdict(&j));
	checks = json_object_get(json, "checks");
	for (size_t i = 0; i < j.list.count; i++)
		json_array_append_new(checks,
		                      check_pool_json(pool, &j.list.items[i], checked_json));
	for (size_t i = 0; i < j.selection.count; i++)
		json_array_append_new(json_object_get(json, "devices"),
		                      device_json(&j, i, devices));
	judgement_free(&j);
	return json;
}

json_t *readiness_evaluate(const struct inventory_host *host, const json_t *facts, bool reachable,
                           struct gf_err *err)
{
	return evaluate(host, facts, NULL, reachable, NULL, NULL, NULL, err);
}

json_t *readiness_evaluate_pooled(const struct inventory_host *host, const json_t *facts,
                                  const struct host_facts *parsed, bool reachable,
                                  struct check_pool *checks, struct device_pool *devices,
                                  struct gf_err *err)
{
	return evaluate(host, facts, parsed, reachable, NULL, checks, devices, err);
}

json_t *readiness_evaluate_fixed(const struct inventory_host *host, const json_t *facts,
                                 bool reachable, const struct string_list *fixed,
                                 struct gf_err *err)
{
	bool mask[CHECK_COUNT] = {false};

	for (size_t i = 0; i < fixed->count; i++) {
		for (size_t id = 0; id < CHECK_COUNT; id++)
			mask[id] |= strcmp(check_name((enum check_id)id), fixed->items[i]) == 0;
	}
	return evaluate(host, facts, NULL, reachable, mask, NULL, NULL, err);
}

static int blocked(struct gf_err *err, const struct check *check)
{
	return gf_err_set(err, GF_E_BLOCKED, "%s%s%s %s (%s: %s)",
	                  check->device ? check->device : "", check->device ? ": " : "",
	                  check->cause, check->fix, check_name(check->id), check->evidence);
}

/* A precondition of the whole host: its own checks, and a disk or network device among the wanted,
 * which shows that the inventory does not mean what it says. */
static const struct check *host_blocker(const struct judgement *j)
{
	for (size_t i = 0; i < j->list.count; i++) {
		const struct check *check = &j->list.items[i];

		if (check->status == CHECK_BLOCKED &&
		    (!check->device || check->id == CHECK_DEVICE_HOST_DEVICE))
			return check;
	}
	return NULL;
}

static const struct check *first_device_blocker(const struct judgement *j)
{
	for (size_t i = j->host_checks; i < j->list.count; i++) {
		if (judgement_check_verdict(&j->list.items[i]) == VERDICT_BLOCKED)
			return &j->list.items[i];
	}
	return NULL;
}

/* The wire's `wanted` array without the devices that are left out. */
static json_t *wanted_left(struct judgement *j, const struct inventory_host *host)
{
	for (size_t i = 0; i < j->selection.count; i++) {
		if (j->left_out[i])
			j->selection.items[i].ignored = true;
	}
	return selection_wanted(&j->selection, host);
}

int readiness_preconditions(const struct inventory_host *host, const json_t *facts, json_t **wanted,
                            struct gf_err *err)
{
	const struct check *blocker;
	struct judgement j;
	json_t *left;
	int rc = 0;

	if (!facts)
		return gf_err_set(err, GF_E_PROTOCOL,
		                  "the host sent no facts; run `gpufleet scan`");
	if (judgement_make(host, facts, NULL, NULL, &j, err) < 0)
		return -1;
	left = wanted_left(&j, host);
	blocker = host_blocker(&j);
	if (!blocker && host->gpus.given && json_array_size(left) == 0)
		blocker = first_device_blocker(&j);
	if (blocker) {
		rc = blocked(err, blocker);
		json_decref(left);
	} else {
		*wanted = left;
	}
	judgement_free(&j);
	return rc;
}
