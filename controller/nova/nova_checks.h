/* nova_checks.h: the report's checks about Nova: does its effective configuration offer exactly the
 * devices that are ready? They change no verdict of a device. docs/checks.md describes each. A pure
 * function of inventory, facts and fleet.
 */
#ifndef GPUFLEET_NOVA_CHECKS_H
#define GPUFLEET_NOVA_CHECKS_H

#include <jansson.h>

#include "controller/nova/nova_fleet.h"
#include "controller/readiness/check_pool.h"

/* Appends to the `checks` of ENTRY, a host's entry of the report (readiness_evaluate; its `devices`
 * with their verdicts are what Nova is compared with). Nothing where no Nova was found, unless the
 * inventory has a section `nova`. -1: GF_E_PROTOCOL for facts of the wrong shape, GF_E_MEMORY. */
int nova_checks_add(const struct nova_fleet *fleet, const struct inventory_host *host,
                    const json_t *facts, json_t *entry, struct gf_err *err);

/* The same, with checks that several hosts' entries may share (check_pool.h), of facts that were
 * parsed before; POOL, PARSED: either may be NULL. */
int nova_checks_add_pooled(const struct nova_fleet *fleet, const struct inventory_host *host,
                           const json_t *facts, const struct host_facts *parsed,
                           struct check_pool *pool, json_t *entry, struct gf_err *err);

#endif
