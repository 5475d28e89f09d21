/* host_drain.c: rollout.drain before the first reboot of a host, and rollout.undrain on every way
 * out, whatever came between.
 *
 * That it was drained is on the disk before the command begins: a run that was killed leaves the
 * host on record as out of service, where it holds a slot, until another one undrains it. That one
 * drains it again if it has yet to reboot it: nobody knows how far the first had come.
 *
 * A host on a proven trial goes back into service as soon as that is confirmed: making it the
 * default takes as long as images take to build, and needs nobody to be kept away.
 */
#include <stdio.h>
#include <string.h>

#include "controller/host/host_states.h"
#include "controller/host/host_text.h"

bool host_drain_due(const struct host *host)
{
	return host->shared->hooks && host->shared->rollout->drain.count &&
	       host->inventory->role == ROLE_COMPUTE && !host->work->drained;
}

void host_drain_note(struct host *host)
{
	size_t guests =
	    json_array_size(json_object_get(json_object_get(host->facts, "host"), "guests"));
	json_t *notes;
	char text[160];

	if (!guests || host->shared->allow_running_guests || !host_will_reboot(host) ||
	    !host_drain_due(host))
		return;
	if (!json_object_get(host->plan, "notes"))
		json_object_set_new(host->plan, "notes", json_array());
	notes = json_object_get(host->plan, "notes");
	snprintf(text, sizeof(text),
	         "%zu guest%s here: rollout.drain is run before the reboot, and where any is left "
	         "then, the host is not rebooted",
	         guests, guests == 1 ? " runs" : "s run");
	json_array_append_new(notes, json_string(text));
}

static int drain_record(struct host *host, const char *type, const struct gf_err *failed,
                        struct gf_err *err)
{
	return host_record_event(host,
	                         json_pack("{s:s, s:b, s:I, s:s}", "type", type, "passed", !failed,
	                                   "seconds",
	                                   (json_int_t)(host_now(host) - host->entered) / 1000,
	                                   "message", failed ? failed->msg : ""),
	                         false, err);
}

/* The connection, which would be idle for as long as it takes, is not kept. */
enum host_state host_draining_enter(struct host *host)
{
	struct gf_err err = {.code = GF_OK};

	host_disconnect(host);
	host->work->tries = 0;
	if (host_record_event(
	        host, json_pack("{s:s, s:s}", "type", "drain.intent", "boot_id", host->boot_id),
	        true, &err))
		return host_finish(host, HOST_FAILED, &err);
	return HOST_STAY;
}

static enum host_state drain_failed(struct host *host, const struct gf_err *why)
{
	struct gf_err err = {.code = why->code};

	drain_record(host, "drain.done", why, NULL);
	gf_err_set(&err, why->code, "not rebooted: rollout.drain: %s. The same command tries again",
	           why->msg);
	return host_finish(host, HOST_SKIPPED, &err);
}

enum host_state host_draining_input(struct host *host, const struct host_input *input)
{
	struct gf_err err = {.code = GF_OK};

	switch (input->kind) {
	case INPUT_ACK:
		if (!host_acked(host) || host->hook)
			return HOST_STAY;
		if (host_hook_run(host, &host->shared->rollout->drain, "draining", HOST_DRAIN_S,
		                  &err))
			return drain_failed(host, &err);
		return HOST_STAY;
	case INPUT_HOOK:
		if (input->err)
			return drain_failed(host, input->err);
		host->work->drained = true;
		if (host_text_set(&host->work->drained_boot_id, host->boot_id))
			return host_fail(host, GF_E_MEMORY, "out of memory");
		if (drain_record(host, "drain.done", NULL, &err))
			return host_finish(host, HOST_FAILED, &err);
		return HOST_CONNECTING;
	case INPUT_TIMEOUT:
		host_hook_cancel(host);
		return host_fail(host, GF_E_STORE,
		                 "the store took too long to record that it is drained");
	default:
		return HOST_STAY;
	}
}

static bool reboot_ahead(const struct host *host)
{
	const json_t *stage;
	size_t i;

	json_array_foreach(host->stages, i, stage)
	{
		const char *name = json_string_value(json_object_get(stage, "name"));
		const json_t *planned = plan_stage_find(host->plan, name ? name : "");

		if (planned && plan_stage_pending(planned) && host_stage_may_reboot(stage) &&
		    !host_trial_of(host, name))
			return true;
	}
	return false;
}

bool host_return_due(const struct host *host)
{
	return host->record.drained && !host->work->return_tried && host_trial_runs(host) &&
	       !reboot_ahead(host);
}

/* Only a host that the fleet lets act is acted on: one that has come to its end while it looked
 * waits for that. */
static bool way_out_waits(const struct host *host)
{
	return !host->cleared && host_state_row(host->state)->next & (UINT32_C(1) << HOST_WAITING);
}

enum host_state host_way_out(struct host *host)
{
	struct gf_err err;

	if (host->shared->job < JOB_APPLY || !host->record.drained || host->work->undrain_tried)
		return HOST_FINISHING;
	if (way_out_waits(host))
		return HOST_WAITING;
	if (host->cleared)
		return HOST_UNDRAINING;
	gf_err_set(&err, host_why(host)->code,
	           "%s; it is still drained by an earlier run, and the same command undrains it",
	           host_why(host)->msg);
	host_blame(host, &err);
	return HOST_FINISHING;
}

/* What else it ended with counts for more. */
static enum host_state undrain_failed(struct host *host, const struct gf_err *why)
{
	struct gf_err err = {.code = GF_OK};

	drain_record(host, "undrain.done", why, NULL);
	if (host->work->returning) {
		host->work->returning = false;
		host->work->return_tried = true;
		return HOST_CONNECTING;
	}
	if (host->barrier || host->verdict == HOST_DONE) {
		host->verdict = HOST_FAILED;
		gf_err_set(&err, why->code,
		           "all is well with it, but it is still drained: rollout.undrain: %s. The "
		           "same command tries again",
		           why->msg);
	} else {
		gf_err_set(&err, host_why(host)->code,
		           "%s; and it is still drained: rollout.undrain: %s", host_why(host)->msg,
		           why->msg);
	}
	host_blame(host, &err);
	return HOST_FINISHING;
}

static enum host_state undrained(struct host *host)
{
	struct gf_err err = {.code = GF_OK};

	if (drain_record(host, "undrain.done", NULL, &err))
		return undrain_failed(host, &err);
	host->work->drained = false;
	if (host->work->returning) {
		host->work->returning = false;
		return HOST_CONNECTING;
	}
	return host->barrier ? HOST_WAITING : HOST_FINISHING;
}

enum host_state host_undraining_enter(struct host *host)
{
	const struct string_list *undrain = &host->shared->rollout->undrain;
	const char *state;
	struct gf_err err = {.code = GF_OK};

	host->work->undrain_tried = !host->barrier && !host->work->returning;
	if (host->work->returning) {
		host_disconnect(host); /* it would be idle for as long as that takes */
		host->work->tries = 0;
	}
	if (!host->shared->hooks || !undrain->count)
		return undrained(host); /* whoever drains it puts it back, too */
	state = host->work->returning ? "confirmed"
	        : host->barrier       ? "waiting"
	                              : host_state_name(host->verdict);
	if (host_hook_run(host, undrain, state, HOST_UNDRAIN_S, &err))
		return undrain_failed(host, &err);
	return HOST_STAY;
}

enum host_state host_undraining_input(struct host *host, const struct host_input *input)
{
	switch (input->kind) {
	case INPUT_HOOK:
		return input->err ? undrain_failed(host, input->err) : undrained(host);
	case INPUT_TIMEOUT:
		host_hook_cancel(host);
		return undrain_failed(host,
		                      &(struct gf_err){GF_E_TIMEOUT, "its command does not end"});
	case INPUT_LOST:
		host_heard(host); /* that may have been the connection's deadline */
		return HOST_STAY;
	default:
		return HOST_STAY;
	}
}
