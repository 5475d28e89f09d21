/* capacity_try.h: how many guests of a flavor fit on a machine, by admitting one after the other as
 * Nova and vfio would (docs/design/capacity.md), in every way. Shares nothing with the program. */
#ifndef TEST_CAPACITY_TRY_H
#define TEST_CAPACITY_TRY_H

#include <string.h>

#include "tests/unit/capacity_machine.h"

#define MANY 100000

/* What is left while guests are placed. */
struct board {
	const struct machine *m;
	const struct want *w;
	bool later, numa, vcpus_known, ram_known;
	int tied[GPUS]; /* by GPU: who it belongs together with, itself included (bits) */
	bool whole[GPUS], held[GPUS];
	int cell_count, cell_node[GPUS + 2];
	bool cell_vcpus_known[GPUS + 2], cell_ram_known[GPUS + 2];
	double vcpu_limit, ram_limit, vcpus_used, ram_used, vcpus_most, ram_most;
	double cell_vcpu_limit[GPUS + 2], cell_ram_limit[GPUS + 2];
	double cell_vcpus_used[GPUS + 2], cell_ram_used[GPUS + 2];
	double cell_vcpus_most[GPUS + 2], cell_ram_most[GPUS + 2];
	bool all_sockets;
};

static inline int bits(int mask)
{
	return __builtin_popcount((unsigned)mask);
}

/* Who belongs together: one group, one board, and on from there. */
static inline void tie(struct board *b)
{
	const struct machine *m = b->m;
	int counts[2] = {0}, on_board = -1;
	bool board[GPUS] = {false};

	for (int i = 0; i < m->gpu_count; i++)
		counts[m->gpus[i].model]++;
	if (m->switches && m->gpu_count)
		on_board = counts[0] == counts[1] ? m->gpus[0].model : counts[1] > counts[0];
	for (int i = 0; i < m->gpu_count; i++) {
		board[i] = m->gpus[i].model == on_board;
		b->tied[i] = 1 << i;
	}
	for (int round = 0; round < GPUS; round++) {
		for (int i = 0; i < m->gpu_count; i++) {
			for (int k = 0; k < m->gpu_count; k++) {
				bool same =
				    m->gpus[i].group >= 0 && m->gpus[i].group == m->gpus[k].group;

				if (same || (board[i] && board[k]) || b->tied[i] >> k & 1)
					b->tied[i] |= b->tied[k];
			}
		}
	}
	for (int i = 0; i < m->gpu_count; i++) {
		for (int k = 0; k < m->gpu_count; k++) {
			if (!(b->tied[i] >> k & 1))
				continue;
			b->whole[i] |= board[k] && bits(b->tied[i]) > 1;
			b->held[i] |= m->gpus[k].state == IN_USE && m->gpus[k].group >= 0;
			for (int g = 0; m->guests_known && g < m->guest_count; g++)
				b->held[i] |= m->guests[g].holds >= 0 &&
				              m->guests[g].holds == m->gpus[k].group;
		}
	}
}

static inline bool in_set(const struct machine *m, int cpu, int usable)
{
	(void)m;
	return usable >> cpu & 1;
}

static inline double effective(const struct machine *m, int which, bool *known)
{
	static const double old[2] = {16, 1.5}, recent[2] = {4, 1};

	if (m->ratio[which] > 0)
		return m->ratio[which];
	if (m->release != 0 && m->initial[which] > 0)
		return m->initial[which];
	if (m->release == 3)
		*known = false;
	return m->release == 2 ? recent[which] : old[which];
}

/* Processors and memory, in all and by cell. */
static inline void room(struct board *b)
{
	const struct machine *m = b->m;
	int nodes = m->nodes ? m->nodes : 2, online = 0, first[2] = {0, m->cpus[0]}, usable;
	bool cpu = m->nova && m->guests_known, ram = cpu, pinned = m->release && m->dedicated;
	double cpu_ratio = effective(m, 0, &cpu), ram_ratio = effective(m, 1, &ram);
	double pages = m->page_mb[0] + m->page_mb[1], total_ram = 0;
	int shared = m->release ? m->shared : 0;

	for (int n = 0; n < nodes; n++) {
		total_ram += m->ram[n];
		online += m->cpus[n];
	}
	usable = m->pin ? m->pin : shared ? shared : pinned ? 0 : (1 << online) - 1;
	if (pinned && m->guest_count)
		cpu = false;
	b->vcpus_most = bits(usable);
	/* A set that names processors which are not there: Nova does not start. */
	b->vcpus_known = cpu && !(m->nodes && usable >> online) &&
	                 (usable != 0 || (pinned && !m->pin && !shared));
	b->vcpu_limit = (b->vcpus_most - m->reserved_cpus) * cpu_ratio;
	b->ram_known = ram;
	b->ram_most = total_ram;
	b->ram_limit =
	    (total_ram - (m->reserved_mb >= 0 ? m->reserved_mb : 512) - pages) * ram_ratio;
	for (int g = 0; g < m->guest_count; g++) {
		b->vcpus_known &= m->guests[g].vcpus >= 0;
		b->ram_known &= m->guests[g].ram >= 0;
		b->vcpus_used += m->guests[g].vcpus;
		b->ram_used += m->guests[g].ram;
	}
	b->all_sockets = m->nodes > 0;
	for (int n = 0; n < m->nodes; n++) {
		b->cell_node[n] = n;
		b->all_sockets &= m->socket[n] >= 0;
		for (int cpu_at = first[n]; cpu_at < first[n] + m->cpus[n]; cpu_at++)
			b->cell_vcpus_most[n] += in_set(m, cpu_at, usable);
		b->cell_vcpu_limit[n] = b->cell_vcpus_most[n] * cpu_ratio;
		b->cell_ram_most[n] = m->ram[n] - m->pool_mb[n];
		b->cell_ram_limit[n] = (m->ram[n] - m->page_mb[n]) * ram_ratio;
		b->cell_vcpus_known[n] = cpu;
		b->cell_ram_known[n] = ram;
		for (int g = 0; g < m->guest_count; g++) {
			const struct guest *guest = &m->guests[g];

			if (guest->nodes == -1 || (guest->nodes == 3)) {
				b->cell_vcpus_known[n] = b->cell_ram_known[n] = false;
			} else if (guest->nodes >> n & 1) {
				b->cell_vcpus_known[n] &= guest->vcpus >= 0;
				b->cell_ram_known[n] &= guest->ram >= 0;
				b->cell_vcpus_used[n] += guest->vcpus;
				b->cell_ram_used[n] += guest->ram;
			}
		}
	}
	b->cell_count = m->nodes;
	/* Not known: those that GPUs name, or one. */
	for (int i = 0; m->nodes == 0 && i < m->gpu_count; i++) {
		bool seen = m->gpus[i].node < 0;

		for (int c = 0; c < b->cell_count; c++)
			seen |= b->cell_node[c] == m->gpus[i].node;
		if (!seen)
			b->cell_node[b->cell_count++] = m->gpus[i].node;
	}
	if (b->cell_count == 0)
		b->cell_count = 1;
}

/* May a guest on CELL have the GPU? */
static inline bool may_have(const struct board *b, const struct gpu *gpu, int cell)
{
	const char *policy = b->m->policy[gpu->alias];
	int node = b->cell_node[cell];

	if (!b->numa || (policy && strcmp(policy, "preferred") == 0) || gpu->node == node)
		return true;
	if (!policy || strcmp(policy, "legacy") == 0)
		return gpu->node == -1;
	return strcmp(policy, "socket") == 0 && b->all_sockets && gpu->node >= 0 &&
	       gpu->node < b->m->nodes && b->m->socket[gpu->node] == b->m->socket[node];
}

/* Does one more guest on CELL fit in what is left of processors and memory? */
static inline bool admits(const struct board *b, int cell)
{
	const struct want *w = b->w;

	if (b->vcpus_known &&
	    (w->vcpus > b->vcpus_most || b->vcpus_used + w->vcpus > b->vcpu_limit))
		return false;
	if (b->ram_known && (w->ram > b->ram_most || b->ram_used + w->ram > b->ram_limit))
		return false;
	if (!b->numa)
		return true;
	if (b->cell_vcpus_known[cell] &&
	    (w->vcpus > b->cell_vcpus_most[cell] ||
	     b->cell_vcpus_used[cell] + w->vcpus > b->cell_vcpu_limit[cell]))
		return false;
	return !b->cell_ram_known[cell] ||
	       (w->ram <= b->cell_ram_most[cell] &&
	        b->cell_ram_used[cell] + w->ram <= b->cell_ram_limit[cell]);
}

static inline void charge(struct board *b, int cell, int sign)
{
	b->vcpus_used += sign * b->w->vcpus;
	b->ram_used += sign * b->w->ram;
	b->cell_vcpus_used[cell] += sign * b->w->vcpus;
	b->cell_ram_used[cell] += sign * b->w->ram;
}

/* Can a guest on CELL be given exactly these GPUs, when others have TAKEN? */
static inline bool can_give(const struct board *b, int give, int taken, int cell)
{
	int counts[ALIASES] = {0};

	for (int i = 0; i < b->m->gpu_count; i++) {
		const struct gpu *gpu = &b->m->gpus[i];
		bool there = gpu->state == READY || (b->later && gpu->state == PENDING);

		if (!(give >> i & 1))
			continue;
		if (!there || gpu->alias < 0 || b->held[i] || (b->tied[i] & taken) ||
		    (b->whole[i] && (b->tied[i] & ~give)) || !may_have(b, gpu, cell))
			return false;
		counts[gpu->alias]++;
	}
	return counts[0] == b->w->count[0] && counts[1] == b->w->count[1];
}

/* The most guests that can be placed in what is left; each next one has a later first GPU. */
static inline int place(struct board *b, int taken, int from)
{
	int best = 0, all = 1 << b->m->gpu_count;

	for (int give = 1; give < all; give++) {
		int lowest = __builtin_ctz((unsigned)give);

		if (lowest < from || bits(give) != b->w->count[0] + b->w->count[1])
			continue;
		for (int cell = 0; cell < (b->numa ? b->cell_count : 1); cell++) {
			int more;

			if (!can_give(b, give, taken, cell) || !admits(b, cell))
				continue;
			charge(b, cell, 1);
			more = 1 + place(b, taken | give, lowest + 1);
			charge(b, cell, -1);
			best = more > best ? more : best;
		}
	}
	return best;
}

/* Guests without GPUs: so many on the first cell, then as many as the second takes. */
static inline int place_plain(struct board *b)
{
	int best = 0;

	if (!b->vcpus_known && !b->ram_known &&
	    !(b->numa && (b->cell_vcpus_known[0] || b->cell_ram_known[0])))
		return 0;
	for (int first = 0; first < MANY; first++) {
		int second = 0;

		while (b->numa && b->cell_count > 1 && second < MANY && admits(b, 1)) {
			charge(b, 1, 1);
			second++;
		}
		best = first + second > best ? first + second : best;
		for (int i = 0; i < second; i++)
			charge(b, 1, -1);
		if (!admits(b, 0))
			break;
		charge(b, 0, 1);
	}
	return best >= MANY ? 0 : best;
}

static inline int tried_out(const struct machine *m, const struct want *w, bool later)
{
	struct board b = {.m = m, .w = w, .later = later, .numa = w->numa == 1};
	bool plain = w->count[0] + w->count[1] == 0;

	for (int a = 0; a < ALIASES; a++)
		b.numa |= w->numa < 0 && w->count[a] > 0 && m->policy[a];
	tie(&b);
	room(&b);
	return plain ? place_plain(&b) : place(&b, 0, 0);
}

#endif
