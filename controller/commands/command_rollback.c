/* command_rollback.c: `gpufleet rollback`: undo what was applied, and reboot where that takes one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "controller/commands/session.h"
#include "inventory/nodeset.h"

/* How many operations of HOST's are to be undone; SIZE_MAX where it takes no part. */
static size_t operations_of(const struct host *host)
{
	const json_t *operation;
	size_t i, count = 0;

	if (host->state != HOST_WAITING)
		return SIZE_MAX;
	json_array_foreach(json_object_get(host->plan, "operations"), i, operation) count +=
	    host_undoes(host, operation);
	return count;
}

/* Hosts with as many to undo are one line. */
static void show_operations(struct session *session)
{
	size_t size = fleet_size(session->engine), most = 0;
	const char **names = calloc(size + 1, sizeof(*names));

	for (size_t i = 0; i < size; i++) {
		size_t count = operations_of(fleet_host(session->engine, i));

		if (count != SIZE_MAX && count > most)
			most = count;
	}
	for (size_t count = 0; names && !session->terminal.json && count <= most; count++) {
		size_t equal = 0;
		char *hosts;

		for (size_t i = 0; i < size; i++) {
			if (operations_of(fleet_host(session->engine, i)) == count)
				names[equal++] = fleet_host(session->engine, i)->inventory->name;
		}
		hosts = equal ? nodeset_fold(names, equal) : NULL;
		if (hosts)
			printf("%s: %zu stage%s to undo\n", hosts, count, count == 1 ? "" : "s");
		free(hosts);
	}
	free(names);
}

int command_rollback(struct command_context *context, struct gf_err *err)
{
	struct session session = {.show_plan = show_operations, .question = "Undo this?"};

	return session_run(&session, context, JOB_ROLLBACK, err);
}
