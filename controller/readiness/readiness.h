/* readiness.h: what is ready on one host, what is not, why, and what to do: checks and verdicts
 * from effects, never from settings. A pure function of facts and inventory; the check ids are one
 * published list (readiness_check_ids).
 */
#ifndef GPUFLEET_READINESS_H
#define GPUFLEET_READINESS_H

#include <jansson.h>

#include "inventory/inventory.h"

struct check_pool;
struct device_pool;
struct host_facts;

/* One host's entry of the report's `hosts` array (fixed names: name, reachable, observed, verdict,
 * checks, devices), a new reference. FACTS NULL: never reached, verdict "unknown". `reachable` is
 * what the last run saw. A check that keeps a device (or, without one, the host's devices) from
 * being ready has a `verdict`: what it alone makes of them. NULL with *err on facts of the wrong
 * shape. */
json_t *readiness_evaluate(const struct inventory_host *host, const json_t *facts, bool reachable,
                           struct gf_err *err);

/* The same, with checks and devices that several hosts' entries may share: nobody may change them
 * (check_pool.h, device_pool.h), of facts that were parsed before. CHECKS, DEVICES, PARSED: each
 * may be NULL. */
json_t *readiness_evaluate_pooled(const struct inventory_host *host, const json_t *facts,
                                  const struct host_facts *parsed, bool reachable,
                                  struct check_pool *checks, struct device_pool *devices,
                                  struct gf_err *err);

/* readiness_evaluate as if what these checks (their ids) ask for were done: each passes, wherever
 * it is made, and the others judge the host as it is. */
json_t *readiness_evaluate_fixed(const struct inventory_host *host, const json_t *facts,
                                 bool reachable, const struct string_list *fixed,
                                 struct gf_err *err);

/* May host stages be applied? Fills *err (GF_E_BLOCKED, with cause and fix) and returns -1 when a
 * precondition fails that no stage of ours can mend: no CPU virtualization, no IOMMU tables in
 * firmware, a wanted GPU sharing its group with a device that the host needs, the boot disk's
 * controller among the wanted, another architecture. Devices that alone are blocked don't block
 * their host: they are left out of *wanted (a new reference: the wire's `wanted` array without
 * them). */
int readiness_preconditions(const struct inventory_host *host, const json_t *facts, json_t **wanted,
                            struct gf_err *err);

/* What is published of every check (docs/checks.json): an array of objects `id`, `about`,
 * `effect`, `unknown`, `precondition` and, of what does not gate, `why`. A new reference. */
json_t *readiness_check_list(void);

/* NULL-terminated list of every check id. */
const char *const *readiness_check_ids(void);

#endif
