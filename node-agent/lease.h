/* lease.h: which run may change this host. STATE/lease.json:
 * {"run","who","where","since","renewed"}.
 *
 * A lease is live until it is released, and for LEASE_LIFE_S after it was last renewed (each lease
 * request and each operation of its run renews it), and while an operation of its run is going on.
 */
#ifndef GPUFLEET_LEASE_H
#define GPUFLEET_LEASE_H

#include <jansson.h>

#include "node-agent/agent.h"

#define LEASE_LIFE_S 1800

/* Takes or renews the lease for RUN; another's live lease is GF_E_LEASE unless TAKE. */
int lease_take(const struct agent *agent, const char *run, const char *who, const char *where,
               bool take, struct gf_err *err);

/* Gives RUN's lease back; another's stays. */
int lease_release(const struct agent *agent, const char *run, struct gf_err *err);

/* May RUN (NULL: somebody working by hand) change this host? Renews RUN's own lease. */
int lease_check(const struct agent *agent, const char *run, struct gf_err *err);

/* The lease as it is: an object or null (new reference). */
json_t *lease_value(const struct agent *agent);

#endif
