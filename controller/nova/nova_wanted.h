/* nova_wanted.h: what a host's Nova is to be told: the plan's `context.nova`, or why nothing is
 * written. A pure function of inventory, facts and fleet. docs/design/nova-rules.md says what is
 * refused, and why.
 */
#ifndef GPUFLEET_NOVA_WANTED_H
#define GPUFLEET_NOVA_WANTED_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "controller/nova/nova_facts.h"
#include "controller/nova/nova_fleet.h"

enum nova_remark_kind {
	NOVA_REFUSED, /* nothing is written to the host: it would be wrong, or end Nova there */
	NOVA_UNKNOWN, /* what the host does not show: said so, never called safe */
	NOVA_WAITS,   /* a part comes later: other hosts first */
	NOVA_TOLD,    /* what others wrote, and what will not last */
};

struct nova_remark {
	enum nova_remark_kind kind;
	char text[480]; /* one line: what is the matter, and what to do */
};

struct nova_wanted {
	json_t *context; /* NULL: nothing is to be written */
	int release;     /* 0: not known */
	struct nova_remark *remarks;
	size_t count;
	bool refused; /* one of the remarks is NOVA_REFUSED: context is NULL */
	bool failed;  /* out of memory while one was noted */
};

/* Nova is never told anything (nova.deployment: none). */
bool nova_wanted_never(const struct inventory *inventory);

/* WANTED: the wire's array (readiness_preconditions; NULL: all that are selected): cards that are
 * blocked are not offered. FLEET must hold the newest facts of all hosts. FACTS NULL: never
 * scanned. -1: GF_E_PROTOCOL for facts of the wrong shape, GF_E_MEMORY. The caller frees *out. */
int nova_wanted_compute(const struct nova_fleet *fleet, const struct inventory_host *host,
                        const json_t *facts, const json_t *wanted, struct nova_wanted *out,
                        struct gf_err *err);
void nova_wanted_free(struct nova_wanted *wanted);

/* The first remark of KIND, or NULL. */
const char *nova_wanted_remark(const struct nova_wanted *wanted, enum nova_remark_kind kind);

/* The number of the release that INVENTORY or, when it names none, NOVA's package has; 0 when
 * neither says; -1 with GF_E_BLOCKED when both do and differ. *said: who told it. */
int nova_wanted_release(const struct inventory *inventory, const struct nova_facts *nova,
                        const char **said, struct gf_err *err);

#endif
