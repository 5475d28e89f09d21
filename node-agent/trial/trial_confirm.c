/* trial_confirm.c: see trial_confirm.h. */
#include "node-agent/trial/trial_confirm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/elapsed.h"
#include "node-agent/operation/operation.h"
#include "node-agent/reboot.h"
#include "node-agent/trial/trial_marker.h"
#include "node-agent/wire/sha256.h"

#define REBOOT_TIMEOUT_S 60
#define REBOOT_WAIT_S    300  /* until it is done the hard way */
#define OPERATION_WAIT_S 3600 /* for work that is under way: it must not be cut off */

static const char pending[] = "trial.pending", confirmed[] = "trial.confirmed",
                  expired[] = "trial.expired";

static struct root_name state_path(const struct agent *agent, const char *name)
{
	return root_pathf(&agent->root, "%s/%s", agent->state, name);
}

static bool state_has(const struct agent *agent, const char *name)
{
	return access(state_path(agent, name).text, F_OK) == 0;
}

void trial_confirm_clear(const struct agent *agent)
{
	unlink(state_path(agent, pending).text);
	unlink(state_path(agent, confirmed).text);
	unlink(state_path(agent, expired).text);
}

int trial_confirm_arm(const struct agent *agent, json_t *marker, const struct trial_terms *terms,
                      struct gf_err *err)
{
	char digest[SHA256_HEX_SIZE];
	json_t *empty;
	int failed;

	trial_confirm_clear(agent);
	if (terms->token) {
		sha256_hex(terms->token, strlen(terms->token), digest);
		json_object_set_new(marker, "token", json_string(digest));
	}
	if (terms->confirm_s <= 0)
		return 0;
	json_object_set_new(marker, "confirm_timeout", json_integer(terms->confirm_s));
	empty = json_object();
	failed = journal_write_file(state_path(agent, pending).text, empty, err);
	json_decref(empty);
	return failed;
}

/* True: it was pending, and is NAME's now. */
static bool pending_take(const struct agent *agent, const char *name)
{
	return rename(state_path(agent, pending).text, state_path(agent, name).text) == 0;
}

int trial_confirm_take(const struct agent *agent, const json_t *marker, const char *token,
                       struct gf_err *err)
{
	const char *wanted = json_string_value(json_object_get(marker, "token"));
	char digest[SHA256_HEX_SIZE] = "";

	if (token)
		sha256_hex(token, strlen(token), digest);
	if (wanted && strcmp(wanted, digest) != 0)
		return gf_err_set(err, GF_E_BLOCKED,
		                  "this trial was begun by another controller, which alone can "
		                  "confirm it: use the store that it was begun with, or wait until "
		                  "the host has gone back by itself");
	if (!json_object_get(marker, "confirm_timeout") || pending_take(agent, confirmed) ||
	    state_has(agent, confirmed))
		return 0;
	if (state_has(agent, pending))
		return gf_err_set(err, GF_E_IO,
		                  "cannot rename %s/%s: is its file system read-only?",
		                  agent->state, pending);
	return gf_err_set(
	    err, GF_E_BLOCKED,
	    "its trial was not confirmed in time (rollout.confirm_timeout): the host is "
	    "going back to its former boot entry");
}

bool trial_confirm_expired(const struct agent *agent)
{
	return state_has(agent, expired);
}

/* ---- the timer ---- */

static void pause_ms(long ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};

	nanosleep(&pause, NULL);
}

/* Does the trial run, unproven, and does its file have NAME? */
static bool trial_runs(const struct agent *agent, const char *name)
{
	struct trial_status status;

	trial_look(agent, &status);
	return status.state == TRIAL_STAGED && status.boot == TRIAL_BOOT_TRIAL &&
	       state_has(agent, name);
}

/* Waits until the trial has had its time. False: it is over before. */
static bool time_passes(const struct agent *agent, json_int_t confirm_s)
{
	/* The clock since the boot; a host that is simulated has booted when this is started. */
	double start = root_is_sysroot(&agent->root) ? elapsed_seconds() : 0;
	char id[OPERATION_ID_MAX + 1];
	bool told = false;

	for (;;) {
		if (!trial_runs(agent, pending))
			return false;
		double late = elapsed_seconds() - start - (double)confirm_s;
		bool busy =
		    late >= 0 && late < OPERATION_WAIT_S && operation_running(agent, NULL, id);
		if (late >= 0 && !busy) {
			if (reboot_guests_forbid(&agent->root, NULL) == 0)
				return true;
			if (!told)
				fprintf(stderr,
				        "gpufleet-agent: nobody has confirmed this trial boot, "
				        "but guests run here: the host is not rebooted\n");
			told = true;
		}
		pause_ms(root_is_sysroot(&agent->root) ? 100 : 1000);
	}
}

static int reboot_now(const struct agent *agent, struct gf_err *err)
{
	const char *const systemd[] = {"systemctl", "reboot", NULL}, *const plain[] = {"reboot",
	                                                                               NULL};
	const char *const hard[] = {"systemctl", "reboot", "--force", "--force", NULL};
	const char *const *argv = root_is_sysroot(&agent->root) ? plain : systemd;
	struct root_output output;
	int failed = root_run_ok(&agent->root, argv, REBOOT_TIMEOUT_S, &output, err);

	root_output_free(&output);
	if (root_is_sysroot(&agent->root))
		return failed;
	pause_ms(REBOOT_WAIT_S * 1000L);
	sync();
	failed = root_run_ok(&agent->root, hard, REBOOT_TIMEOUT_S, &output, err);
	root_output_free(&output);
	return failed;
}

int trial_confirm_wait(const struct agent *agent, struct gf_err *err)
{
	json_t *marker = trial_marker_read(agent);
	json_int_t confirm_s = json_integer_value(json_object_get(marker, "confirm_timeout"));

	json_decref(marker);
	/* Started again because its reboot failed: it is decided already. */
	if (!trial_runs(agent, expired)) {
		if (confirm_s <= 0 || !time_passes(agent, confirm_s))
			return 0;
		/* Gone: the commit was faster. Where it can't be renamed, no commit can either. */
		if (!pending_take(agent, expired) && !state_has(agent, pending))
			return 0;
	}
	fprintf(
	    stderr,
	    "gpufleet-agent: nobody has confirmed this trial boot in %lld s: the host goes back "
	    "to its former boot entry\n",
	    (long long)confirm_s);
	return reboot_now(agent, err);
}
