/* capacity_problem.c: from a host and a flavor to counts. GPUs of one alias are alike when guests
 * on every cell may have both or neither; sets are, when they give guests on every cell the same.
 */
#include "controller/capacity/capacity_problem.h"

#include <stdlib.h>
#include <string.h>

/* What is known of one set while it is looked at. */
struct set_view {
	size_t members;  /* GPUs of the host that belong to it */
	size_t relevant; /* those of them that a guest of this flavor could use */
	int last_pool;   /* of such a one */
};

static int kind_of(const struct capacity_wish *wish, const struct capacity_gpu *gpu, bool later)
{
	if (!gpu->alias || !(later ? gpu->later : gpu->now))
		return -1;
	for (size_t k = 0; k < wish->gpu_count; k++) {
		if (strcmp(wish->gpus[k].alias, gpu->alias) == 0)
			return (int)k;
	}
	return -1;
}

/* The pool that GPU belongs to as one of KIND; -1: no guest may have it. */
static int pool_of(const struct problem_store *store, size_t kind, const struct capacity_gpu *gpu)
{
	unsigned first = store->first[kind];

	if (store->scope[kind] == SCOPE_HOST)
		return (int)first;
	if (gpu->cell == CAPACITY_NO_NODE)
		return store->spare[kind];
	if (gpu->cell < 0)
		return -1;
	if (store->scope[kind] == SCOPE_SOCKET)
		return (int)(first + store->socket_of[gpu->cell]);
	return (int)(first + (unsigned)gpu->cell);
}

static bool pool_serves(const struct problem_store *store, size_t kind, size_t cell, int pool)
{
	return pool >= 0 && ((unsigned)pool == store->pool[kind * store->problem.cells + cell] ||
	                     pool == store->spare[kind]);
}

static void sockets_fill(const struct capacity_host *host, struct problem_store *store,
                         bool *all_known)
{
	*all_known = true;
	for (size_t c = 0; c < host->cell_count; c++)
		*all_known &= host->cells[c].socket >= 0;
	for (size_t c = 0; c < store->problem.cells; c++) {
		store->socket_of[c] = c;
		for (size_t b = 0; *all_known && b < c; b++) {
			if (host->cells[b].socket != host->cells[c].socket)
				continue;
			store->socket_of[c] = b;
			break;
		}
	}
}

static void kinds_fill(const struct capacity_wish *wish, bool numa, bool sockets_known,
                       struct problem_store *store)
{
	size_t cells = store->problem.cells;
	unsigned pools = 0;

	for (size_t k = 0; k < wish->gpu_count; k++) {
		enum capacity_policy policy = wish->gpus[k].policy;

		store->need[k] = wish->gpus[k].count;
		store->first[k] = pools;
		store->spare[k] = -1;
		if (!numa || policy == POLICY_PREFERRED)
			store->scope[k] = SCOPE_HOST;
		else if (policy == POLICY_SOCKET && sockets_known)
			store->scope[k] = SCOPE_SOCKET;
		else
			store->scope[k] = SCOPE_CELL;
		for (size_t c = 0; c < cells; c++) {
			size_t offset = store->scope[k] == SCOPE_HOST   ? 0
			                : store->scope[k] == SCOPE_CELL ? c
			                                                : store->socket_of[c];

			store->pool[k * cells + c] = pools + (unsigned)offset;
		}
		pools += store->scope[k] == SCOPE_HOST ? 1 : (unsigned)cells;
		if (store->scope[k] == SCOPE_CELL && policy == POLICY_LEGACY)
			store->spare[k] = (int)pools++;
	}
	store->first[wish->gpu_count] = pools;
	store->problem.pools = pools;
}

/* How many GPUs of each kind a guest in each cell may have of the set; false: it is of no use. */
static bool set_gives(const struct capacity_host *host, const struct capacity_wish *wish,
                      bool later, size_t set, const struct set_view *view,
                      const struct problem_store *store, uint16_t *gives, bool *usable)
{
	const struct capacity_problem *p = &store->problem;
	bool whole = host->sets[set].whole, any = false;

	memset(gives, 0, p->cells * p->kinds * sizeof(*gives));
	for (size_t i = 0; i < host->gpu_count; i++) {
		const struct capacity_gpu *gpu = &host->gpus[i];
		int kind = gpu->set == (int)set ? kind_of(wish, gpu, later) : -1;
		int pool = kind >= 0 ? pool_of(store, (size_t)kind, gpu) : -1;

		for (size_t c = 0; pool >= 0 && c < p->cells; c++)
			gives[c * p->kinds + (size_t)kind] +=
			    pool_serves(store, (size_t)kind, c, pool);
	}
	for (size_t c = 0; c < p->cells; c++) {
		size_t sum = 0;

		usable[c] = true;
		for (size_t k = 0; k < p->kinds; k++) {
			uint16_t *give = &gives[c * p->kinds + k];

			sum += *give;
			if (whole)
				usable[c] &= *give <= store->need[k];
			else if (*give > store->need[k])
				*give = (uint16_t)store->need[k];
		}
		usable[c] &= whole ? sum == view->members : sum > 0;
		any |= usable[c];
	}
	return any;
}

/* Counts the set under the type that is like it, or under a new one. */
static void set_add(struct problem_store *store, bool whole, const uint16_t *gives,
                    const bool *usable, uint16_t *counts)
{
	struct capacity_problem *p = &store->problem;
	size_t places = p->cells * p->kinds, type = 0;

	while (type < p->types &&
	       (store->whole[type] != whole ||
	        memcmp(store->gives + type * places, gives, places * sizeof(*gives)) != 0 ||
	        memcmp(store->usable + type * p->cells, usable, p->cells * sizeof(*usable)) != 0))
		type++;
	if (type == CAPACITY_TYPES_MAX) {
		store->sets_left_out = true;
		return;
	}
	if (type == p->types) {
		memcpy(store->gives + type * places, gives, places * sizeof(*gives));
		memcpy(store->usable + type * p->cells, usable, p->cells * sizeof(*usable));
		store->whole[type] = whole;
		p->types++;
	}
	counts[type]++;
}

static void views_fill(const struct capacity_host *host, const struct capacity_wish *wish,
                       bool later, const struct problem_store *store, struct set_view *views)
{
	for (size_t i = 0; i < host->gpu_count; i++) {
		const struct capacity_gpu *gpu = &host->gpus[i];
		int kind = kind_of(wish, gpu, later);
		int pool = kind >= 0 ? pool_of(store, (size_t)kind, gpu) : -1;

		if (gpu->set < 0) {
			if (pool >= 0)
				store->state[pool]++;
			continue;
		}
		views[gpu->set].members++;
		if (pool >= 0) {
			views[gpu->set].relevant++;
			views[gpu->set].last_pool = pool;
		}
	}
}

static void sets_fill(const struct capacity_host *host, const struct capacity_wish *wish,
                      bool later, struct problem_store *store, struct set_view *views,
                      uint16_t *gives, bool *usable)
{
	uint16_t counts[CAPACITY_TYPES_MAX] = {0};

	views_fill(host, wish, later, store, views);
	for (size_t s = 0; s < host->set_count; s++) {
		const struct set_view *view = &views[s];
		bool whole = host->sets[s].whole && view->members > 1;

		if (view->relevant == 0 || host->sets[s].held)
			continue;
		/* What only one guest can want has nothing to be split. */
		if (!whole && view->relevant == 1)
			store->state[view->last_pool]++;
		else if (set_gives(host, wish, later, s, view, store, gives, usable))
			set_add(store, whole, gives, usable, counts);
	}
	memcpy(store->state + store->problem.pools, counts, store->problem.types * sizeof(*counts));
}

/* So many guests each cell's processors and memory take. */
static void cells_fill(const struct capacity_host *host, const struct capacity_wish *wish,
                       bool numa, struct problem_store *store)
{
	unsigned most = wish->gpu_count ? (unsigned)host->gpu_count : UINT16_MAX;
	uint16_t *rooms = store->state + store->problem.pools + store->problem.types;

	for (size_t c = 0; c < store->problem.cells; c++) {
		unsigned vcpus = most, ram = most;

		if (numa) {
			vcpus = capacity_amount_holds(&host->cells[c].vcpus, wish->vcpus);
			ram = capacity_amount_holds(&host->cells[c].ram_mb, wish->ram_mb);
		}
		vcpus = vcpus < ram ? vcpus : ram;
		rooms[c] = (uint16_t)(vcpus < most ? vcpus : most);
	}
}

/* SIZE bytes, all zero, from where *AT points; without a block only counted. */
static void *take(char *block, size_t *at, size_t size)
{
	void *place = block ? block + *at : NULL;

	*at += (size + 15) & ~(size_t)15;
	return place;
}

struct workspace {
	struct set_view *views;
	uint16_t *gives;
	bool *usable;
};

/* Where everything lies in BLOCK (NULL: nowhere yet). How large a block it takes. */
static size_t lay_out(const struct capacity_host *host, char *block, struct problem_store *out,
                      struct workspace *work)
{
	size_t kinds = out->problem.kinds, cells = out->problem.cells, at = 0;
	size_t types = host->set_count < CAPACITY_TYPES_MAX ? host->set_count : CAPACITY_TYPES_MAX;

	out->need = take(block, &at, (kinds + 1) * sizeof(*out->need));
	out->first = take(block, &at, (kinds + 1) * sizeof(*out->first));
	out->pool = take(block, &at, kinds * cells * sizeof(*out->pool));
	out->spare = take(block, &at, kinds * sizeof(*out->spare));
	out->scope = take(block, &at, kinds * sizeof(*out->scope));
	out->socket_of = take(block, &at, cells * sizeof(*out->socket_of));
	out->gives = take(block, &at, types * cells * kinds * sizeof(*out->gives));
	out->whole = take(block, &at, types * sizeof(*out->whole));
	out->usable = take(block, &at, types * cells * sizeof(*out->usable));
	out->state = take(block, &at, (kinds * (cells + 1) + types + cells) * sizeof(*out->state));
	work->views = take(block, &at, host->set_count * sizeof(*work->views));
	work->gives = take(block, &at, cells * kinds * sizeof(*work->gives));
	work->usable = take(block, &at, cells * sizeof(*work->usable));
	return at;
}

int problem_fill(const struct capacity_host *host, const struct capacity_wish *wish, bool later,
                 bool numa, struct problem_store *out)
{
	struct workspace work;
	bool sockets_known;

	memset(out, 0, sizeof(*out));
	out->problem.kinds = wish->gpu_count;
	out->problem.cells = numa ? host->cell_count : 1;
	out->block = calloc(1, lay_out(host, NULL, out, &work));
	if (!out->block)
		return -1;
	lay_out(host, out->block, out, &work);
	sockets_fill(host, out, &sockets_known);
	kinds_fill(wish, numa, sockets_known, out);
	sets_fill(host, wish, later, out, work.views, work.gives, work.usable);
	cells_fill(host, wish, numa, out);
	out->nested = out->problem.types == 0;
	for (size_t k = 0; k < wish->gpu_count; k++)
		out->nested &= out->spare[k] < 0 || out->state[out->spare[k]] == 0;
	out->problem.need = out->need;
	out->problem.first = out->first;
	out->problem.pool = out->pool;
	out->problem.spare = out->spare;
	out->problem.gives = out->gives;
	out->problem.whole = out->whole;
	out->problem.usable = out->usable;
	out->problem.state = out->state;
	return 0;
}

void problem_free(struct problem_store *store)
{
	free(store->block);
	memset(store, 0, sizeof(*store));
}
