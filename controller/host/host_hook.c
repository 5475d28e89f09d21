/* host_hook.c: the operator's own commands that are about one host (rollout.drain, undrain and
 * power_cycle): one at a time, with the host in the environment.
 */
#include <stdio.h>

#include "controller/host/host_states.h"

static void hook_done(void *ctx, const struct gf_err *err)
{
	struct host *host = ctx;
	struct gf_err copy = {.code = GF_OK};

	if (err)
		copy = *err;
	host->hook = NULL;
	host_tick(host, &(struct host_input){.kind = INPUT_HOOK, .err = err ? &copy : NULL});
}

int host_hook_run(struct host *host, const struct string_list *argv, const char *state,
                  unsigned timeout_s, struct gf_err *err)
{
	struct hook_runner *hooks = host->shared->hooks;
	const struct inventory_host *of = host->inventory;
	char name[300], address[300], about[64], fleet[200], run[96];
	const char *environment[] = {name, address, about, fleet, run, NULL};
	const struct hook_call call = {argv, environment, timeout_s};

	snprintf(name, sizeof(name), "GPUFLEET_HOST=%s", of->name);
	snprintf(address, sizeof(address), "GPUFLEET_ADDRESS=%s",
	         of->address ? of->address : of->name);
	snprintf(about, sizeof(about), "GPUFLEET_STATE=%s", state);
	snprintf(fleet, sizeof(fleet), "GPUFLEET_FLEET=%s", host->shared->inventory->fleet);
	snprintf(run, sizeof(run), "GPUFLEET_RUN=%s", host->shared->run);
	host->hook = hooks->run(hooks, &call, hook_done, host, err);
	return host->hook ? 0 : -1;
}

void host_hook_cancel(struct host *host)
{
	if (host->hook)
		host->shared->hooks->cancel(host->shared->hooks, host->hook);
	host->hook = NULL;
}
