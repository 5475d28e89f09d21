/* session_resume.c: what earlier runs of the same store left: each host's record, which runs were
 * cut short, and what this one goes on with.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/commands/session.h"
#include "controller/store/store.h"
#include "inventory/nodeset.h"

struct replay {
	struct session *session;
	char *last; /* the newest run that changes hosts and has no end so far; or NULL */
};

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
		}
	} else if (type && strcmp(type, "run.finished") == 0 && replay->last &&
	           strcmp(replay->last, event->run) == 0) {
		if (json_integer_value(json_object_get(event->event, "exit")) == 130)
			replay_cut(replay);
		free(replay->last);
		replay->last = NULL;
	}
	if (!event->host || !*event->host)
		return 0;
	host = inventory_host_find(inventory, event->host);
	if (host)
		host_fold(&replay->session->records[host - inventory->hosts], event->event);
	return 0;
}

int session_replay(struct session *session, struct gf_err *err)
{
	struct replay replay = {.session = session};

	session->records =
	    calloc(session->fleet.inventory->host_count + 1, sizeof(*session->records));
	session->cut_runs = json_object();
	if (!session->records || !session->cut_runs)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	if (store_events_each(session->store, NULL, replay_event, &replay, err)) {
		free(replay.last);
		return -1;
	}
	replay_cut(&replay);
	return 0;
}

/* Did a run that was cut short leave it in the middle of something? What one that came to its end
 * left (a host that is not back, a reboot put off) was told by that one. */
static bool left_in_the_middle(const struct session *session, const struct host_record *record)
{
	bool open = record->operation_open || record->reboot_open || record->reboot_owed ||
	            record->trial[0];

	return open && json_object_get(session->cut_runs, record->run);
}

void session_resume_show(struct session *session)
{
	const char **names = calloc(session->fleet.count + 1, sizeof(*names)), *run = "";
	size_t count = 0;
	char *folded, *text = NULL;

	for (size_t i = 0; names && session_acts(session) && i < session->fleet.count; i++) {
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
	if (text && session->terminal.json)
		terminal_event(&session->terminal, &(struct terminal_event){.event = "resume",
		                                                            .status = "cut-short",
		                                                            .message = text});
	else if (text)
		fprintf(stderr, "%s\n", text);
	free(text);
	free(folded);
	free(names);
}
