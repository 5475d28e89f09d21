/* capacity_machine.h: random hosts and flavors as numbers, and the same as facts and as entries of
 * a report, for test_capacity_random.c. */
#ifndef TEST_CAPACITY_MACHINE_H
#define TEST_CAPACITY_MACHINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define GPUS    6
#define GUESTS  2
#define ALIASES 2
#define CPUS    12

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

static inline unsigned roll(unsigned sides)
{
	/* splitmix64 */
	uint64_t z = dice += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ (z >> 31)) % sides);
}

static inline bool chance(unsigned percent)
{
	return roll(100) < percent;
}

static inline double some_ratio(void)
{
	static const double ratios[] = {-1, -1, 0, 0.5, 1, 1.1, 1.5, 2, 4};

	return ratios[roll(sizeof(ratios) / sizeof(ratios[0]))];
}

static inline int some_mask(int cpus, unsigned percent)
{
	int mask = chance(percent) ? (int)roll(1u << cpus) : 0;

	/* Now and then a processor that is not there. */
	return mask && chance(5) ? mask | 1 << cpus : mask;
}

static inline void machine_guests(struct machine *m)
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

static inline void machine_make(struct machine *m)
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

static inline void want_make(struct want *w)
{
	*w = (struct want){.vcpus = (int)roll(4) + 1, .ram = (int)roll(2500) + 100};
	w->count[0] = chance(80) ? (int)roll(3) + 1 : 0;
	w->count[1] = chance(40) ? (int)roll(3) + 1 : 0;
	w->numa = (int)roll(3) - 1;
}

/* ---- as facts ---- */

static inline json_t *option(json_t *options, const char *key, const char *kind, json_t *value)
{
	json_object_set_new(options, key,
	                    value
	                        ? json_pack("{s:s, s:o, s:[{s:s, s:b}]}", "kind", kind, "value",
	                                    value, "entries", "value", "x", "effective", true)
	                        : json_pack("{s:s, s:n, s:[]}", "kind", kind, "value", "entries"));
	return options;
}

static inline json_t *ratio_text(double ratio)
{
	return ratio < 0 ? NULL : json_sprintf(" %.2f ", ratio);
}

/* "0,2,^1,3-3", in more than one way. */
static inline json_t *mask_text(int mask)
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

static inline json_t *nova_facts_of(const struct machine *m)
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

static inline json_t *node_facts(const struct machine *m, int node)
{
	int first = node ? m->cpus[0] : 0;
	json_t *cpus = m->cpus[node] ? json_sprintf("%d-%d", first, first + m->cpus[node] - 1)
	                             : json_string("");

	return json_pack("{s:i, s:o, s:i, s:o, s:[{s:i, s:i}]}", "node", node, "cpus", cpus,
	                 "memory_kb", m->ram[node] * 1024 + 5, "socket",
	                 m->socket[node] >= 0 ? json_integer(m->socket[node]) : json_null(),
	                 "huge_pages", "size_kb", 2048, "total", m->pool_mb[node] / 2);
}

static inline json_t *guest_facts_of(const struct machine *m, int index)
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

static inline json_t *group_json(int group)
{
	return group >= 0 ? json_integer(group) : json_null();
}

static inline json_t *facts_of(const struct machine *m)
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

static inline json_t *entry_of(const struct machine *m)
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

#endif
