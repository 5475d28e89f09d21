/* session_resume.c: what earlier runs of the same store left: each host's record, which runs were
 * cut short, and what this one goes on with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "controller/commands/session.h"
#include "controller/store/store.h"
#include "inventory/nodeset.h"

struct replay {
	struct session *session;
	struct gf_err *err;
	char *last;          /* the newest run that changes hosts and has no end so far; or NULL */
	char *reboot_since;  /* the first of the reboot runs that are not over; or NULL */
	time_t reboot_heard; /* when the newest of them was last heard of */
	bool reboot_put_off; /* for want of a window */
};

/* A reboot that was left undone for so long is another one; a window may come once a week. */
#define REBOOT_GOES_ON_S         (24 * 3600)
#define REBOOT_GOES_ON_WINDOWS_S (8 * 24 * 3600)

static time_t event_time(const struct store_event *event)
{
	struct tm tm = {.tm_isdst = 0};

	return strptime(event->time, "%Y-%m-%dT%H:%M:%S", &tm) ? timegm(&tm) : 0;
}

static void reboot_started(struct replay *replay, const struct store_event *event,
                           const char *command)
{
	bool reboots = strcmp(command, "reboot") == 0;

	if (!reboots || !replay->reboot_since) {
		free(replay->reboot_since);
		replay->reboot_since = reboots ? strdup(event->run) : NULL;
	}
	replay->reboot_heard = event_time(event);
	replay->reboot_put_off = false;
}

/* It is over once every host of it had its turn. */
static void reboot_finished(struct replay *replay, const struct store_event *event)
{
	const json_t *counts = json_object_get(event->event, "counts");
	json_int_t status = json_integer_value(json_object_get(event->event, "exit"));

	replay->reboot_heard = event_time(event);
	replay->reboot_put_off = status == STATUS_WINDOW;
	if (status == STATUS_INTERRUPTED || json_integer_value(json_object_get(counts, "skipped")))
		return;
	free(replay->reboot_since);
	replay->reboot_since = NULL;
}

/* Takes what the newest reboot runs left to go on with. */
static void reboot_take(struct replay *replay)
{
	time_t limit = replay->reboot_put_off ? REBOOT_GOES_ON_WINDOWS_S : REBOOT_GOES_ON_S;

	if (replay->session->job == JOB_REBOOT && replay->reboot_since &&
	    time(NULL) - replay->reboot_heard < limit) {
		replay->session->reboot_since = replay->reboot_since;
		replay->reboot_since = NULL;
	}
	free(replay->reboot_since);
}

static void replay_cut(struct replay *replay)
{
	if (!replay->last)
		return;
	json_object_set_new(replay->session->cut_runs, replay->last, json_true());
	free(replay->last);
	replay->last = NULL;
}

static int replay_event(void *ctx, const struct store_event *event)
{
	struct replay *replay = ctx;
	const struct inventory *inventory = replay->session->fleet.inventory;
	const char *type = json_string_value(json_object_get(event->event, "type"));
	const struct inventory_host *host;

	if (type && strcmp(type, "run.started") == 0) {
		const char *command = json_string_value(json_object_get(event->event, "command"));

		if (command && (strcmp(command, "apply") == 0 || strcmp(command, "reboot") == 0 ||
		                strcmp(command, "rollback") == 0)) {
			replay_cut(replay);
			replay->last = strdup(event->run);
			reboot_started(replay, event, command);
			json_object_set_new(replay->session->former_runs, event->run, json_true());
		}
	} else if (type && strcmp(type, "run.finished") == 0 && replay->last &&
	           strcmp(replay->last, event->run) == 0) {
		if (json_integer_value(json_object_get(event->event, "exit")) == 130)
			replay_cut(replay);
		free(replay->last);
		replay->last = NULL;
		reboot_finished(replay, event);
	}
	if (!event->host || !*event->host)
		return 0;
	host = inventory_host_find(inventory, event->host);
	if (host && host_fold(&replay->session->records[host - inventory->hosts], event->event))
		return gf_err_set(replay->err, GF_E_MEMORY, "out of memory");
	return 0;
}

int session_replay(struct session *session, struct gf_err *err)
{
	struct replay replay = {.session = session, .err = err};

	session->records = host_records_new(session->fleet.inventory->host_count);
	session->former_runs = json_object();
	session->cut_runs = json_object();
	if (!session->records || !session->former_runs || !session->cut_runs)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (store_events_each(session->store, NULL, replay_event, &replay, err)) {
		free(replay.last);
		free(replay.reboot_since);
		return -1;
	}
	replay_cut(&replay);
	reboot_take(&replay);
	return 0;
}

void session_records_free(struct session *session)
{
	if (session->records)
		host_records_free(session->records, session->fleet.inventory->host_count);
	session->records = NULL;
}

/* Did a run that was cut short leave it in the middle of something? What one that came to its end
 * left (a host that is not back, a reboot put off) was told by that one. */
static bool left_in_the_middle(const struct session *session, const struct host_record *record)
{
	bool open = record->operation_open || record->reboot_open || record->reboot_owed ||
	            record->trial[0] || record->drained;

	return open && json_object_get(session->cut_runs, record->run);
}

/* Says TEXT (freed here; NULL: nothing) before the run begins. */
static void resume_say(struct session *session, const char *status, char *text)
{
	if (text && session->terminal.json)
		terminal_event(
		    &session->terminal,
		    &(struct terminal_event){.event = "resume", .status = status, .message = text});
	else if (text)
		fprintf(stderr, "%s\n", text);
	free(text);
}

static void cut_show(struct session *session, const char **names)
{
	const char *run = "";
	size_t count = 0;
	char *folded, *text = NULL;

	for (size_t i = 0; i < session->fleet.count; i++) {
		size_t of = session->fleet.selected[i];
		const struct host_record *record = &session->records[of];

		if (!left_in_the_middle(session, record))
			continue;
		names[count++] = session->fleet.inventory->hosts[of].name;
		if (strcmp(record->run, run) > 0) /* an id begins with its time */
			run = record->run;
	}
	folded = count ? nodeset_fold(names, count) : NULL;
	if (folded && asprintf(&text,
	                       "going on with run %s, which was cut short: %zu host%s in the "
	                       "middle of something (%s)",
	                       run, count, count == 1 ? " was" : "s were", folded) < 0)
		text = NULL;
	resume_say(session, "cut-short", text);
	free(folded);
}

static void reboots_show(struct session *session, const char **names)
{
	size_t count = 0;
	char *folded, *text = NULL;

	for (size_t i = 0; i < session->fleet.count; i++) {
		size_t of = session->fleet.selected[i];

		if (host_rebooted_before(&session->records[of], session->reboot_since))
			names[count++] = session->fleet.inventory->hosts[of].name;
	}
	folded = count ? nodeset_fold(names, count) : NULL;
	if (folded &&
	    asprintf(&text,
	             "going on with the reboot that run %s began: %zu host%s rebooted "
	             "already, and left alone (%s)",
	             session->reboot_since, count, count == 1 ? " was" : "s were", folded) < 0)
		text = NULL;
	resume_say(session, "goes-on", text);
	free(folded);
}

void session_resume_show(struct session *session)
{
	const char **names = calloc(session->fleet.count + 1, sizeof(*names));

	if (names && session_acts(session)) {
		cut_show(session, names);
		reboots_show(session, names);
	}
	free(names);
}
