/* host_power.c: rollout.power_cycle: a kernel that hangs in its boot can't be told anything, and
 * comes back on the former entry when its power is switched off and on. Run once for a reboot, when
 * the host should have been back, its trial's own end and another boot included; over the death of
 * the controller, too.
 */
#include "controller/host/host_states.h"

bool host_power_cycle_due(const struct host *host)
{
	return host->record.reboot_open && !host->record.power_cycled && host->shared->hooks &&
	       host->shared->rollout->power_cycle.count;
}

enum host_state host_power_cycling_enter(struct host *host)
{
	struct gf_err err = {.code = GF_OK};

	host_disconnect(host);
	if (host_record_event(host,
	                      json_pack("{s:s, s:s}", "type", "power.cycle", "boot_id",
	                                host->record.reboot_boot_id),
	                      true, &err))
		return host_finish(host, HOST_FAILED, &err);
	return HOST_STAY;
}

static enum host_state power_failed(struct host *host, const struct gf_err *why)
{
	return host_fail(host, GF_E_REBOOT,
	                 "it did not come back after the reboot, and rollout.power_cycle failed: "
	                 "%s. Look at its console",
	                 why->msg);
}

enum host_state host_power_cycling_input(struct host *host, const struct host_input *input)
{
	struct gf_err err = {.code = GF_OK};

	switch (input->kind) {
	case INPUT_ACK:
		if (!host_acked(host) || host->hook)
			return HOST_STAY;
		if (host_hook_run(host, &host->shared->rollout->power_cycle, "lost",
		                  HOST_POWER_CYCLE_S, &err))
			return power_failed(host, &err);
		return HOST_STAY;
	case INPUT_HOOK:
		if (input->err)
			return power_failed(host, input->err);
		host->work->tries = 0;
		host->work->boot_deadline =
		    host_now(host) + (uint64_t)host->shared->rollout->boot_timeout_s * 1000;
		return HOST_BACKOFF;
	case INPUT_TIMEOUT:
		host_hook_cancel(host);
		return power_failed(host, &(struct gf_err){GF_E_TIMEOUT, "it does not end"});
	default:
		return HOST_STAY;
	}
}
