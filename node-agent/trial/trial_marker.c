/* trial_marker.c: see trial_marker.h. */
#include "node-agent/trial/trial_marker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/facts/facts.h"
#include "node-agent/operation/operation.h"
#include "node-agent/trial/trial_confirm.h"
#include "node-agent/wire/json_text.h"

#define LOCK_WAIT_S 120

static const char *const state_names[] = {"none", "staged", "committing", "reverted"};

static struct root_name marker_path(const struct agent *agent)
{
	return root_pathf(&agent->root, "%s/trial.json", agent->state);
}

json_t *trial_marker_read(const struct agent *agent)
{
	return agent ? journal_read_file(marker_path(agent).text, NULL) : NULL;
}

int trial_marker_write(const struct agent *agent, const json_t *marker, struct gf_err *err)
{
	return journal_write_file(marker_path(agent).text, marker, err);
}

void trial_marker_remove(const struct agent *agent)
{
	unlink(marker_path(agent).text);
	trial_confirm_clear(agent);
	unlink(root_pathf(&agent->root, "%s/trial.lock", agent->state).text);
}

static void member_copy(const json_t *marker, const char *key, char *text, size_t size)
{
	snprintf(text, size, "%s", json_text(marker, key));
}

/* Does the running kernel's line have gpufleet.op=OPERATION? */
static bool line_has_operation(const struct root *root, const char *operation)
{
	char wanted[128], *save = NULL;
	char *line = root_read_file(root, "/proc/cmdline", (size_t)1 << 20, NULL, NULL);
	bool found = false;

	snprintf(wanted, sizeof(wanted), "%s%s", TRIAL_ARGUMENT, operation);
	for (char *word = line ? strtok_r(line, " \n", &save) : NULL; word && !found;
	     word = strtok_r(NULL, " \n", &save))
		found = strcmp(word, wanted) == 0;
	free(line);
	return found;
}

void trial_look(const struct agent *agent, struct trial_status *status)
{
	char now[HOST_BOOT_ID_SIZE], then[HOST_BOOT_ID_SIZE], state[32];
	json_t *marker = trial_marker_read(agent);

	memset(status, 0, sizeof(*status));
	if (!marker)
		return;
	member_copy(marker, "state", state, sizeof(state));
	for (int i = TRIAL_STAGED; i <= TRIAL_REVERTED; i++)
		if (strcmp(state, state_names[i]) == 0)
			status->state = (enum trial_state)i;
	member_copy(marker, "operation", status->operation, sizeof(status->operation));
	member_copy(marker, "stage", status->stage, sizeof(status->stage));
	member_copy(marker, "image", status->image, sizeof(status->image));
	member_copy(marker, "message", status->message, sizeof(status->message));
	member_copy(marker, "boot_id", then, sizeof(then));
	status->cleaned = json_is_true(json_object_get(marker, "cleaned"));
	host_boot_id(&agent->root, now);
	if (*now && strcmp(now, then) == 0)
		status->boot = TRIAL_BOOT_BEFORE;
	else if (line_has_operation(&agent->root, status->operation))
		status->boot = TRIAL_BOOT_TRIAL;
	else
		status->boot = TRIAL_BOOT_DEFAULT;
	json_decref(marker);
}

bool trial_is_up(const struct trial_status *status)
{
	return status->boot == TRIAL_BOOT_TRIAL &&
	       (status->state == TRIAL_STAGED || status->state == TRIAL_COMMITTING);
}

json_t *trial_facts(const struct agent *agent)
{
	static const char *const boots[] = {"before", "trial", "default"};
	struct trial_status status;

	trial_look(agent, &status);
	if (status.state == TRIAL_NONE)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "operation", status.operation, "stage",
	                 status.stage, "state", state_names[status.state], "boot",
	                 boots[status.boot], "message", status.message, "expired",
	                 trial_confirm_expired(agent));
}

int trial_lock(const struct agent *agent, struct gf_err *err)
{
	struct root_name name = root_pathf(&agent->root, "%s/trial.lock", agent->state);
	int fd = open(name.text, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return gf_err_errno(err, GF_E_IO, "cannot open %s", name.text);
	for (int i = 0; i < LOCK_WAIT_S * 10; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		struct timespec wait = {.tv_nsec = 100000000};
		nanosleep(&wait, NULL);
	}
	close(fd);
	return gf_err_set(err, GF_E_TIMEOUT,
	                  "another gpufleet process has worked on this host's trial for more than "
	                  "%d s",
	                  LOCK_WAIT_S);
}
