/* worker.c: starting an operation's worker, and its life from lock to result. */
#include "node-agent/operation/work.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "node-agent/wire/frame.h"

/* Takes ID's lock. Somebody who looks at the operation holds it for a moment, too. */
static int lock_take(const struct agent *agent, const char *id, struct gf_err *err)
{
	struct root_name name = operation_path(agent, id, "lock");
	int fd = open(name.text, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return gf_err_errno(err, GF_E_IO, "cannot open %s", name.text);
	for (int i = 0; i < 100; i++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		struct timespec wait = {.tv_nsec = 20000000};
		nanosleep(&wait, NULL);
	}
	close(fd);
	return gf_err_set(err, GF_E_TASK, "operation %s is running already", id);
}

/* When the host goes down, the worker passes over the signal, and its programs (update-initramfs)
 * must not get it either: the stage may end, but not keep the host up for ever. */
#define KILL_MODE    "--property=KillMode=mixed"
#define STOP_TIMEOUT "--property=TimeoutStopSec=300"

static int start_unit(const struct agent *agent, const char *id, struct gf_err *err)
{
	char unit[128], interpreter[PATH_MAX + 8];
	snprintf(unit, sizeof(unit), "--unit=gpufleet-op-%s", id);
	snprintf(interpreter, sizeof(interpreter), "%s/ld.so", agent->directory);
	const char *bundled[] = {"systemd-run",
	                         unit,
	                         "--collect",
	                         "--quiet",
	                         "--service-type=exec",
	                         KILL_MODE,
	                         STOP_TIMEOUT,
	                         "--description=gpufleet operation",
	                         "--",
	                         interpreter,
	                         "--library-path",
	                         agent->directory,
	                         agent->program,
	                         "--state-dir",
	                         agent->state,
	                         "run-operation",
	                         id,
	                         NULL};
	const char *bare[] = {"systemd-run",
	                      unit,
	                      "--collect",
	                      "--quiet",
	                      "--service-type=exec",
	                      KILL_MODE,
	                      STOP_TIMEOUT,
	                      "--description=gpufleet operation",
	                      "--",
	                      agent->program,
	                      "--state-dir",
	                      agent->state,
	                      "run-operation",
	                      id,
	                      NULL};
	struct root_output output;
	int failed =
	    root_run_ok(&agent->root, *agent->directory ? bundled : bare, 60, &output, err);
	root_output_free(&output);
	return failed;
}

/* A process of its own session that holds the lock from before its birth. */
static int start_process(const struct agent *agent, const char *id, struct gf_err *err)
{
	int lock = lock_take(agent, id, err);
	if (lock < 0)
		return -1;
	pid_t pid = fork();
	if (pid < 0) {
		close(lock);
		return gf_err_errno(err, GF_E_IO, "cannot start the operation's process");
	}
	if (pid == 0) {
		setsid();
		if (fork() != 0)
			_exit(0);
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);
		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		for (int fd = 3; fd < 256; fd++)
			if (fd != lock)
				close(fd);
		_exit(operation_work(agent, id, lock));
	}
	waitpid(pid, NULL, 0);
	close(lock);
	return 0;
}

static int write_result(struct worker *worker, int failed, const struct gf_err *error)
{
	const char *message = failed ? error->msg : "";
	json_t *result = json_pack("{s:s,s:s,s:b,s:b,s:o}", "operation", worker->id, "state",
	                           failed ? "failed" : "done", "changed", worker->changed, "reboot",
	                           worker->reboot, "message", frame_text(message, strlen(message)));
	if (failed)
		json_object_set_new(result, "code", json_string(gf_code_name(error->code)));
	if (worker->tried)
		json_object_set_new(result, "trial", json_true());
	struct root_name path = operation_path(worker->agent, worker->id, "result.json");
	struct root_name reserve = operation_path(worker->agent, worker->id, "reserve");
	int unwritten = result ? journal_write_file(path.text, result, NULL) : -1;
	unlink(reserve.text);
	if (unwritten && result)
		unwritten = journal_write_file(path.text, result, NULL);
	json_decref(result);
	return unwritten;
}

int operation_work(const struct agent *agent, const char *id, int lock)
{
	struct worker worker = {.agent = agent, .id = id, .journal = {.fd = -1}};
	struct gf_err err = {.code = GF_OK};
	/* The host going down must not stop half a stage: systemd waits before it kills. */
	signal(SIGHUP, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	umask(022);
	json_t *record = operation_request(agent, id, &err);
	if (!record)
		return 1;
	if (lock < 0)
		lock = lock_take(agent, id, &err);
	if (lock < 0 || operation_mark(lock, &err) != 0) {
		if (lock >= 0)
			close(lock);
		json_decref(record);
		return 1;
	}
	int failed =
	    journal_open(&worker.journal, operation_path(agent, id, "events.jsonl").text, &err);
	if (!failed)
		failed = work_request(&worker, json_object_get(record, "request"), &err);
	journal_close(&worker.journal);
	int unwritten = write_result(&worker, failed, &err);
	json_decref(record);
	close(lock);
	return unwritten || failed ? 1 : 0;
}

/* The worker could not be started. Unless it runs all the same, it is barred from ever doing so,
 * and the operation has failed. */
static void start_failed(const struct agent *agent, const char *id, const struct gf_err *error)
{
	struct worker worker = {.agent = agent, .id = id};
	int lock = lock_take(agent, id, NULL);
	if (lock >= 0 && operation_mark(lock, NULL) == 0)
		write_result(&worker, 1, error);
	if (lock >= 0)
		close(lock);
}

int operation_start(const struct agent *agent, const char *id, struct gf_err *err)
{
	struct gf_err error = {.code = GF_E_INTERNAL};
	bool unit = !root_is_sysroot(&agent->root) &&
	            root_exists(&agent->root, "/run/systemd/system") &&
	            root_program_exists(&agent->root, "systemd-run");
	if ((unit ? start_unit : start_process)(agent, id, &error) == 0)
		return 0;
	start_failed(agent, id, &error);
	return gf_err_set(err, error.code, "%s", error.msg);
}
