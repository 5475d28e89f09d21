/* simulation_draw.c: see simulation_draw.h. */
#include "tests/unit/fleet/simulation_draw.h"

#include <stdio.h>

#include "tests/unit/fleet/simulation.h"

unsigned dice_roll(struct dice *dice, unsigned sides)
{
	uint64_t z = (dice->state += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return (unsigned)((z ^ (z >> 31)) % (sides ? sides : 1));
}

bool dice_chance(struct dice *dice, unsigned percent)
{
	return dice_roll(dice, 100) < percent;
}

/* ---- what both worlds have in common ---- */

static void host_make(struct world_host *host, struct dice *dice, unsigned trouble)
{
	host->tries = dice_chance(dice, 60);
	host->control = dice_chance(dice, 8);
	host->latency_ms = 1 + dice_roll(dice, 400);
	host->apply_ms = 100 + dice_roll(dice, 60000);
	host->boot_ms = 5000 + dice_roll(dice, 1 + dice_roll(dice, 200000));
	if (dice_chance(dice, 75))
		snprintf(host->domain, sizeof(host->domain), "rack%u", dice_roll(dice, 4));
	if (host->control)
		host->tries = false;
	if (dice_chance(dice, 10)) {
		host->configured = host->effective = host->tuned = true;
		return;
	}
	if (!dice_chance(dice, trouble))
		return;
	switch (dice_roll(dice, 11)) {
	case 0:
		host->refuses = true;
		break;
	case 1:
		host->blocked = true;
		break;
	case 2:
		host->guests = true;
		break;
	case 3:
		host->plan_fails = true;
		break;
	case 4:
		host->fails = true;
		break;
	case 5:
		host->ineffective = true;
		host->lies = dice_chance(dice, 50);
		break;
	case 6:
		host->panics = true;
		break;
	case 7:
		host->cut_off = true;
		break;
	case 8:
		host->never_returns = true;
		break;
	case 9:
		host->commit_fails = true;
		break;
	default:
		*(bool *[]){&host->card_vanishes, &host->card_moves,
		            &host->card_appears}[dice_roll(dice, 3)] = true;
	}
	/* A boot that nobody asked for would make another host of it. */
	host->steady = host->never_returns || host->commit_fails || host->card_vanishes ||
	               host->card_moves || host->card_appears;
}

/* A third of the fleets have their hosts drained, and most of those undrained by a command. */
static void drains_make(struct world *world, struct dice *dice)
{
	static char drain[] = "drain", undrain[] = "undrain";
	static char *drains[] = {drain}, *undrains[] = {undrain};
	struct inventory_rollout *rollout = &world->inventory.rollout;

	if (!dice_chance(dice, 33))
		return;
	rollout->drain = (struct string_list){.items = drains, .count = 1};
	if (dice_chance(dice, 80))
		rollout->undrain = (struct string_list){.items = undrains, .count = 1};
	for (size_t i = 0; i < world->inventory.host_count; i++) {
		struct world_host *host = &world->hosts[i];

		host->drain_ms = 1 + dice_roll(dice, 90000);
		host->guests_stay = dice_chance(dice, 30);
		host->drain_fails = dice_chance(dice, 4);
		/* A boot of its own would spare it the drain. */
		host->steady |= host->drain_fails || host->guests;
	}
}

void simulation_fleet_make(struct world *world, struct dice *dice, uint64_t seed)
{
	struct inventory_rollout *rollout = &world->inventory.rollout;
	static char name[] = "simulated";
	size_t count =
	    dice_chance(dice, 5) ? 1 + dice_roll(dice, SIMULATION_HOSTS) : 1 + dice_roll(dice, 6);
	unsigned trouble = (unsigned[]){0, 5, 15, 40}[dice_roll(dice, 4)];

	world_init(world, count, seed);
	world->inventory.fleet = name;
	for (size_t i = 0; i < count; i++)
		host_make(&world->hosts[i], dice, trouble);
	rollout->wave_count = dice_roll(dice, 4);
	for (size_t i = 0; i < rollout->wave_count; i++)
		world->waves[i] =
		    (struct inventory_wave){dice_chance(dice, 50), 1 + dice_roll(dice, 60)};
	rollout->max_unavailable = 1 + dice_roll(dice, 5);
	rollout->max_failures = dice_roll(dice, 4);
	rollout->per_domain = dice_roll(dice, 3);
	rollout->confirm_timeout_s = 300 + 60 * dice_roll(dice, 20);
	world->forks = dice_chance(dice, 50) ? 1 + dice_roll(dice, 8) : 0;
	drains_make(world, dice);
}

/* ---- what is done to one of them ---- */

static unsigned delay_draw(struct dice *dice, enum world_moment moment)
{
	/* About as long as what has just begun takes. */
	static const unsigned longest[MOMENT_COUNT] = {
	    [MOMENT_EFFECT] = 2000, [MOMENT_OPERATION] = 60000, [MOMENT_COMMIT] = 60000,
	    [MOMENT_REBOOT] = 1200, [MOMENT_TRIAL] = 120000,    [MOMENT_PROOF] = 800,
	};

	return dice_chance(dice, 30) ? 0 : dice_roll(dice, 1 + dice_roll(dice, longest[moment]));
}

void simulation_fault_draw(struct world *world, struct dice *dice, enum world_fault_kind kind,
                           size_t effects)
{
	unsigned count = (unsigned)world->inventory.host_count;
	struct world_fault fault = {
	    .kind = kind,
	    .moment = dice_chance(dice, 50) ? MOMENT_EFFECT : dice_roll(dice, MOMENT_COUNT),
	    .run = world->run_number + 1,
	    .other = dice_chance(dice, 80) ? WORLD_OWN : dice_roll(dice, count),
	};

	/* Only there is something for it to hit. */
	if (kind == FAULT_REBOOT)
		fault.moment = MOMENT_REBOOT;
	if ((kind == FAULT_WORKER || kind == FAULT_WORKER_LATE) && fault.moment != MOMENT_COMMIT)
		fault.moment = MOMENT_OPERATION;
	fault.nth = 1 + (fault.moment == MOMENT_EFFECT ? dice_roll(dice, (unsigned)effects)
	                                               : dice_roll(dice, count));
	fault.delay_ms = delay_draw(dice, fault.moment);
	world_fault_add(world, &fault);
}

uint64_t simulation_pause_draw(struct dice *dice)
{
	static const unsigned longest[] = {1, 30000, 400000, 3 * 3600 * 1000};

	return dice_roll(dice, longest[dice_roll(dice, 4)]);
}
