/* world.c: the virtual clock, the journal on an array, the controller's runs and the rules. */
#include "tests/unit/fleet/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/fleet/waves.h"

#define LONGEST (UINT64_C(7) * 24 * 3600 * 1000) /* no run takes a week */

static const char playbook_text[] =
    "{\"version\": 1, \"name\": \"test\", \"role\": \"compute\", \"stages\": [{\"name\": \"host\","
    " \"reboot\": \"if-changed\", \"tasks\": [{\"type\": \"bind\", \"name\": \"GPUs\", \"driver\":"
    " \"vfio-pci\"}]}, {\"name\": \"after\", \"tasks\": [{\"type\": \"file\", \"name\": \"tune\","
    " \"path\": \"/etc/tune\", \"content\": \"1\"}]}, {\"name\": \"control\", \"role\":"
    " \"control\", \"tasks\": [{\"type\": \"file\", \"name\": \"alias\", \"path\": \"/etc/alias\","
    " \"content\": \"1\"}]}]}";

void world_broken(struct world *world, const char *format, ...)
{
	char text[150];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (!world->broken++)
		snprintf(world->first_broken, sizeof(world->first_broken), "at %llu ms in %s: %s",
		         (unsigned long long)world->now, world->run, text);
}

void world_say(const struct world *world, const struct world_host *host, const char *what,
               const char *detail)
{
	if (world->verbose)
		printf("    %llu ms: %s: %s%s\n", (unsigned long long)world->now,
		       host ? host->name : world->run, what, detail);
}

/* An event on the disk. */
bool world_ok(const struct world *world)
{
	if (world->broken)
		fprintf(stderr, "%u rules broken, first %s\n", world->broken, world->first_broken);
	return !world->broken;
}

void world_effect(struct world *world, struct world_host *host)
{
	world->effects++;
	if (world->effects == world->crash_after)
		world->dead = true;
	world_moment(world, MOMENT_EFFECT, host);
}

static bool host_down_counts(const struct world_host *host, uint64_t before)
{
	bool known = host->struck_known && host->struck_known < before;

	return host->refuses || host->promised || (host->down && (!host->struck || known));
}

unsigned world_down(const struct world *world, const char *domain, uint64_t before)
{
	unsigned down = 0;

	for (size_t i = 0; i < world->inventory.host_count; i++) {
		const struct world_host *host = &world->hosts[i];

		if (!host->control && (host_down_counts(host, before) || host->out_of_service) &&
		    (!domain || strcmp(domain, host->domain) == 0))
			down++;
	}
	return down;
}

static uint64_t world_now(struct clock *clock)
{
	return ((struct world *)clock)->now;
}

static int64_t world_wall(struct clock *clock)
{
	return WORLD_DAY_ZERO + (int64_t)(((struct world *)clock)->now / 1000);
}

/* Fires what is due next. False when nothing ever will be. */
static bool world_step(struct world *world, uint64_t until)
{
	uint64_t next = clock_next(&world->clock);

	if (next == UINT64_MAX || next > until)
		return false;
	world->now = next > world->now ? next : world->now;
	clock_fire(&world->clock);
	return true;
}

static void rules_at_start(struct world *world, const struct host *started)
{
	const struct inventory_rollout *rollout = &world->inventory.rollout;
	size_t wave_count = 0, count = fleet_size(world->fleet), computes = 0, floor = 0;
	unsigned failed = 0;

	for (size_t i = 0; i < count; i++)
		computes += fleet_host(world->fleet, i)->inventory->role == ROLE_COMPUTE;
	size_t *waves = waves_compute(rollout, computes, &wave_count);
	if (started->inventory->role == ROLE_CONTROL) /* comes after the first wave only */
		floor = computes ? waves[0] : 0;
	else
		for (size_t i = 0; i < wave_count && waves[i] <= started->index; i++)
			floor = waves[i];
	free(waves);
	for (size_t i = 0; i < count; i++) {
		const struct host *host = fleet_host(world->fleet, i);

		failed += host->state == HOST_FAILED;
		/* Who has a slot already, from a former run, may go before its wave. */
		if (i < floor && !host_state_terminal(host->state) && !started->record.trial[0] &&
		    !started->record.reboot_open && !started->record.drained)
			world_broken(world, "%s began while %s of an earlier wave was %s",
			             started->inventory->name, host->inventory->name,
			             host_state_name(host->state));
	}
	if (failed > rollout->max_failures)
		world_broken(world, "%s began after %u failures", started->inventory->name, failed);
	if (world->stopped)
		world_broken(world, "%s began after the stop", started->inventory->name);
}

static void moved(void *ctx, const struct host *host)
{
	struct world *world = ctx;
	struct world_host *of = &world->hosts[host->inventory - world->inventory_hosts];
	unsigned active = 0;

	if (world->dead)
		return;
	for (size_t i = 0; i < fleet_size(world->fleet); i++)
		active += fleet_host(world->fleet, i)->active;
	if (active > world->most_active)
		world->most_active = active;
	if (world->forks && active > world->forks)
		world_broken(world, "%u at once, %u forks", active, world->forks);
	if (host->state != HOST_CONNECTING || !host->cleared || of->started)
		return;
	of->started = true;
	of->starts++;
	of->started_at = world->now;
	rules_at_start(world, host);
}

static void task(void *ctx, const struct host *host, const json_t *event)
{
	(void)ctx;
	(void)host;
	(void)event;
}

static void host_finished(void *ctx, const struct host *host)
{
	struct world *world = ctx;
	struct world_host *of = &world->hosts[host->inventory - world->inventory_hosts];

	of->finished_at = world->now;
	of->verdict = host->state;
	of->err = *host_why(host);
}

static void planned(void *ctx, struct fleet *fleet)
{
	(void)ctx;
	fleet_go(fleet);
}

static void finished(void *ctx, struct fleet *fleet)
{
	struct world *world = ctx;

	(void)fleet;
	world->finished = true;
}

static const struct fleet_observer observer = {moved, task, host_finished, planned, finished, NULL};

static void world_begin(struct world *world)
{
	for (size_t i = 0; i < world->inventory.host_count; i++)
		world->inventory_hosts[i].role =
		    world->hosts[i].control ? ROLE_CONTROL : ROLE_COMPUTE;

	struct gf_err err = {0};
	struct fleet_options options = {
	    .inventory = &world->inventory,
	    .selected = world->selected,
	    .count = world->selected_count,
	    .records = world->records,
	    .job = world->job,
	    .run = world->run,
	    .former_runs = world->former_runs,
	    .reboot_since =
	        world->job == JOB_REBOOT && world->cut_since[0] ? world->cut_since : NULL,
	    .who = "test",
	    .where = "here",
	    .playbook = world->playbook,
	    .by_name = world->by_name,
	    .own_boot_id = world->own_boot_id,
	    .forks = world->forks,
	    .opener = &world->opener,
	    .bundle = &world->bundle,
	    .secret = "a secret",
	    .hooks = &world->hooks,
	    .clock = &world->clock,
	    .windows = world->windows.count ? &world->windows : NULL,
	    .journal = &world->journal,
	    .observer = &observer,
	    .ctx = world,
	};

	snprintf(world->run, sizeof(world->run), "run-%04u", ++world->run_number);
	world->finished = world->dead = world->stopped = false;
	world->reboot_jobs = world->reboot_jobs || world->job == JOB_REBOOT;
	world->effects = 0;
	memset(world->faults.moments, 0, sizeof(world->faults.moments));
	for (size_t i = 0; i < world->inventory.host_count; i++) {
		world->hosts[i].started = false;
		world->hosts[i].verdict = HOST_IDLE;
	}
	world->fleet = fleet_new(&options, &err);
	if (!world->fleet)
		abort();
	fleet_start(world->fleet);
}

static void interrupts(struct world *world)
{
	if (world->stop_after && world->effects >= world->stop_after && !world->stopped) {
		world->stopped = true;
		fleet_stop(world->fleet);
	}
	if (world->abort_after && world->effects >= world->abort_after) {
		fleet_abort(world->fleet);
		world->finished = true;
	}
}

static void world_end(struct world *world)
{
	fleet_free(world->fleet);
	world->fleet = NULL;
	if (world->running_hooks && !world->dead)
		world_broken(world, "a command was left running");
	world_hooks_end(world);
	clock_disarm(&world->clock, &world->commit_timer);
	world_entries_free(world->queued);
	world->queued = NULL;
	world->queued_end = &world->queued;
	world->group = 0;
	if (world->links)
		world_broken(world, "a link was left open");
}

int world_run(struct world *world)
{
	uint64_t limit = world->now + LONGEST;

	world_begin(world);
	while (!world->finished && !world->dead) {
		if (!world_step(world, limit)) {
			world_broken(world, "the run comes to no end");
			break;
		}
		interrupts(world);
	}
	world->status = world->dead ? -1 : fleet_exit_status(world->fleet);
	world_end(world);
	if (world->status != -1 && world->status != 130)
		world->cut_since[0] = '\0';
	else if (!world->cut_since[0])
		snprintf(world->cut_since, sizeof(world->cut_since), "%s", world->run);
	json_object_set_new(world->former_runs, world->run, json_true());
	return world->status;
}

void world_wait(struct world *world, uint64_t ms)
{
	uint64_t until = world->now + ms;

	while (world_step(world, until))
		;
	world->now = until;
}

bool world_proven(const struct world_host *host)
{
	if (host->control)
		return host->verdict == HOST_DONE && host->tuned && !host->down;
	return host->verdict == HOST_DONE && host->configured && host->effective && host->tuned &&
	       host->trial == TRIAL_NONE && !host->down;
}

static void world_inventory(struct world *world, size_t count)
{
	static char alias[] = "gpu", vendor[] = "10de", device[] = "1b06";

	world->gpu = (struct inventory_gpu){.alias = alias,
	                                    .vendor = vendor,
	                                    .device = device,
	                                    .managed = -1,
	                                    .live_migratable = -1,
	                                    .one_time_use = -1};
	world->hosts = calloc(count, sizeof(*world->hosts));
	world->inventory_hosts = calloc(count, sizeof(*world->inventory_hosts));
	world->selected = calloc(count, sizeof(*world->selected));
	world->records = host_records_new(count);
	if (!world->hosts || !world->inventory_hosts || !world->selected || !world->records)
		abort();
	world->inventory.hosts = world->inventory_hosts;
	world->inventory.host_count = count;
	for (size_t i = 0; i < count; i++) {
		world_host_init(&world->hosts[i], world, i);
		world->selected[i] = i;
		world->inventory_hosts[i] = (struct inventory_host){
		    .name = world->hosts[i].name,
		    .address = world->hosts[i].name,
		    .domain = world->hosts[i].domain,
		    .gpus = {.items = &world->gpu, .count = 1, .given = true},
		};
	}
	world->inventory.rollout = (struct inventory_rollout){
	    .waves = world->waves,
	    .max_unavailable = 1,
	    .boot_timeout_s = 600,
	};
}

void world_init(struct world *world, size_t count, uint64_t seed)
{
	static char command[] = "agent";
	struct gf_err err = {0};

	memset(world, 0, sizeof(*world));
	world->clock.now = world_now;
	world->clock.wall = world_wall;
	world->hooks = world_hooks;
	world->health_ms = 5000;
	world->clock.seed = seed;
	world->now = 1000000;
	world->job = JOB_APPLY;
	world->selected_count = count;
	world_journal_init(world);
	world->opener.open = world_link_open;
	world->bundle.command = command;
	world->former_runs = json_object();
	world->playbook = playbook_parse("test.json", playbook_text, strlen(playbook_text), &err);
	if (!world->playbook) {
		fprintf(stderr, "%s\n", err.msg);
		abort();
	}
	world_inventory(world, count);
}

void world_free(struct world *world)
{
	for (size_t i = 0; i < world->inventory.host_count; i++) {
		world_entries_free(world->hosts[i].durable);
		json_decref(world->hosts[i].facts);
		json_decref(world->hosts[i].expected);
	}
	free(world->hosts);
	free(world->inventory_hosts);
	free(world->selected);
	host_records_free(world->records, world->inventory.host_count);
	json_decref(world->former_runs);
	playbook_free(world->playbook);
	clock_release(&world->clock);
}
