/* test_capacity_random.c: what capacity answers is what trying out every placement gives, on random
 * small fleets.
 *
 *     test_capacity_random [FLEETS [SEED]]
 *
 * Fleet number N has the seed SEED + N; a failure names it, and `test_capacity_random 1 SEED` plays
 * it again. A fleet is made as numbers (capacity_machine.h); the answer is worked out from them
 * (capacity_try.h), and by the program from facts and entries that are written from them.
 */
#include "tests/unit/capacity_try.h"

#include "controller/capacity/capacity.h"

#define HOSTS   3
#define FLAVORS 3
#define FEWEST  10000

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
