/* command_exec.c: `gpufleet exec INVENTORY -- COMMAND`: a command everywhere, equal outcomes
 * folded. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controller/commands/command.h"
#include "controller/commands/exec_run.h"
#include "controller/commands/process_limits.h"
#include "controller/ssh/ssh_opener.h"
#include "controller/terminal/terminal.h"

#define FORKS     64
#define FOOTER_MS 200

struct exec_command {
	struct exec_run run;
	struct exec_fold *fold;
	uv_signal_t interrupt, terminate;
	uv_timer_t footer;
	uint64_t began_ms;
	struct terminal terminal;
	bool interrupted, json;
	struct gf_err err; /* the controller's own */
};

/* The words joined with spaces, as ssh does: the host's shell reads the line. */
static char *join_words(char *const *words, int count)
{
	size_t size = 1;
	for (int i = 0; i < count; i++)
		size += strlen(words[i]) + 1;
	char *line = calloc(1, size);
	for (int i = 0; line && i < count; i++) {
		strcat(line, i ? " " : "");
		strcat(line, words[i]);
	}
	return line;
}

static void done_cb(void *ctx, const struct exec_result *result)
{
	struct exec_command *command = ctx;
	if (command->json) {
		exec_result_json(result, stdout);
		fflush(stdout);
	}
	struct gf_err err;
	if (exec_fold_add(command->fold, result, &err) != 0)
		command->err = err;
}

static void signal_cb(uv_signal_t *handle, int number)
{
	(void)number;
	struct exec_command *command = handle->data;
	bool again = command->interrupted;
	terminal_clear(&command->terminal);
	command->interrupted = true;
	if (!again) {
		char *names = exec_run_in_flight(&command->run);
		fprintf(
		    stderr,
		    "\ninterrupted: no host is begun any more; still running on %s (press ^C again "
		    "to leave them)\n",
		    names ? names : "some hosts");
		free(names);
	}
	exec_run_stop(&command->run, again);
}

static void footer_cb(uv_timer_t *timer)
{
	struct exec_command *command = timer->data;
	const struct exec_run *run = &command->run;
	uint64_t now = uv_now(run->loop), since = now;
	struct terminal_progress progress = {
	    .total = run->count,
	    .done = exec_fold_count(command->fold, EXEC_OK),
	    .running = run->running,
	    .waiting = run->count - run->next,
	    .failed = exec_fold_count(command->fold, EXEC_EXIT) +
	              exec_fold_count(command->fold, EXEC_FAILED),
	    .unreachable = exec_fold_count(command->fold, EXEC_UNREACHABLE),
	    .slowest = exec_run_slowest(run, &since),
	    .slowest_stage = "command",
	    .elapsed_s = (unsigned)((now - command->began_ms) / 1000),
	};
	progress.slowest_s = (unsigned)((now - since) / 1000);
	terminal_footer(&command->terminal, &progress, now);
}

static void watch_signal(struct exec_command *command, uv_signal_t *handle, int number)
{
	uv_signal_init(command->run.loop, handle);
	handle->data = command;
	uv_signal_start(handle, signal_cb, number);
	uv_unref((uv_handle_t *)handle);
}

static void print_text(const struct exec_command *command)
{
	const struct exec_fold *fold = command->fold;
	exec_fold_print(fold, stdout, isatty(STDOUT_FILENO));
	size_t ok = exec_fold_count(fold, EXEC_OK), exits = exec_fold_count(fold, EXEC_EXIT);
	size_t failed = exec_fold_count(fold, EXEC_FAILED);
	size_t gone = exec_fold_count(fold, EXEC_UNREACHABLE);
	size_t left = command->run.count - command->run.ended;
	if (ok == command->run.count)
		return;
	printf("\n%zu of %zu host%s ok", ok, command->run.count,
	       command->run.count == 1 ? "" : "s");
	if (exits)
		printf(", %zu ended non-zero", exits);
	if (failed)
		printf(", %zu failed", failed);
	if (gone)
		printf(", %zu unreachable", gone);
	if (left)
		printf(", %zu not begun", left);
	putchar('\n');
}

static void print_json_end(const struct exec_command *command)
{
	const struct exec_fold *fold = command->fold;
	char stamp[32];
	time_t now = time(NULL);
	struct tm broken;
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &broken));
	json_t *line =
	    json_pack("{s:s, s:s, s:n, s:n, s:n, s:s, s:s, s:I, s:I, s:I, s:I}", "time", stamp,
	              "event", "exec.finished", "host", "stage", "task", "status",
	              command->interrupted ? "interrupted" : "done", "message", "", "ok",
	              (json_int_t)exec_fold_count(fold, EXEC_OK), "failed",
	              (json_int_t)exec_fold_count(fold, EXEC_EXIT) +
	                  (json_int_t)exec_fold_count(fold, EXEC_FAILED),
	              "unreachable", (json_int_t)exec_fold_count(fold, EXEC_UNREACHABLE),
	              "not_begun", (json_int_t)(command->run.count - command->run.ended));
	if (line && json_dumpf(line, stdout, JSON_COMPACT) == 0)
		putchar('\n');
	json_decref(line);
}

static int exit_status(const struct exec_command *command)
{
	const struct exec_fold *fold = command->fold;
	if (command->interrupted)
		return STATUS_INTERRUPTED;
	if (exec_fold_count(fold, EXEC_EXIT) || exec_fold_count(fold, EXEC_FAILED))
		return STATUS_PENDING;
	return exec_fold_count(fold, EXEC_UNREACHABLE) ? STATUS_UNREACHABLE : STATUS_DONE;
}

static int run_everywhere(struct exec_command *command, const struct command_context *context,
                          struct ssh_options *options, struct gf_err *err)
{
	uv_loop_t loop;
	uv_loop_init(&loop);
	command->run.loop = &loop;
	command->run.secrets = command_secrets_new(context, &loop, NULL, err);
	options->secrets = command->run.secrets;
	command->run.opener = command->run.secrets ? ssh_opener_new(&loop, options, err) : NULL;
	if (!command->run.opener) {
		secrets_free(command->run.secrets);
		uv_run(&loop, UV_RUN_DEFAULT);
		uv_loop_close(&loop);
		command->run.loop = NULL;
		return STATUS_INPUT;
	}
	watch_signal(command, &command->interrupt, SIGINT);
	watch_signal(command, &command->terminate, SIGTERM);
	terminal_init(&command->terminal, stdout, command->json, false);
	uv_timer_init(&loop, &command->footer);
	command->footer.data = command;
	command->began_ms = uv_now(&loop);
	if (command->terminal.live)
		uv_timer_start(&command->footer, footer_cb, FOOTER_MS, FOOTER_MS);
	exec_run(&command->run);
	terminal_clear(&command->terminal);
	ssh_opener_free(command->run.opener);
	secrets_free(command->run.secrets);
	uv_close((uv_handle_t *)&command->footer, NULL);
	uv_close((uv_handle_t *)&command->interrupt, NULL);
	uv_close((uv_handle_t *)&command->terminate, NULL);
	/* What is left are look-ups on the pool that nobody waits for: an interrupt does not,
	 * either. */
	uv_run(&loop, command->interrupted ? UV_RUN_NOWAIT : UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	command->run.loop = NULL;
	if (command->err.code != GF_OK) {
		*err = command->err;
		return STATUS_INPUT;
	}
	if (command->json)
		print_json_end(command);
	else
		print_text(command);
	return exit_status(command);
}

int command_exec(struct command_context *context, struct gf_err *err)
{
	struct command_fleet fleet;
	if (context->argc < 1) {
		gf_err_set(
		    err, GF_E_USAGE,
		    "exec needs a command after --, as in: gpufleet exec INVENTORY -- uname -r");
		return STATUS_INPUT;
	}
	unsigned forks = context->forks ? context->forks : FORKS;
	if (command_fleet_load(context, &fleet, err) != 0 ||
	    command_fleet_reach(&fleet, err) != 0 ||
	    process_limits_files(fleet.count < forks ? fleet.count : forks, err) != 0) {
		command_fleet_free(&fleet);
		return STATUS_INPUT;
	}
	struct exec_command command = {.json = context->json, .fold = exec_fold_new()};
	char *line = join_words(context->argv, context->argc);
	int status = STATUS_INPUT;
	if (line && command.fold) {
		struct ssh_options options = {.command_timeout_ms = context->timeout_s * 1000};
		command.run.inventory = fleet.inventory;
		command.run.selected = fleet.selected;
		command.run.count = fleet.count;
		command.run.forks = forks;
		command.run.command = line;
		command.run.done = done_cb;
		command.run.ctx = &command;
		status = run_everywhere(&command, context, &options, err);
	} else {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	free(line);
	exec_fold_free(command.fold);
	command_fleet_free(&fleet);
	return status;
}
