/* session.c: the loop of a run: signals, the question, and how it ends. */
#include "controller/commands/session.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "inventory/nodeset.h"

#define FOOTER_MS 200

static void handle_close(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void session_end(struct session *session)
{
	if (session->ended)
		return;
	session->ended = true;
	uv_stop(&session->loop);
}

/* Who has something under way, as a node set; NULL for nobody. */
static char *in_flight(const struct session *session)
{
	size_t count = 0, size = fleet_size(session->engine);
	const char **names = calloc(size + 1, sizeof(*names));
	char *text = NULL;

	for (size_t i = 0; names && i < size; i++) {
		const struct host *host = fleet_host(session->engine, i);

		if (host->active)
			names[count++] = host->inventory->name;
	}
	if (count)
		text = nodeset_fold(names, count);
	free(names);
	return text;
}

static void session_signal_cb(uv_signal_t *handle, int number)
{
	struct session *session = handle->data;
	char *hosts;

	(void)number;
	if (!session->engine || session->ended) {
		session->stopped = true;
		if (session->resting)
			uv_stop(&session->loop);
		return;
	}
	secrets_cancel(session->secrets);
	terminal_clear(&session->terminal);
	hosts = in_flight(session);
	if (!session->interrupted && hosts && !session->asking) {
		session->interrupted = true;
		fprintf(stderr,
		        "\ninterrupted: nothing new begins; still under way: %s (once more: stop "
		        "at once)\n",
		        hosts);
		fleet_stop(session->engine);
	} else {
		session->interrupted = true;
		if (session->asking) {
			fputc('\n', stderr);
			session->declined = true;
		}
		if (hosts)
			fprintf(stderr,
			        "\nstopped: what was under way on %s goes on there; the same "
			        "command follows "
			        "it up\n",
			        hosts);
		session->status = STATUS_INTERRUPTED;
		fleet_abort(session->engine);
		session_end(session);
	}
	free(hosts);
}

static void session_footer_cb(uv_timer_t *timer)
{
	session_footer(timer->data);
}

static void session_decide(struct session *session, bool go)
{
	session->asking = false;
	if (go) {
		fleet_go(session->engine);
		return;
	}
	session->declined = true;
	fleet_stop(session->engine);
}

static void session_answer_cb(uv_poll_t *poll, int status, int events)
{
	struct session *session = poll->data;
	char line[16] = "";
	ssize_t got;

	(void)events;
	got = status < 0 ? -1 : read(STDIN_FILENO, line, sizeof(line) - 1);
	uv_poll_stop(poll);
	handle_close((uv_handle_t *)poll);
	if (got > 0)
		line[got] = '\0';
	if (session->wanted_answer[0])
		session_decide(session, strcmp(line, session->wanted_answer) == 0);
	else
		session_decide(session, strcmp(line, "yes\n") == 0 || strcmp(line, "y\n") == 0);
}

/* A "yes" is typed before it is thought about; where most of the fleet is at stake, the answer is
 * its size. */
static void session_question(struct session *session)
{
	size_t hosts = session->fleet.inventory->host_count;
	struct fleet_counts counts;

	fleet_count(session->engine, &counts);
	if (hosts == 1 || counts.to_change <= hosts / 2) {
		fprintf(stderr, "%s [yes/no] ", session->question);
	} else {
		snprintf(session->wanted_answer, sizeof(session->wanted_answer), "%zu\n",
		         counts.to_change);
		fprintf(stderr,
		        "%s It is about %zu of the fleet's %zu hosts. [type how many to go on] ",
		        session->question, counts.to_change, hosts);
	}
	fflush(stderr);
}

void session_planned(void *ctx, struct fleet *fleet)
{
	struct session *session = ctx;

	(void)fleet;
	terminal_clear(&session->terminal);
	if (session->show_plan)
		session->show_plan(session);
	if (session->context->yes) {
		session_decide(session, true);
		return;
	}
	if (session->windows.count && !windows_close(&session->windows, time(NULL)))
		fprintf(stderr, "No window of rollout.windows is open now: only what an earlier "
		                "run left in the middle goes on.\n");
	session_question(session);
	session->asking = true;
	session->answer.data = session;
	if (uv_poll_init(&session->loop, &session->answer, STDIN_FILENO) ||
	    uv_poll_start(&session->answer, UV_READABLE, session_answer_cb)) {
		fprintf(stderr, "\nthe answer can't be read: give --yes\n");
		session_decide(session, false);
	}
}

void session_finished(void *ctx, struct fleet *fleet)
{
	struct session *session = ctx;

	session->status = fleet_exit_status(fleet);
	if (session->declined)
		session->status = STATUS_PENDING;
	session_end(session);
}

static void journal_finished_cb(void *ctx, int64_t seq, const struct gf_err *err)
{
	struct session *session = ctx;

	(void)seq;
	if (err)
		fprintf(stderr, "the end of the run could not be recorded: %s\n", err->msg);
	uv_stop(&session->loop);
}

/* The last event is waited for: `status` and the next run begin with it. */
static void journal_end(struct session *session)
{
	struct fleet_counts counts;
	json_t *event;

	fleet_count(session->engine, &counts);
	event = json_pack("{s:s, s:i, s:{s:i, s:i, s:i, s:i, s:i, s:i}, s:{s:I, s:I, s:I}}", "type",
	                  "run.finished", "exit", session->status, "counts", "done",
	                  (int)counts.done, "failed", (int)counts.failed, "blocked",
	                  (int)counts.blocked, "skipped", (int)counts.skipped, "unreachable",
	                  (int)counts.unreachable, "rebooted", (int)counts.rebooted, "controller",
	                  "stall_ms", (json_int_t)loop_watch_longest_ms(&session->watch), "busy_ms",
	                  (json_int_t)loop_watch_busy_ms(&session->watch), "memory_kb",
	                  (json_int_t)session->memory_kb);
	if (event && store_event_append(session->store, session->run, "", event,
	                                journal_finished_cb, session, NULL) == 0) {
		store_hurry(session->store);
		uv_run(&session->loop, UV_RUN_DEFAULT);
	}
	json_decref(event);
}

void session_signals(struct session *session)
{
	uv_signal_start(&session->interrupt, session_signal_cb, SIGINT);
	uv_signal_start(&session->terminate, session_signal_cb, SIGTERM);
}

/* The kernel's ru_maxrss would be that of whoever started this process, where that one is larger.
 */
static long memory_most_kb(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	long kb = 0;

	while (status && kb == 0 && fgets(line, sizeof(line), status))
		sscanf(line, "VmHWM: %ld kB", &kb);
	if (status)
		fclose(status);
	return kb;
}

static void session_begin(struct session *session)
{
	session_signals(session);
	if (session->terminal.live)
		uv_timer_start(&session->footer, session_footer_cb, FOOTER_MS, FOOTER_MS);
	session_resume_show(session);
	session_records_free(session); /* each host has its own by now */
	session->began_ms = session->clock.clock.now(&session->clock.clock);
	fleet_start(session->engine);
	uv_run(&session->loop, UV_RUN_DEFAULT);
	session->memory_kb = memory_most_kb();
	uv_timer_stop(&session->footer);
	terminal_clear(&session->terminal);
}

int session_open(struct session *session, struct command_context *context, enum host_job job,
                 struct gf_err *err)
{
	session->context = context;
	session->job = job;
	session->status = STATUS_INPUT;
	if (!session->question)
		session->question = "Apply this?";
	terminal_init(&session->terminal, stdout, context->json, context->color);
	if (uv_loop_init(&session->loop))
		return gf_err_set(err, GF_E_INTERNAL,
		                  "the event loop can't be made: too many open files?");
	clock_uv_start(&session->clock, &session->loop);
	loop_watch_start(&session->watch, &session->loop);
	uv_signal_init(&session->loop, &session->interrupt);
	uv_signal_init(&session->loop, &session->terminate);
	uv_timer_init(&session->loop, &session->footer);
	session->interrupt.data = session->terminate.data = session->footer.data = session;
	return 0;
}

/* Links close as the loop runs; what they are made of must outlive them. */
static void session_drain(struct session *session)
{
	uv_unref((uv_handle_t *)&session->interrupt);
	uv_unref((uv_handle_t *)&session->terminate);
	while (uv_run(&session->loop, UV_RUN_DEFAULT) != 0)
		;
	uv_ref((uv_handle_t *)&session->interrupt);
	uv_ref((uv_handle_t *)&session->terminate);
}

int session_round(struct session *session, struct gf_err *err)
{
	bool began = false;

	session->status = STATUS_INPUT;
	session->busy = false;
	session->declined = session->asking = session->ended = session->prompting = false;
	if (session_prepare(session, err) == 0) {
		began = true;
		session_begin(session);
		journal_end(session);
		loop_watch_pause(&session->watch);
		session_history_end(session);
		if (session->show && !(session->interrupted && session->status == 130))
			session->show(session);
		if (session->keep && !session->interrupted && session->keep(session, err))
			session->status = STATUS_INPUT;
		if (!session->watching)
			session_recap(session);
	}
	session->ended = true;
	if (session->answer.data)
		handle_close((uv_handle_t *)&session->answer);
	session_release(session);
	session_drain(session);
	return began ? 0 : -1;
}

void session_close(struct session *session)
{
	handle_close((uv_handle_t *)&session->interrupt);
	handle_close((uv_handle_t *)&session->terminate);
	handle_close((uv_handle_t *)&session->footer);
	secrets_free(session->secrets);
	clock_uv_stop(&session->clock);
	loop_watch_stop(&session->watch);
	while (uv_run(&session->loop, UV_RUN_DEFAULT) != 0)
		;
	uv_loop_close(&session->loop);
}

int session_run(struct session *session, struct command_context *context, enum host_job job,
                struct gf_err *err)
{
	if (session_open(session, context, job, err))
		return STATUS_INPUT;
	session_round(session, err);
	session_close(session);
	return session->status;
}
