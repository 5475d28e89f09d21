/* capacity_fit.h: how many more guests of one flavor fit on one host, and what keeps out the next.
 */
#ifndef GPUFLEET_CAPACITY_FIT_H
#define GPUFLEET_CAPACITY_FIT_H

#include "controller/capacity/capacity_host.h"
#include "controller/capacity/capacity_memo.h"

/* numa_policy, as nova/pci/stats.py (_filter_pools_for_numa_cells) reads it. */
enum capacity_policy { POLICY_LEGACY, POLICY_PREFERRED, POLICY_REQUIRED, POLICY_SOCKET };

struct capacity_wish_gpu {
	const char *alias;
	unsigned count; /* at least 1 */
	enum capacity_policy policy;
};

/* What each guest asks for. NUMA: it has a topology of one node, without which Nova looks at no
 * policy. */
struct capacity_wish {
	unsigned vcpus, ram_mb;
	bool numa;
	const struct capacity_wish_gpu *gpus; /* each alias once */
	size_t gpu_count;
};

/* What keeps the next guest out. */
enum capacity_limit {
	LIMIT_GPUS,
	LIMIT_UNSPLITTABLE, /* GPUs that can't be split between guests */
	LIMIT_NUMA,         /* GPUs, processors or memory on the wrong NUMA node */
	LIMIT_VCPUS,
	LIMIT_RAM,
	LIMIT_COUNT
};

struct capacity_fit {
	unsigned guests;
	enum capacity_limit limit;
	unsigned more;      /* guests that would fit besides if only that limit were gone */
	bool vcpus_unknown; /* not looked at */
	bool ram_unknown;
	bool at_least; /* counting it exactly would have taken too long */
};

/* How many guests AMOUNT is enough for; more than any host holds when it is unknown. */
unsigned capacity_amount_holds(const struct capacity_amount *amount, unsigned each);

struct capacity_fitter;

/* Keeps what was worked out, for hosts that are alike. NULL when out of memory. */
struct capacity_fitter *capacity_fitter_new(void);
void capacity_fitter_free(struct capacity_fitter *fitter);

/* LATER: with all that is pending done. -1 when out of memory. */
int capacity_fit(struct capacity_fitter *fitter, const struct capacity_host *host,
                 const struct capacity_wish *wish, bool later, struct capacity_fit *out);

#endif
