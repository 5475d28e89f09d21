/* test_capacity_random.c: what capacity answers is what trying out every placement gives, on random
 * small fleets.
 *
 *     test_capacity_random [FLEETS [SEED]]
 *
 * Fleet number N has the seed SEED + N; a failure names it, and `test_capacity_random 1 SEED` plays
 * it again. A fleet is made as numbers (struct machine); facts and the hosts' entries are written
 * from them, and the answer is worked out from them again, by admitting one guest after the other
 * as Nova and vfio would (docs/design/capacity.md), in every way. Nothing is shared with the
 * program.
 */
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/capacity/capacity.h"

#define GPUS    6
#define HOSTS   3
#define FLAVORS 3
#define GUESTS  2
#define ALIASES 2
#define CPUS    12
#define FEWEST  10000
#define MANY    100000
#define OTHERS  2 /* a device that is no GPU, in some GPU's group */

enum state { READY, PENDING, BLOCKED, IN_USE, UNKNOWN, STATES };

static const char *const state_names[STATES] = {"ready", "pending", "blocked", "in_use", "unknown"};
static const char *const policies[] = {NULL, "legacy", "preferred", "required", "socket"};
static const char *const releases[] = {"2:18.2.0-1", "26.2.1", "28.0.0", NULL};

struct gpu {
	int alias, model, node, group; /* alias, node, group: -1 none */
	enum state state;
};

struct guest {
	int vcpus, ram; /* -1: not told */
	int nodes;      /* bits; -1: not told */
	int holds;      /* a group's other device; -1: none */
};

/* A host, as numbers. */
struct machine {
	int gpu_count, nodes; /* nodes 0: not known */
	struct gpu gpus[GPUS];
	bool switches;
	int cpus[2], ram[2], socket[2], pool_mb[2]; /* by node; socket -1: several */
	int guest_count;
	struct guest guests[GUESTS];
	bool guests_known, nova;
	int release; /* index of releases */
	int reserved_cpus, reserved_mb, page_mb[2];
	double ratio[2], initial[2]; /* CPU, RAM; below 0: not set */
	int pin, shared, dedicated;  /* masks of processors; 0: not set */
	const char *policy[ALIASES];
};

struct want {
	int count[ALIASES];
	int vcpus, ram, numa;
};

/* ---- chance ---- */

static uint64_t dice;

static unsigned roll(unsigned sides)
{
	/* splitmix64 */
	uint64_t z = dice += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ (z >> 31)) % sides);
}

static bool chance(unsigned percent)
{
	return roll(100) < percent;
}

static double some_ratio(void)
{
	static const double ratios[] = {-1, -1, 0, 0.5, 1, 1.1, 1.5, 2, 4};

	return ratios[roll(sizeof(ratios) / sizeof(ratios[0]))];
}

static int some_mask(int cpus, unsigned percent)
{
	int mask = chance(percent) ? (int)roll(1u << cpus) : 0;

	/* Now and then a processor that is not there. */
	return mask && chance(5) ? mask | 1 << cpus : mask;
}

static void machine_guests(struct machine *m)
{
	m->guests_known = chance(95);
	m->guest_count = (int)roll(GUESTS + 1);
	for (int i = 0; i < m->guest_count; i++) {
		m->guests[i] = (struct guest){
		    .vcpus = chance(96) ? (int)roll(4) + 1 : -1,
		    .ram = chance(96) ? (int)roll(1500) + 1 : -1,
		    .nodes = chance(50)   ? 0
		             : chance(90) ? 1 << roll(2)
		             : chance(80) ? 3
		                          : -1,
		    .holds = chance(15) ? (int)roll(4) : -1,
		};
	}
}

static void machine_make(struct machine *m)
{
	*m = (struct machine){.gpu_count = (int)roll(GPUS + 1), .nodes = (int)roll(3)};
	bool shared = chance(50), one_model = chance(50), one_socket = chance(40);

	for (int i = 0; i < m->gpu_count; i++) {
		int model = one_model ? 0 : (int)roll(2);

		m->gpus[i] = (struct gpu){
		    .model = model,
		    .alias = chance(90)   ? model
		             : chance(50) ? 1 - model
		                          : -1,
		    .node = chance(15)   ? -1
		            : chance(95) ? (int)roll(2)
		                         : 3,
		    .group = shared       ? (int)roll(4)
		             : chance(95) ? 10 + i
		                          : -1,
		    .state = chance(65) ? READY : (enum state)roll(STATES),
		};
	}
	m->switches = chance(20);
	for (int n = 0; n < 2; n++) {
		m->cpus[n] = (int)roll(CPUS / 2) + (chance(90) ? 1 : 0);
		m->ram[n] = (int)roll(6000) + 500;
		m->socket[n] = chance(5) ? -1 : one_socket ? 0 : n;
		m->pool_mb[n] = chance(20) ? 2 * (int)roll(200) : 0;
		m->page_mb[n] = chance(20) ? 2 * (int)roll(200) : 0;
		m->ratio[n] = some_ratio();
		m->initial[n] = some_ratio();
	}
	machine_guests(m);
	m->nova = chance(85);
	m->release = (int)roll(4);
	m->reserved_cpus = (int)roll(3);
	m->reserved_mb = chance(50) ? (int)roll(1000) : -1;
	m->pin = some_mask(m->cpus[0] + m->cpus[1], 10);
	m->shared = some_mask(m->cpus[0] + m->cpus[1], 20);
	m->dedicated = some_mask(m->cpus[0] + m->cpus[1], 10);
	for (int a = 0; a < ALIASES; a++)
		m->policy[a] = policies[chance(40) ? 0 : roll(5)];
}

static void want_make(struct want *w)
{
	*w = (struct want){.vcpus = (int)roll(4) + 1, .ram = (int)roll(2500) + 100};
	w->count[0] = chance(80) ? (int)roll(3) + 1 : 0;
	w->count[1] = chance(40) ? (int)roll(3) + 1 : 0;
	w->numa = (int)roll(3) - 1;
}

/* ---- as facts ---- */

static json_t *option(json_t *options, const char *key, const char *kind, json_t *value)
{
	json_object_set_new(options, key,
	                    value
	                        ? json_pack("{s:s, s:o, s:[{s:s, s:b}]}", "kind", kind, "value",
	                                    value, "entries", "value", "x", "effective", true)
	                        : json_pack("{s:s, s:n, s:[]}", "kind", kind, "value", "entries"));
	return options;
}

static json_t *ratio_text(double ratio)
{
	return ratio < 0 ? NULL : json_sprintf(" %.2f ", ratio);
}

/* "0,2,^1,3-3", in more than one way. */
static json_t *mask_text(int mask)
{
	char text[128] = "";
	size_t used = 0;

	for (int cpu = 0; cpu < CPUS + 1; cpu++) {
		if (mask >> cpu & 1)
			used += (size_t)snprintf(text + used, sizeof(text) - used,
			                         cpu % 2 ? "%d, " : "%d-%d,", cpu, cpu);
	}
	snprintf(text + used, sizeof(text) - used, "^%d", CPUS + 2);
	return mask ? json_string(text) : NULL;
}

static json_t *nova_facts_of(const struct machine *m)
{
	json_t *options = json_object(), *pages = NULL;
	const char *release = releases[m->release];

	for (int n = 0; n < 2; n++) {
		if (m->page_mb[n]) {
			pages = pages ? pages : json_array();
			json_array_append_new(
			    pages,
			    n ? json_sprintf("node:1,size:2MB,count:%d", m->page_mb[n] / 2)
			      : json_sprintf("size:2048, count:%d,node:0", m->page_mb[n] / 2));
		}
	}
	option(options, "DEFAULT.reserved_huge_pages", "multi", pages);
	option(options, "DEFAULT.reserved_host_cpus", "set",
	       m->reserved_cpus ? json_sprintf("%d", m->reserved_cpus) : NULL);
	option(options, "DEFAULT.reserved_host_memory_mb", "set",
	       m->reserved_mb >= 0 ? json_sprintf("%d", m->reserved_mb) : NULL);
	option(options, "DEFAULT.cpu_allocation_ratio", "set", ratio_text(m->ratio[0]));
	option(options, "DEFAULT.ram_allocation_ratio", "set", ratio_text(m->ratio[1]));
	option(options, "DEFAULT.vcpu_pin_set", "set", mask_text(m->pin));
	if (m->release != 0) {
		option(options, "DEFAULT.initial_cpu_allocation_ratio", "set",
		       ratio_text(m->initial[0]));
		option(options, "DEFAULT.initial_ram_allocation_ratio", "set",
		       ratio_text(m->initial[1]));
		option(options, "compute.cpu_shared_set", "set", mask_text(m->shared));
		option(options, "compute.cpu_dedicated_set", "set", mask_text(m->dedicated));
	}
	return json_pack("{s:s, s:o, s:[{s:s, s:o}], s:[], s:[]}", "deployment", "debian",
	                 "release", release ? json_string(release) : json_null(), "services",
	                 "name", "nova-compute", "options", options, "files", "problems");
}

static json_t *node_facts(const struct machine *m, int node)
{
	int first = node ? m->cpus[0] : 0;
	json_t *cpus = m->cpus[node] ? json_sprintf("%d-%d", first, first + m->cpus[node] - 1)
	                             : json_string("");

	return json_pack("{s:i, s:o, s:i, s:o, s:[{s:i, s:i}]}", "node", node, "cpus", cpus,
	                 "memory_kb", m->ram[node] * 1024 + 5, "socket",
	                 m->socket[node] >= 0 ? json_integer(m->socket[node]) : json_null(),
	                 "huge_pages", "size_kb", 2048, "total", m->pool_mb[node] / 2);
}

static json_t *guest_facts_of(const struct machine *m, int index)
{
	const struct guest *guest = &m->guests[index];
	json_t *devices = json_array(), *json;

	for (int i = 0; i < m->gpu_count; i++) {
		if (m->gpus[i].state == IN_USE && i % m->guest_count == index)
			json_array_append_new(devices, json_sprintf("0000:%02x:00.0", i + 1));
	}
	if (guest->holds >= 0)
		json_array_append_new(devices, json_sprintf("0000:a0:0%d.0", guest->holds));
	json = json_pack("{s:s, s:s, s:o}", "name", "g", "source", index ? "libvirt" : "qemu",
	                 "devices", devices);
	if (guest->vcpus >= 0)
		json_object_set_new(json, "vcpus", json_integer(guest->vcpus));
	if (guest->ram >= 0)
		json_object_set_new(json, "memory_mb", json_integer(guest->ram));
	for (int n = 0; guest->nodes >= 0 && n < 2; n++) {
		if (n == 0)
			json_object_set_new(json, "numa_nodes", json_array());
		if (guest->nodes >> n & 1)
			json_array_append_new(json_object_get(json, "numa_nodes"), json_integer(n));
	}
	return json;
}

static json_t *group_json(int group)
{
	return group >= 0 ? json_integer(group) : json_null();
}

static json_t *facts_of(const struct machine *m)
{
	json_t *guests = json_array(), *numa = json_array(), *pci = json_array(), *host;
	int nodes = m->nodes ? m->nodes : 2;

	/* Another program that holds a group is no guest. */
	json_array_append_new(
	    guests, json_pack("{s:s, s:s, s:[]}", "name", "dpdk", "source", "vfio", "devices"));
	for (int i = 0; i < m->guest_count; i++)
		json_array_append_new(guests, guest_facts_of(m, i));
	for (int n = 0; n < nodes; n++)
		json_array_append_new(numa, node_facts(m, n));
	for (int i = 0; i < m->gpu_count; i++)
		json_array_append_new(pci, json_pack("{s:o, s:s, s:s, s:o}", "address",
		                                     json_sprintf("0000:%02x:00.0", i + 1),
		                                     "vendor", "10de", "class", "0302",
		                                     "iommu_group", group_json(m->gpus[i].group)));
	for (int i = 0; i < 4; i++)
		json_array_append_new(pci, json_pack("{s:o, s:s, s:s, s:i}", "address",
		                                     json_sprintf("0000:a0:0%d.0", i), "vendor",
		                                     "8086", "class", "0200", "iommu_group", i));
	if (m->switches)
		json_array_append_new(pci,
		                      json_pack("{s:s, s:s, s:s, s:n}", "address", "0000:b0:00.0",
		                                "vendor", "10de", "class", "0680", "iommu_group"));
	host = json_pack("{s:i, s:i, s:o, s:o}", "cpus", m->cpus[0] + (nodes > 1 ? m->cpus[1] : 0),
	                 "memory_kb", (m->ram[0] + (nodes > 1 ? m->ram[1] : 0)) * 1024 + 10,
	                 "guests", m->guests_known ? guests : json_null(), "numa",
	                 m->nodes ? numa : json_null());
	if (!m->guests_known)
		json_decref(guests);
	if (!m->nodes)
		json_decref(numa);
	return json_pack("{s:i, s:o, s:o, s:o}", "facts", 1, "host", host, "pci", pci, "nova",
	                 m->nova ? nova_facts_of(m) : json_null());
}

static char alias_names[ALIASES][2] = {"a", "b"};

static json_t *entry_of(const struct machine *m)
{
	json_t *devices = json_array();

	for (int i = 0; i < m->gpu_count; i++) {
		const struct gpu *gpu = &m->gpus[i];

		json_array_append_new(
		    devices,
		    json_pack("{s:o, s:s, s:s, s:b, s:o, s:o, s:o, s:s}", "address",
		              json_sprintf("0000:%02x:00.0", i + 1), "vendor", "10de", "device",
		              gpu->model ? "1b07" : "1b06", "primary", true, "iommu_group",
		              group_json(gpu->group), "numa_node", group_json(gpu->node), "alias",
		              gpu->alias >= 0 ? json_string(alias_names[gpu->alias]) : json_null(),
		              "verdict", state_names[gpu->state]));
		/* Its audio function offers nothing. */
		json_array_append_new(devices,
		                      json_pack("{s:o, s:s, s:s, s:b, s:o, s:i, s:s, s:s}",
		                                "address", json_sprintf("0000:%02x:00.1", i + 1),
		                                "vendor", "10de", "device", "1b06", "primary",
		                                false, "iommu_group", group_json(gpu->group),
		                                "numa_node", 0, "alias", "a", "verdict", "ready"));
	}
	return json_pack("{s:s, s:[], s:o}", "name", "h", "checks", "devices", devices);
}

/* ---- tried out ---- */

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

static int bits(int mask)
{
	return __builtin_popcount((unsigned)mask);
}

/* Who belongs together: one group, one board, and on from there. */
static void tie(struct board *b)
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

static bool in_set(const struct machine *m, int cpu, int usable)
{
	(void)m;
	return usable >> cpu & 1;
}

static double effective(const struct machine *m, int which, bool *known)
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
static void room(struct board *b)
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
static bool may_have(const struct board *b, const struct gpu *gpu, int cell)
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
static bool admits(const struct board *b, int cell)
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

static void charge(struct board *b, int cell, int sign)
{
	b->vcpus_used += sign * b->w->vcpus;
	b->ram_used += sign * b->w->ram;
	b->cell_vcpus_used[cell] += sign * b->w->vcpus;
	b->cell_ram_used[cell] += sign * b->w->ram;
}

/* Can a guest on CELL be given exactly these GPUs, when others have TAKEN? */
static bool can_give(const struct board *b, int give, int taken, int cell)
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
static int place(struct board *b, int taken, int from)
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
static int place_plain(struct board *b)
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

static int tried_out(const struct machine *m, const struct want *w, bool later)
{
	struct board b = {.m = m, .w = w, .later = later, .numa = w->numa == 1};
	bool plain = w->count[0] + w->count[1] == 0;

	for (int a = 0; a < ALIASES; a++)
		b.numa |= w->numa < 0 && w->count[a] > 0 && m->policy[a];
	tie(&b);
	room(&b);
	return plain ? place_plain(&b) : place(&b, 0, 0);
}

/* ---- one fleet ---- */

struct fleet {
	int host_count, flavor_count;
	struct machine machines[HOSTS];
	struct want wants[FLAVORS];
};

static void fleet_make(struct fleet *fleet, uint64_t seed)
{
	dice = seed;
	fleet->host_count = (int)roll(HOSTS) + 1;
	fleet->flavor_count = (int)roll(FLAVORS) + 1;
	for (int i = 0; i < fleet->host_count; i++)
		machine_make(&fleet->machines[i]);
	for (int i = 0; i < fleet->flavor_count; i++)
		want_make(&fleet->wants[i]);
}

static void show(const struct fleet *fleet, json_t *const facts[], json_t *const entries[],
                 const json_t *answer)
{
	for (int i = 0; i < fleet->host_count; i++) {
		fprintf(stderr, "policies %s %s\n",
		        fleet->machines[i].policy[0] ? fleet->machines[i].policy[0] : "-",
		        fleet->machines[i].policy[1] ? fleet->machines[i].policy[1] : "-");
		json_dumpf(facts[i], stderr, JSON_COMPACT);
		fputc('\n', stderr);
		json_dumpf(entries[i], stderr, JSON_COMPACT);
		fputc('\n', stderr);
	}
	for (int i = 0; i < fleet->flavor_count; i++) {
		const struct want *w = &fleet->wants[i];

		fprintf(stderr, "flavor %d: a*%d b*%d vcpus %d ram %d numa %d\n", i, w->count[0],
		        w->count[1], w->vcpus, w->ram, w->numa);
	}
	json_dumpf(json_object_get(answer, "flavors"), stderr, JSON_INDENT(1));
	fputc('\n', stderr);
}

static json_t *answer_of(const struct fleet *fleet, json_t *const facts[], json_t *const entries[])
{
	static char host_name[] = "h", flavor_name[] = "f";
	struct inventory_gpu gpus[HOSTS][ALIASES] = {0};
	struct inventory_host hosts[HOSTS] = {0};
	struct capacity_source sources[HOSTS];
	struct inventory_flavor flavors[FLAVORS];
	struct inventory_flavor_gpu wanted[FLAVORS][ALIASES];
	struct capacity_flavor asked[FLAVORS];
	struct inventory inventory = {.hosts = hosts, .host_count = (size_t)fleet->host_count};
	struct capacity_question question = {.flavors = asked,
	                                     .flavor_count = (size_t)fleet->flavor_count};
	static char policy_texts[HOSTS][ALIASES][16];

	for (int i = 0; i < fleet->host_count; i++) {
		for (int a = 0; a < ALIASES; a++) {
			gpus[i][a].alias = alias_names[a];
			if (!fleet->machines[i].policy[a])
				continue;
			snprintf(policy_texts[i][a], sizeof(policy_texts[i][a]), "%s",
			         fleet->machines[i].policy[a]);
			gpus[i][a].numa_policy = policy_texts[i][a];
		}
		hosts[i] =
		    (struct inventory_host){.name = host_name, .gpus = {gpus[i], ALIASES, true}};
		sources[i] = (struct capacity_source){&hosts[i], facts[i], entries[i]};
	}
	for (int i = 0; i < fleet->flavor_count; i++) {
		const struct want *w = &fleet->wants[i];
		size_t count = 0;

		for (int a = 0; a < ALIASES; a++) {
			if (w->count[a])
				wanted[i][count++] = (struct inventory_flavor_gpu){
				    alias_names[a], (unsigned)w->count[a]};
		}
		flavors[i] = (struct inventory_flavor){
		    flavor_name, (unsigned)w->vcpus, (unsigned)w->ram, 0, wanted[i], count};
		asked[i] = (struct capacity_flavor){&flavors[i], w->numa};
	}
	return capacity_answer(&inventory, &question, sources, (size_t)fleet->host_count);
}

/* 0: as tried out. */
static int fleet_check(uint64_t seed, unsigned long *guests)
{
	json_t *facts[HOSTS], *entries[HOSTS], *answer, *flavor;
	struct fleet fleet;
	int wrong = 0;
	size_t i;

	fleet_make(&fleet, seed);
	for (int h = 0; h < fleet.host_count; h++) {
		facts[h] = facts_of(&fleet.machines[h]);
		entries[h] = entry_of(&fleet.machines[h]);
		if (!facts[h] || !entries[h])
			abort();
	}
	answer = answer_of(&fleet, facts, entries);
	json_array_foreach(json_object_get(answer, "flavors"), i, flavor)
	{
		for (int later = 0; later < 2; later++) {
			const char *key = later ? "fits_when_ready" : "fits_now";
			json_int_t got = json_integer_value(json_object_get(flavor, key));
			json_int_t sum = 0;

			for (int h = 0; h < fleet.host_count; h++)
				sum += tried_out(&fleet.machines[h], &fleet.wants[i], later);
			*guests += (unsigned long)sum;
			if (got == sum && json_is_false(json_object_get(flavor, "at_least")))
				continue;
			fprintf(stderr, "seed %llu: flavor %zu: %s is %lld, tried out: %lld\n",
			        (unsigned long long)seed, i, key, (long long)got, (long long)sum);
			wrong++;
		}
	}
	if (wrong || i != (size_t)fleet.flavor_count)
		show(&fleet, facts, entries, answer);
	for (int h = 0; h < fleet.host_count; h++) {
		json_decref(facts[h]);
		json_decref(entries[h]);
	}
	json_decref(answer);
	return wrong || i != (size_t)fleet.flavor_count ? -1 : 0;
}

int main(int argc, char **argv)
{
	unsigned long fleets = argc > 1 ? strtoul(argv[1], NULL, 10) : FEWEST;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	unsigned long guests = 0;
	int wrong = 0;

	for (unsigned long i = 0; i < fleets && wrong < 3; i++)
		wrong += fleet_check(seed + i, &guests) < 0;
	printf("%lu fleets from seed %llu: %lu guests placed, %d wrong\n", fleets,
	       (unsigned long long)seed, guests, wrong);
	return wrong ? 1 : 0;
}
