/* hot_plan.c: the plans of a fleet: told apart and written, read back and held against the hosts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/plan/plan_facts.h"
#include "controller/plan/saved_plan.h"
#include "tests/budget/hot_paths.h"

#define KINDS  2 /* of hosts, by their plans */
#define DIGEST "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct plans {
	size_t size, right;
	struct inventory *inventory;
	json_t *facts, *kinds[KINDS];
	struct saved_plan_host *hosts;
	char *text;
	size_t length;
};

static const struct saved_plan_heading heading = {"prod-a", DIGEST, DIGEST};

static struct plans *plans_new(size_t hosts, size_t trees)
{
	struct plans *plans = hot_allocate(1, sizeof(*plans));

	plans->size = hosts;
	plans->inventory = hot_inventory(hosts);
	plans->facts = hot_facts_of("before.json", trees);
	plans->hosts = hot_allocate(hosts, sizeof(*plans->hosts));
	for (size_t i = 0; i < KINDS; i++) {
		plans->kinds[i] = hot_json("plan.json");
		json_object_set_new(json_array_get(json_object_get(plans->kinds[i], "stages"), 0),
		                    "name", json_sprintf("preflight%zu", i));
	}
	for (size_t i = 0; i < hosts; i++) {
		plans->hosts[i].name = plans->inventory->hosts[i].name;
		plans->hosts[i].plan = plans->kinds[i % KINDS];
	}
	return plans;
}

static void *plan_prepare(size_t size)
{
	return plans_new(size, 1);
}

static void plan_run(void *state)
{
	struct plans *plans = state;
	FILE *out = open_memstream(&plans->text, &plans->length);

	for (size_t i = 0; i < plans->size; i++)
		plans->hosts[i].facts = plan_facts(plans->facts, NULL);
	saved_plan_print(&heading, plans->hosts, plans->size, out, NULL);
	fclose(out);
}

static size_t plan_done(void *state)
{
	const struct plans *plans = state;
	struct saved_plan *saved = saved_plan_parse("plan", plans->text, plans->length, NULL);
	size_t there = 0;

	for (size_t i = 0; saved && i < plans->size; i++)
		there += saved_plan_has(saved, plans->hosts[i].name);
	return there;
}

static void *saved_prepare(size_t size)
{
	struct plans *plans = plans_new(size, 1);

	plan_run(plans);
	return plans;
}

/* Facts and plans are what they were. */
static void saved_run(void *state)
{
	struct plans *plans = state;
	struct saved_plan *saved = saved_plan_parse("plan", plans->text, plans->length, NULL);

	for (size_t i = 0; saved && i < plans->size; i++)
		plans->right += saved_plan_compare(saved, plans->hosts[i].name, plans->facts,
		                                   plans->hosts[i].plan, NULL) == 0;
	saved_plan_free(saved);
}

static size_t saved_done(void *state)
{
	return ((struct plans *)state)->right;
}

/* One host with many devices. */
static void *compare_prepare(size_t size)
{
	struct plans *plans = plans_new(1, size);

	plans->size = size;
	plans->hosts[0].facts = plan_facts(plans->facts, NULL);
	return plans;
}

static void compare_run(void *state)
{
	struct plans *plans = state;

	if (plan_facts_compare(plans->hosts[0].facts, plans->hosts[0].facts, NULL) == 0)
		plans->right = plans->size;
}

const struct hot_path hot_plan[] = {
    {"plan", 24, "hosts", plan_prepare, plan_run, plan_done},
    {"saved-plan", 16, "hosts", saved_prepare, saved_run, saved_done},
    {"plan-facts", 16, "PCI trees", compare_prepare, compare_run, saved_done},
    {0},
};
