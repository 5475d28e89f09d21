/* command_plan.c: `gpufleet plan`: what apply would change; changes nothing. */
#include <stdlib.h>

#include "controller/commands/plan_show.h"
#include "controller/nova/nova_make.h"
#include "controller/plan/plan_facts.h"
#include "controller/report/report.h"
#include "controller/terminal/lines.h"
#include "inventory/nova_release.h"
#include "controller/store/store.h"

/* What HOST's plan rests on, from the store: a run doesn't keep thousands of facts documents. */
static json_t *facts_get(const struct session *session, const char *host, struct gf_err *err)
{
	bool found = false;
	json_t *facts = store_facts_get(session->store, host, &found, err);
	json_t *rest = NULL;

	if (facts)
		rest = plan_facts(facts, err);
	else if (!found)
		gf_err_set(err, GF_E_STORE, "the facts of %s are not in the store", host);
	json_decref(facts);
	return rest;
}

static int print_saved(void *ctx, FILE *out, struct gf_err *err)
{
	const struct session *session = ctx;
	const struct saved_plan_heading heading = {
	    .fleet = session->fleet.inventory->fleet,
	    .inventory_sha256 = session->fleet.inventory->sha256,
	    .playbook_sha256 = session->playbook->sha256,
	};
	size_t size = fleet_size(session->engine);
	struct saved_plan_host *hosts = calloc(size + 1, sizeof(*hosts));
	int rc = hosts ? 0 : gf_err_set(err, GF_E_MEMORY, "out of memory");

	for (size_t i = 0; rc == 0 && i < size; i++) {
		const struct host *host = fleet_host(session->engine, i);
		bool planned = host->state == HOST_DONE && host->plan;

		hosts[i] = (struct saved_plan_host){
		    .name = host->inventory->name,
		    .plan = planned ? host->plan : NULL,
		    .why = host_why(host)->msg,
		};
		if (planned) {
			hosts[i].facts = facts_get(session, hosts[i].name, err);
			rc = hosts[i].facts ? 0 : -1;
		}
	}
	if (rc == 0)
		rc = saved_plan_print(&heading, hosts, size, out, err);
	for (size_t i = 0; hosts && i < size; i++)
		json_decref(hosts[i].facts);
	free(hosts);
	return rc;
}

static int keep_plan(struct session *session, struct gf_err *err)
{
	const char *file = session->context->plan_out;

	if (!file)
		return 0;
	/* Diffs show what stands in files of hosts, which may be nobody else's business. */
	if (report_file_write(file, 0600, print_saved, session, err))
		return -1;
	if (!session->context->json)
		printf("The plan is in %s: `gpufleet apply %s --plan %s` does exactly that.\n",
		       file, session->context->inventory_path, file);
	return 0;
}

static void say_conflict(struct session *session, const struct gf_err *conflict)
{
	char line[sizeof(conflict->msg) + 32];

	snprintf(line, sizeof(line), "apply will refuse: %s", conflict->msg);
	if (session->terminal.json)
		terminal_event(&session->terminal, &(struct terminal_event){.event = "plan",
		                                                            .status = "blocked",
		                                                            .message = line});
	else
		lines_wrap(stdout, line, 0, lines_columns(stdout));
}

/* Hosts are planned one by one, and end: what only shows on all of them together is said here.
 * `apply` asks each once more before it begins, and refuses. */
static void say_conflicts(struct session *session)
{
	const struct nova_target target = {.release = NOVA_RELEASE_LAST, .said = "assumed"};

	for (size_t i = 0; session->nova && i < session->nova->alias_count; i++) {
		struct gf_err err = {0};
		json_t *values = json_array();

		if (nova_make_alias(session->nova, &session->nova->aliases[i], &target, values,
		                    &err))
			say_conflict(session, &err);
		json_decref(values);
	}
}

static void show(struct session *session)
{
	plan_show(session);
	say_conflicts(session);
}

int command_plan(struct command_context *context, struct gf_err *err)
{
	struct session session = {.show = show, .keep = keep_plan};

	return session_run(&session, context, JOB_PLAN, err);
}
