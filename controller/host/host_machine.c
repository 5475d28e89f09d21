/* host_machine.c: the table, and the one function that moves along it.
 *
 * Twice for a job that changes something: first to look (up to waiting-slot), then, when the fleet
 * lets it, to act.
 *
 *  idle, waiting-slot
 *            ↓
 *      → connecting → starting → leasing ──→ facts → planning ──→ intent → applying ─┐
 *            ↑ ↓          ↓          (a lost        ↑ │ ↑                 ↓            │ no reboot
 * needed backoff ←──────┴─ any state with          │ │ └────────────────────────────┘ ↑ a
 * connection)           │ │           reboot-intent → rebooting
 *            └───────────────────────────────────────┼─┼───────────────────────────────┘
 *   starting (a new boot_id) → rebooted → facts ─────┘ ↓
 *                                              proving → finishing → done | failed | blocked |
 * skipped | unreachable
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/host/host_states.h"

#define BIT(state) (UINT32_C(1) << (state))
#define ENDS       (BIT(HOST_FINISHING))
#define LOST       (BIT(HOST_BACKOFF) | ENDS)
#define VERDICTS                                                                                   \
	(BIT(HOST_DONE) | BIT(HOST_FAILED) | BIT(HOST_BLOCKED) | BIT(HOST_SKIPPED) |               \
	 BIT(HOST_UNREACHABLE))

static enum host_state host_idle_input(struct host *host, const struct host_input *input);
static enum host_state host_waiting_enter(struct host *host);
static enum host_state host_waiting_input(struct host *host, const struct host_input *input);
/* The lease is given back if that takes no more than an answer; otherwise it runs out by itself. */
static void host_lease_release(struct host *host)
{
	json_t *request;

	if (host->client && host->cleared && !host->purged) {
		request = json_pack("{s:s, s:s, s:b}", "request", "lease", "run", host->shared->run,
		                    "release", 1);
		host->releasing = agent_link_request(host->client, request, NULL) == 0;
	}
	if (!host->releasing)
		host_disconnect(host);
}

/* The lease is given back if that takes no more than an answer; otherwise it runs out by itself. */
static void host_lease_release(struct host *host)
{
	json_t *request;

	if (host->client && host->cleared && !host->purged) {
		request = json_pack("{s:s, s:s, s:b}", "request", "lease", "run", host->shared->run,
		                    "release", 1);
		host->releasing = agent_link_request(host->client, request, NULL) == 0;
	}
	if (!host->releasing)
		host_disconnect(host);
}

static enum host_state host_finishing_enter(struct host *host)
{
	struct gf_err err = {0};
	json_t *event = json_pack("{s:s, s:s, s:b, s:b, s:s, s:s}", "type", "host.finished",
	                          "verdict", host_state_name(host->verdict), "changed",
	                          host->record.changed, "rebooted", host->record.rebooted, "code",
	                          host->verdict == HOST_DONE ? "ok" : gf_code_name(host->err.code),
	                          "message", host->verdict == HOST_DONE ? "" : host->err.msg);

	if (host_record_event(host, event, true, &err)) {
		host_disconnect(host);
		if (host->verdict == HOST_DONE)
			host->err = err;
		return HOST_FAILED;
	}
	host_lease_release(host);
	return HOST_STAY;
}

static enum host_state host_finishing_input(struct host *host, const struct host_input *input)
{
	if (input->kind == INPUT_NACK || (input->kind == INPUT_TIMEOUT && !host_acked(host))) {
		/* It did end as it did; only the record of it is missing, and resuming copes with
		 * that. */
		host_disconnect(host);
		if (host->verdict != HOST_DONE)
			return host->verdict;
		gf_err_set(&host->err, GF_E_STORE, "its end could not be recorded%s%s",
		           input->err ? ": " : "", input->err ? input->err->msg : "");
		return HOST_FAILED;
	}
	if (input->kind == INPUT_RESULT || input->kind == INPUT_ERROR ||
	    input->kind == INPUT_LOST || input->kind == INPUT_TIMEOUT)
		host->releasing = false;
	if (input->kind == INPUT_LOST)
		host_heard(host); /* that may have been the deadline: the record has its own */
	if (!host_acked(host) || host->releasing)
		return HOST_STAY;
	host_disconnect(host);
	return host->verdict;
}

void host_abort(struct host *host)
{
	clock_disarm(host->shared->clock, &host->timer);
	host_disconnect(host);
}

void host_release(struct host *host)
{
	host_abort(host);
	json_decref(host->facts);
	json_decref(host->wanted);
	json_decref(host->plan);
	json_decref(host->expected);
	json_decref(host->drift);
	host->facts = host->wanted = host->plan = host->expected = host->drift = NULL;
}

bool host_in_flight(const struct host *host)
{
	return !host_state_terminal(host->state) &&
	       (host->record.operation_open || host->record.reboot_open);
}

bool host_is_down(const struct host *host)
{
	if (host->state == HOST_UNREACHABLE || host->record.reboot_open)
		return true;
	if (host->state == HOST_FAILED)
		return gf_code_exit_status(host->err.code) == 4;
	return host->record.down && !host->boot_id[0] && host->state == HOST_IDLE;
}

const char *host_stage_name(const struct host *host)
{
	if (host->record.operation_open || host->record.reboot_open || host->record.reboot_owed)
		return host->record.stage[0] ? host->record.stage : NULL;
	return NULL;
}
