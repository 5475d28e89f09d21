/* reboot.c: see reboot.h. */
#include "node-agent/reboot.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/elapsed.h"
#include "node-agent/facts/facts.h"
#include "node-agent/operation/operation.h"
#include "node-agent/tasks/nova_pause.h"
#include "node-agent/wire/json_text.h"

#define SYNC_WAIT_S 20
/* A reboot that has not come by then never will. The controller asks again after 120 s. */
#define ON_ITS_WAY_S 100

int reboot_guests_forbid(const struct root *root, struct gf_err *err)
{
	json_t *guests = guest_facts(root, NULL);
	int failed = 0;
	if (!json_is_array(guests)) {
		failed =
		    gf_err_set(err, GF_E_BLOCKED,
		               "cannot see whether guests run here (/proc is not readable); to "
		               "reboot all the same, pass --allow-running-guests");
	} else if (json_array_size(guests) > 0) {
		size_t count = json_array_size(guests);
		const char *name =
		    json_string_value(json_object_get(json_array_get(guests, 0), "name"));
		failed = gf_err_set(err, GF_E_BLOCKED,
		                    "%zu guest%s on this host (%.100s%s): move them away, or pass "
		                    "--allow-running-guests",
		                    count, count > 1 ? "s run" : " runs", name ? name : "?",
		                    count > 1 ? ", ..." : "");
	}
	json_decref(guests);
	return failed;
}

/* sync() in a child: on a dead network file system it never returns. */
static void sync_bounded(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		sync();
		_exit(0);
	}
	for (int i = 0; pid > 0 && i < SYNC_WAIT_S * 50; i++) {
		struct timespec wait = {.tv_nsec = 20000000};
		if (waitpid(pid, NULL, WNOHANG) == pid)
			return;
		nanosleep(&wait, NULL);
	}
	if (pid > 0)
		kill(pid, SIGKILL);
}

static int reboot_start(const struct agent *agent, struct gf_err *err)
{
	const char *systemd[] = {"systemctl", "reboot", NULL}, *plain[] = {"reboot", NULL};
	bool use_systemd = !root_is_sysroot(&agent->root) &&
	                   root_exists(&agent->root, "/run/systemd/system") &&
	                   root_program_exists(&agent->root, "systemctl");
	if (root_run_detached(&agent->root, use_systemd ? systemd : plain, 1, err) != 0)
		return gf_err_wrap(err, "cannot reboot");
	return 0;
}

static struct root_name asked_path(const struct agent *agent)
{
	return root_pathf(&agent->root, "%s/reboot-asked.json", agent->state);
}

bool reboot_on_its_way(const struct agent *agent)
{
	char boot_id[HOST_BOOT_ID_SIZE];
	json_t *asked = journal_read_file(asked_path(agent).text, NULL);
	json_int_t age =
	    (json_int_t)elapsed_of_boot() - json_integer_value(json_object_get(asked, "seconds"));
	host_boot_id(&agent->root, boot_id);
	bool coming = *boot_id && strcmp(json_text(asked, "boot_id"), boot_id) == 0 && age >= 0 &&
	              age < ON_ITS_WAY_S;
	json_decref(asked);
	return coming;
}

/* Written down first: who asks, or begins, after a death in between waits for it. */
static int reboot_ask(const struct agent *agent, const char *boot_id, struct gf_err *err)
{
	json_t *asked =
	    json_pack("{s:s, s:I}", "boot_id", boot_id, "seconds", (json_int_t)elapsed_of_boot());
	int failed = journal_make_dirs(root_path(&agent->root, agent->state).text, err) != 0 ||
	             journal_write_file(asked_path(agent).text, asked, err) != 0;
	json_decref(asked);
	if (failed)
		return -1;
	if (reboot_start(agent, err) == 0)
		return 0;
	unlink(asked_path(agent).text);
	return -1;
}

/* From the last look for guests to the reboot nova-compute is stopped: nothing can be scheduled
 * here in between. Whatever goes wrong, it runs again. */
static int reboot_without_nova(const struct agent *agent, const char *boot_id, bool allow_guests,
                               struct gf_err *err)
{
	struct nova_pause pause;
	bool paused = nova_pause_begin(agent, &pause, err) == 0;
	/* Who lets guests go down needs nothing held off. */
	if (!paused && !allow_guests)
		return -1;
	/* Another agent may have asked while this one waited for it to stop Nova. */
	if (!reboot_on_its_way(agent) &&
	    ((!allow_guests && reboot_guests_forbid(&agent->root, err) != 0) ||
	     reboot_ask(agent, boot_id, err) != 0)) {
		if (paused)
			nova_pause_end(agent, &pause);
		return -1;
	}
	if (paused)
		nova_pause_release(&pause);
	return 0;
}

int reboot_schedule(const struct agent *agent, const char *boot_id, bool allow_guests,
                    bool *scheduled, struct gf_err *err)
{
	char now[HOST_BOOT_ID_SIZE], id[OPERATION_ID_MAX + 1];
	*scheduled = false;
	host_boot_id(&agent->root, now);
	if (!*now)
		return gf_err_set(
		    err, GF_E_REBOOT,
		    "this host's boot_id cannot be read, so a reboot could not be proven");
	if (strcmp(now, boot_id) != 0)
		return 0;
	*scheduled = reboot_on_its_way(agent);
	if (*scheduled)
		return 0;
	/* Looked at here, too, so that Nova is not stopped for nothing. */
	if (!allow_guests && reboot_guests_forbid(&agent->root, err) != 0)
		return -1;
	if (operation_running(agent, NULL, id))
		return gf_err_set(err, GF_E_BLOCKED, "operation %s is still going on on this host",
		                  id);
	sync_bounded();
	if (reboot_without_nova(agent, boot_id, allow_guests, err) != 0)
		return -1;
	*scheduled = true;
	return 0;
}
