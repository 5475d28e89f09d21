/* judgement.c: see judgement.h. */
#include "controller/readiness/judgement.h"

#include <stdlib.h>
#include <string.h>

#include "controller/readiness/check_table.h"

#define SETTLE_ROUNDS 16 /* a bound on what a hostile host can make us compute */

const char *judgement_verdict_name(enum verdict verdict)
{
	static const char *const names[] = {"ready",   "unknown", "pending",
	                                    "blocked", "in_use",  "ignored"};

	return names[verdict];
}

enum verdict judgement_check_verdict(const struct check *check)
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

size_t judgement_check_next(const struct judgement *j, const struct selection_device *item,
                            size_t at)
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
	for (size_t i = judgement_check_next(j, item, 0); i < j->list.count;
	     i = judgement_check_next(j, item, i + 1)) {
		enum verdict verdict;

		verdict = judgement_check_verdict(&j->list.items[i]);
		if (verdict > worst)
			worst = verdict;
	}
	return worst;
}

/* Is the device blocked by a check of its own, not by one about the whole host? */
static bool blocked_itself(const struct judgement *j, const struct selection_device *item)
{
	bool blocked = false;

	for (size_t i = judgement_check_next(j, item, j->host_checks); i < j->list.count;
	     i = judgement_check_next(j, item, i + 1)) {
		if (judgement_check_verdict(&j->list.items[i]) == VERDICT_IN_USE)
			return false;
		if (judgement_check_verdict(&j->list.items[i]) == VERDICT_BLOCKED)
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

void judgement_free(struct judgement *j)
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

int judgement_make(const struct inventory_host *host, const json_t *facts,
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

enum verdict judgement_host_verdict(const struct judgement *j)
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
