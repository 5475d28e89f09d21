/* selection.h: which devices of a host the inventory wants passed through: the cards that its
 * `gpus` name and, with functions "all", their siblings. A pure function of facts and inventory.
 */
#ifndef GPUFLEET_SELECTION_H
#define GPUFLEET_SELECTION_H

#include <jansson.h>

#include "inventory/inventory.h"

#define SELECTION_CARDS_MAX                                                                        \
	256 /* on one host: a bound on what a hostile one can make us compute                      \
	     */

struct host_facts;

struct selection_device {
	const json_t *facts; /* the device's object in the facts document (borrowed) */
	const char *address; /* borrowed from it */
	const char *alias;   /* the card's; NULL when the inventory has no `gpus` */
	const char *card;    /* address of the card's primary function; its own when it is that */
	const struct inventory_gpu *gpu; /* the entry that wants the card; NULL when none does */
	bool primary;                    /* the GPU function itself, not a sibling */
	bool ignored;                    /* a GPU that no entry wants, or that `except` names */
};

struct selection {
	struct selection_device *items; /* GPU-class devices and their siblings, by address */
	size_t count;
};

/* Fills *out from FACTS (a facts document, borrowed for as long as *out lives) for HOST. Facts come
 * from an untrusted host: a document of the wrong shape is an error (GF_E_PROTOCOL). */
int selection_compute(const json_t *facts, const struct inventory_host *host, struct selection *out,
                      struct gf_err *err);

/* The same from facts that were parsed before (host_facts.h), borrowed like their document. -1 only
 * when out of memory. */
int selection_from_facts(const struct host_facts *facts, const struct inventory_host *host,
                         struct selection *out, struct gf_err *err);
void selection_free(struct selection *selection);

/* The wire's `wanted` array (docs/design/contracts.md): every device that is not ignored. A new
 * reference. With no `gpus` in the inventory it is empty: such a fleet is only looked at. */
json_t *selection_wanted(const struct selection *selection, const struct inventory_host *host);

/* The item at ADDRESS, or NULL. */
const struct selection_device *selection_find(const struct selection *selection,
                                              const char *address);

/* A display controller or accelerator (class 0300, 0302, 0380, or 1200 of a GPU vendor). */
bool selection_is_gpu(const char *vendor, const char *class_code);

#endif
