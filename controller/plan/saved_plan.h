/* saved_plan.h: a plan in a file: `plan --out F` writes it, `apply --plan F` does exactly that.
 *
 * A saved plan belongs to one inventory and one playbook, byte for byte, and holds for each host
 * the agent's plan and what it rests on: facts, and a digest of every file before its change. A
 * host that is another since is refused before anything is changed there.
 *
 *   {"gpufleet_plan": 1, "fleet": …, "created": …, "gpufleet": version,
 *    "inventory_sha256": …, "playbook_sha256": …,
 *    "plans": [{"hosts": "gpu[01-16]", "stages": [STAGE_PLAN…]}…],      equal ones once
 *    "hosts": {"gpu01": {"plan": 0, "host": {…}, "devices": "…"}…},     see plan_facts.h
 *    "left_out": {"gpu17": "blocked: …"}}                               not part of the plan
 */
#ifndef GPUFLEET_SAVED_PLAN_H
#define GPUFLEET_SAVED_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "node-agent/wire/error.h"

/* One host of the plan to be written; all borrowed. */
struct saved_plan_host {
	const char *name;
	json_t *facts;      /* what the plan rests on, by plan_facts() */
	const json_t *plan; /* the agent's plan; NULL: left out */
	const char *why;    /* … for this reason */
};

struct saved_plan_heading {
	const char *fleet, *inventory_sha256, *playbook_sha256;
};

/* Writes the plan of HOSTS to OUT. 0, or -1 with *err. */
int saved_plan_print(const struct saved_plan_heading *heading, const struct saved_plan_host *hosts,
                     size_t count, FILE *out, struct gf_err *err);

struct saved_plan;

/* Reads FILE. NULL and "FILE:LINE:COL: message" of the first mistake on failure. */
struct saved_plan *saved_plan_read(const char *file, struct gf_err *err);
/* The same from memory; NAME is used in messages. */
struct saved_plan *saved_plan_parse(const char *name, const char *text, size_t length,
                                    struct gf_err *err);
void saved_plan_free(struct saved_plan *plan);

/* The digest of the file; borrowed. */
const char *saved_plan_sha256(const struct saved_plan *plan);

/* Is it a plan of this fleet, inventory and playbook? 0, or -1 with *err (GF_E_INPUT). */
int saved_plan_belongs(const struct saved_plan *plan, const struct saved_plan_heading *heading,
                       struct gf_err *err);

/* Is HOST part of it? */
bool saved_plan_has(const struct saved_plan *plan, const char *host);

/* {host: why it was left out}, or NULL; borrowed. */
const json_t *saved_plan_left_out(const struct saved_plan *plan);

/* Would the agent, by its fresh PLAN, do on HOST exactly what was saved, from the same state? 0,
 * also for a host that has nothing left to do; otherwise -1 with what differs in *err
 * (GF_E_BLOCKED). */
int saved_plan_compare(const struct saved_plan *saved, const char *host, const json_t *facts,
                       const json_t *plan, struct gf_err *err);

#endif
