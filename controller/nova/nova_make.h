/* nova_make.h: the values that gpufleet writes: device_spec for a host, alias for the fleet. Pure.
 * What is made offers exactly what is wanted, or it is not made.
 */
#ifndef GPUFLEET_NOVA_MAKE_H
#define GPUFLEET_NOVA_MAKE_H

#include <jansson.h>

#include "controller/nova/nova_fleet.h"
#include "controller/readiness/host_facts.h"
#include "controller/readiness/selection.h"

/* What the values are made for. */
struct nova_target {
	int release;
	const char *said; /* who told the release: "the inventory says", "the host has" */
	bool report;      /* report_in_placement will be on */
	/* The service that the values are for has pci_in_placement on, or is given it by the same
	 * change. Without it Nova asks each entry of alias for its ids; with it, for one entry. */
	bool placement;
	bool placement_wanted; /* the inventory wants it, and RELEASE has it */
};

/* Is SELECTION's item a device that Nova is to offer: the primary function of a selected card?
 * WANTED (may be NULL: all selected) is the wire's array, without the cards that are left out. */
bool nova_make_offers(const struct selection_device *item, const json_t *wanted);

/* Appends to VALUES (an array) one JSON text for each entry of device_spec: by vendor and product
 * where every such device of the host is offered with the same tags, else by address. -1:
 * GF_E_BLOCKED when the release lacks a key, or when an entry would match another device (said with
 * its address); GF_E_MEMORY. */
int nova_make_specs(const struct host_facts *facts, const struct selection *selection,
                    const json_t *wanted, const struct nova_target *target, json_t *values,
                    struct gf_err *err);

/* Appends the entries of ALIAS to VALUES, one for each model of the fleet. An alias without any
 * known model gets none. -1: GF_E_BLOCKED when the fleet's devices can't stand under one alias. */
int nova_make_alias(const struct nova_fleet *fleet, const struct nova_fleet_alias *alias,
                    const struct nova_target *target, json_t *values, struct gf_err *err);

/* Does only Placement tell ALIAS's devices from those of another one? Then it must wait until
 * TARGET has pci_in_placement. */
bool nova_make_alias_waits(const struct nova_fleet *fleet, const struct nova_fleet_alias *alias,
                           const struct nova_target *target);

/* Sets JSON's key `traits`: with ',' between them and no blanks, which Nova would keep. -1 when out
 * of memory. */
int nova_make_traits(json_t *json, const struct string_list *traits);

#endif
