/* world_journal.c: the journal of a world: what is on the disk, and what is under way to it. */
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fleet/world.h"

#define COMMIT_MS 3

static void say_event(const struct world *world, const struct world_host *host, const json_t *event)
{
	char *text;

	if (!world->verbose)
		return;
	text = json_dumps(event, JSON_COMPACT);
	world_say(world, host, "recorded ", text);
	free(text);
}

static bool event_is(const json_t *event, const char *key, const char *value)
{
	const char *text = json_string_value(json_object_get(event, key));

	return text && strcmp(text, value) == 0;
}

static void entry_free(struct world_entry *entry)
{
	json_decref(entry->event);
	json_decref(entry->facts);
	free(entry);
}

void world_entries_free(struct world_entry *entry)
{
	while (entry) {
		struct world_entry *next = entry->next;

		entry_free(entry);
		entry = next;
	}
}

/* Their names are numbers: world_host_init. */
static struct world_host *host_named(struct world *world, const char *name)
{
	size_t index = strtoul(name + strlen("gpu"), NULL, 10) - 1;

	if (index >= world->inventory.host_count || strcmp(world->hosts[index].name, name) != 0)
		abort();
	return &world->hosts[index];
}

static struct world *journal_world(struct journal *journal)
{
	return (struct world *)((char *)journal - offsetof(struct world, journal));
}

/* Facts and events reach the disk in the order in which they were given. */
static struct world_entry *entry_queue(struct world *world, const char *host)
{
	struct world_entry *entry = calloc(1, sizeof(*entry));

	entry->host = host[0] ? host_named(world, host)->index : WORLD_OWN;
	*world->queued_end = entry;
	world->queued_end = &entry->next;
	if (!world->commit_timer.slot)
		clock_arm(&world->clock, &world->commit_timer, COMMIT_MS);
	return entry;
}

static int world_append(struct journal *journal, const char *host, const json_t *event,
                        journal_done_fn done, void *ctx, struct gf_err *err)
{
	struct world *world = journal_world(journal);
	struct world_entry *entry = entry_queue(world, host);

	(void)err;
	entry->event = json_incref((json_t *)(uintptr_t)event); /* nobody changes it any more */
	entry->done = done;
	entry->ctx = ctx;
	return 0;
}

/* It is on the disk. Where a host stands is folded, and not asked for by anything else. */
static void entry_keep(struct world *world, struct world_entry *entry)
{
	struct world_host *host = entry->host == WORLD_OWN ? NULL : &world->hosts[entry->host];

	say_event(world, host, entry->event);
	if (host && host_fold(&world->records[entry->host], entry->event))
		abort();
	if (host && host->struck && !host->struck_known && world->records[entry->host].down)
		host->struck_known = world->now;
	if (!host || event_is(entry->event, "type", "host.state")) {
		entry_free(entry);
		return;
	}
	*host->durable_end = entry;
	host->durable_end = &entry->next;
}

/* One commit takes all that had come when it began. */
static unsigned commit_wait(struct world *world)
{
	if (world->group) {
		world->group--;
		return 0;
	}
	for (const struct world_entry *at = world->queued->next; at; at = at->next)
		world->group++;
	return COMMIT_MS;
}

/* One event a call: every place that a crash can cut the journal at is a place of its own. */
static void commit_fire(void *ctx)
{
	struct world *world = ctx;
	struct world_entry *entry = world->queued;
	struct gf_err full = {GF_E_STORE, "the disk is full"};
	journal_done_fn done = entry->done;
	void *done_ctx = entry->ctx;
	struct world_host *host;

	if (world->dead)
		return;
	world->queued = entry->next;
	entry->next = NULL;
	if (!world->queued)
		world->queued_end = &world->queued;
	else
		clock_arm(&world->clock, &world->commit_timer, commit_wait(world));
	if (world->store_full) {
		entry_free(entry);
		if (done)
			done(done_ctx, &full);
		return;
	}
	if (entry->facts) {
		json_decref(world->hosts[entry->host].facts);
		world->hosts[entry->host].facts = json_incref(entry->facts);
		world_effect(world, &world->hosts[entry->host]);
		entry_free(entry);
		return;
	}
	world->events++;
	host = entry->host == WORLD_OWN ? NULL : &world->hosts[entry->host];
	/* Whoever drains without a command that undrains does it by hand. */
	if (host && !world->inventory.rollout.undrain.count &&
	    event_is(entry->event, "type", "undrain.done"))
		host->drained = host->out_of_service = false;
	entry_keep(world, entry);
	world_effect(world, host);
	if (done && !world->dead)
		done(done_ctx, NULL);
}

static int world_facts_put(struct journal *journal, const char *host, const char *facts,
                           size_t size, struct gf_err *err)
{
	(void)err;
	entry_queue(journal_world(journal), host)->facts = json_loadb(facts, size, 0, NULL);
	return 0;
}

static json_t *world_facts_get(struct journal *journal, const char *host, struct gf_err *err)
{
	(void)err;
	return json_incref(host_named(journal_world(journal), host)->facts);
}

static int world_expected_put(struct journal *journal, const char *host, const json_t *expected,
                              struct gf_err *err)
{
	struct world_host *of = host_named(journal_world(journal), host);

	(void)err;
	json_decref(of->expected);
	of->expected = json_deep_copy(expected);
	return 0;
}

static json_t *world_expected_get(struct journal *journal, const char *host, struct gf_err *err)
{
	(void)err;
	return json_incref(host_named(journal_world(journal), host)->expected);
}

static void world_hurry(struct journal *journal)
{
	journal_world(journal)->hurried++;
}

bool world_recorded(const struct world *world, size_t host, const char *type, const char *key,
                    const char *value)
{
	for (const struct world_entry *at = world->hosts[host].durable; at; at = at->next)
		if (event_is(at->event, "type", type) && event_is(at->event, key, value))
			return true;
	return false;
}

/* Also those that another intent followed before their result: they are lost for good. */
unsigned world_open_intents(const struct world *world, size_t host)
{
	bool stage = false, reboot = false;
	unsigned lost = 0;

	for (const struct world_entry *at = world->hosts[host].durable; at; at = at->next) {
		if (event_is(at->event, "type", "stage.intent")) {
			lost += stage;
			stage = true;
		} else if (event_is(at->event, "type", "stage.result")) {
			stage = false;
		} else if (event_is(at->event, "type", "reboot.intent")) {
			lost += reboot;
			reboot = true;
		} else if (event_is(at->event, "type", "reboot.done") ||
		           event_is(at->event, "type", "reboot.refused")) {
			reboot = false;
		}
	}
	return lost + stage + reboot;
}

void world_journal_init(struct world *world)
{
	world->commit_timer.fire = commit_fire;
	world->commit_timer.ctx = world;
	world->queued_end = &world->queued;
	world->journal = (struct journal){world_append,       world_facts_put,    world_facts_get,
	                                  world_expected_put, world_expected_get, world_hurry};
}
