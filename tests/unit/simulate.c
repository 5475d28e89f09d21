/* simulate.c: rollouts from many seeds (simulation.h); what was tried, and whether any ended
 * otherwise than undisturbed.
 *
 *     simulate_fleets [--seeds FIRST-LAST | --seed SEED] [--verbose]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fleet/simulation.h"

static int usage(void)
{
	fprintf(stderr, "usage: simulate_fleets [--seeds FIRST-LAST] [--verbose]\n");
	return 1;
}

static void figures_print(const struct simulation *all)
{
	unsigned long long disturbances = 0;

	for (size_t i = 0; i < FAULT_DRAWN; i++)
		disturbances += all->struck[i];
	printf("%llu seeds, %llu hosts: %llu undisturbed runs, %llu disturbed ones, %llu resumed\n",
	       all->seeds, all->hosts, all->undisturbed_runs, all->disturbed_runs,
	       all->resumed_runs);
	printf("%llu disturbances:\n", disturbances + all->interrupted);
	for (size_t i = 0; i < FAULT_DRAWN; i++)
		printf("%12llu  %s\n", all->struck[i], world_fault_names[i]);
	printf("%12llu  interrupted by a second ^C\n", all->interrupted);
	printf("in the disturbed fleets %llu reboots, %llu commits, %llu trials that nobody "
	       "confirmed in time;\n"
	       "in their first resumed run %llu hosts rolled back, %llu not yet as undisturbed\n",
	       all->reboots, all->commits, all->expired, all->rolled_back, all->late);
	printf("%llu fleets stopped at their limits, and went on with others\n", all->halted);
	printf("%llu differences\n", all->differences);
}

int main(int argc, char **argv)
{
	unsigned long long first = 1, last = 100000, failed = 0, first_failed = 0;
	struct simulation all = {0};

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--verbose") == 0)
			all.verbose = true;
		else if (strcmp(argv[i], "--seeds") != 0 || i + 1 == argc ||
		         sscanf(argv[++i], "%llu-%llu", &first, &last) != 2 || first > last)
			return usage();
	}
	for (unsigned long long seed = first; seed <= last; seed++) {
		if (!simulate(&all, seed))
			continue;
		if (!failed++)
			first_failed = seed;
		fflush(stdout);
	}
	figures_print(&all);
	if (failed)
		printf("%llu seeds differ; the first one again, step by step: ./dev simulate "
		       "--seeds %llu-%llu --verbose\n",
		       failed, first_failed, first_failed);
	return failed != 0;
}
