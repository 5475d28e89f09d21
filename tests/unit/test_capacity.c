/* test_capacity.c: capacity of hosts as planners meet them: NVSwitch boards, shared groups, NUMA
 * policies, processors and memory with Nova's options, what is not known, and what blocks the most.
 */
#include "tests/unit/facts.h"

#include <stdlib.h>

#include "controller/capacity/capacity.h"
#include "controller/readiness/readiness.h"

#define GPUS 8

static char nvswitch_split[] = "split", nvswitch_board[] = "board";
static char policy_required[] = "required", policy_socket[] = "socket",
            policy_preferred[] = "preferred", flavor_name[] = "f", rack[] = "rack1";

/* ---- a host of eight cards ---- */

static json_t *option(const char *value)
{
	return value ? json_pack("{s:s, s:s, s:[{s:s, s:b}]}", "kind", "set", "value", value,
	                         "entries", "value", value, "effective", true)
	             : json_pack("{s:s, s:n, s:[]}", "kind", "set", "value", "entries");
}

static json_t *options_new(void)
{
	static const char *const names[] = {"DEFAULT.reserved_host_cpus",
	                                    "DEFAULT.reserved_host_memory_mb",
	                                    "DEFAULT.cpu_allocation_ratio",
	                                    "DEFAULT.ram_allocation_ratio",
	                                    "DEFAULT.initial_cpu_allocation_ratio",
	                                    "DEFAULT.initial_ram_allocation_ratio",
	                                    "DEFAULT.reserved_huge_pages",
	                                    "DEFAULT.vcpu_pin_set",
	                                    "compute.cpu_shared_set",
	                                    "compute.cpu_dedicated_set"};
	json_t *options = json_object();

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set_new(options, names[i], option(NULL));
	return options;
}

/* What gives the GPUs to vfio-pci at the next boot, too. */
static json_t *binding_new(void)
{
	return json_pack("{s:s, s:[], s:[{s:s, s:s}]}", "state", "looked", "list", "lines", "where",
	                 "/etc/modprobe.d/vfio.conf", "line", "options vfio-pci ids=10de:1b06");
}

/* Eight GPUs on two nodes of two sockets, each in a group of its own; 16 processors, 64 GiB. */
static json_t *host_facts_new(void)
{
	json_t *pci = json_array(), *numa = json_array();

	for (int i = 0; i < GPUS; i++)
		json_array_append_new(
		    pci,
		    json_pack("{s:o, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:[s], s:[s], s:[], "
		              "s:s, s:[], s:[], s:n, s:n, s:[]}",
		              "address", json_sprintf("0000:%02x:00.0", i + 1), "vendor", "10de",
		              "device", "1b06", "class", "0302", "header", "endpoint", "driver",
		              "vfio-pci", "iommu_group", i, "numa_node", i / 4, "reset_methods",
		              "flr", "reserved_regions", "msi", "path", "power_state", "D0",
		              "siblings", "bars", "sriov", "vgpu", "console_memory"));
	for (int n = 0; n < 2; n++)
		json_array_append_new(numa,
		                      json_pack("{s:i, s:o, s:i, s:i, s:[]}", "node", n, "cpus",
		                                json_sprintf("%d-%d", 8 * n, 8 * n + 7),
		                                "memory_kb", 32 << 20, "socket", n, "huge_pages"));
	return json_pack(
	    "{s:i, s:s, s:{s:s, s:s, s:i, s:i, s:b, s:o, s:[], s:o, s:i, s:{s:s, s:s}, s:[], "
	    "s:{s:[s], s:[s], s:i, s:b, s:b}}, s:o, "
	    "s:{s:s, s:s, s:[{s:s, s:o}], s:[], s:[]}}",
	    "facts", 1, "observed", "2026-01-01T00:00:00Z", "host", "arch", "x86_64", "cmdline",
	    "quiet", "cpus", 16, "memory_kb", 64 << 20, "cpu_virtualization", true, "numa", numa,
	    "guests", "early_binding", binding_new(), "taint", 0, "vfio", "pci", "module", "type1",
	    "module", "holders", "iommu", "tables", "DMAR", "units", "dmar0", "groups", 20,
	    "interrupt_remapping", true, "unsafe_interrupts", false, "pci", pci, "nova",
	    "deployment", "debian", "release", "26.2.1", "services", "name", "nova-compute",
	    "options", options_new(), "files", "problems");
}

static json_t *host_of(json_t *facts)
{
	return json_object_get(facts, "host");
}

static void nova_set(json_t *facts, const char *key, const char *value)
{
	json_t *service =
	    json_array_get(json_object_get(json_object_get(facts, "nova"), "services"), 0);

	json_object_set_new(json_object_get(service, "options"), key, option(value));
}

static void gpu_set(json_t *facts, int index, const char *key, json_t *value)
{
	json_object_set_new(json_array_get(json_object_get(facts, "pci"), (size_t)index), key,
	                    value);
}

static void guest_add(json_t *facts, int vcpus, int memory_mb, int node)
{
	json_t *nodes = json_array();

	if (node >= 0)
		json_array_append_new(nodes, json_integer(node));
	json_array_append_new(json_object_get(host_of(facts), "guests"),
	                      json_pack("{s:s, s:s, s:[], s:o, s:i, s:o}", "name", "g", "source",
	                                "qemu", "devices", "vcpus",
	                                vcpus >= 0 ? json_integer(vcpus) : json_null(), "memory_mb",
	                                memory_mb, "numa_nodes", nodes));
}

static void switch_add(json_t *facts)
{
	json_array_append_new(json_object_get(facts, "pci"),
	                      json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "address", "0000:90:00.0",
	                                "vendor", "10de", "device", "22a3", "class", "0680",
	                                "header", "bridge", "driver", "vfio-pci"));
}

/* ---- asking ---- */

struct ask {
	unsigned vcpus, ram_mb, gpus;
	char *policy, *nvswitch;
	int numa;
	bool split_boards;
	int release; /* of the inventory */
};

static json_t *capacity_of(json_t *facts, const struct ask *ask)
{
	struct inventory_gpu gpu = FACTS_GPU;
	struct inventory_host host = facts_host(&gpu, 1);
	struct inventory_flavor_gpu wanted = {facts_alias, ask->gpus};
	struct inventory_flavor flavor = {flavor_name, ask->vcpus, ask->ram_mb,
	                                  0,           &wanted,    ask->gpus ? 1 : 0};
	struct capacity_flavor asked = {&flavor, ask->numa};
	struct capacity_question question = {&asked, 1, ask->split_boards};
	struct inventory inventory = {.hosts = &host, .host_count = 1, .nova_number = ask->release};
	struct capacity_source source = {&host, facts, NULL};
	json_t *entry, *capacity;

	gpu.numa_policy = ask->policy;
	gpu.nvswitch = ask->nvswitch;
	host.domain = rack;
	entry = readiness_evaluate(&host, facts, true, NULL);
	assert_non_null(entry);
	source.entry = entry;
	capacity = capacity_answer(&inventory, &question, &source, 1);
	assert_non_null(capacity);
	json_decref(entry);
	return capacity;
}

/* "NOW/LATER LIMIT+MORE unknown assumed". */
static void expect_fit(json_t *facts, const struct ask *ask, const char *wanted)
{
	json_t *capacity = capacity_of(facts, ask);
	const json_t *flavor = json_array_get(json_object_get(capacity, "flavors"), 0);
	const json_t *limit = json_array_get(json_object_get(flavor, "limits"), 0);
	const char *name = json_string_value(json_object_get(limit, "limit"));
	char got[128];

	snprintf(got, sizeof(got), "%lld/%lld %s+%lld%s%s",
	         (long long)json_integer_value(json_object_get(flavor, "fits_now")),
	         (long long)json_integer_value(json_object_get(flavor, "fits_when_ready")),
	         name ? name : "-", (long long)json_integer_value(json_object_get(limit, "guests")),
	         json_integer_value(json_object_get(flavor, "unknown_hosts")) ? " unknown" : "",
	         json_integer_value(json_object_get(flavor, "assumed_hosts")) ? " assumed" : "");
	assert_string_equal(got, wanted);
	json_decref(capacity);
}

#define SMALL(count) (&(struct ask){.vcpus = 1, .ram_mb = 1024, .gpus = (count), .numa = -1})

static json_t *facts_with_ratios(void)
{
	json_t *facts = host_facts_new();

	nova_set(facts, "DEFAULT.cpu_allocation_ratio", "1.0");
	nova_set(facts, "DEFAULT.ram_allocation_ratio", "1.0");
	return facts;
}

static void test_gpus(void **state)
{
	json_t *facts = facts_with_ratios();

	(void)state;
	expect_fit(facts, SMALL(1), "8/8 gpus+0");
	expect_fit(facts, SMALL(3), "2/2 gpus+0");
	expect_fit(facts, SMALL(9), "0/0 gpus+0");
	gpu_set(facts, 0, "driver", json_string("nouveau"));
	expect_fit(facts, SMALL(1), "7/8 gpus+0");
	gpu_set(facts, 0, "numa_node", json_integer(7));
	expect_fit(facts, SMALL(1), "7/8 gpus+0");
	json_decref(facts);
}

/* All of a board or none of it, unless somebody sees to it. */
static void test_board(void **state)
{
	struct ask split = *SMALL(1);
	json_t *facts = facts_with_ratios(), *capacity;

	(void)state;
	split.split_boards = true;
	switch_add(facts);
	expect_fit(facts, SMALL(8), "1/1 gpus+0");
	expect_fit(facts, SMALL(4), "0/0 unsplittable+2");
	expect_fit(facts, SMALL(1), "0/0 unsplittable+8");
	expect_fit(facts, &split, "8/8 gpus+0");
	split.split_boards = false;
	split.nvswitch = nvswitch_split;
	expect_fit(facts, &split, "8/8 gpus+0");
	split.nvswitch = nvswitch_board;
	expect_fit(facts, &split, "0/0 unsplittable+8");
	/* A card for a screen is not on the board: another model. */
	gpu_set(facts, 7, "device", json_string("1cb1"));
	expect_fit(facts, SMALL(7), "1/1 gpus+0");
	/* One that is not to be had keeps the others. */
	gpu_set(facts, 0, "driver", json_string("nvidia"));
	expect_fit(facts, SMALL(7), "0/1 gpus+0");
	gpu_set(facts, 0, "bars", json_pack("[{s:b}]", "assigned", false));
	expect_fit(facts, SMALL(6), "0/0 unsplittable+1");
	capacity = capacity_of(facts, SMALL(6));
	assert_string_equal(json_string_value(json_object_get(
	                        json_array_get(json_object_get(capacity, "blockers"), 0), "check")),
	                    "device.bars");
	json_decref(capacity);
	json_decref(facts);
}

/* Two in one group: together, or one of them and the other is lost. */
static void test_group(void **state)
{
	json_t *facts = facts_with_ratios();

	(void)state;
	for (int i = 0; i < 4; i++)
		gpu_set(facts, i, "iommu_group", json_integer(i / 2));
	expect_fit(facts, SMALL(1), "6/6 unsplittable+2");
	expect_fit(facts, SMALL(2), "4/4 gpus+0");
	expect_fit(facts, SMALL(3), "2/2 gpus+0");
	expect_fit(facts, SMALL(8), "1/1 gpus+0");
	/* A guest that has one of them keeps the other. */
	guest_add(facts, 1, 1024, -1);
	json_object_set_new(json_array_get(json_object_get(host_of(facts), "guests"), 0), "devices",
	                    json_pack("[s]", "0000:01:00.0"));
	expect_fit(facts, SMALL(1), "5/5 unsplittable+2");
	json_decref(facts);
}

static struct ask with_policy(unsigned gpus, char *policy)
{
	struct ask ask = *SMALL(gpus);

	ask.policy = policy;
	return ask;
}

static void test_numa(void **state)
{
	json_t *facts = facts_with_ratios(), *numa = json_object_get(host_of(facts), "numa");
	struct ask required = with_policy(3, policy_required),
	           preferred = with_policy(3, policy_preferred),
	           socket = with_policy(5, policy_socket), plain = with_policy(3, NULL);

	(void)state;
	/* Four on each node. */
	expect_fit(facts, &required, "2/2 gpus+0");
	gpu_set(facts, 0, "numa_node", json_integer(1));
	gpu_set(facts, 1, "numa_node", json_integer(1));
	expect_fit(facts, &required, "2/2 gpus+0");
	required.gpus = 4;
	expect_fit(facts, &required, "1/1 numa+1");
	preferred.gpus = plain.gpus = 4;
	expect_fit(facts, &preferred, "2/2 gpus+0");
	expect_fit(facts, &plain, "2/2 gpus+0");
	/* Without a topology Nova looks at no policy. */
	required.numa = 0;
	expect_fit(facts, &required, "2/2 gpus+0");
	/* With one and without a policy it is legacy: nodes that are not told serve all. */
	plain.numa = 1;
	expect_fit(facts, &plain, "1/1 numa+1");
	gpu_set(facts, 0, "numa_node", json_integer(-1));
	gpu_set(facts, 1, "numa_node", json_integer(-1));
	expect_fit(facts, &plain, "2/2 gpus+0");
	/* Under `required` they are blocked, and six are left. */
	required.numa = 1;
	expect_fit(facts, &required, "1/1 gpus+0");
	/* Both nodes on one socket. */
	expect_fit(facts, &socket, "0/0 numa+1");
	json_object_set_new(json_array_get(numa, 1), "socket", json_integer(0));
	expect_fit(facts, &socket, "1/1 gpus+0");
	json_object_set_new(json_array_get(numa, 1), "socket", json_null());
	expect_fit(facts, &socket, "0/0 numa+1");
	json_decref(facts);
}

/* A guest with a topology needs its processors and memory on its node. */
static void test_cells(void **state)
{
	json_t *facts = facts_with_ratios();
	struct ask ask = {.vcpus = 9, .ram_mb = 1024, .gpus = 1, .numa = 0};

	(void)state;
	expect_fit(facts, &ask, "1/1 vcpus+7");
	ask.numa = 1;
	expect_fit(facts, &ask, "0/0 numa+1");
	ask.vcpus = 4;
	expect_fit(facts, &ask, "4/4 numa+0");
	ask.ram_mb = 20000;
	expect_fit(facts, &ask, "2/2 numa+1");
	/* What is in the pools of huge pages is not for it; what is bound to the node counts there.
	 */
	json_object_set_new(json_array_get(json_object_get(host_of(facts), "numa"), 0),
	                    "huge_pages",
	                    json_pack("[{s:i, s:i}]", "size_kb", 1 << 20, "total", 16));
	expect_fit(facts, &ask, "1/1 numa+2");
	guest_add(facts, 1, 20000, 1);
	expect_fit(facts, &ask, "0/0 numa+2");
	json_decref(facts);
}

static void test_room(void **state)
{
	struct ask cpu = {.vcpus = 4, .ram_mb = 1, .gpus = 1, .numa = -1},
	           ram = {.vcpus = 1, .ram_mb = 16000, .gpus = 1, .numa = -1};
	json_t *facts = facts_with_ratios();

	(void)state;
	expect_fit(facts, &cpu, "4/4 vcpus+4");
	/* 65536 - 512 */
	expect_fit(facts, &ram, "4/4 ram+4");
	nova_set(facts, "DEFAULT.reserved_host_cpus", "2");
	nova_set(facts, "DEFAULT.reserved_host_memory_mb", "4096");
	expect_fit(facts, &cpu, "3/3 vcpus+5");
	expect_fit(facts, &ram, "3/3 ram+5");
	nova_set(facts, "DEFAULT.cpu_allocation_ratio", "1.5");
	nova_set(facts, "DEFAULT.ram_allocation_ratio", "1.5");
	expect_fit(facts, &cpu, "5/5 vcpus+3");
	expect_fit(facts, &ram, "5/5 ram+3");
	guest_add(facts, 6, 32000, -1);
	expect_fit(facts, &cpu, "3/3 vcpus+5");
	expect_fit(facts, &ram, "3/3 ram+5");
	nova_set(facts, "compute.cpu_shared_set", "0-7,^1,^2");
	expect_fit(facts, &cpu, "0/0 vcpus+8");
	json_decref(facts);
	/* One guest never gets more than there is. */
	facts = facts_with_ratios();
	nova_set(facts, "DEFAULT.cpu_allocation_ratio", "16");
	cpu.vcpus = 17;
	expect_fit(facts, &cpu, "0/0 vcpus+8");
	cpu.vcpus = 16;
	expect_fit(facts, &cpu, "8/8 gpus+0");
	/* All processors that guests may have are for pinned ones. */
	nova_set(facts, "compute.cpu_dedicated_set", "4-15");
	cpu.vcpus = 1;
	expect_fit(facts, &cpu, "0/0 vcpus+8");
	nova_set(facts, "compute.cpu_shared_set", "0-3");
	expect_fit(facts, &cpu, "8/8 gpus+0");
	guest_add(facts, 1, 1, -1);
	expect_fit(facts, &cpu, "8/8 gpus+0 unknown");
	json_decref(facts);
}

static void test_huge_pages(void **state)
{
	struct ask ram = {.vcpus = 1, .ram_mb = 16000, .gpus = 1, .numa = -1};
	json_t *facts = facts_with_ratios(), *service;

	(void)state;
	service = json_array_get(json_object_get(json_object_get(facts, "nova"), "services"), 0);
	json_object_set_new(json_object_get(service, "options"), "DEFAULT.reserved_huge_pages",
	                    json_pack("{s:s, s:[s, s], s:[{s:s}]}", "kind", "multi", "value",
	                              "node:0,size:1GB,count:8", "node:1,size:2048,count:4096",
	                              "entries", "value", "x"));
	expect_fit(facts, &ram, "3/3 ram+5");
	json_array_set_new(json_object_get(json_object_get(json_object_get(service, "options"),
	                                                   "DEFAULT.reserved_huge_pages"),
	                                   "value"),
	                   1, json_string("node:1,size:2QB,count:4096"));
	expect_fit(facts, &ram, "8/8 gpus+0 unknown");
	json_decref(facts);
}

/* Ratios that the host does not set, by release. */
static void test_initial_ratios(void **state)
{
	struct ask cpu = {.vcpus = 16, .ram_mb = 1, .gpus = 1, .numa = -1};
	json_t *facts = host_facts_new(), *nova = json_object_get(facts, "nova");

	(void)state;
	guest_add(facts, 0 + 16, 1, -1);
	for (int i = 0; i < 8; i++)
		guest_add(facts, 16, 1, -1);
	/* 16 × 16 - 9 × 16 */
	expect_fit(facts, &cpu, "7/7 vcpus+1 assumed");
	json_object_set_new(nova, "release", json_string("28.0.0"));
	expect_fit(facts, &cpu, "0/0 vcpus+8 assumed");
	json_object_set_new(nova, "release", json_string("18.2.0"));
	expect_fit(facts, &cpu, "7/7 vcpus+1");
	nova_set(facts, "DEFAULT.cpu_allocation_ratio", "0.0");
	expect_fit(facts, &cpu, "7/7 vcpus+1");
	json_object_set_new(nova, "release", json_null());
	expect_fit(facts, &cpu, "8/8 gpus+0 unknown");
	cpu.release = 26;
	expect_fit(facts, &cpu, "7/7 vcpus+1 assumed");
	nova_set(facts, "DEFAULT.initial_cpu_allocation_ratio", "12");
	expect_fit(facts, &cpu, "3/3 vcpus+5 assumed");
	json_decref(facts);
}

/* What the host does not tell limits nothing, and is said. */
static void test_unknown(void **state)
{
	struct ask large = {.vcpus = 100, .ram_mb = 1 << 20, .gpus = 1, .numa = -1};
	static const char *const broken[] = {"abc", "-1", "nan", "1e99", "", "4 0"};
	json_t *facts = host_facts_new();

	(void)state;
	json_object_set_new(facts, "nova", json_null());
	expect_fit(facts, &large, "8/8 gpus+0 unknown");
	json_decref(facts);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		facts = facts_with_ratios();
		large.ram_mb = 1;
		nova_set(facts, "DEFAULT.cpu_allocation_ratio", broken[i]);
		expect_fit(facts, &large, "8/8 gpus+0 unknown");
		json_decref(facts);
	}
	facts = facts_with_ratios();
	guest_add(facts, -1, 1, -1);
	expect_fit(facts, &large, "8/8 gpus+0 unknown");
	/* Any of the GPUs might be in use: none is ready. */
	json_object_set_new(host_of(facts), "guests", json_null());
	expect_fit(facts, &large, "0/0 -+0");
	expect_fit(facts, &(struct ask){.vcpus = 1, .ram_mb = 1024, .numa = -1}, "0/0 -+0 unknown");
	json_decref(facts);
	/* Nova would not start with it. */
	facts = facts_with_ratios();
	nova_set(facts, "compute.cpu_shared_set", "0-99");
	expect_fit(facts, &large, "8/8 gpus+0 unknown");
	/* A guest without GPUs fits as often as is known. */
	large = (struct ask){.vcpus = 1, .ram_mb = 1024, .numa = -1};
	expect_fit(facts, &large, "63/63 ram+0 unknown");
	json_object_set_new(facts, "nova", json_null());
	expect_fit(facts, &large, "0/0 -+0 unknown");
	json_decref(facts);
}

/* Whatever a host sends, the answer ends. */
static void test_hostile(void **state)
{
	static const char *const nonsense[] = {
	    "[]",
	    "{}",
	    "null",
	    "[null]",
	    "[[]]",
	    "[{}]",
	    "[{\"node\": 0}, {\"node\": 0}]",
	    "[{\"node\": -5, \"cpus\": \"9999999-1\"}]",
	    "[{\"node\": 1e9}]",
	    "\"x\"",
	    "7",
	    "[{\"node\": 0, \"cpus\": \"0-4294967296\", \"memory_kb\": -1, \"huge_pages\": 3}]",
	    "[{\"node\": 0, \"vcpus\": -7, \"memory_mb\": 99999999999999, \"numa_nodes\": 1}]",
	};
	struct ask numa = {.vcpus = 1, .ram_mb = 1, .gpus = 1, .numa = 1};
	json_t *facts;

	(void)state;
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		facts = facts_with_ratios();
		json_object_set_new(host_of(facts), "numa",
		                    json_loads(nonsense[i], JSON_DECODE_ANY, NULL));
		json_decref(capacity_of(facts, &numa));
		json_decref(facts);
	}
}

/* Many GPUs in sets of many kinds, on many nodes: the best that was found, and no more than there
 * is. */
static void test_hard(void **state)
{
	struct ask ask = {.vcpus = 1, .ram_mb = 1, .gpus = 3, .numa = 1};
	json_t *facts = facts_with_ratios(), *pci = json_array(), *numa = json_array(), *capacity;
	const json_t *flavor;
	json_int_t fits;

	(void)state;
	for (int i = 0; i < 200; i++) {
		json_t *gpu = json_deep_copy(json_array_get(json_object_get(facts, "pci"), 0));

		json_object_set_new(gpu, "address", json_sprintf("0000:%02x:00.0", i + 1));
		json_object_set_new(gpu, "numa_node",
		                    i % 5 ? json_integer(i * 13 % 64) : json_null());
		json_object_set_new(gpu, "iommu_group", json_integer(i * i % 90));
		json_array_append_new(pci, gpu);
	}
	for (int n = 0; n < 64; n++)
		json_array_append_new(numa, json_pack("{s:i, s:o, s:i, s:i}", "node", n, "cpus",
		                                      json_sprintf("%d", n), "memory_kb", 1 << 20,
		                                      "socket", n / 8));
	json_object_set_new(facts, "pci", pci);
	json_object_set_new(host_of(facts), "numa", numa);
	json_object_set_new(host_of(facts), "cpus", json_integer(64));
	capacity = capacity_of(facts, &ask);
	flavor = json_array_get(json_object_get(capacity, "flavors"), 0);
	fits = json_integer_value(json_object_get(flavor, "fits_now"));
	assert_true(fits > 0 && fits <= 66);
	assert_true(json_is_true(json_object_get(flavor, "at_least")));
	json_decref(capacity);
	json_decref(facts);
}

static void expect_json(const json_t *value, const char *wanted)
{
	char *got = json_dumps(value, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_ENCODE_ANY);

	assert_string_equal(got, wanted);
	free(got);
}

static void test_aliases_and_blockers(void **state)
{
	json_t *facts = facts_with_ratios(), *capacity, *alias, *blockers;
	size_t i;

	(void)state;
	for (int n = 0; n < 3; n++)
		gpu_set(facts, n, "bars", json_pack("[{s:b}]", "assigned", false));
	gpu_set(facts, 2, "reserved_regions", json_pack("[s]", "direct"));
	gpu_set(facts, 3, "reserved_regions", json_pack("[s]", "direct"));
	gpu_set(facts, 4, "numa_node", json_integer(-1));
	capacity = capacity_of(facts, SMALL(1));
	/* The inventory here has no list of its own, its host has. */
	alias = json_array_get(json_object_get(capacity, "aliases"), 0);
	expect_json(json_object_get(alias, "blocked_by"),
	            "[{\"check\":\"device.bars\",\"gpus\":3},{\"check\":\"device.reserved-"
	            "regions\",\"gpus\":2}]");
	expect_json(
	    json_object_get(alias, "numa_nodes"),
	    "[{\"node\":null,\"total\":1,\"ready\":1,\"in_use\":0,\"pending\":0,\"blocked\":"
	    "0,\"unknown\":0,\"blocked_by\":[]},{\"node\":0,\"total\":4,\"ready\":0,\"in_use\":"
	    "0,\"pending\":0,\"blocked\":4,\"unknown\":0,\"blocked_by\":[{\"check\":\"device."
	    "bars\",\"gpus\":3},{\"check\":\"device.reserved-regions\",\"gpus\":2}]},{\"node\":"
	    "1,\"total\":3,\"ready\":3,\"in_use\":0,\"pending\":0,\"blocked\":0,\"unknown\":0,"
	    "\"blocked_by\":[]}]");
	assert_string_equal(json_string_value(json_object_get(
	                        json_array_get(json_object_get(alias, "domains"), 0), "domain")),
	                    rack);
	blockers = json_object_get(capacity, "blockers");
	assert_int_equal(json_array_size(blockers), 2);
	for (i = 0; i < 2; i++) {
		json_t *blocker = json_array_get(blockers, i);

		assert_int_equal(json_integer_value(json_object_get(blocker, "gpus")), i ? 2 : 3);
		assert_int_equal(json_integer_value(json_object_get(blocker, "gpus_alone")),
		                 i ? 1 : 2);
		assert_string_equal(json_string_value(json_object_get(blocker, "hosts")),
		                    facts_name);
		assert_string_not_equal(json_string_value(json_object_get(blocker, "fix")), "");
	}
	json_decref(capacity);
	json_decref(facts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_gpus),       cmocka_unit_test(test_board),
	    cmocka_unit_test(test_group),      cmocka_unit_test(test_numa),
	    cmocka_unit_test(test_cells),      cmocka_unit_test(test_room),
	    cmocka_unit_test(test_huge_pages), cmocka_unit_test(test_initial_ratios),
	    cmocka_unit_test(test_unknown),    cmocka_unit_test(test_hostile),
	    cmocka_unit_test(test_hard),       cmocka_unit_test(test_aliases_and_blockers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
