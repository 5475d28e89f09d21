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
 *
 * With rollout.drain: reboot-intent → draining → connecting → starting → leasing → reboot-intent,
 * and undraining before finishing; after a trial already before it is made the default:
 * commit-intent → confirming → undraining → connecting → … → facts → commit-intent.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/host/host_states.h"
#include "controller/host/host_text.h"

#define BIT(state) (UINT32_C(1) << (state))
#define ENDS       (BIT(HOST_UNDRAINING) | BIT(HOST_FINISHING))
#define LOST       (BIT(HOST_BACKOFF) | BIT(HOST_POWER_CYCLING) | ENDS)
#define VERDICTS                                                                                   \
	(BIT(HOST_DONE) | BIT(HOST_FAILED) | BIT(HOST_BLOCKED) | BIT(HOST_SKIPPED) |               \
	 BIT(HOST_UNREACHABLE))

static enum host_state host_idle_input(struct host *host, const struct host_input *input);
static enum host_state host_waiting_enter(struct host *host);
static enum host_state host_waiting_input(struct host *host, const struct host_input *input);
static enum host_state host_finishing_enter(struct host *host);
static enum host_state host_finishing_input(struct host *host, const struct host_input *input);

static const struct host_state_row host_states[HOST_STATE_COUNT] = {
    [HOST_IDLE] = {"waiting", BIT(HOST_CONNECTING) | ENDS, 0, NULL, host_idle_input},
    [HOST_CONNECTING] = {"connecting", BIT(HOST_STARTING) | BIT(HOST_WAITING) | LOST, 90,
                         host_connecting_enter, host_connecting_input},
    [HOST_STARTING] = {"starting",
                       BIT(HOST_LEASING) | BIT(HOST_REBOOTED) | BIT(HOST_WAITING) | LOST, 180, NULL,
                       host_starting_input},
    [HOST_BACKOFF] = {"reconnecting", BIT(HOST_CONNECTING) | ENDS, 120, host_backoff_enter,
                      host_backoff_input},
    [HOST_LEASING] = {"leasing",
                      BIT(HOST_FACTS) | BIT(HOST_APPLYING) | BIT(HOST_REBOOT_INTENT) |
                          BIT(HOST_REBOOTING) | BIT(HOST_PURGING) | LOST,
                      60, host_leasing_enter, host_leasing_input},
    [HOST_FACTS] = {"facts",
                    BIT(HOST_WAITING) | BIT(HOST_PLANNING) | BIT(HOST_REBOOT_INTENT) |
                        BIT(HOST_PROVING) | BIT(HOST_PURGING) | BIT(HOST_COMMIT_INTENT) | LOST,
                    300, host_facts_enter, host_facts_input},
    [HOST_PLANNING] = {"planning",
                       BIT(HOST_WAITING) | BIT(HOST_INTENT) | BIT(HOST_REBOOT_INTENT) |
                           BIT(HOST_PROVING) | BIT(HOST_PURGING) | BIT(HOST_COMMIT_INTENT) | LOST,
                       180, host_planning_enter, host_planning_input},
    [HOST_WAITING] = {"waiting-slot", BIT(HOST_CONNECTING) | ENDS, 0, host_waiting_enter,
                      host_waiting_input},
    [HOST_INTENT] = {"recording", BIT(HOST_APPLYING) | LOST, 120, host_intent_enter,
                     host_intent_input},
    [HOST_APPLYING] = {"applying",
                       BIT(HOST_FACTS) | BIT(HOST_REBOOT_INTENT) | BIT(HOST_PURGING) | LOST, 1800,
                       host_applying_enter, host_applying_input},
    [HOST_DRAINING] = {"draining", BIT(HOST_CONNECTING) | ENDS, HOST_DRAIN_S + 120,
                       host_draining_enter, host_draining_input},
    [HOST_REBOOT_INTENT] = {"recording-reboot", BIT(HOST_DRAINING) | BIT(HOST_REBOOTING) | LOST,
                            120, host_reboot_intent_enter, host_reboot_intent_input},
    [HOST_REBOOTING] = {"rebooting", LOST, 120, host_rebooting_enter, host_rebooting_input},
    [HOST_POWER_CYCLING] = {"power-cycling", LOST, HOST_POWER_CYCLE_S + 120,
                            host_power_cycling_enter, host_power_cycling_input},
    [HOST_REBOOTED] = {"rebooted", BIT(HOST_LEASING) | LOST, 120, host_rebooted_enter,
                       host_rebooted_input},
    [HOST_PROVING] = {"proving",
                      BIT(HOST_WAITING) | BIT(HOST_COMMIT_INTENT) | BIT(HOST_REBOOT_INTENT) | LOST,
                      300, host_proving_enter, host_proving_input},
    [HOST_CONFIRMING] = {"confirming", LOST, 120, host_confirming_enter, host_confirming_input},
    [HOST_COMMIT_INTENT] = {"recording-commit", BIT(HOST_CONFIRMING) | BIT(HOST_COMMITTING) | LOST,
                            120, host_commit_intent_enter, host_commit_intent_input},
    [HOST_COMMITTING] = {"committing", BIT(HOST_FACTS) | LOST, 1800, host_committing_enter,
                         host_committing_input},
    [HOST_PURGING] = {"purging", LOST, 300, host_purging_enter, host_purging_input},
    [HOST_UNDRAINING] = {"undraining",
                         BIT(HOST_CONNECTING) | BIT(HOST_WAITING) | BIT(HOST_FINISHING),
                         HOST_UNDRAIN_S + 120, host_undraining_enter, host_undraining_input},
    [HOST_FINISHING] = {"finishing", VERDICTS, 30, host_finishing_enter, host_finishing_input},
    [HOST_DONE] = {"done", 0, 0, NULL, NULL},
    [HOST_FAILED] = {"failed", 0, 0, NULL, NULL},
    [HOST_BLOCKED] = {"blocked", 0, 0, NULL, NULL},
    [HOST_SKIPPED] = {"skipped", 0, 0, NULL, NULL},
    [HOST_UNREACHABLE] = {"unreachable", 0, 0, NULL, NULL},
};

const struct host_state_row *host_state_row(enum host_state state)
{
	assert(state >= 0 && state < HOST_STATE_COUNT);
	return &host_states[state];
}

const char *host_state_name(enum host_state state)
{
	return host_state_row(state)->name;
}

uint64_t host_now(const struct host *host)
{
	return host->shared->clock->now(host->shared->clock);
}

const struct gf_err *host_why(const struct host *host)
{
	static const struct gf_err nothing = {.code = GF_OK};

	return host->err ? host->err : &nothing;
}

void host_blame(struct host *host, const struct gf_err *err)
{
	if (!err) {
		free(host->err);
		host->err = NULL;
		return;
	}
	if (!host->err)
		host->err = malloc(sizeof(*host->err));
	if (host->err)
		*host->err = *err;
}

static void host_timer_fire(void *ctx)
{
	host_tick(ctx, &(struct host_input){.kind = INPUT_TIMEOUT});
}

int host_init(struct host *host, const struct host_shared *shared,
              const struct inventory_host *inventory, size_t index,
              const struct host_record *record)
{
	int rc;

	memset(host, 0, sizeof(*host));
	host_record_init(&host->record);
	host->boot_id = HOST_TEXT_EMPTY;
	host->shared = shared;
	host->inventory = inventory;
	host->index = index;
	host->state = HOST_IDLE;
	rc = record ? host_record_copy(&host->record, record) : 0;
	host->record.changed = host->record.rebooted = false;
	return rc;
}

/* Without memory this aborts, as arming a clock's timer does: the host could not even fail. */
static void host_work_begin(struct host *host)
{
	struct host_work *work = calloc(1, sizeof(*work));

	if (!work)
		abort();
	work->drained_boot_id = HOST_TEXT_EMPTY;
	work->attach = host->record.operation_open;
	work->timer.fire = host_timer_fire;
	work->timer.ctx = host;
	host->work = work;
}

static void host_work_end(struct host *host)
{
	if (!host->work)
		return;
	clock_disarm(host->shared->clock, &host->work->timer);
	json_decref(host->work->promised);
	free(host->work->rolled_back);
	host_text_clear(&host->work->drained_boot_id);
	free(host->work);
	host->work = NULL;
}

static void host_deadline_arm(struct host *host)
{
	unsigned seconds = host_states[host->state].deadline_s;

	/* --timeout shortens what a person waits for, not the records that are being written. */
	if (host->shared->timeout_s && host->shared->timeout_s < seconds && host->client)
		seconds = host->shared->timeout_s;
	if (seconds)
		clock_arm(host->shared->clock, &host->work->timer, (uint64_t)seconds * 1000);
	else
		clock_disarm(host->shared->clock, &host->work->timer);
}

void host_heard(struct host *host)
{
	host_deadline_arm(host);
}

/* Only host_tick calls this. */
static void host_move(struct host *host, enum host_state next)
{
	bool leased = host->state == HOST_LEASING && host->cleared && next != HOST_BACKOFF;

	assert(next >= 0 && next < HOST_STATE_COUNT);
	assert(host_states[host->state].next & BIT(next));
	host->state = next;
	host->entered = host_now(host);
	host_deadline_arm(host);
	if (next < HOST_FINISHING) {
		const char *stage = host_stage_name(host);
		json_t *event = json_pack("{s:s, s:s, s:s, s:s*}", "type", "host.state", "state",
		                          host_states[next].name, "stage", stage ? stage : "",
		                          "lease", leased ? host->shared->run : NULL);

		/* Not waited for: a state is told to people, an intent is what resumes. */
		host_record_event(host, event, false, NULL);
	}
	host->shared->events->moved(host->shared->ctx, host);
}

void host_tick(struct host *host, const struct host_input *input)
{
	const struct host_state_row *row = host_state_row(host->state);
	struct gf_err timeout = {0};
	struct host_input lost = {.kind = INPUT_LOST, .err = &timeout};
	enum host_state next;

	if (!row->input)
		return;
	if (!host->work)
		host_work_begin(host);
	if (input->kind == INPUT_ACK)
		host->work->acks_seen++;
	if (input->kind == INPUT_NACK && host->state != HOST_FINISHING) {
		next = host_finish(host, HOST_FAILED, input->err);
	} else {
		if (input->kind == INPUT_TIMEOUT && host->client) {
			gf_err_set(&timeout, GF_E_TIMEOUT, "no answer while %s: it may hang",
			           row->name);
			host->work->hangs++;
			input = &lost;
		}
		if (input->kind == INPUT_LOST)
			host_disconnect(host);
		next = row->input(host, input);
	}
	while (next != HOST_STAY) {
		host_move(host, next);
		row = host_state_row(host->state);
		next = row->enter ? row->enter(host) : HOST_STAY;
	}
	if (host_state_terminal(host->state)) {
		host_work_end(host);
		host->shared->events->finished(host->shared->ctx, host);
	}
}

bool host_reconsider(struct host *host)
{
	struct gf_err err = {0};
	int rc = host->shared->job == JOB_APPLY ? host_nova_look(host, &err) : 0;

	host_facts_drop(host);
	if (rc)
		host_skip(host, &err);
	return rc == 0;
}

void host_start(struct host *host)
{
	host_tick(host, &(struct host_input){.kind = INPUT_START});
}

void host_skip(struct host *host, const struct gf_err *why)
{
	host_tick(host, &(struct host_input){.kind = INPUT_SKIP, .err = why});
}

static enum host_state host_idle_input(struct host *host, const struct host_input *input)
{
	if (input->kind == INPUT_SKIP)
		return host_finish(host, HOST_SKIPPED, input->err);
	if (input->kind != INPUT_START)
		return HOST_STAY;
	host->began = host_now(host);
	return HOST_CONNECTING;
}

/* It has looked, and needs a slot to go on: without a connection, which may take long to be used
 * again. */
static enum host_state host_waiting_enter(struct host *host)
{
	host_disconnect(host);
	/* It is looked at again when its turn comes; before, only Nova's part is asked about. */
	if (host->cleared || !host_nova_told(host))
		host_facts_drop(host);
	return HOST_STAY;
}

static enum host_state waiting_skip(struct host *host, const struct gf_err *why)
{
	struct gf_err err = *why;

	if (host->cleared)
		gf_err_set(&err, why->code,
		           "stopped before stage %s, whose barrier it waited at: %s",
		           json_string_value(json_object_get(
		               json_array_get(host->stages, host->work->stage), "name")),
		           why->msg);
	return host_finish(host, why->code == GF_E_BLOCKED ? HOST_BLOCKED : HOST_SKIPPED, &err);
}

static enum host_state host_waiting_input(struct host *host, const struct host_input *input)
{
	if (input->kind == INPUT_SKIP)
		return waiting_skip(host, input->err);
	if (input->kind != INPUT_START)
		return HOST_STAY;
	host->cleared = true;
	host->work->tries = 0;
	if (host->barrier)
		host->work->barriers_passed |= UINT64_C(1) << ((host->barrier - 1) & 63);
	host->barrier = 0;
	host_blame(host, NULL);
	return HOST_CONNECTING;
}

static void host_acked_cb(void *ctx, const struct gf_err *err)
{
	host_tick(ctx, &(struct host_input){.kind = err ? INPUT_NACK : INPUT_ACK, .err = err});
}

int host_record_event(struct host *host, json_t *event, bool ack, struct gf_err *err)
{
	int rc;

	if (!event || host_fold(&host->record, event)) {
		json_decref(event);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	rc = host->shared->journal->append(host->shared->journal, host->inventory->name, event,
	                                   ack ? host_acked_cb : NULL, host, err);
	if (rc == 0 && ack) {
		host->work->acks_sent++;
		host->work->hangs = 0; /* it has come on */
	}
	json_decref(event);
	return rc;
}

bool host_acked(const struct host *host)
{
	return host->work->acks_seen == host->work->acks_sent;
}

void host_facts_drop(struct host *host)
{
	json_decref(host->facts);
	host->facts = NULL;
}

void host_disconnect(struct host *host)
{
	agent_link_close(host->client);
	host->client = NULL;
}

enum host_state host_request(struct host *host, json_t *request)
{
	struct gf_err err = {0};

	if (!host->client) {
		json_decref(request);
		gf_err_set(&err, GF_E_LOST, "the connection was lost");
		return host_lost(host, &err);
	}
	if (agent_link_request(host->client, request, &err)) {
		host_disconnect(host);
		return host_lost(host, &err);
	}
	return HOST_STAY;
}

/* A trial that is not good is not left standing: the host would go back by itself, at a time when
 * its slot may be another one's. It is sent back now, while it holds it. */
static bool trial_sent_back(struct host *host, enum host_state verdict, const struct gf_err *err)
{
	return err && (verdict == HOST_FAILED || verdict == HOST_BLOCKED) &&
	       host_states[host->state].next & BIT(HOST_REBOOT_INTENT) &&
	       host_trial_gives_up(host, err);
}

enum host_state host_finish(struct host *host, enum host_state verdict, const struct gf_err *err)
{
	if (trial_sent_back(host, verdict, err))
		return HOST_REBOOT_INTENT;
	host->verdict = verdict;
	host_blame(host, err);
	return host_way_out(host);
}

enum host_state host_fail(struct host *host, enum gf_code code, const char *format, ...)
{
	struct gf_err err = {.code = code};
	va_list args;

	va_start(args, format);
	vsnprintf(err.msg, sizeof(err.msg), format, args);
	va_end(args);
	return host_finish(host, HOST_FAILED, &err);
}

enum host_state host_end(struct host *host, const struct gf_err *err)
{
	if (host->work->touched || host->record.operation_open || host->record.reboot_open)
		return host_finish(host, err->code == GF_E_BLOCKED ? HOST_BLOCKED : HOST_FAILED,
		                   err);
	if (err->code == GF_E_BLOCKED || err->code == GF_E_BECOME || err->code == GF_E_LEASE)
		return host_finish(host, HOST_BLOCKED, err);
	if (gf_code_exit_status(err->code) == 4)
		return host_finish(host, HOST_UNREACHABLE, err);
	return host_finish(host, HOST_FAILED, err);
}

/* The lease is given back if that takes no more than an answer; otherwise it runs out by itself. */
static void host_lease_release(struct host *host)
{
	json_t *request;

	if (host->client && host->cleared && !host->work->purged) {
		request = json_pack("{s:s, s:s, s:b}", "request", "lease", "run", host->shared->run,
		                    "release", 1);
		host->work->releasing = agent_link_request(host->client, request, NULL) == 0;
	}
	if (!host->work->releasing)
		host_disconnect(host);
}

static enum host_state host_finishing_enter(struct host *host)
{
	struct gf_err err = {0};
	json_t *event =
	    json_pack("{s:s, s:s, s:b, s:b, s:s, s:s}", "type", "host.finished", "verdict",
	              host_state_name(host->verdict), "changed", host->record.changed, "rebooted",
	              host->record.rebooted, "code",
	              host->verdict == HOST_DONE ? "ok" : gf_code_name(host_why(host)->code),
	              "message", host->verdict == HOST_DONE ? "" : host_why(host)->msg);

	if (host_record_event(host, event, true, &err)) {
		host_disconnect(host);
		if (host->verdict == HOST_DONE)
			host_blame(host, &err);
		return HOST_FAILED;
	}
	host_lease_release(host);
	host->shared->events->ending(host->shared->ctx, host);
	return HOST_STAY;
}

static enum host_state host_finishing_input(struct host *host, const struct host_input *input)
{
	struct gf_err err = {0};

	if (input->kind == INPUT_NACK || (input->kind == INPUT_TIMEOUT && !host_acked(host))) {
		/* It did end as it did; only the record of it is missing, and resuming copes with
		 * that. */
		host_disconnect(host);
		if (host->verdict != HOST_DONE)
			return host->verdict;
		gf_err_set(&err, GF_E_STORE, "its end could not be recorded%s%s",
		           input->err ? ": " : "", input->err ? input->err->msg : "");
		host_blame(host, &err);
		return HOST_FAILED;
	}
	if (input->kind == INPUT_RESULT || input->kind == INPUT_ERROR ||
	    input->kind == INPUT_LOST || input->kind == INPUT_TIMEOUT)
		host->work->releasing = false;
	if (input->kind == INPUT_LOST)
		host_heard(host); /* that may have been the deadline: the record has its own */
	if (!host_acked(host) || host->work->releasing)
		return HOST_STAY;
	host_disconnect(host);
	return host->verdict;
}

void host_abort(struct host *host)
{
	if (host->work)
		clock_disarm(host->shared->clock, &host->work->timer);
	host_hook_cancel(host);
	host_disconnect(host);
}

void host_release(struct host *host)
{
	host_abort(host);
	host_work_end(host);
	host_facts_drop(host);
	json_decref(host->stages);
	json_decref(host->wanted);
	json_decref(host->plan);
	json_decref(host->expected);
	json_decref(host->drift);
	json_decref(host->nova);
	json_decref(host->nova_notes);
	host->stages = host->wanted = host->plan = host->expected = host->drift = host->nova =
	    host->nova_notes = NULL;
	host_blame(host, NULL);
	host_text_clear(&host->boot_id);
	host_record_release(&host->record);
}

bool host_in_flight(const struct host *host)
{
	return !host_state_terminal(host->state) &&
	       (host->record.operation_open || host->record.reboot_open || host->hook);
}

bool host_is_down(const struct host *host)
{
	return host->record.down;
}

const char *host_stage_name(const struct host *host)
{
	if (host->record.operation_open || host->record.reboot_open || host->record.reboot_owed)
		return host->record.stage[0] ? host->record.stage : NULL;
	return NULL;
}
