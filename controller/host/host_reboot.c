/* host_reboot.c: a reboot: its intent on the disk with the boot that it is to end, the request, and
 * the proof: another boot_id (seen in host_connect.c). Asked for twice it happens once: the agent
 * compares the boot_id.
 */
#include <stdio.h>
#include <string.h>

#include "controller/host/host_states.h"
#include "controller/host/host_text.h"

bool host_guests_forbid(const struct host *host, struct gf_err *err)
{
	const json_t *guests = json_object_get(json_object_get(host->facts, "host"), "guests");
	const char *name = json_string_value(json_object_get(json_array_get(guests, 0), "name"));
	size_t count = json_array_size(guests);

	if (!count || host->shared->allow_running_guests || host_drain_due(host))
		return false;
	gf_err_set(
	    err, GF_E_BLOCKED,
	    "%zu guest%s running (%s%s), and a reboot is needed: move or stop %s first, or give "
	    "--allow-running-guests",
	    count, count == 1 ? " is" : "s are", name ? name : "unnamed", count > 1 ? ", …" : "",
	    count == 1 ? "it" : "them");
	return true;
}

/* Ids of runs begin with their time. */
bool host_rebooted_before(const struct host_record *record, const char *reboot_since)
{
	return reboot_since && !record->reboot_open &&
	       strcmp(record->reboot_run, reboot_since) >= 0;
}

static void reboot_refused(struct host *host, const struct gf_err *why)
{
	host_record_event(host,
	                  json_pack("{s:s, s:s}", "type", "reboot.refused", "message", why->msg),
	                  false, NULL);
}

enum host_state host_guests_end(struct host *host, const struct gf_err *err)
{
	enum host_state end = host_end(host, err);

	/* What a former run intended was not done and can't be: its slot is free. */
	if (host->record.reboot_open)
		reboot_refused(host, err);
	return end;
}

enum host_state host_reboot_put_off(struct host *host, const struct gf_err *err)
{
	/* One that a former run intended did not happen: the host is up, and its slot free. */
	if (host->record.reboot_open)
		reboot_refused(host, err);
	return host_finish(host, HOST_SKIPPED, err);
}

enum host_state host_reboot_intent_enter(struct host *host)
{
	char operation[OPERATION_SIZE];
	struct gf_err err = {0};

	/* What was changed stays staged, and the reboot owed: the next run does it. */
	if (!host->work->rolled_back && host_window_forbids_reboot(host, &err))
		return host_reboot_put_off(host, &err);
	/* A trial that came up by itself, after a power cut, was never drained for. */
	if ((!host->work->rolled_back || !host->record.drained) && host_drain_due(host))
		return HOST_DRAINING;
	host_text_clear(&host->work->drained_boot_id);
	host->work->boot_deadline = 0;
	snprintf(operation, sizeof(operation), "%s-%u-reboot", host->shared->run,
	         ++host->work->operations);
	host->work->reboot_sent = 0;
	if (host_record_event(host,
	                      json_pack("{s:s, s:s, s:s, s:b, s:s*}", "type", "reboot.intent",
	                                "operation", operation, "boot_id", host->boot_id, "nova_up",
	                                host_nova_up(host->facts), "plan", host_saved_plan(host)),
	                      true, &err))
		return host_finish(host, HOST_FAILED, &err);
	return HOST_STAY;
}

enum host_state host_reboot_intent_input(struct host *host, const struct host_input *input)
{
	switch (input->kind) {
	case INPUT_ACK:
		return host_acked(host) ? HOST_REBOOTING : HOST_STAY;
	case INPUT_TIMEOUT:
		return host_fail(host, GF_E_STORE, "the store took too long to record the reboot");
	default:
		return HOST_STAY;
	}
}

enum host_state host_rebooting_enter(struct host *host)
{
	char operation[OPERATION_SIZE + 8];

	snprintf(operation, sizeof(operation), "%s-%u-reboot", host->shared->run,
	         host->work->operations ? host->work->operations : 1);
	if (host->client)
		host->work->reboot_sent = host_now(host);
	return host_request(host, json_pack("{s:s, s:s, s:s, s:s, s:b}", "request", "reboot", "run",
	                                    host->shared->run, "operation", operation, "boot_id",
	                                    host->record.reboot_boot_id, "allow_running_guests",
	                                    host->shared->allow_running_guests));
}

enum host_state host_rebooting_input(struct host *host, const struct host_input *input)
{
	struct gf_err err = {0};

	switch (input->kind) {
	case INPUT_LOST:
		host_facts_drop(
		    host); /* they are of the boot that ends, and it may be away for long */
		host->work->tries = 0;
		return host_lost(host, input->err);
	case INPUT_ERROR:
		/* It will not happen: nothing is under way. */
		reboot_refused(host, input->err);
		if (host->work->rolled_back)
			return host_fail(
			    host, GF_E_REBOOT,
			    "%s; its trial boot is not good, and it can't be sent back "
			    "now (%s): its next boot is the former entry",
			    host->work->rolled_back->msg, input->err->msg);
		return host_end(host, input->err);
	case INPUT_RESULT:
		/* Scheduled: the connection is no use any more, and must not be waited for. */
		host_disconnect(host);
		host_facts_drop(host);
		host->work->tries = 0;
		gf_err_set(&err, GF_E_LOST, "it is rebooting");
		return host_lost(host, &err);
	default:
		return HOST_STAY;
	}
}

enum host_state host_rebooted_enter(struct host *host)
{
	struct gf_err err = {0};

	host->work->tries = 0;
	host->work->stages_rebooted |= UINT64_C(1) << (host->work->stage & 63);
	host->work->touched = true;
	host->work->trial_due = host->record.trial[0] && host->work->reboot_sent;
	if (host_record_event(
	        host,
	        json_pack("{s:s, s:s, s:I}", "type", "reboot.done", "boot_id", host->boot_id,
	                  "seconds",
	                  (json_int_t)(host->work->reboot_sent
	                                   ? (host_now(host) - host->work->reboot_sent) / 1000
	                                   : 0)),
	        true, &err))
		return host_finish(host, HOST_FAILED, &err);
	return HOST_STAY;
}

enum host_state host_rebooted_input(struct host *host, const struct host_input *input)
{
	switch (input->kind) {
	case INPUT_ACK:
		return host_acked(host) ? HOST_LEASING : HOST_STAY;
	case INPUT_TIMEOUT:
		return host_fail(host, GF_E_STORE, "the store took too long to record the reboot");
	default:
		return HOST_STAY;
	}
}

/* The end of a rollback: what it left is nobody's expectation; with --purge the agent removes
 * itself. */
enum host_state host_purging_enter(struct host *host)
{
	char operation[OPERATION_SIZE];

	host->shared->journal->expected_put(host->shared->journal, host->inventory->name,
	                                    json_null(), NULL);
	if (!host->shared->purge)
		return host_finish(host, HOST_DONE, NULL);
	snprintf(operation, sizeof(operation), "%s-purge", host->shared->run);
	return host_request(host,
	                    json_pack("{s:s, s:s, s:{s:s}, s:b, s:b}", "request", "undo",
	                              "operation", operation, "context", "run", host->shared->run,
	                              "force", host->shared->force, "purge", 1));
}

enum host_state host_purging_input(struct host *host, const struct host_input *input)
{
	switch (input->kind) {
	case INPUT_LOST:
		/* The agent's last act is to remove itself: that may end the connection, too. */
		host->work->purged = true;
		return host_finish(host, HOST_DONE, NULL);
	case INPUT_ERROR:
		return host_end(host, input->err);
	case INPUT_RESULT:
		host->work->purged = true;
		return host_finish(host, HOST_DONE, NULL);
	default:
		return HOST_STAY;
	}
}
