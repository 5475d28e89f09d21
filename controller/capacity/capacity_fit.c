/* capacity_fit.c: four counts, each with one more thing in the way: GPUs alone, GPUs that can't be
 * split, NUMA nodes, processors and memory. The smallest is the answer.
 */
#include "controller/capacity/capacity_fit.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "controller/capacity/capacity_problem.h"
#include "controller/capacity/capacity_search.h"

#define MANY 60000u /* more than any host holds; a state counts in 16 bits */

struct capacity_fitter {
	struct capacity_memo *before, *scratch;
};

struct capacity_fitter *capacity_fitter_new(void)
{
	struct capacity_fitter *fitter = calloc(1, sizeof(*fitter));

	if (!fitter)
		return NULL;
	fitter->before = capacity_memo_new();
	fitter->scratch = capacity_memo_new();
	if (fitter->before && fitter->scratch)
		return fitter;
	capacity_fitter_free(fitter);
	return NULL;
}

void capacity_fitter_free(struct capacity_fitter *fitter)
{
	if (!fitter)
		return;
	capacity_memo_free(fitter->before);
	capacity_memo_free(fitter->scratch);
	free(fitter);
}

unsigned capacity_amount_holds(const struct capacity_amount *amount, unsigned each)
{
	unsigned long long guests;

	if (amount->left == CAPACITY_UNKNOWN || each == 0)
		return MANY;
	if (each > amount->most)
		return 0;
	guests = (unsigned long long)amount->left / each;
	return guests < MANY ? (unsigned)guests : MANY;
}

/* By GPUs alone, whoever they lie beside. */
static unsigned fit_gpus(const struct capacity_host *host, const struct capacity_wish *wish,
                         bool later)
{
	unsigned least = MANY;

	for (size_t k = 0; k < wish->gpu_count; k++) {
		unsigned count = 0;

		for (size_t i = 0; i < host->gpu_count; i++) {
			const struct capacity_gpu *gpu = &host->gpus[i];

			count += gpu->alias && (later ? gpu->later : gpu->now) &&
			         strcmp(gpu->alias, wish->gpus[k].alias) == 0;
		}
		if (count / wish->gpus[k].count < least)
			least = count / wish->gpus[k].count;
	}
	return least;
}

/* Without sets and spare GPUs, what limits guests nests: cells in sockets in the host. */
static unsigned fit_nested(const struct problem_store *store)
{
	const struct capacity_problem *p = &store->problem;
	const size_t *socket_of = store->socket_of;
	unsigned total = 0, most = MANY;

	for (size_t s = 0; s < p->cells; s++) {
		unsigned sum = 0, shared = MANY;

		/* A socket is counted at its first cell. */
		if (socket_of[s] != s)
			continue;
		for (size_t c = s; c < p->cells; c++) {
			unsigned own = p->state[p->pools + c];

			if (socket_of[c] != s)
				continue;
			for (size_t k = 0; k < p->kinds; k++) {
				unsigned pool = p->pool[k * p->cells + c];
				unsigned fits = p->state[pool] / p->need[k];

				if (store->scope[k] == SCOPE_CELL && fits < own)
					own = fits;
				if (store->scope[k] == SCOPE_SOCKET && fits < shared)
					shared = fits;
				if (store->scope[k] == SCOPE_HOST && fits < most)
					most = fits;
			}
			sum += own;
		}
		total += sum < shared ? sum : shared;
	}
	return total < most ? total : most;
}

/* With sets, and with NUMA where SCOPED says so. */
static int fit_problem(struct capacity_fitter *fitter, const struct capacity_host *host,
                       const struct capacity_wish *wish, bool later, bool numa, unsigned *guests,
                       bool *at_least)
{
	struct problem_store store;
	bool cut = false;
	int rc = problem_fill(host, wish, later, numa, &store);

	*guests = 0;
	if (rc == 0 && store.nested)
		*guests = fit_nested(&store);
	else if (rc == 0)
		rc = capacity_search(&store.problem, fitter->before, fitter->scratch, guests, &cut);
	if (rc == 0)
		*at_least |= cut || store.sets_left_out;
	problem_free(&store);
	return rc;
}

static bool has_sets(const struct capacity_host *host)
{
	return host->set_count > 0;
}

/* The smallest count and, where nothing else is as small, what it would be without it. */
static void pick_limit(const unsigned counts[LIMIT_COUNT], struct capacity_fit *out)
{
	unsigned least = UINT_MAX, next = UINT_MAX;

	for (int i = 0; i < LIMIT_COUNT; i++) {
		if (counts[i] < least) {
			least = counts[i];
			out->limit = (enum capacity_limit)i;
		}
	}
	/* Each of the first three is counted with those before it in force. */
	for (int i = 0; i < LIMIT_COUNT; i++) {
		bool part = out->limit <= LIMIT_NUMA && i > (int)out->limit && i <= LIMIT_NUMA;

		if (i != (int)out->limit && !part && counts[i] < next)
			next = counts[i];
	}
	out->guests = least;
	out->more = out->limit == LIMIT_GPUS || next >= MANY ? 0 : next - least;
}

int capacity_fit(struct capacity_fitter *fitter, const struct capacity_host *host,
                 const struct capacity_wish *wish, bool later, struct capacity_fit *out)
{
	unsigned counts[LIMIT_COUNT];

	*out = (struct capacity_fit){
	    .vcpus_unknown = host->vcpus.left == CAPACITY_UNKNOWN,
	    .ram_unknown = host->ram_mb.left == CAPACITY_UNKNOWN,
	};
	counts[LIMIT_VCPUS] = capacity_amount_holds(&host->vcpus, wish->vcpus);
	counts[LIMIT_RAM] = capacity_amount_holds(&host->ram_mb, wish->ram_mb);
	counts[LIMIT_GPUS] = counts[LIMIT_UNSPLITTABLE] = counts[LIMIT_NUMA] =
	    fit_gpus(host, wish, later);
	if (counts[LIMIT_GPUS] > 0 && wish->gpu_count > 0 && has_sets(host) &&
	    fit_problem(fitter, host, wish, later, false, &counts[LIMIT_UNSPLITTABLE],
	                &out->at_least) < 0)
		return -1;
	counts[LIMIT_NUMA] = counts[LIMIT_UNSPLITTABLE];
	if (counts[LIMIT_UNSPLITTABLE] > 0 && wish->numa &&
	    fit_problem(fitter, host, wish, later, true, &counts[LIMIT_NUMA], &out->at_least) < 0)
		return -1;
	pick_limit(counts, out);
	/* With neither GPUs nor anything known there is nothing to count by. */
	if (out->guests >= MANY)
		out->guests = 0;
	return 0;
}
