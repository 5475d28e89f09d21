/* world_hook.c: the operator's commands, scripted: "check" (rollout.health), "drain", "undrain" and
 * "power" (rollout.power_cycle). What dies with its controller has no further effect.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fleet/world.h"

enum world_command { COMMAND_CHECK, COMMAND_DRAIN, COMMAND_UNDRAIN, COMMAND_POWER, COMMAND_COUNT };

static const char *const command_names[] = {"check", "drain", "undrain", "power"};

struct world_hook {
	struct world_hook *next;
	struct world *world;
	struct world_host *host; /* NULL: about a wave */
	enum world_command command;
	struct clock_timer timer;
	hook_done_fn done;
	void *ctx;
};

static void hook_forget(struct world_hook *hook)
{
	struct world_hook **at = &hook->world->running_hooks;

	while (*at != hook)
		at = &(*at)->next;
	*at = hook->next;
	clock_disarm(&hook->world->clock, &hook->timer);
	free(hook);
}

void world_hooks_end(struct world *world)
{
	while (world->running_hooks)
		hook_forget(world->running_hooks);
}

/* True: it fails. */
static bool hook_act(struct world_hook *hook)
{
	struct world_host *host = hook->host;

	switch (hook->command) {
	case COMMAND_CHECK:
		return hook->world->healths == hook->world->health_refuses;
	case COMMAND_DRAIN:
		host->guests = host->guests && host->guests_stay;
		host->drained = !host->drain_fails;
		if (host->restarts_drained)
			world_power_lost(host);
		return host->drain_fails;
	case COMMAND_UNDRAIN:
		if (host->undrain_fails) {
			host->undrain_fails--;
			return true;
		}
		host->drained = host->out_of_service = false;
		host->back_at = hook->world->now;
		return false;
	case COMMAND_POWER:
		if (host->power_fails)
			return true;
		world_power_cycle(host);
		return false;
	default:
		abort();
	}
}

static void hook_fire(void *ctx)
{
	struct world_hook *hook = ctx;
	struct gf_err err = {GF_E_TASK, ""};
	hook_done_fn done = hook->done;
	struct world *world = hook->world;
	void *done_ctx = hook->ctx;
	bool failed;

	if (world->dead)
		return;
	snprintf(err.msg, sizeof(err.msg), "%s ended with status 1: not well",
	         command_names[hook->command]);
	failed = hook_act(hook);
	hook_forget(hook);
	done(done_ctx, failed ? &err : NULL);
}

static struct world_host *hook_host(struct world *world, const struct hook_call *call)
{
	static const char name[] = "GPUFLEET_HOST=";

	for (size_t i = 0; call->environment[i]; i++) {
		if (strncmp(call->environment[i], name, strlen(name)) != 0)
			continue;
		for (size_t j = 0; j < world->inventory.host_count; j++)
			if (strcmp(world->hosts[j].name, call->environment[i] + strlen(name)) == 0)
				return &world->hosts[j];
	}
	return NULL;
}

/* What must hold when a command begins. */
static void hook_rules(struct world_hook *hook)
{
	struct world *world = hook->world;
	struct world_host *host = hook->host;
	unsigned limit = world->inventory.rollout.max_unavailable;
	char boot_id[64] = "";

	if (hook->command == COMMAND_CHECK)
		return;
	if (host)
		world_boot_id(host, boot_id, sizeof(boot_id));
	if (!host)
		world_broken(world, "%s was not told which host", command_names[hook->command]);
	else if (hook->command == COMMAND_DRAIN &&
	         !world_recorded(world, host->index, "drain.intent", "boot_id", boot_id))
		world_broken(world, "%s: drained without an intent", host->name);
	else if (hook->command == COMMAND_DRAIN && !host->out_of_service) {
		host->out_of_service = true;
		host->out_at = world->now;
		if (world_down(world, NULL, host->started_at) > limit)
			world_broken(world, "%s: %u hosts out of service, %u may be", host->name,
			             world_down(world, NULL, host->started_at), limit);
	} else if (hook->command == COMMAND_POWER &&
	           !world_recorded(world, host->index, "power.cycle", "boot_id", boot_id))
		world_broken(world, "%s: power-cycled without an intent", host->name);
	if (!host)
		return;
	host->drains += hook->command == COMMAND_DRAIN;
	host->undrains += hook->command == COMMAND_UNDRAIN;
	host->power_cycles += hook->command == COMMAND_POWER;
}

static struct hook *hook_run(struct hook_runner *runner, const struct hook_call *call,
                             hook_done_fn done, void *ctx, struct gf_err *err)
{
	struct world *world = (struct world *)((char *)runner - offsetof(struct world, hooks));
	struct world_hook *hook = calloc(1, sizeof(*hook));

	(void)err;
	while (hook->command < COMMAND_COUNT &&
	       strcmp(call->argv->items[0], command_names[hook->command]) != 0)
		hook->command++;
	hook->world = world;
	hook->host = hook_host(world, call);
	hook->done = done;
	hook->ctx = ctx;
	hook->timer.fire = hook_fire;
	hook->timer.ctx = hook;
	hook->next = world->running_hooks;
	world->running_hooks = hook;
	world->healths += hook->command == COMMAND_CHECK;
	hook_rules(hook);
	clock_arm(&world->clock, &hook->timer,
	          hook->command == COMMAND_CHECK   ? world->health_ms
	          : hook->command == COMMAND_DRAIN ? hook->host->drain_ms
	                                           : 5000);
	world_effect(world, hook->host);
	return (struct hook *)hook;
}

static void hook_cancel(struct hook_runner *runner, struct hook *hook)
{
	(void)runner;
	hook_forget((struct world_hook *)hook);
}

const struct hook_runner world_hooks = {hook_run, hook_cancel};
