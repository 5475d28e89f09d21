/* fleet_gate.c: between two waves the operator's own command (rollout.health) decides whether the
 * next one opens. It runs once for each wave in which a host was let go; what it refuses halts the
 * run, as a used-up budget does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controller/fleet/fleet_internal.h"
#include "inventory/nodeset.h"

#define HEALTH_TIMEOUT_S 600

/* Did a host of the open wave act in this run? Then there is something to be looked at. */
static bool wave_acted(const struct fleet *fleet)
{
	size_t first = fleet->wave ? fleet->waves[fleet->wave - 1] : 0;

	for (size_t i = first; i < fleet->waves[fleet->wave]; i++) {
		if (fleet->hosts[i].cleared)
			return true;
	}
	return false;
}

static void gate_record(struct fleet *fleet, const struct gf_err *err)
{
	json_t *event =
	    json_pack("{s:s, s:i, s:b, s:s}", "type", "wave.health", "wave", (int)fleet->wave + 1,
	              "passed", !err, "message", err ? err->msg : "");

	if (event)
		fleet->options.journal->append(fleet->options.journal, "", event, NULL, NULL, NULL);
	json_decref(event);
	if (fleet->options.observer->gate)
		fleet->options.observer->gate(fleet->options.ctx, fleet->wave + 1, err);
}

static void gate_done(void *ctx, const struct gf_err *err)
{
	struct fleet *fleet = ctx;

	fleet->hook = NULL;
	gate_record(fleet, err);
	if (!err) {
		fleet->gate = GATE_PASSED;
	} else if (!fleet->halted) {
		fleet->halted = true;
		gf_err_set(&fleet->halt, GF_E_CANCELLED,
		           "not begun: halted after wave %zu, as rollout.health refused: %s",
		           fleet->wave + 1, err->msg);
	}
	fleet_kick(fleet);
}

/* "GPUFLEET_HOSTS=gpu[01-04]": the wave's, as a node set. */
static char *hosts_variable(const struct fleet *fleet)
{
	size_t first = fleet->wave ? fleet->waves[fleet->wave - 1] : 0, count = 0;
	const char **names = calloc(fleet->waves[fleet->wave] + 1, sizeof(*names));
	char *folded, *text = NULL;

	for (size_t i = first; names && i < fleet->waves[fleet->wave]; i++)
		names[count++] = fleet->hosts[i].inventory->name;
	folded = names && count ? nodeset_fold(names, count) : NULL;
	if (folded && asprintf(&text, "GPUFLEET_HOSTS=%s", folded) < 0)
		text = NULL;
	free(folded);
	free(names);
	return text;
}

static void gate_ask(struct fleet *fleet)
{
	char run[96], name[160], wave[48];
	char *hosts = hosts_variable(fleet);
	const char *environment[] = {run, name, wave, hosts, NULL};
	const struct hook_call call = {&fleet_rollout(fleet)->health, environment,
	                               HEALTH_TIMEOUT_S};
	struct gf_err err = {.code = GF_OK};

	snprintf(run, sizeof(run), "GPUFLEET_RUN=%s", fleet->options.run);
	snprintf(name, sizeof(name), "GPUFLEET_FLEET=%s", fleet->options.inventory->fleet);
	snprintf(wave, sizeof(wave), "GPUFLEET_WAVE=%zu", fleet->wave + 1);
	fleet->gate = GATE_ASKED;
	if (hosts)
		fleet->hook =
		    fleet->options.hooks->run(fleet->options.hooks, &call, gate_done, fleet, &err);
	else
		gf_err_set(&err, GF_E_MEMORY, "out of memory");
	free(hosts);
	if (!fleet->hook)
		gate_done(fleet, &err);
}

bool fleet_gate_open(struct fleet *fleet)
{
	if (!fleet->options.hooks || !fleet_rollout(fleet)->health.count || !wave_acted(fleet))
		return true;
	if (fleet->gate == GATE_PASSED) {
		fleet->gate = GATE_UNASKED;
		return true;
	}
	if (fleet->gate == GATE_UNASKED && !fleet->halted && !fleet->stopping)
		gate_ask(fleet);
	return false;
}

void fleet_gate_cancel(struct fleet *fleet)
{
	if (fleet->hook)
		fleet->options.hooks->cancel(fleet->options.hooks, fleet->hook);
	fleet->hook = NULL;
}
