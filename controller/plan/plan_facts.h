/* plan_facts.h: what of a host's facts a saved plan rests on, small enough to be kept for every
 * host of a fleet, and exact enough to say what is another since.
 *
 * What changes by itself between two looks at a host (guests, loaded modules, power states, the
 * boot id) is left out: a plan does not rest on it, or it is looked at again before anything is
 * done.
 */
#ifndef GPUFLEET_PLAN_FACTS_H
#define GPUFLEET_PLAN_FACTS_H

#include <jansson.h>

#include "node-agent/wire/error.h"

/* {"host": {kernel, cmdline, distribution, …}, "devices": "ADDRESS=DIGEST …"} of a facts document
 * (from a host: its shape is not trusted), a new reference; NULL with *err when out of memory. */
json_t *plan_facts(const json_t *facts, struct gf_err *err);

/* 0 when NOW, made by plan_facts, says the same as THEN; otherwise -1 with the first difference in
 * *err (GF_E_BLOCKED). */
int plan_facts_compare(const json_t *then, const json_t *now, struct gf_err *err);

#endif
