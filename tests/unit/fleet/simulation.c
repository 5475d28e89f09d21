/* simulation.c: see simulation.h. What a host is like is drawn first, for both worlds; what is
 * done to it (simulation_draw.c) only for one of them.
 */
#include "tests/unit/fleet/simulation.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/readiness/readiness.h"
#include "tests/unit/fleet/simulation_draw.h"

#define SETTLED_AFTER 10 /* runs, and one for each host that fails: until nothing more changes */
#define HALTED_AFTER  3  /* runs: their limits stop them again and again */
#define HOUR_MS       (UINT64_C(3600) * 1000)
#define SHOWN         40 /* differences; the others are only counted */

/* One seed under way. */
struct trial_of_seed {
	struct simulation *simulation;
	uint64_t seed;
	unsigned differences;
	struct world undisturbed, disturbed;
};

static void __attribute__((format(printf, 2, 3)))
differs(struct trial_of_seed *trial, const char *format, ...)
{
	va_list args;

	trial->differences++;
	if (trial->simulation->differences++ >= SHOWN)
		return;
	printf("seed %" PRIu64 ": ", trial->seed);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
}

/* ---- runs ---- */

static void show_run(const struct trial_of_seed *trial, const struct world *world)
{
	if (!trial->simulation->verbose)
		return;
	printf("%s %s: exit status %d at %" PRIu64 " ms\n",
	       world == &trial->undisturbed ? "undisturbed" : "disturbed", world->run,
	       world->status, world->now);
	for (size_t i = 0; i < world->inventory.host_count; i++) {
		const struct world_host *host = &world->hosts[i];

		printf("    %s: %s%s%s (%s%s%s, trial %d, boot %u)\n", host->name,
		       host_state_name(host->verdict), host->verdict == HOST_DONE ? "" : ": ",
		       host->verdict == HOST_DONE ? "" : host->err.msg,
		       host->configured ? "configured" : "as found",
		       host->effective ? ", effective" : "", host->down ? ", down" : "",
		       host->trial, host->boot);
	}
}

/* Where a fleet stands: equal after two runs in a row, the next would change nothing either. */
static uint64_t standing(const struct world *world)
{
	uint64_t hash = 14695981039346656037u;

	for (size_t i = 0; i < world->inventory.host_count; i++) {
		const struct world_host *host = &world->hosts[i];
		unsigned of = (unsigned)host->verdict | (unsigned)host->configured << 8 |
		              (unsigned)host->effective << 9 | (unsigned)host->tuned << 10 |
		              (unsigned)host->down << 11 | (unsigned)host->trial << 12;

		hash = (hash ^ of) * 1099511628211u;
	}
	return hash;
}

/* The same command again, until that changes nothing more. With HALTS, fleets that their limits
 * stop are left there. */
static void settle(struct trial_of_seed *trial, struct world *world, unsigned long long *runs,
                   bool halts)
{
	unsigned most = SETTLED_AFTER + (unsigned)world->inventory.host_count;
	uint64_t before = 0, now = 0;

	for (unsigned run = 0; run < most; run++) {
		/* What still boots is up by the next one. */
		world_wait(world, run ? HOUR_MS / 2 : 0);
		world_run(world);
		++*runs;
		show_run(trial, world);
		now = standing(world);
		if (world->status == 0 || now == before ||
		    (halts && world->status == 3 && run + 1 == HALTED_AFTER))
			return;
		before = now;
	}
	differs(trial, "%u runs, and each changes something", most);
}

static void disturbed_runs(struct trial_of_seed *trial, struct dice *dice)
{
	struct world *world = &trial->disturbed;
	size_t effects = trial->undisturbed.effects;

	for (unsigned runs = 1 + dice_roll(dice, 3); runs; runs--) {
		if (dice_chance(dice, 85))
			simulation_fault_draw(world, dice, FAULT_CONTROLLER, effects);
		for (unsigned faults = dice_roll(dice, 6); faults; faults--)
			simulation_fault_draw(world, dice, 1 + dice_roll(dice, FAULT_DRAWN - 1),
			                      effects);
		world->abort_after =
		    dice_chance(dice, 10) ? 1 + dice_roll(dice, (unsigned)effects) : 0;
		world_run(world);
		show_run(trial, world);
		trial->simulation->disturbed_runs++;
		trial->simulation->interrupted += world->status == 130;
		world->abort_after = 0;
		world_wait(world, simulation_pause_draw(dice));
	}
}

/* The first run that nobody disturbs. Where all is calm when it begins, it must take every host to
 * its end, save those whose trial went back. */
static void check_resumed(struct trial_of_seed *trial, bool calm)
{
	const struct world *world = &trial->disturbed;

	for (size_t i = 0; i < world->inventory.host_count; i++) {
		const struct world_host *host = &world->hosts[i];
		const struct world_host *twin = &trial->undisturbed.hosts[i];

		if (host->verdict == twin->verdict || twin->verdict == HOST_SKIPPED)
			continue;
		if (host->verdict == HOST_FAILED && strstr(host->err.msg, "rolled back"))
			trial->simulation->rolled_back++;
		else if (!calm || host->verdict == HOST_SKIPPED || host->steady)
			trial->simulation->late++;
		else
			differs(trial, "%s: resumed, it ended as %s (%s), undisturbed as %s",
			        host->name, host_state_name(host->verdict), host->err.msg,
			        host_state_name(twin->verdict));
	}
}

/* ---- comparison ---- */

/* The report's entry. Whoever is away for good may have been lost at another step. */
static json_t *entry_of(struct world *world, size_t i)
{
	const struct world_host *host = &world->hosts[i];
	struct gf_err err = {0};
	json_t *entry = readiness_evaluate(&world->inventory_hosts[i], host->facts,
	                                   host->verdict != HOST_UNREACHABLE && !host->away, &err);

	return entry ? entry : json_string(err.msg);
}

/* What the last apply left, but for the run and the boot that it was. */
static bool expected_equal(const struct world_host *a, const struct world_host *b)
{
	const json_t *context_a = json_object_get(a->expected, "context");
	const json_t *context_b = json_object_get(b->expected, "context");

	if (!a->expected || !b->expected)
		return !a->expected == !b->expected;
	return json_equal(json_object_get(a->expected, "stages"),
	                  json_object_get(b->expected, "stages")) &&
	       json_equal(json_object_get(context_a, "wanted"),
	                  json_object_get(context_b, "wanted"));
}

static void compare_host(struct trial_of_seed *trial, size_t i)
{
	const struct world_host *was = &trial->undisturbed.hosts[i];
	const struct world_host *is = &trial->disturbed.hosts[i];
	json_t *report_was, *report_is;

	if (was->verdict != is->verdict && !(was->away && is->away))
		differs(trial, "%s: %s (%s), undisturbed %s (%s)", is->name,
		        host_state_name(is->verdict), is->err.msg, host_state_name(was->verdict),
		        was->err.msg);
	if (was->configured != is->configured || was->effective != is->effective ||
	    was->tuned != is->tuned || was->trial != is->trial || was->down != is->down)
		differs(trial,
		        "%s: configured %d, effective %d, tuned %d, trial %d, down %d, undisturbed "
		        "%d, %d, %d, %d, %d",
		        is->name, is->configured, is->effective, is->tuned, is->trial, is->down,
		        was->configured, was->effective, was->tuned, was->trial, was->down);
	if (is->out_of_service)
		differs(trial, "%s: still drained", is->name);
	if (is->verdict == HOST_DONE && !world_proven(is))
		differs(trial, "%s: called done, and is not", is->name);
	if (is->verdict == HOST_DONE && world_open_intents(&trial->disturbed, i))
		differs(trial, "%s: done, and an intent has no result", is->name);
	report_was = entry_of(&trial->undisturbed, i);
	report_is = entry_of(&trial->disturbed, i);
	if (!json_equal(report_was, report_is))
		differs(trial, "%s: another report", is->name);
	if (!expected_equal(was, is))
		differs(trial, "%s: something else is expected of it from now on", is->name);
	json_decref(report_was);
	json_decref(report_is);
}

static void compare(struct trial_of_seed *trial)
{
	if (trial->undisturbed.status != trial->disturbed.status)
		differs(trial, "exit status %d, undisturbed %d", trial->disturbed.status,
		        trial->undisturbed.status);
	for (size_t i = 0; i < trial->disturbed.inventory.host_count; i++)
		compare_host(trial, i);
}

/* Whom a budget stops depends on who failed first, and whom a host that never gives its slot back
 * (it is away, or its commit fails for good) keeps waiting, on who came before. Nothing else may
 * stop one fleet and not the other. */
static bool halted(struct trial_of_seed *trial)
{
	const struct world *disturbed = &trial->disturbed;
	unsigned lost = 0;

	if (trial->undisturbed.status == 3)
		return true;
	if (disturbed->status != 3)
		return false;
	for (size_t i = 0; i < disturbed->inventory.host_count; i++)
		lost += disturbed->hosts[i].away || disturbed->hosts[i].refuses ||
		        disturbed->hosts[i].commit_fails;
	if (!lost)
		differs(trial, "stopped at its limits, and undisturbed it is not");
	return true;
}

/* Somebody looks at what halted the run, and lets it go on. */
static void limits_raise(struct world *world)
{
	struct inventory_rollout *rollout = &world->inventory.rollout;

	rollout->max_failures = rollout->max_unavailable = (unsigned)world->inventory.host_count;
	rollout->per_domain = 0;
}

static void count(struct trial_of_seed *trial)
{
	struct simulation *simulation = trial->simulation;
	const struct world *world = &trial->disturbed;

	simulation->seeds++;
	simulation->hosts += world->inventory.host_count;
	for (size_t i = 0; i < FAULT_COUNT; i++)
		simulation->struck[i] += world->faults.struck[i];
	for (size_t i = 0; i < world->inventory.host_count; i++) {
		simulation->reboots += world->hosts[i].reboots;
		simulation->commits += world->hosts[i].commits;
		simulation->expired += world->hosts[i].expirations;
	}
	for (const struct world *each = &trial->undisturbed; each;
	     each = each == world ? NULL : world)
		if (each->broken)
			differs(trial, "%u rules broken, first %s", each->broken,
			        each->first_broken);
}

unsigned simulate(struct simulation *simulation, uint64_t seed)
{
	static struct trial_of_seed trial;
	struct dice dice = {seed}, same = {seed};
	bool calm;

	trial.simulation = simulation;
	trial.seed = seed;
	trial.differences = 0;
	simulation_fleet_make(&trial.undisturbed, &same, seed);
	simulation_fleet_make(&trial.disturbed, &dice, seed);
	trial.disturbed.verbose = simulation->verbose;
	settle(&trial, &trial.undisturbed, &simulation->undisturbed_runs, true);
	disturbed_runs(&trial, &dice);
	world_faults_end(&trial.disturbed);
	calm = dice_chance(&dice, 50);
	world_wait(&trial.disturbed, calm ? 6 * HOUR_MS : 0);
	world_run(&trial.disturbed);
	simulation->resumed_runs++;
	show_run(&trial, &trial.disturbed);
	check_resumed(&trial, calm);
	if (trial.disturbed.status)
		settle(&trial, &trial.disturbed, &simulation->resumed_runs,
		       trial.undisturbed.status == 3);
	if (halted(&trial)) {
		simulation->halted++;
		limits_raise(&trial.undisturbed);
		limits_raise(&trial.disturbed);
		settle(&trial, &trial.undisturbed, &simulation->undisturbed_runs, false);
		settle(&trial, &trial.disturbed, &simulation->resumed_runs, false);
	}
	compare(&trial);
	count(&trial);
	world_free(&trial.undisturbed);
	world_free(&trial.disturbed);
	return trial.differences;
}
