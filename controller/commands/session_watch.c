/* session_watch.c: scan after scan in one process. The beat is that of the first scan: one that
 * takes longer than the interval leaves rounds out. Between two of them the store is let go of, at
 * least for so long that whoever waits for it gets it. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/commands/session.h"
#include "controller/history/history_time.h"

#define REST_MOST_MS 5000 /* or a quarter of the interval, if that is less */

static void rest_cb(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void rest(struct session *session, uv_timer_t *timer, uint64_t until_ms)
{
	uint64_t now = session->clock.clock.now(&session->clock.clock);

	uv_update_time(&session->loop);
	uv_timer_start(timer, rest_cb, until_ms > now ? until_ms - now : 0, 0);
	session->resting = true;
	while (!session->stopped && uv_is_active((uv_handle_t *)timer))
		uv_run(&session->loop, UV_RUN_ONCE);
	session->resting = false;
	uv_timer_stop(timer);
}

static void round_skipped(struct session *session, const struct gf_err *why)
{
	terminal_event(
	    &session->terminal,
	    &(struct terminal_event){.event = "scan", .status = "skipped", .message = why->msg});
}

int session_watch(struct session *session, struct command_context *context, unsigned seconds,
                  struct gf_err *err)
{
	uint64_t interval = (uint64_t)seconds * 1000, start;
	uint64_t pause = interval / 4 < REST_MOST_MS ? interval / 4 : REST_MOST_MS;
	uv_timer_t timer;
	bool first = true;

	session->watching = true;
	if (session_open(session, context, JOB_SCAN, err))
		return STATUS_INPUT;
	uv_timer_init(&session->loop, &timer);
	session_signals(session);
	start = session->clock.clock.now(&session->clock.clock);
	while (!session->stopped && !session->interrupted) {
		struct gf_err fault = {.code = GF_OK};
		bool began = session_round(session, &fault) == 0;

		if (!began && first && !session->busy) {
			*err = fault;
			break;
		}
		first = false;
		if (!began)
			round_skipped(session, &fault);
		if (ferror(stdout)) {
			gf_err_set(err, GF_E_IO, "nobody reads the lines of the watch any more");
			break;
		}
		if (!session->interrupted)
			rest(session, &timer,
			     history_time_next(start, interval,
			                       session->clock.clock.now(&session->clock.clock),
			                       pause));
	}
	uv_close((uv_handle_t *)&timer, NULL);
	session_close(session);
	return session->stopped || session->interrupted ? STATUS_INTERRUPTED : STATUS_INPUT;
}
