/* session_show.c: what hosts tell, as lines; the footer; the recap. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/commands/command_line.h"
#include "controller/commands/session.h"
#include "controller/terminal/lines.h"
#include "controller/terminal/recap.h"

/* The states that a person waits on; -v and --json show all. */
static bool state_worth_telling(enum host_state state)
{
	return state == HOST_APPLYING || state == HOST_REBOOTING || state == HOST_REBOOTED ||
	       state == HOST_COMMITTING || state == HOST_DRAINING || state == HOST_UNDRAINING ||
	       state == HOST_POWER_CYCLING;
}

/* A watch has a line for each scan; -v shows all. */
static bool quiet(const struct session *session)
{
	return session->watching && !session->context->verbose;
}

static void show_moved(void *ctx, const struct host *host)
{
	struct session *session = ctx;
	struct terminal_event event = {
	    .event = "state",
	    .host = host->inventory->name,
	    .stage = host_stage_name(host),
	    .status = host_state_name(host->state),
	};

	if (host_state_terminal(host->state) || quiet(session))
		return;
	if (!session->terminal.json && !session->context->verbose &&
	    !state_worth_telling(host->state))
		return;
	terminal_event(&session->terminal, &event);
}

static void show_task(void *ctx, const struct host *host, const json_t *task)
{
	struct session *session = ctx;
	struct terminal_event event = {
	    .event = "task",
	    .host = host->inventory->name,
	    .stage = host_stage_name(host),
	    .task = json_string_value(json_object_get(task, "task")),
	    .status = json_string_value(json_object_get(task, "status")),
	    .message = json_string_value(json_object_get(task, "message")),
	};

	/* What failed is told when its host ends, with the same words. */
	if ((!session->terminal.json && !session->context->verbose) || quiet(session))
		return;
	terminal_event(&session->terminal, &event);
}

static void show_finished(void *ctx, const struct host *host)
{
	struct session *session = ctx;
	struct terminal_event event = {
	    .event = "finished",
	    .host = host->inventory->name,
	    .status = host_state_name(host->state),
	    .message = host->state == HOST_DONE ? "" : host_why(host)->msg,
	};

	if (host->state == HOST_DONE && session_acts(session))
		event.message = host->record.rebooted  ? "changed and rebooted"
		                : host->record.changed ? "changed"
		                                       : "nothing to change";
	if (host->state == HOST_DONE && session->job == JOB_REBOOT)
		event.message = "rebooted";
	if (quiet(session))
		return;
	/* The recap tells what was not begun; a line each would drown the rest. */
	if (!session->terminal.json && !session->context->verbose &&
	    (host->state == HOST_SKIPPED || (host->state == HOST_DONE && !session_acts(session))))
		return;
	terminal_event(&session->terminal, &event);
}

static void show_gate(void *ctx, size_t wave, const struct gf_err *err)
{
	struct session *session = ctx;
	char message[640];

	snprintf(message, sizeof(message), "wave %zu: %s", wave, err ? err->msg : "passed");
	terminal_event(&session->terminal,
	               &(struct terminal_event){.event = "health",
	                                        .host = "rollout.health",
	                                        .status = err ? "failed" : "done",
	                                        .message = message});
}

const struct fleet_observer session_observer = {
    .host_moved = show_moved,
    .host_task = show_task,
    .host_finished = show_finished,
    .planned = session_planned,
    .finished = session_finished,
    .gate = show_gate,
};

void session_footer(struct session *session)
{
	uint64_t now = session->clock.clock.now(&session->clock.clock);
	struct terminal_progress progress = {0};
	const struct host *slowest = NULL;
	struct fleet_counts counts;

	if (session->ended || session->asking || session->prompting)
		return;
	fleet_count(session->engine, &counts);
	for (size_t i = 0; i < fleet_size(session->engine); i++) {
		const struct host *host = fleet_host(session->engine, i);

		if (host->active && (!slowest || host->entered < slowest->entered))
			slowest = host;
	}
	progress.total = counts.total;
	progress.done = counts.done;
	progress.running = counts.running;
	progress.waiting = counts.waiting;
	progress.failed = counts.failed;
	progress.blocked = counts.blocked;
	progress.unreachable = counts.unreachable;
	progress.elapsed_s = (unsigned)((now - session->began_ms) / 1000);
	if (slowest) {
		const char *stage = host_stage_name(slowest);

		progress.slowest = slowest->inventory->name;
		progress.slowest_stage = stage ? stage : host_state_name(slowest->state);
		progress.slowest_s = (unsigned)((now - slowest->entered) / 1000);
	}
	terminal_footer(&session->terminal, &progress, now);
}

static void recap_json(struct session *session, const struct fleet_counts *counts)
{
	char message[256];
	struct terminal_event event = {.event = "run", .status = "finished", .message = message};

	snprintf(message, sizeof(message),
	         "run %s: %zu hosts: %zu done, %zu failed, %zu blocked, %zu skipped, %zu "
	         "unreachable; exit %d",
	         session->run, counts->total, counts->done, counts->failed, counts->blocked,
	         counts->skipped, counts->unreachable, session->status);
	terminal_event(&session->terminal, &event);
}

/* What did not go well: of hosts that ended well, what verify found. */
static struct recap_item *recap_items(const struct session *session, size_t *count)
{
	size_t size = fleet_size(session->engine), room = size + 1;
	struct recap_item *items;

	for (size_t i = 0; i < size; i++)
		room += json_array_size(fleet_host(session->engine, i)->drift);
	items = calloc(room, sizeof(*items));
	*count = 0;
	for (size_t i = 0; items && i < size; i++) {
		const struct host *host = fleet_host(session->engine, i);
		const json_t *drift;
		size_t k;

		if (host->state != HOST_DONE) {
			items[(*count)++] = (struct recap_item){
			    .host = host->inventory->name,
			    .verdict = host_state_name(host->state),
			    .code = host->err ? gf_code_name(host->err->code) : "",
			    .message = host_why(host)->msg,
			};
			continue;
		}
		json_array_foreach(host->drift, k, drift) items[(*count)++] = (struct recap_item){
		    .host = host->inventory->name,
		    .verdict = host_applied(host) ? "drifted" : "pending",
		    .code = "",
		    .message = json_string_value(json_object_get(drift, "message")),
		};
	}
	return items;
}

static void recap_sums(const struct session *session, const struct fleet_counts *counts)
{
	size_t pending = 0, drifted = 0;
	char did[128], line[384];

	for (size_t i = 0; i < fleet_size(session->engine); i++) {
		const struct host *host = fleet_host(session->engine, i);
		bool found = host->state == HOST_DONE && host->drift;

		pending += found && !host_applied(host);
		drifted += found && host_applied(host);
	}
	snprintf(did, sizeof(did), "%zu done", counts->done);
	if (session->job == JOB_VERIFY)
		snprintf(did, sizeof(did), "%zu as they should be, %zu drifted, %zu pending",
		         counts->done - drifted - pending, drifted, pending);
	else if (session_acts(session))
		snprintf(did, sizeof(did), "%zu done (%zu changed, %zu rebooted)", counts->done,
		         counts->changed, counts->rebooted);
	snprintf(line, sizeof(line),
	         "%s: %zu host%s: %s, %zu failed, %zu blocked, %zu skipped, %zu unreachable.",
	         session->context->command->name, counts->total, counts->total == 1 ? "" : "s", did,
	         counts->failed, counts->blocked, counts->skipped, counts->unreachable);
	lines_wrap(stdout, line, 0, lines_columns(stdout));
}

void session_recap(struct session *session)
{
	struct fleet_counts counts;
	struct recap_item *items;
	char *next = NULL;
	size_t count;

	fleet_count(session->engine, &counts);
	session_control_left_out(session);
	if (session->terminal.json) {
		recap_json(session, &counts);
		return;
	}
	items = recap_items(session, &count);
	if (session->declined)
		printf("%s\n",
		       counts.changed ? "Nothing more was changed." : "Nothing was changed.");
	else if (session_acts(session) && session->status != STATUS_DONE)
		next = command_line_text(session->context, NULL);
	if (items && !session->declined)
		recap_print(&session->terminal, items, count, next);
	recap_sums(session, &counts);
	if (session->context->verbose)
		printf("The controller was busy with one thing for at most %llu ms (%llu ms with "
		       "the wait for a processor), in %ld MB of memory.\n",
		       (unsigned long long)loop_watch_longest_ms(&session->watch),
		       (unsigned long long)loop_watch_busy_ms(&session->watch),
		       session->memory_kb / 1024);
	fflush(stdout);
	free(next);
	free(items);
}
