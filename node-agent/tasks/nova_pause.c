/* nova_pause.c: see nova_pause.h. Happy path: note, stop, the reboot. When it comes to nothing, or
 * the agent dies: start, then the note goes. A service that could not be started again keeps its
 * note, for the next agent to try.
 */
#include "node-agent/tasks/nova_pause.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "node-agent/facts/facts.h"
#include "node-agent/operation/operation.h"
#include "node-agent/tasks/nova_health.h"
#include "node-agent/tasks/nova_task.h"
#include "node-agent/tasks/task_help.h"
#include "node-agent/wire/json_text.h"

/* What is being built when it stops may take a while to be given up. */
#define STOP_TIMEOUT  75
#define START_TIMEOUT 20

static struct root_name note_path(const struct agent *agent)
{
	return root_pathf(&agent->root, "%s/nova-paused.json", agent->state);
}

static int pause_lock(const struct agent *agent, int how)
{
	struct root_name path = root_pathf(&agent->root, "%s/nova-paused.lock", agent->state);
	int fd = open(path.text, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && flock(fd, LOCK_EX | how) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* The note, if it is about this boot; a new reference or NULL. */
static json_t *note_read(const struct agent *agent)
{
	char boot_id[HOST_BOOT_ID_SIZE];
	json_t *note = journal_read_file(note_path(agent).text, NULL);
	host_boot_id(&agent->root, boot_id);
	if (note && strcmp(json_text(note, "boot_id"), boot_id) == 0)
		return note;
	json_decref(note);
	return NULL;
}

static struct nova_target target_of(const json_t *stopped)
{
	return (struct nova_target){.unit = json_text(stopped, "unit"),
	                            .engine = json_text(stopped, "engine"),
	                            .container = json_text(stopped, "container")};
}

static int target_run(const struct agent *agent, const json_t *stopped, bool start,
                      struct gf_err *err)
{
	struct root_output output;
	struct nova_target target = target_of(stopped);
	/* Not waited for: how long it takes to come up is nobody's business here. */
	const char *const unit_start[] = {"systemctl", "--no-block", "start", target.unit, NULL};
	const char *const unit_stop[] = {"systemctl", "stop", target.unit, NULL};
	const char *const container[] = {target.engine, start ? "unpause" : "pause",
	                                 target.container, NULL};
	const char *const *argv = !*target.unit ? container : start ? unit_start : unit_stop;
	int result =
	    root_run_ok(&agent->root, argv, start ? START_TIMEOUT : STOP_TIMEOUT, &output, err);
	root_output_free(&output);
	return result;
}

static bool is_noted(const json_t *list, const struct nova_target *target)
{
	size_t i;
	const json_t *item;
	json_array_foreach(list, i, item)
	{
		struct nova_target known = target_of(item);
		if (strcmp(nova_target_name(&known), nova_target_name(target)) == 0)
			return true;
	}
	return false;
}

/* Adds every nova-compute that is up, or will be in a moment, to LIST. */
static void running_find(const struct agent *agent, json_t *list)
{
	size_t index = 0;
	const json_t *service;
	json_t *nova = nova_facts(&agent->root);
	while ((service = nova_task_find(nova, "nova-compute", &index))) {
		struct nova_target target;
		struct nova_state state;
		if (!nova_target_find(service, &target) || is_noted(list, &target) ||
		    nova_state_look(&agent->root, &target, &state, NULL) != 0 ||
		    !(state.active || (state.changing && *target.unit)))
			continue;
		json_array_append_new(list, *target.unit
		                                ? json_pack("{s:s}", "unit", target.unit)
		                                : json_pack("{s:s, s:s}", "engine", target.engine,
		                                            "container", target.container));
	}
	json_decref(nova);
}

static int all_stop(const struct agent *agent, const json_t *note, struct gf_err *err)
{
	size_t i;
	const json_t *stopped;
	json_array_foreach(json_object_get(note, "stopped"), i, stopped)
	{
		struct gf_err why;
		struct nova_target target = target_of(stopped);
		struct nova_state state;
		/* A former attempt at this reboot has frozen it already. */
		if (!*target.unit &&
		    (nova_state_look(&agent->root, &target, &state, NULL) != 0 || !state.active))
			continue;
		if (target_run(agent, stopped, false, &why) != 0)
			return gf_err_set(
			    err, GF_E_BLOCKED,
			    "%.80s could not be stopped before the reboot, so an instance might "
			    "come to this host meanwhile (%.100s): stop it yourself",
			    nova_target_name(&target), why.msg);
	}
	return 0;
}

/* The note goes once all are started. */
static void all_start(const struct agent *agent, const json_t *note)
{
	size_t i;
	const json_t *stopped;
	bool done = true;
	json_array_foreach(json_object_get(note, "stopped"), i, stopped)
	{
		if (target_run(agent, stopped, true, NULL) != 0)
			done = false;
	}
	if (done)
		unlink(note_path(agent).text);
}

int nova_pause_begin(const struct agent *agent, struct nova_pause *pause, struct gf_err *err)
{
	char boot_id[HOST_BOOT_ID_SIZE];
	int result = journal_make_dirs(root_path(&agent->root, agent->state).text, err);
	*pause = (struct nova_pause){.lock = -1};
	if (result != 0)
		return -1;
	pause->lock = pause_lock(agent, 0);
	if (pause->lock < 0)
		return gf_err_errno(err, GF_E_IO, "cannot lock %s/nova-paused.lock", agent->state);
	json_t *former = note_read(agent), *list = json_object_get(former, "stopped");
	list = json_is_array(list) ? json_incref(list) : json_array();
	json_decref(former);
	running_find(agent, list);
	host_boot_id(&agent->root, boot_id);
	if (json_array_size(list) > 0)
		pause->note = json_pack("{s:s, s:O}", "boot_id", boot_id, "stopped", list);
	json_decref(list);
	if (!pause->note)
		return 0;
	result = journal_write_file(note_path(agent).text, pause->note, err);
	if (result == 0)
		result = all_stop(agent, pause->note, err);
	if (result != 0)
		nova_pause_end(agent, pause);
	return result;
}

void nova_pause_end(const struct agent *agent, struct nova_pause *pause)
{
	all_start(agent, pause->note);
	nova_pause_release(pause);
}

void nova_pause_release(struct nova_pause *pause)
{
	json_decref(pause->note);
	if (pause->lock >= 0)
		close(pause->lock);
	*pause = (struct nova_pause){.lock = -1};
}

void nova_pause_mend(const struct agent *agent, bool (*rebooting)(const struct agent *agent))
{
	if (access(note_path(agent).text, F_OK) != 0)
		return;
	int lock = pause_lock(agent, LOCK_NB);
	if (lock < 0)
		return; /* another agent is at it */
	json_t *note = note_read(agent);
	if (!note)
		unlink(note_path(agent).text); /* of another boot */
	else if (!rebooting(agent))
		all_start(agent, note);
	json_decref(note);
	close(lock);
}
