/* test_iommu_groups.c: what holds of every prediction, its comparison with the groups that are
 * there, and both on what real kernels said of themselves. */
#include "tests/unit/topology.h"

static uint32_t random_state;

static uint32_t random_below(uint32_t bound)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % bound;
}

/* A tree of up to 40 devices with functions, bridges and switches. */
static json_t *random_topology(void)
{
	static const char *const bridges[] = {"root_port",   "upstream", "downstream",
	                                      "pcie_to_pci", "pci",      "pci_to_pcie"};
	static const char *const leaves[] = {"endpoint", "rc_endpoint", "pci", "legacy_endpoint"};
	char text[8192] = "", buses[41][16] = {""};
	size_t used = 0, bus_count = 1;

	for (size_t i = 0; i < 5 + random_below(30); i++) {
		size_t bus = random_below((uint32_t)bus_count), functions = 1 + random_below(3);
		bool is_bridge = random_below(2);

		for (size_t f = 0; f < functions; f++) {
			char address[16];

			snprintf(address, sizeof(address), "%02zx:%02zx.%zx", bus, i % 32, f);
			used += (size_t)snprintf(
			    text + used, sizeof(text) - used, "%s%s %s%s%s%s%s", used ? ";" : "",
			    address, is_bridge ? bridges[random_below(6)] : leaves[random_below(4)],
			    random_below(2) ? " acs" : "", random_below(2) ? " mf" : "",
			    bus ? " in=" : "", bus ? buses[bus] : "");
			if (is_bridge && bus_count < 40)
				snprintf(buses[bus_count++], sizeof(buses[0]), "%s", address);
		}
	}
	return topology(text);
}

static bool together(const struct iommu_prediction *prediction, size_t a, size_t b)
{
	return prediction->groups[a] == prediction->groups[b];
}

/* Each device is among the members of its group, and in no other. */
static void expect_partition(const struct iommu_prediction *prediction)
{
	size_t device_count = prediction->facts->device_count, count;

	assert_int_equal(prediction->starts[prediction->group_count], device_count);
	for (size_t i = 0; i < device_count; i++) {
		const size_t *members =
		    iommu_prediction_group(prediction, &prediction->facts->devices[i], &count);
		size_t found = 0;

		for (size_t k = 0; k < count; k++) {
			found += members[k] == i;
			assert_true(together(prediction, i, members[k]));
		}
		assert_int_equal(found, 1);
	}
}

/* In topologies of every shape: groups are a partition, and when one more device has ACS no two
 * come together that were apart. */
static void test_random(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 400; seed++) {
		json_t *without, *with, *pci;
		struct host_facts before, after;
		struct iommu_prediction one, other;

		random_state = seed;
		without = random_topology();
		with = json_deep_copy(without);
		pci = json_object_get(with, "pci");
		device_set(NULL, json_array_get(pci, random_below((uint32_t)json_array_size(pci))),
		           "acs");
		predict(without, &before, &one);
		predict(with, &after, &other);
		expect_partition(&one);
		expect_partition(&other);
		for (size_t a = 0; a < after.device_count; a++) {
			for (size_t b = 0; b < a; b++) {
				if (together(&other, a, b) && !together(&one, a, b))
					fail_msg("seed %u: more ACS joins %s and %s", seed,
					         after.devices[a].address,
					         after.devices[b].address);
			}
		}
		iommu_prediction_free(&one);
		iommu_prediction_free(&other);
		host_facts_free(&before);
		host_facts_free(&after);
		json_decref(without);
		json_decref(with);
	}
}

static json_t *recorded(const char *name)
{
	char path[512];
	json_t *facts;

	snprintf(path, sizeof(path), "%s/tests/unit/topologies/%s.json", TEST_SOURCE_DIR, name);
	facts = json_load_file(path, 0, NULL);
	if (!facts)
		fail_msg("%s cannot be read", path);
	return facts;
}

/* Facts of virtual machines with and without an IOMMU, written by tests/vm/groups.sh: what is
 * predicted from the one are the groups that the kernel made in the other. */
static void expect_real(const char *without, const char *with)
{
	json_t *before = recorded(without), *after = recorded(with);
	struct host_facts off, on;
	struct iommu_prediction prediction, again;
	size_t compared = 0;
	bool joined;

	predict(before, &off, &prediction);
	predict(after, &on, &again);
	assert_int_equal(off.groups, 0);
	for (size_t a = 0; a < on.device_count; a++) {
		const struct host_facts_device *x = host_facts_find(&off, on.devices[a].address);

		if (!x || on.devices[a].group < 0)
			continue;
		compared++;
		assert_true(iommu_prediction_certain(&prediction, x));
		for (size_t b = 0; b < a; b++) {
			const struct host_facts_device *y =
			    host_facts_find(&off, on.devices[b].address);
			bool now = on.devices[a].group == on.devices[b].group;

			if (y && on.devices[b].group >= 0 &&
			    now != together(&prediction, (size_t)(x - off.devices),
			                    (size_t)(y - off.devices)))
				fail_msg("%s: %s and %s: %s", without, x->address, y->address,
				         now ? "together" : "apart");
		}
		/* The boot with the IOMMU gives the same prediction. */
		assert_null(iommu_prediction_differs(&again, &on.devices[a], &joined));
	}
	/* Both have nearly all of them: the machine's devices, and 36 groups of them. */
	assert_true(compared >= 70 && compared + 1 >= off.device_count);
	assert_true(on.groups >= 36);
	iommu_prediction_free(&prediction);
	iommu_prediction_free(&again);
	host_facts_free(&off);
	host_facts_free(&on);
	json_decref(before);
	json_decref(after);
}

static void test_real_kernels(void **state)
{
	(void)state;
	expect_real("intel-without", "intel-with");
	expect_real("amd-without", "amd-with");
}

/* GROUPS: of each device in turn, by the kernel. Which of them DEVICE (by index) is found to differ
 * by:
 * "+ADDRESS": it has joined; "-ADDRESS": it has not. */
static void expect_differs(const char *devices, const int groups[3], size_t device,
                           const char *wanted)
{
	json_t *facts = topology(devices), *item;
	struct host_facts parsed;
	struct iommu_prediction prediction;
	const struct host_facts_device *other;
	char found[40] = "";
	bool joined = false;
	size_t i;

	json_array_foreach(json_object_get(facts, "pci"), i, item)
	{
		if (i < 3 && groups[i] >= 0)
			json_object_set_new(item, "iommu_group", json_integer(groups[i]));
	}
	predict(facts, &parsed, &prediction);
	other = iommu_prediction_differs(&prediction, &parsed.devices[device], &joined);
	if (other)
		snprintf(found, sizeof(found), "%c%s", joined ? '+' : '-', other->address + 5);
	assert_string_equal(found, wanted);
	iommu_prediction_free(&prediction);
	host_facts_free(&parsed);
	json_decref(facts);
}

static void test_comparison(void **state)
{
	static const char devices[] = "00:01.0 endpoint; 00:02.0 endpoint mf; 00:02.1 endpoint";

	(void)state;
	expect_differs(devices, (const int[3]){7, 3, 3}, 0, "");
	expect_differs(devices, (const int[3]){7, 3, 3}, 1, "");
	expect_differs(devices, (const int[3]){7, 3, 4}, 0, "");
	expect_differs(devices, (const int[3]){7, 3, 4}, 1, "-00:02.1");
	expect_differs(devices, (const int[3]){3, 3, 3}, 0, "+00:02.0");
	expect_differs(devices, (const int[3]){3, 3, 3}, 2, "+00:01.0");
	/* One that is in no group can't have joined, nor have failed to. */
	expect_differs(devices, (const int[3]){7, 3, -1}, 1, "");
	expect_differs(devices, (const int[3]){-1, 3, 3}, 1, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_random),
	    cmocka_unit_test(test_comparison),
	    cmocka_unit_test(test_real_kernels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
