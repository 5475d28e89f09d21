/* world_faults.c: see world_faults.h. */
#include "tests/unit/fleet/world_faults.h"

#include <stdlib.h>

#include "tests/unit/fleet/world.h"

static bool strike(struct world *world, enum world_fault_kind kind, struct world_host *host)
{
	switch (kind) {
	case FAULT_CONTROLLER:
		if (!world->fleet || world->dead)
			return false;
		world->dead = true;
		return true;
	case FAULT_LINK:
		return world_links_cut(host);
	case FAULT_SILENCE:
		return world_links_silence(host);
	case FAULT_STOPPED:
		host->stopped = true;
		return world_links_stop(host);
	case FAULT_WORKER:
	case FAULT_WORKER_LATE:
		return world_worker_dies(host, kind == FAULT_WORKER_LATE);
	case FAULT_POWER:
		return world_power_lost(host);
	case FAULT_REBOOT:
		return world_reboot_lost(host);
	case FAULT_COUNT:
		break;
	}
	abort();
}

const char *const world_fault_names[FAULT_COUNT] = {
    [FAULT_CONTROLLER] = "controller killed",
    [FAULT_LINK] = "connection cut",
    [FAULT_SILENCE] = "connection gone silent",
    [FAULT_WORKER] = "worker died, nothing done",
    [FAULT_WORKER_LATE] = "worker died, all done but the result",
    [FAULT_POWER] = "power lost",
    [FAULT_REBOOT] = "promised reboot not done",
    [FAULT_STOPPED] = "sshd stopped",
};

static void fault_fire(void *ctx)
{
	struct world_fault *fault = ctx;
	bool struck = strike(fault->world, fault->kind, fault->host);

	fault->world->faults.struck[fault->kind] += struck;
	if (struck)
		world_say(fault->world, fault->host, world_fault_names[fault->kind], "");
}

void world_fault_add(struct world *world, const struct world_fault *fault)
{
	struct world_faults *faults = &world->faults;
	struct world_fault *added;

	if (faults->count == WORLD_FAULTS)
		abort();
	added = &faults->faults[faults->count++];
	*added = *fault;
	added->world = world;
	added->timer = (struct clock_timer){.fire = fault_fire, .ctx = added};
}

void world_faults_end(struct world *world)
{
	for (size_t i = 0; i < world->faults.count; i++)
		clock_disarm(&world->clock, &world->faults.faults[i].timer);
	world->faults.count = 0;
}

void world_moment(struct world *world, enum world_moment moment, struct world_host *host)
{
	struct world_faults *faults = &world->faults;
	size_t nth = ++faults->moments[moment];

	for (size_t i = 0; i < faults->count; i++) {
		struct world_fault *fault = &faults->faults[i];

		if (fault->moment != moment || fault->nth != nth || fault->run != world->run_number)
			continue;
		fault->host = fault->other == WORLD_OWN && host
		                  ? host
		                  : &world->hosts[fault->other % world->inventory.host_count];
		/* Nothing it does may come after the moment; everybody else notices later. */
		if (fault->kind == FAULT_CONTROLLER && !fault->delay_ms)
			fault_fire(fault);
		else
			clock_arm(&world->clock, &fault->timer, fault->delay_ms);
	}
}
