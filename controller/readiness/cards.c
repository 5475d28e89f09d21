/* cards.c: pairs the cards of before with those of now, the surest likeness first: what is in its
 * old place, then what its serial number betrays, what only its address was changed of, what is of
 * the same model elsewhere, and at last what sits where another one sat. Two alike without serial
 * numbers that changed places are no change: nothing tells them apart, to Nova neither.
 */
#include "controller/readiness/cards.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/readiness/selection.h"
#include "node-agent/wire/json_text.h"

struct card {
	const char *address, *serial; /* serial: NULL where it is unknown */
	const json_t *facts, *path;
	const struct card *other; /* the one that it was paired with; NULL: none */
};

struct cards {
	struct card *items;
	size_t count;
};

struct changes {
	char first[160];
	size_t count;
};

static const char *card_text(const struct card *card, const char *key)
{
	return json_text(card->facts, key);
}

static int cards_find(const json_t *facts, const struct inventory_host *host, struct cards *cards,
                      struct gf_err *err)
{
	struct selection selection;

	*cards = (struct cards){0};
	if (selection_compute(facts, host, &selection, err) < 0)
		return -1;
	cards->items = calloc(selection.count + 1, sizeof(*cards->items));
	for (size_t i = 0; cards->items && i < selection.count; i++) {
		const json_t *device = selection.items[i].facts;

		/* Virtual functions come and go with the driver of the physical one. */
		if (!selection.items[i].primary ||
		    json_is_string(json_object_get(device, "physical_function")))
			continue;
		cards->items[cards->count++] = (struct card){
		    .address = selection.items[i].address,
		    .serial = json_string_value(json_object_get(device, "serial")),
		    .facts = device,
		    .path = json_object_get(device, "path"),
		};
	}
	selection_free(&selection);
	return cards->items ? 0 : gf_err_set(err, GF_E_MEMORY, "out of memory");
}

static bool same_address(const struct card *a, const struct card *b)
{
	return strcmp(a->address, b->address) == 0;
}

static bool same_model(const struct card *a, const struct card *b)
{
	static const char *const keys[] = {"vendor", "device", "subsystem_vendor",
	                                   "subsystem_device"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(card_text(a, keys[i]), card_text(b, keys[i])) != 0)
			return false;
	}
	return true;
}

/* A serial number that could not be read this time says nothing. */
static bool other_serial(const struct card *a, const struct card *b)
{
	return a->serial && b->serial && strcmp(a->serial, b->serial) != 0;
}

/* An address without domain and bus: "00.0". */
static const char *slot_of(const char *address)
{
	const char *colon = strrchr(address, ':');

	return colon ? colon + 1 : address;
}

/* Bus numbers are given out anew at each boot; only the root's is the board's own. */
static bool same_place(const struct card *a, const struct card *b)
{
	size_t depth = json_array_size(a->path);

	if (depth != json_array_size(b->path))
		return false;
	if (depth == 0)
		return same_address(a, b);
	for (size_t i = 0; i < depth; i++) {
		const char *x = json_string_value(json_array_get(a->path, i));
		const char *y = json_string_value(json_array_get(b->path, i));

		if (strcmp(i ? slot_of(x) : x, i ? slot_of(y) : y) != 0)
			return false;
	}
	return strcmp(slot_of(a->address), slot_of(b->address)) == 0;
}

static bool is_unchanged(const struct card *a, const struct card *b)
{
	return same_address(a, b) && same_place(a, b) && same_model(a, b) && !other_serial(a, b);
}

static bool is_carried(const struct card *a, const struct card *b)
{
	return a->serial && b->serial && !other_serial(a, b) && same_model(a, b);
}

static bool is_renumbered(const struct card *a, const struct card *b)
{
	return same_place(a, b) && same_model(a, b) && !other_serial(a, b);
}

static bool is_elsewhere(const struct card *a, const struct card *b)
{
	return same_model(a, b) && !other_serial(a, b);
}

static void cards_pair(struct cards *before, struct cards *after,
                       bool (*alike)(const struct card *a, const struct card *b))
{
	for (size_t i = 0; i < before->count; i++) {
		struct card *a = &before->items[i];

		if (a->other)
			continue;
		for (size_t j = 0; j < after->count; j++) {
			struct card *b = &after->items[j];

			if (b->other || !alike(a, b))
				continue;
			a->other = b;
			b->other = a;
			break;
		}
	}
}

static void change_add(struct changes *changes, const struct card *card, const char *what,
                       const char *where)
{
	if (changes->count++)
		return;
	snprintf(changes->first, sizeof(changes->first), "the card %s (%s:%s) %s%s", card->address,
	         card_text(card, "vendor"), card_text(card, "device"), what, where);
}

static enum card_change change_of(const struct card *card, const struct card *now)
{
	if (!now)
		return CARD_GONE;
	if (!same_model(card, now) || other_serial(card, now))
		return CARD_REPLACED;
	if (!same_place(card, now))
		return CARD_MOVED;
	return same_address(card, now) ? CARD_SAME : CARD_RENUMBERED;
}

static void changes_find(const struct cards *before, const struct cards *after,
                         struct changes *changes)
{
	for (size_t i = 0; i < before->count; i++) {
		const struct card *card = &before->items[i], *now = card->other;
		enum card_change change = change_of(card, now);

		if (change == CARD_GONE)
			change_add(changes, card, "is gone", "");
		else if (change == CARD_REPLACED)
			change_add(changes, card, "is another one", "");
		else if (change != CARD_SAME && !same_address(card, now))
			change_add(changes, card, "is at ", now->address);
		else if (change == CARD_MOVED)
			change_add(changes, card, "is behind another bridge", "");
	}
	for (size_t i = 0; i < after->count; i++) {
		if (!after->items[i].other)
			change_add(changes, &after->items[i], "is new", "");
	}
}

static int changes_tell(const struct changes *changes, struct gf_err *err)
{
	char more[40] = "";

	if (!changes->count)
		return 0;
	if (changes->count > 1)
		snprintf(more, sizeof(more), " (and %zu more changed)", changes->count - 1);
	return gf_err_set(
	    err, GF_E_REBOOT,
	    "%s since the reboot%s, and nothing more was done. Look at the host "
	    "(lspci) and put it right if need be: the next run goes by the cards that "
	    "are there",
	    changes->first, more);
}

/* The surest likeness first. */
static void cards_pair_all(struct cards *before, struct cards *after)
{
	static bool (*const likeness[])(const struct card *a, const struct card *b) = {
	    is_unchanged, is_carried, is_renumbered, is_elsewhere, same_place,
	};

	for (size_t i = 0; i < sizeof(likeness) / sizeof(likeness[0]); i++)
		cards_pair(before, after, likeness[i]);
}

int cards_compare(const json_t *before, const json_t *after, const struct inventory_host *host,
                  struct gf_err *err)
{
	struct changes changes = {0};
	struct cards then, now;
	int rc;

	if (cards_find(before, host, &then, NULL))
		return 0;
	rc = cards_find(after, host, &now, err);
	if (rc == 0) {
		cards_pair_all(&then, &now);
		changes_find(&then, &now, &changes);
		rc = changes_tell(&changes, err);
	}
	free(then.items);
	free(now.items);
	return rc;
}

static int pairs_take(const struct cards *then, const struct cards *now, struct cards_pairs *pairs)
{
	pairs->items = calloc(then->count + now->count + 1, sizeof(*pairs->items));
	if (!pairs->items)
		return -1;
	for (size_t i = 0; i < then->count; i++) {
		const struct card *card = &then->items[i], *other = card->other;

		pairs->items[pairs->count++] = (struct cards_pair){
		    card->facts, other ? other->facts : NULL, change_of(card, other)};
	}
	for (size_t i = 0; i < now->count; i++) {
		if (!now->items[i].other)
			pairs->items[pairs->count++] =
			    (struct cards_pair){NULL, now->items[i].facts, CARD_NEW};
	}
	return 0;
}

int cards_pair_up(const json_t *before, const json_t *after, const struct inventory_host *host,
                  struct cards_pairs *pairs, struct gf_err *err)
{
	struct cards then = {0}, now = {0};
	int rc;

	*pairs = (struct cards_pairs){0};
	rc = cards_find(before, host, &then, err);
	if (rc == 0)
		rc = cards_find(after, host, &now, err);
	if (rc == 0) {
		cards_pair_all(&then, &now);
		if (pairs_take(&then, &now, pairs))
			rc = gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	free(then.items);
	free(now.items);
	return rc;
}

void cards_pairs_free(struct cards_pairs *pairs)
{
	free(pairs->items);
	*pairs = (struct cards_pairs){0};
}
