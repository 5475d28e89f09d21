/* command_check.c: `gpufleet check`: are inventory and playbook sound? Touches no host. */
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#include "controller/commands/command.h"
#include "controller/place/place.h"
#include "playbooks/playbook.h"

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static void print_json(const struct command_fleet *fleet)
{
	time_t now = time(NULL);
	struct tm utc;
	char when[32];

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
	for (size_t i = 0; i < fleet->count; i++) {
		const struct inventory_host *host = &fleet->inventory->hosts[fleet->selected[i]];
		json_t *line =
		    json_pack("{s:s, s:s, s:s, s:n, s:n, s:s, s:s, s:s, s:i, s:s, s:s, s:s}",
		              "time", when, "event", "host", "host", host->name, "stage", "task",
		              "status", "ok", "message", "", "address", host->address, "port",
		              (int)host->port, "user", or_empty(host->user), "role",
		              host->role == ROLE_CONTROL ? "control" : "compute", "become",
		              host->become == BECOME_SUDO ? "sudo" : "none");

		if (host->domain)
			json_object_set_new(line, "domain", json_string(host->domain));
		if (host->jump)
			json_object_set_new(line, "jump", json_string(host->jump));
		json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(line);
	}
}

int command_check(struct command_context *context, struct gf_err *err)
{
	struct command_fleet fleet = {0};
	struct playbook *playbook = NULL;
	struct place place;
	int status = command_fleet_load(context, &fleet, err);

	if (status == 0 && command_fleet_reach(&fleet, err))
		status = STATUS_INPUT;
	if (status == 0) {
		place_find(&place);
		playbook = playbook_read(fleet.inventory->playbook, place.playbooks, err);
		if (!playbook)
			status = STATUS_INPUT;
		else if (context->json)
			print_json(&fleet);
		else
			printf("%s: fleet %s, %zu host%s, playbook %s with %zu stage%s: sound\n",
			       context->inventory_path, fleet.inventory->fleet, fleet.count,
			       fleet.count == 1 ? "" : "s", playbook->name, playbook->stage_count,
			       playbook->stage_count == 1 ? "" : "s");
	}
	playbook_free(playbook);
	command_fleet_free(&fleet);
	return status;
}
