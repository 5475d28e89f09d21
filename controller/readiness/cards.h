/* cards.h: are a host's cards the same after a reboot? A reboot may take a card away (it fell off
 * the bus, or its slot was not powered), give it another address (a bridge more shifts the bus
 * numbers), or bring a new one. Whatever was planned by address then means another card. A pure
 * function of two facts documents.
 */
#ifndef GPUFLEET_CARDS_H
#define GPUFLEET_CARDS_H

#include <jansson.h>

#include "inventory/inventory.h"
#include "node-agent/wire/error.h"

/* Compares the GPUs of HOST, and whatever else its `gpus` name, in BEFORE (from before a reboot)
 * with those in AFTER. A card is known by the bridges that lead to it, its ids, its subsystem and,
 * where it has one, its serial number. -1 with *err: GF_E_REBOOT when one moved, is gone, is new or
 * was exchanged (the message names the first and counts the others); GF_E_PROTOCOL when AFTER is of
 * the wrong shape. A BEFORE of the wrong shape, which an older gpufleet may have kept, is nothing
 * to compare with: 0. */
int cards_compare(const json_t *before, const json_t *after, const struct inventory_host *host,
                  struct gf_err *err);

/* What became of a card. */
enum card_change {
	CARD_SAME,
	CARD_RENUMBERED, /* in its place, with another bus number */
	CARD_MOVED,      /* behind other bridges */
	CARD_REPLACED,   /* another one is in its place */
	CARD_GONE,
	CARD_NEW,
};

/* One card of before, of now, or both: their objects in the facts (borrowed), NULL where there is
 * none. */
struct cards_pair {
	const json_t *before, *after;
	enum card_change change;
};

struct cards_pairs {
	struct cards_pair *items; /* those of before first */
	size_t count;
};

/* Pairs the cards of two facts documents as cards_compare does. -1 with *err (GF_E_PROTOCOL, or out
 * of memory) when one of them is of the wrong shape; *pairs is then empty. */
int cards_pair_up(const json_t *before, const json_t *after, const struct inventory_host *host,
                  struct cards_pairs *pairs, struct gf_err *err);
void cards_pairs_free(struct cards_pairs *pairs);

#endif
