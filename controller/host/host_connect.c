/* host_connect.c: reaching the agent: connecting, starting it, the lease; and coming back after a
 * lost connection or over a reboot.
 *
 * Where it goes once the agent says hello depends on the record alone: an open reboot is compared
 * with the boot that is seen, an open operation is attached to, anything else begins with facts. So
 * a lost connection, a reboot and a resumed run take one path.
 */
#include <stdio.h>
#include <string.h>

#include "controller/host/host_states.h"
#include "controller/host/host_text.h"

#define LOST_PATIENCE_MS (UINT64_C(600) * 1000) /* for a host lost in the middle of work */
#define REBOOT_RETRY_MS  (UINT64_C(120) * 1000) /* the old boot is still there: ask again */
#define RETRY_MS         1000
#define RETRY_MS_MOST    8000
#define TRIES_UNTOUCHED  3
#define HANGS_MAX        3

static void client_connected(void *ctx)
{
	host_tick(ctx, &(struct host_input){.kind = INPUT_CONNECTED});
}

/* Somebody is looking for the password: that is no silence of the host's. */
static void client_waiting(void *ctx)
{
	host_heard(ctx);
}

static void client_hello(void *ctx, const json_t *hello)
{
	host_tick(ctx, &(struct host_input){.kind = INPUT_HELLO, .data = hello});
}

static void client_event(void *ctx, const json_t *event)
{
	host_tick(ctx, &(struct host_input){.kind = INPUT_EVENT, .data = event});
}

static void client_result(void *ctx, const json_t *result)
{
	host_tick(ctx, &(struct host_input){.kind = INPUT_RESULT, .data = result});
}

static void client_error(void *ctx, const struct gf_err *err)
{
	host_tick(ctx, &(struct host_input){.kind = INPUT_ERROR, .err = err});
}

static void client_failed(void *ctx, const struct gf_err *err)
{
	struct gf_err copy = *err; /* the client, which may own it, is closed on the way */

	host_tick(ctx, &(struct host_input){.kind = INPUT_LOST, .err = &copy});
}

static const struct agent_link_events host_client_events = {
    .connected = client_connected,
    .waiting = client_waiting,
    .hello = client_hello,
    .event = client_event,
    .result = client_result,
    .error = client_error,
    .failed = client_failed,
};

enum host_state host_connecting_enter(struct host *host)
{
	struct gf_err err = {0};

	host->work->tries++;
	host->client = agent_link_open(host->shared->opener, host->inventory, host->shared->bundle,
	                               host->shared->secrets, host->shared->share,
	                               &host_client_events, host, &err);
	return host->client ? HOST_STAY : host_lost(host, &err);
}

enum host_state host_connecting_input(struct host *host, const struct host_input *input)
{
	switch (input->kind) {
	case INPUT_CONNECTED:
		return HOST_STARTING;
	case INPUT_LOST:
		return host_lost(host, input->err);
	default:
		return HOST_STAY;
	}
}

/* A trial that can't be reached ends by itself, and then the former entry boots. */
static uint64_t trial_patience_ms(const struct host *host)
{
	const struct inventory_rollout *rollout = host->shared->rollout;

	if (!host->record.trial[0])
		return 0;
	return ((uint64_t)rollout->confirm_timeout_s + rollout->boot_timeout_s) * 1000;
}

static uint64_t boot_patience_ms(const struct host *host)
{
	return (uint64_t)host->shared->rollout->boot_timeout_s * 1000 + trial_patience_ms(host);
}

/* How long until the host must be back: of a boot, of lost work; 0: nothing depends on it yet. */
static uint64_t lost_deadline(struct host *host)
{
	if (host->record.reboot_open) {
		if (!host->work->boot_deadline)
			host->work->boot_deadline = host_now(host) + boot_patience_ms(host);
		return host->work->boot_deadline;
	}
	if (!host->record.operation_open && !host->work->touched)
		return 0;
	if (!host->work->lost_deadline)
		host->work->lost_deadline =
		    host_now(host) + LOST_PATIENCE_MS + trial_patience_ms(host);
	return host->work->lost_deadline;
}

enum host_state host_lost(struct host *host, const struct gf_err *err)
{
	uint64_t deadline = lost_deadline(host);
	bool away = gf_code_retryable(err->code);

	host_blame(host, err);
	if (!deadline) {
		/* The opener has tried to connect more than once; what was reached and then lost is
		 * tried again here. */
		if (err->code == GF_E_LOST && host->work->tries < TRIES_UNTOUCHED)
			return HOST_BACKOFF;
		return host_end(host, err);
	}
	/* A host that is booting may refuse to log anybody in (pam_nologin), and a half-booted one
	 * may not start a program; a changed host key never mends itself. */
	if (host->record.reboot_open && (err->code == GF_E_AUTH || err->code == GF_E_AGENT))
		away = true;
	if (!away)
		return host_end(host, err);
	/* It can be reached, so no wait for it to be back ever ends. */
	if (host->work->hangs >= HANGS_MAX && !host->record.reboot_open)
		return host_fail(host, GF_E_TIMEOUT,
		                 "it can be reached, and has hung %u times in a row: %s. Look for "
		                 "processes there that don't end; the same command follows it up",
		                 host->work->hangs, err->msg);
	if (host_now(host) < deadline)
		return HOST_BACKOFF;
	if (host_power_cycle_due(host))
		return HOST_POWER_CYCLING;
	if (host->record.reboot_open)
		return host_fail(
		    host, GF_E_REBOOT,
		    "it did not come back within %u s after the reboot%s (%s): look at its "
		    "console%s",
		    (unsigned)(boot_patience_ms(host) / 1000),
		    host->record.power_cycled ? ", and rollout.power_cycle was no help" : "",
		    err->msg,
		    host->record.trial[0]
		        ? ", or switch its power off and on: it then boots its former entry, with "
		          "its former files"
		        : "");
	return host_fail(
	    host, GF_E_LOST,
	    "lost in the middle of stage %s, and not back after %u s (%s): the work may have "
	    "gone on; the same command follows it up",
	    host->record.stage, (unsigned)((LOST_PATIENCE_MS + trial_patience_ms(host)) / 1000),
	    err->msg);
}

enum host_state host_backoff_enter(struct host *host)
{
	uint64_t delay = RETRY_MS;

	/* sshd bans those who ask too often while it comes up: slower and slower, and not in step.
	 * Who doesn't answer at all minds no knocking, and its slot waits for it. */
	if (!host->record.reboot_open || !gf_code_retryable(host_why(host)->code))
		for (unsigned i = 1; i < host->work->tries && delay < RETRY_MS_MOST; i++)
			delay += delay / 2;
	clock_arm(host->shared->clock, &host->work->timer,
	          clock_jitter(host->shared->clock, delay));
	return HOST_STAY;
}

enum host_state host_backoff_input(struct host *host, const struct host_input *input)
{
	(void)host;
	return input->kind == INPUT_TIMEOUT ? HOST_CONNECTING : HOST_STAY;
}

/* A boot was awaited, and this is what runs now. */
static enum host_state boot_observed(struct host *host)
{
	struct gf_err err = {0};

	if (strcmp(host->boot_id, host->record.reboot_boot_id) != 0)
		return HOST_REBOOTED;
	if (host->record.reboot_open && host->work->reboot_sent &&
	    host_now(host) < host->work->reboot_sent + REBOOT_RETRY_MS) {
		host_disconnect(host);
		gf_err_set(&err, GF_E_LOST, "the boot from before the reboot is still there");
		return host_lost(host, &err);
	}
	return HOST_LEASING;
}

/* May this machine not be what this run works on? */
static bool boot_forbids(struct host *host, struct gf_err *err)
{
	const char *twin = host->shared->events->boot_seen(host->shared->ctx, host, host->boot_id);

	if (!twin)
		return host_guard_forbids(host, err);
	gf_err_set(err, GF_E_BLOCKED,
	           "it is the same machine as %s (one boot id): remove one of the two names from "
	           "the inventory",
	           twin);
	return true;
}

enum host_state host_starting_input(struct host *host, const struct host_input *input)
{
	struct gf_err err = {0};
	const char *boot_id;

	if (input->kind == INPUT_LOST)
		return host_lost(host, input->err);
	if (input->kind != INPUT_HELLO)
		return HOST_STAY;
	boot_id = json_string_value(json_object_get(input->data, "boot_id"));
	if (!boot_id || strlen(boot_id) < 8 || strlen(boot_id) >= BOOT_ID_SIZE)
		return host_end(host, &(struct gf_err){GF_E_PROTOCOL,
		                                       "the agent gave no boot id: is /proc "
		                                       "mounted on the host?"});
	if (host_text_set(&host->boot_id, boot_id))
		return host_fail(host, GF_E_MEMORY, "out of memory");
	host->work->lost_deadline = 0;
	if (boot_forbids(host, &err))
		return host_end(host, &err);
	if (host->shared->job >= JOB_APPLY &&
	    (host->record.reboot_open || host->record.reboot_owed) &&
	    host->record.reboot_boot_id[0])
		return boot_observed(host);
	return HOST_LEASING;
}

enum host_state host_leasing_enter(struct host *host)
{
	const struct host_shared *shared = host->shared;

	if (!host->cleared)
		return HOST_FACTS;
	return host_request(host, json_pack("{s:s, s:s, s:s, s:s, s:b}", "request", "lease", "run",
	                                    shared->run, "who", shared->who, "where", shared->where,
	                                    "take", host->work->take));
}

/* Only one controller at a time holds the store, so any run that it knows is over, be it that it
 * was cut short, or that the host was away when its lease was to be given back. Of a host's own
 * record that can't be told: the run may have died before it could write that it had the lease. */
static bool lease_is_ours(const struct host *host, const char *message)
{
	const char *run;
	json_t *value;

	json_object_foreach(host->shared->former_runs, run, value)
	{
		if (strstr(message, run))
			return true;
	}
	return host->record.run[0] && strstr(message, host->record.run);
}

enum host_state host_leasing_input(struct host *host, const struct host_input *input)
{
	struct gf_err err = {0};

	switch (input->kind) {
	case INPUT_LOST:
		return host_lost(host, input->err);
	case INPUT_ERROR:
		if (input->err->code == GF_E_LEASE && !host->work->take &&
		    lease_is_ours(host, input->err->msg)) {
			host->work->take = true;
			return host_leasing_enter(host);
		}
		return host_end(host, input->err);
	case INPUT_RESULT:
		break;
	default:
		return HOST_STAY;
	}
	host->work->take = false; /* taken over once: what comes later is somebody's own */
	/* Tries count the attempts in a row: a boot that comes and goes must still end at its
	 * deadline. */
	if (!host->record.reboot_open)
		host->work->tries = 0;
	if (host->record.operation_open) {
		host->work->attach = true;
		return HOST_APPLYING;
	}
	if (host->record.reboot_open)
		return !host->work->rolled_back && !host->work->reboot_sent &&
		               host_window_forbids_reboot(host, &err)
		           ? host_reboot_put_off(host, &err)
		           : HOST_REBOOTING;
	/* One that restarted by itself while it was drained may need no reboot any more. */
	return strcmp(host->work->drained_boot_id, host->boot_id) == 0 ? HOST_REBOOT_INTENT
	                                                               : HOST_FACTS;
}
