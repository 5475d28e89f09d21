/* session_start.c: what a run needs, and what can be refused before any host is touched. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "controller/commands/process_limits.h"
#include "controller/commands/session.h"
#include "controller/ssh/ssh_opener.h"
#include "inventory/nodeset.h"
#include "node-agent/wire/sha256.h"

#define STORE_WAIT_US 100000

/* Control hosts run their own stages only and are not rebooted, unless they were named. */
static bool control_takes_part(const struct session *session)
{
	if (session->context->limit || session->job == JOB_SCAN || session->job == JOB_ROLLBACK)
		return true;
	return session->job != JOB_REBOOT && session->playbook &&
	       playbook_has_role(session->playbook, ROLE_CONTROL);
}

static int leave_control_out(struct session *session, struct gf_err *err)
{
	struct command_fleet *fleet = &session->fleet;
	size_t kept = 0;

	if (control_takes_part(session))
		return 0;
	for (size_t i = 0; i < fleet->count; i++) {
		if (fleet->inventory->hosts[fleet->selected[i]].role != ROLE_CONTROL)
			fleet->selected[kept++] = fleet->selected[i];
	}
	fleet->count = kept;
	if (!kept)
		return gf_err_set(
		    err, GF_E_INPUT,
		    "%s: it has no compute hosts: there is nothing to do (control hosts must be "
		    "named with --limit)",
		    session->context->inventory_path);
	return 0;
}

/* Nothing of a control host is undone where no run ever changed it: it need not even answer. */
static void leave_untouched_control_out(struct session *session)
{
	struct command_fleet *fleet = &session->fleet;
	size_t kept = 0;

	if (session->context->limit || session->job != JOB_ROLLBACK)
		return;
	for (size_t i = 0; i < fleet->count; i++) {
		size_t of = fleet->selected[i];

		if (fleet->inventory->hosts[of].role != ROLE_CONTROL ||
		    session->records[of].stage[0])
			fleet->selected[kept++] = of;
	}
	fleet->count = kept;
}

static int need_gpus(const struct session *session, struct gf_err *err)
{
	for (size_t i = 0; i < session->fleet.count; i++) {
		if (session->fleet.inventory->hosts[session->fleet.selected[i]].gpus.given)
			return 0;
	}
	return gf_err_set(
	    err, GF_E_INPUT,
	    "%s: it names no \"gpus\": `gpufleet scan %s` prints a block to paste into it",
	    session->context->inventory_path, session->context->inventory_path);
}

/* Says which hosts of the saved plan's inventory it has nothing for. */
static void say_left_out(const struct session *session)
{
	const json_t *left_out = saved_plan_left_out(session->saved_plan);
	const char **names = calloc(json_object_size(left_out) + 1, sizeof(*names)), *name;
	size_t count = 0;
	char *folded;
	json_t *why;

	if (!names || session->context->json) {
		free(names);
		return;
	}
	json_object_foreach((json_t *)(uintptr_t)left_out, name, why)
	{
		if (inventory_host_find(session->fleet.inventory, name))
			names[count++] = name;
	}
	folded = count ? nodeset_fold(names, count) : NULL;
	if (folded)
		fprintf(stderr, "not in the plan, and left alone: %s (%s says why)\n", folded,
		        session->context->plan_in);
	free(folded);
	free(names);
}

/* apply --plan: the hosts are the plan's. */
static int take_saved_plan(struct session *session, struct gf_err *err)
{
	struct command_fleet *fleet = &session->fleet;
	const struct saved_plan_heading heading = {
	    .fleet = fleet->inventory->fleet,
	    .inventory_sha256 = fleet->inventory->sha256,
	    .playbook_sha256 = session->playbook->sha256,
	};
	size_t kept = 0;

	session->saved_plan = saved_plan_read(session->context->plan_in, err);
	if (!session->saved_plan || saved_plan_belongs(session->saved_plan, &heading, err))
		return -1;
	for (size_t i = 0; i < fleet->count; i++) {
		if (saved_plan_has(session->saved_plan,
		                   fleet->inventory->hosts[fleet->selected[i]].name))
			fleet->selected[kept++] = fleet->selected[i];
	}
	fleet->count = kept;
	if (!kept)
		return gf_err_set(err, GF_E_INPUT,
		                  "%s: the plan holds none of the selected hosts: there is nothing "
		                  "to do",
		                  session->context->plan_in);
	say_left_out(session);
	return 0;
}

static void run_id(char *id, size_t size)
{
	unsigned char noise[4] = {0};
	time_t now = time(NULL);
	struct tm utc;
	char when[32];

	if (getrandom(noise, sizeof(noise), 0) < 0)
		memcpy(noise, &(pid_t){getpid()}, sizeof(noise));
	strftime(when, sizeof(when), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
	snprintf(id, size, "%s-%02x%02x%02x%02x", when, noise[0], noise[1], noise[2], noise[3]);
}

static int secret_draw(struct session *session, struct gf_err *err)
{
	unsigned char noise[32];

	if (getrandom(noise, sizeof(noise), 0) != sizeof(noise))
		return gf_err_errno(err, GF_E_INTERNAL, "cannot draw a random number");
	sha256_hex(noise, sizeof(noise), session->secret);
	return 0;
}

static void who_and_where(struct session *session)
{
	const struct passwd *user = getpwuid(getuid());

	snprintf(session->who, sizeof(session->who), "%s", user ? user->pw_name : "unknown");
	if (gethostname(session->where, sizeof(session->where) - 1))
		snprintf(session->where, sizeof(session->where), "unknown");
}

/* A machine that has none (no Linux) is no host of the fleet. */
static void own_boot_id(struct session *session)
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!file)
		return;
	if (!fgets(session->own_boot_id, sizeof(session->own_boot_id), file))
		session->own_boot_id[0] = '\0';
	session->own_boot_id[strcspn(session->own_boot_id, "\n")] = '\0';
	fclose(file);
}

/* What the control plane needs to know of compute hosts comes from the whole fleet's facts. */
static int nova_load(struct session *session, struct gf_err *err)
{
	const struct inventory *inventory = session->fleet.inventory;

	if (!session->playbook || !playbook_has_task(session->playbook, "nova_config"))
		return 0;
	session->nova = nova_fleet_new(inventory, err);
	for (size_t i = 0; session->nova && i < inventory->host_count; i++) {
		bool found = false;
		json_t *facts =
		    store_facts_get(session->store, inventory->hosts[i].name, &found, err);
		int rc = facts || !found
		             ? nova_fleet_put(session->nova, &inventory->hosts[i], facts, err)
		             : -1;

		json_decref(facts);
		if (rc)
			return -1;
	}
	return session->nova ? 0 : -1;
}

static int journal_begin(struct session *session, struct gf_err *err)
{
	json_t *event =
	    json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "run.started", "command",
	              session->context->command->name, "selection", (int)session->fleet.count,
	              "playbook", session->playbook ? session->playbook->sha256 : "",
	              "inventory_sha256", session->fleet.inventory->sha256);
	int rc = event
	             ? store_event_append(session->store, session->run, "", event, NULL, NULL, err)
	             : gf_err_set(err, GF_E_MEMORY, "out of memory");

	json_decref(event);
	return rc;
}

/* The question has the terminal to itself. */
static void session_asking(void *ctx, bool asking)
{
	struct session *session = ctx;

	session->prompting = asking;
	if (asking)
		terminal_clear(&session->terminal);
}

static int connect_parts(struct session *session, struct gf_err *err)
{
	const struct command_context *context = session->context;
	struct ssh_options options = {
	    .connect_timeout_ms = context->timeout_s ? context->timeout_s * 1000 : 0,
	    .auth_timeout_ms = context->timeout_s ? context->timeout_s * 1000 : 0,
	};
	struct secret_hooks hooks = {.asking = session_asking, .ctx = session};
	struct fleet_options engine;

	if (agent_bundle_load(session->place.bundle, &session->bundle, err))
		return -1;
	if (!session->secrets)
		session->secrets = command_secrets_new(context, &session->loop, &hooks, err);
	if (!session->secrets)
		return -1;
	options.secrets = session->secrets;
	session->opener = ssh_opener_new(&session->loop, &options, err);
	if (!session->opener)
		return -1;
	hook_uv_init(&session->hooks, &session->loop);
	journal_store_init(&session->journal, session->store, session->run);
	engine = (struct fleet_options){
	    .inventory = session->fleet.inventory,
	    .selected = session->fleet.selected,
	    .count = session->fleet.count,
	    .records = session->records,
	    .job = session->job,
	    .run = session->run,
	    .former_runs = session->former_runs,
	    .reboot_since = session->reboot_since,
	    .who = session->who,
	    .where = session->where,
	    .secret = session->secret,
	    .playbook = session->playbook,
	    .saved_plan = session->saved_plan,
	    .undo_run = context->run,
	    .allow_running_guests = context->allow_running_guests,
	    .force = context->force,
	    .probe = context->probe,
	    .purge = context->purge,
	    .hooks = &session->hooks.runner,
	    .windows = session->windows.count ? &session->windows : NULL,
	    .by_name = context->limit != NULL,
	    .own_boot_id = session->own_boot_id,
	    .forks = context->forks,
	    .timeout_s = context->timeout_s,
	    .opener = session->opener,
	    .bundle = &session->bundle,
	    .secrets = session->secrets,
	    .nova = session->nova,
	    .clock = &session->clock.clock,
	    .journal = &session->journal.journal,
	    .observer = &session_observer,
	    .ctx = session,
	};
	session->engine = fleet_new(&engine, err);
	return session->engine ? 0 : -1;
}

/* A watch lets go of the store between two scans: others wait for that, and it waits for nobody. */
static int store_take(struct session *session, struct gf_err *err)
{
	const char *path = session->fleet.state_path;
	bool told = false, again = true;

	for (;;) {
		char holder[256] = "";
		enum store_hold hold;

		session->store = store_open(path, &session->loop, err);
		if (session->store)
			break;
		hold = store_held(path, holder, sizeof(holder));
		session->busy = hold != STORE_FREE;
		/* Let go of just now? */
		if (hold == STORE_HELD || (hold == STORE_WATCHED && session->watching) ||
		    (hold == STORE_FREE && !again))
			return -1;
		again = hold == STORE_WATCHED;
		if (again && !told)
			fprintf(stderr,
			        "waiting for the end of the scan that `gpufleet scan --watch` has "
			        "under way (%s)\n",
			        holder);
		told = told || again;
		if (again)
			usleep(STORE_WAIT_US);
		if (err)
			err->code = GF_OK;
	}
	if (session->watching)
		store_announce_watch(session->store);
	return session->job < JOB_APPLY ? store_changes_no_host(session->store, err) : 0;
}

int session_prepare(struct session *session, struct gf_err *err)
{
	const struct command_context *context = session->context;
	bool plans = session->job == JOB_PLAN || session->job == JOB_APPLY;

	if (session_acts(session) && !context->yes && !isatty(STDIN_FILENO))
		return gf_err_set(
		    err, GF_E_USAGE,
		    "gpufleet %s asks before it changes anything, and there is no terminal to ask "
		    "on: give --yes",
		    context->command->name);
	if (command_fleet_load(context, &session->fleet, err))
		return -1;
	if (session_acts(session) &&
	    windows_resolve(&session->fleet.inventory->rollout, time(NULL), &session->windows, err))
		return -1;
	if (command_fleet_reach(&session->fleet, err))
		return -1;
	if (plans && need_gpus(session, err))
		return -1;
	/* Where nothing was applied yet, it compares with what would be. */
	plans |= session->job == JOB_VERIFY && !need_gpus(session, NULL);
	place_find(&session->place);
	if (plans) {
		session->playbook = playbook_read(session->fleet.inventory->playbook,
		                                  session->place.playbooks, err);
		if (!session->playbook)
			return -1;
	}
	if (leave_control_out(session, err) ||
	    process_limits_files(
	        session->fleet.count < context->forks ? session->fleet.count : context->forks, err))
		return -1;
	if (context->plan_in && take_saved_plan(session, err))
		return -1;
	run_id(session->run, sizeof(session->run));
	who_and_where(session);
	if (secret_draw(session, err))
		return -1;
	own_boot_id(session);
	if (store_take(session, err))
		return -1;
	if (session_replay(session, err))
		return -1;
	leave_untouched_control_out(session);
	if (nova_load(session, err) || connect_parts(session, err))
		return -1;
	return journal_begin(session, err);
}

void session_release(struct session *session)
{
	fleet_free(session->engine);
	nova_fleet_free(session->nova);
	ssh_opener_free(session->opener);
	if (session->store)
		store_close(session->store);
	agent_bundle_free(&session->bundle);
	saved_plan_free(session->saved_plan);
	playbook_free(session->playbook);
	command_report_free(&session->built);
	session_records_free(session); /* counted by the inventory's hosts */
	command_fleet_free(&session->fleet);
	windows_free(&session->windows);
	json_decref(session->cut_runs);
	free(session->reboot_since);
	json_decref(session->former_runs);
	session->engine = NULL;
	session->nova = NULL;
	session->opener = NULL;
	session->store = NULL;
	session->saved_plan = NULL;
	session->playbook = NULL;
	session->cut_runs = session->former_runs = NULL;
	session->reboot_since = NULL;
}
