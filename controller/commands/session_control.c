/* session_control.c: control hosts that --limit left out: what is pending there, as far as their
 * stored facts show.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller/commands/session.h"
#include "controller/nova/nova_checks.h"
#include "controller/store/store.h"
#include "controller/terminal/escape.h"
#include "controller/terminal/lines.h"

static bool is_selected(const struct session *session, size_t of)
{
	for (size_t i = 0; i < session->fleet.count; i++) {
		if (session->fleet.selected[i] == of)
			return true;
	}
	return false;
}

/* The evidence of the first check of HOST that fails, into TEXT. False: nothing is pending. */
static bool pending_of(const struct session *session, const struct inventory_host *host, char *text,
                       size_t size)
{
	bool found = false, pending = false;
	json_t *facts = store_facts_get(session->store, host->name, &found, NULL);
	json_t *entry = json_pack("{s:[], s:[]}", "checks", "devices");
	const json_t *check;
	size_t i;

	if (!facts) {
		snprintf(text, size, "never scanned, so what is pending there is not known");
		pending = true;
	} else if (nova_checks_add(session->nova, host, facts, entry, NULL) == 0) {
		json_array_foreach(json_object_get(entry, "checks"), i, check)
		{
			const char *status = json_string_value(json_object_get(check, "status"));
			const char *said = json_string_value(json_object_get(check, "evidence"));

			if (pending || !status || strcmp(status, "fail") != 0)
				continue;
			snprintf(text, size, "%s: %s",
			         json_string_value(json_object_get(check, "id")), said ? said : "");
			pending = true;
		}
	}
	json_decref(facts);
	json_decref(entry);
	return pending;
}

static void say(struct session *session, const char *host, const char *text)
{
	char line[1024], clean[700];

	if (session->terminal.json) {
		terminal_event(&session->terminal, &(struct terminal_event){.event = "control",
		                                                            .host = host,
		                                                            .status = "pending",
		                                                            .message = text});
		return;
	}
	snprintf(line, sizeof(line), "pending on %s, which --limit leaves out: %s", host,
	         escape_text(text, clean, sizeof(clean), 0));
	lines_wrap(stdout, line, 0, lines_columns(stdout));
}

void session_control_left_out(struct session *session)
{
	const struct inventory *inventory = session->fleet.inventory;

	if (!session->nova || !session->context->limit)
		return;
	for (size_t i = 0; i < inventory->host_count; i++) {
		const struct inventory_host *host = &inventory->hosts[i];
		char text[640];

		if (host->role == ROLE_CONTROL && !is_selected(session, i) &&
		    pending_of(session, host, text, sizeof(text)))
			say(session, host->name, text);
	}
}
