/* readiness.c: from checks to verdicts, of each device and of the host.
 *
 * A device that is not ignored is: in_use when a guest holds it; else blocked, pending or unknown
 * by the worst of its own checks and the host's; else ready. Only unknowns that could hide a
 * blocker count. A card is one unit: when one of its functions is blocked, all are. The host:
 * blocked when one of its own checks is; else pending, unknown, in_use (all of them) or ready by
 * its devices that aren't blocked; blocked when all are; ignored when it has no device that is
 * looked at.
 */
#include "controller/readiness/readiness.h"

#include <stdlib.h>
#include <string.h>

#include "controller/readiness/check_pool.h"
#include "controller/readiness/check_table.h"
#include "controller/readiness/checks.h"
#include "controller/readiness/device_pool.h"

#define SETTLE_ROUNDS 16 /* a bound on what a hostile host can make us compute */

enum verdict {
	VERDICT_READY,
	VERDICT_UNKNOWN,
	VERDICT_PENDING,
	VERDICT_BLOCKED,
	VERDICT_IN_USE,
	VERDICT_IGNORED
};

static const char *const verdict_names[] = {"ready",   "unknown", "pending",
                                            "blocked", "in_use",  "ignored"};

/* Everything about one host while it is judged. */
struct judgement {
	struct host_facts facts;
	struct selection selection;
	struct iommu_prediction prediction;
	struct check_list list;
	size_t host_checks; /* the first so many of the list are about the host */
	size_t *first;      /* by selection index: where its own checks begin in the list */
	size_t own_checks;  /* where those that were added to the devices' own begin */
	bool mixed;         /* among a device's own is one of another device, or of the host */
	bool *left_out;     /* by selection index */
	enum verdict *verdicts;
	const bool *fixed; /* by check id: taken for passed; NULL: none */
};

/* What this check alone makes of a device. */
static enum verdict check_verdict(const struct check *check)
{
	switch (check->status) {
	case CHECK_BLOCKED:
		return check->id == CHECK_DEVICE_IN_USE ? VERDICT_IN_USE : VERDICT_BLOCKED;
	case CHECK_PENDING:
		return VERDICT_PENDING;
	case CHECK_UNKNOWN:
		return check_rule(check->id)->unknown_gates ? VERDICT_UNKNOWN : VERDICT_READY;
	default:
		return VERDICT_READY;
	}
}

/* The next check, from AT on, that applies to the device: one about the host, or of its own. The
 * other devices' are passed over as a whole. */
static size_t check_next(const struct judgement *j, const struct selection_device *item, size_t at)
{
	size_t index = (size_t)(item - j->selection.items);

	if (at < j->host_checks)
		return at;
	if (!j->mixed && at < j->first[index])
		at = j->first[index];
	if (!j->mixed && at >= j->first[index + 1] && at < j->own_checks)
		at = j->own_checks;
	while (at < j->list.count && j->list.items[at].device &&
	       strcmp(j->list.items[at].device, item->address) != 0)
		at++;
	return at;
}

static enum verdict device_verdict(const struct judgement *j, const struct selection_device *item)
{
	enum verdict worst = VERDICT_READY;

	if (item->ignored)
		return VERDICT_IGNORED;
	for (size_t i = check_next(j, item, 0); i < j->list.count; i = check_next(j, item, i + 1)) {
		enum verdict verdict;

		verdict = check_verdict(&j->list.items[i]);
		if (verdict > worst)
			worst = verdict;
	}
	return worst;
}

/* Is the device blocked by a check of its own, not by one about the whole host? */
static bool blocked_itself(const struct judgement *j, const struct selection_device *item)
{
	bool blocked = false;

	for (size_t i = check_next(j, item, j->host_checks); i < j->list.count;
	     i = check_next(j, item, i + 1)) {
		if (check_verdict(&j->list.items[i]) == VERDICT_IN_USE)
			return false;
		if (check_verdict(&j->list.items[i]) == VERDICT_BLOCKED)
			blocked = true;
	}
	return blocked;
}

/* A guest that runs keeps its card: leaving it out would give it back to the host's driver at the
 * next boot. */
static bool held_by_guest(const struct judgement *j, const char *card)
{
	for (size_t i = 0; i < j->selection.count; i++) {
		if (strcmp(j->selection.items[i].card, card) == 0 &&
		    host_facts_guest_of(&j->facts, j->selection.items[i].address))
			return true;
	}
	return false;
}

/* Leaves out every function of cards with a blocked one. True when that is more than before. */
static bool leave_out_blocked_cards(struct judgement *j)
{
	bool more = false;

	for (size_t i = 0; i < j->selection.count; i++) {
		const struct selection_device *item = &j->selection.items[i];

		if (item->ignored || j->left_out[i] || !blocked_itself(j, item) ||
		    held_by_guest(j, item->card))
			continue;
		for (size_t k = 0; k < j->selection.count; k++) {
			const struct selection_device *other = &j->selection.items[k];

			if (!other->ignored && strcmp(other->card, item->card) == 0)
				j->left_out[k] = true;
		}
		more = true;
	}
	return more;
}

/* What would be if the fixes of these checks were made: they pass, the others stay as they are. */
static void pass_fixed(struct judgement *j)
{
	for (size_t i = 0; j->fixed && i < j->list.count; i++) {
		struct check *check = &j->list.items[i];

		if (!j->fixed[check->id])
			continue;
		check->status = CHECK_PASS;
		check->cause = check->fix = "";
	}
}

static void run_checks(struct judgement *j, const struct check_subject *subject)
{
	check_list_free(&j->list);
	checks_host(subject, &j->list);
	j->host_checks = j->list.count;
	for (size_t i = 0; i < j->selection.count; i++) {
		j->first[i] = j->list.count;
		if (!j->selection.items[i].ignored)
			checks_device(subject, &j->selection.items[i], &j->list);
		for (size_t k = j->first[i]; k < j->list.count; k++) {
			const char *device = j->list.items[k].device;

			j->mixed |= !device || strcmp(device, j->selection.items[i].address) != 0;
		}
	}
	j->first[j->selection.count] = j->own_checks = j->list.count;
	pass_fixed(j);
}

static void judgement_free(struct judgement *j)
{
	check_list_free(&j->list);
	selection_free(&j->selection);
	iommu_prediction_free(&j->prediction);
	host_facts_free(&j->facts);
	free(j->left_out);
	free(j->first);
	free(j->verdicts);
}

/* What is still to be done on one function of a card, or could not be seen of it, holds for the
 * card. */
static void follow_siblings(struct judgement *j)
{
	for (size_t i = 0; i < j->selection.count; i++) {
		const struct selection_device *sibling = &j->selection.items[i], *card;
		enum verdict own = j->verdicts[i];
		size_t at;

		if (sibling->primary || (own != VERDICT_PENDING && own != VERDICT_UNKNOWN))
			continue;
		card = selection_find(&j->selection, sibling->card);
		at = card ? (size_t)(card - j->selection.items) : i;
		if (at == i || j->verdicts[at] >= own)
			continue;
		j->verdicts[at] = own;
		check_add(&j->list, CHECK_DEVICE_SIBLINGS, card->address,
		          own == VERDICT_PENDING ? CHECK_PENDING : CHECK_UNKNOWN,
		          own == VERDICT_PENDING
		              ? "Another function of the card is not ready yet."
		              : "Not enough could be seen of another function of the card.",
		          "See the checks of the other function.", "%s", sibling->address);
	}
}

/* A device that is left out stays on the host's driver, which can make its neighbours' group
 * unviable: repeat until nothing changes. */
static void settle(struct judgement *j, const struct check_subject *subject)
{
	/* Each round but the last leaves out a card more; real hosts need two. */
	for (int round = 0; round < SETTLE_ROUNDS; round++) {
		run_checks(j, subject);
		if (!leave_out_blocked_cards(j))
			break;
	}
	for (size_t i = 0; i < j->selection.count; i++) {
		const struct selection_device *item = &j->selection.items[i];

		if (j->left_out[i] && !blocked_itself(j, item))
			check_add(&j->list, CHECK_DEVICE_SIBLINGS, item->address, CHECK_BLOCKED,
			          "Another function of the same card is blocked, and a card goes "
			          "to a guest as a whole.",
			          "Mend what blocks the other function.", "card %s", item->card);
	}
	pass_fixed(j);
	for (size_t i = 0; i < j->selection.count; i++)
		j->verdicts[i] = device_verdict(j, &j->selection.items[i]);
	follow_siblings(j);
}

/* PARSED: the same facts, where they were parsed before. FIXED: as in the judgement. */
static int judge(const struct inventory_host *host, const json_t *facts,
                 const struct host_facts *parsed, const bool *fixed, struct judgement *j,
                 struct gf_err *err)
{
	struct check_subject subject = {.host = host,
	                                .facts = &j->facts,
	                                .selection = &j->selection,
	                                .prediction = &j->prediction};

	memset(j, 0, sizeof(*j));
	j->fixed = fixed;
	if (host_facts_again(parsed, facts, &j->facts, err) < 0)
		return -1;
	if (selection_from_facts(&j->facts, host, &j->selection, err) < 0 ||
	    iommu_predict(&j->facts, &j->prediction, err) < 0) {
		judgement_free(j);
		return -1;
	}
	j->left_out = calloc(j->selection.count + 1, sizeof(*j->left_out));
	j->first = calloc(j->selection.count + 1, sizeof(*j->first));
	j->verdicts = calloc(j->selection.count + 1, sizeof(*j->verdicts));
	if (j->left_out && j->first && j->verdicts) {
		subject.left_out = j->left_out;
		settle(j, &subject);
	}
	if (!j->left_out || !j->first || !j->verdicts || j->list.failed) {
		judgement_free(j);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	return 0;
}

static enum verdict host_verdict(const struct judgement *j)
{
	size_t counts[VERDICT_IGNORED + 1] = {0}, looked_at;

	for (size_t i = 0; i < j->selection.count; i++)
		counts[j->verdicts[i]]++;
	looked_at = j->selection.count - counts[VERDICT_IGNORED];
	if (looked_at == 0) {
		for (size_t i = 0; i < j->host_checks; i++) {
			if (j->list.items[i].id == CHECK_HOST_GPUS &&
			    j->list.items[i].status == CHECK_BLOCKED)
				return VERDICT_BLOCKED;
		}
		return VERDICT_IGNORED;
	}
	if (counts[VERDICT_IN_USE] == looked_at)
		return VERDICT_IN_USE;
	for (size_t i = 0; i < j->host_checks; i++) {
		if (j->list.items[i].status == CHECK_BLOCKED)
			return VERDICT_BLOCKED;
	}
	if (counts[VERDICT_PENDING])
		return VERDICT_PENDING;
	if (counts[VERDICT_UNKNOWN])
		return VERDICT_UNKNOWN;
	return counts[VERDICT_READY] || counts[VERDICT_IN_USE] ? VERDICT_READY : VERDICT_BLOCKED;
}

/* The ids of the checks that brought about the verdict: each once. */
static void find_reasons(const struct judgement *j, const struct selection_device *item,
                         enum verdict verdict, struct device_said *said)
{
	bool seen[CHECK_COUNT] = {false};

	if (verdict == VERDICT_READY || verdict == VERDICT_IGNORED)
		return;
	for (size_t i = check_next(j, item, 0); i < j->list.count; i = check_next(j, item, i + 1)) {
		const struct check *check = &j->list.items[i];
		enum verdict own = check_verdict(check);

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
	json_object_set_new(json, "verdict", json_string(verdict_names[j->verdicts[index]]));
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
	json_object_set_new(json, "verdict", json_string(verdict_names[verdict]));
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
	enum verdict verdict = check_verdict(check);

	if (verdict != VERDICT_READY)
		json_object_set_new(json, "verdict", json_string(verdict_names[verdict]));
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
	if (judge(host, facts, parsed, fixed, &j, err) < 0)
		return NULL;
	json = host_json(host, reachable, j.facts.observed, host_verdict(&j));
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
		if (check_verdict(&j->list.items[i]) == VERDICT_BLOCKED)
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
	if (judge(host, facts, NULL, NULL, &j, err) < 0)
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
