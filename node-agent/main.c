/* main.c: gpufleet-agent's command line. The controller uses `serve`; a person can use all of it.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "node-agent/facts/facts.h"
#include "node-agent/operation/operation.h"
#include "node-agent/serve.h"
#include "node-agent/trial/trial.h"
#include "node-agent/wire/frame.h"

static const char usage[] =
    "Usage: gpufleet-agent [--sysroot DIR] [--state-dir DIR] COMMAND\n"
    "\n"
    "The part of gpufleet that runs on a compute host. `gpufleet` pushes and starts it;\n"
    "these commands are for looking at one host by hand.\n"
    "\n"
    "  facts              print what this host is and has, as JSON (reads only)\n"
    "  plan               read a request from standard input, print what would change\n"
    "  verify             the same: print what is not as it should be now\n"
    "  apply              do one stage of a request, print its events and its result\n"
    "  undo               undo operations (a request with \"operation\": a new id)\n"
    "  attach             print the events and the result of an operation\n"
    "  operations         list the operations of this host\n"
    "  commit             make the trial that runs the default\n"
    "  reboot, lease      as on the wire\n"
    "  serve              answer requests, one JSON object a line, until the input ends\n"
    "  run-operation ID   (used by the agent itself: an operation's detached work)\n"
    "  restore            put back what a trial boot that did not come up had staged (run by\n"
    "                     gpufleet-restore.service; restore-late clears the rest away)\n"
    "  confirm-wait       end a trial boot that nobody confirms (run by gpufleet-confirm.service)\n"
    "\n"
    "  --sysroot DIR      read and write under DIR as if it were / (also: GPUFLEET_SYSROOT)\n"
    "  --state-dir DIR    where operations are recorded [/var/lib/gpufleet]\n"
    "  --help, --version\n"
    "\n"
    "A request on standard input is one JSON object, for example\n"
    "  echo '{\"context\":{\"wanted\":[]},\"stages\":[]}' | gpufleet-agent plan\n";

/* Commands that read a request from standard input; the others need none. */
static const char *const request_commands[] = {"plan",   "verify", "apply", "undo",
                                               "attach", "reboot", "lease", "commit"};

static int fail(const struct gf_err *err)
{
	fprintf(stderr, "gpufleet-agent: %s\n", err->msg);
	return gf_code_exit_status(err->code);
}

static bool takes_request(const char *command)
{
	for (size_t i = 0; i < sizeof(request_commands) / sizeof(request_commands[0]); i++)
		if (strcmp(command, request_commands[i]) == 0)
			return true;
	return false;
}

static int command_facts(const struct agent *agent)
{
	struct gf_err err;
	json_t *facts = facts_collect(&agent->root, &err);
	if (!facts)
		return fail(&err);
	int failed = json_dumpf(facts, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF ||
	             fflush(stdout) != 0;
	json_decref(facts);
	if (failed) {
		gf_err_errno(&err, GF_E_IO, "cannot write to standard output");
		return fail(&err);
	}
	return 0;
}

static int command_request(const struct agent *agent, const char *command)
{
	struct gf_err err = {0};
	json_error_t error = {0};
	json_t *request = takes_request(command) ? json_loadf(stdin, JSON_REJECT_DUPLICATES, &error)
	                                         : json_object();
	if (!json_is_object(request)) {
		gf_err_set(&err, GF_E_INPUT,
		           "standard input holds no JSON object with a request: line %d: %s",
		           request ? 1 : error.line, request ? "not an object" : error.text);
		json_decref(request);
		return fail(&err);
	}
	json_object_set_new(request, "request", json_string(command));
	struct serve serve = {.agent = agent, .in = 0, .out = 1};
	bool failed = false;
	int lost = serve_request(&serve, request, &failed);
	json_decref(request);
	serve_forget(&serve);
	return lost || failed ? 2 : 0;
}

/* Run by the units of trial/trial_unit.c. */
static int command_restore(const struct agent *agent, bool late)
{
	struct gf_err err;
	if (trial_restore(agent, late ? TRIAL_RESTORE_LATE : TRIAL_RESTORE_EARLY, &err) != 0)
		return fail(&err);
	return 0;
}

static int command_confirm_wait(const struct agent *agent)
{
	struct gf_err err;
	return trial_confirm_wait(agent, &err) != 0 ? fail(&err) : 0;
}

static int agent_locate(struct agent *agent, struct gf_err *err)
{
	/* Started by the bundle's own loader, /proc/self/exe would be that loader. */
	const char *directory = getenv("GPUFLEET_AGENT_DIR");
	int n;
	if (directory && *directory == '/') {
		snprintf(agent->directory, sizeof(agent->directory), "%s", directory);
		n = snprintf(agent->program, sizeof(agent->program), "%s/gpufleet-agent",
		             directory);
	} else {
		n = (int)readlink("/proc/self/exe", agent->program, sizeof(agent->program) - 1);
		agent->program[n > 0 ? n : 0] = '\0';
		char *name = strrchr(agent->program, '/');
		if (name && strcmp(name, "/ld.so") == 0) {
			*name = '\0';
			snprintf(agent->directory, sizeof(agent->directory), "%s", agent->program);
			n = snprintf(name, sizeof(agent->program) - (size_t)(name - agent->program),
			             "/gpufleet-agent");
		}
	}
	if (n <= 0 || (size_t)n >= sizeof(agent->program))
		return gf_err_set(err, GF_E_INTERNAL, "cannot tell where this program lies");
	return 0;
}

static int agent_open(struct agent *agent, const char *sysroot, const char *state,
                      struct gf_err *err)
{
	if (*state != '/' || strstr(state, "..") || strlen(state) > 1024)
		return gf_err_set(err, GF_E_USAGE, "--state-dir needs an absolute path");
	snprintf(agent->state, sizeof(agent->state), "%s", state);
	if (root_open(&agent->root, sysroot, err) != 0)
		return -1;
	return agent_locate(agent, err);
}

static int command_run(const struct agent *agent, char *const argv[], int argc)
{
	struct serve serve = {.agent = agent, .in = 0, .out = 1};
	struct gf_err err;
	if (argc == 1 && strcmp(argv[0], "serve") == 0)
		return serve_loop(&serve);
	if (argc == 1 && strcmp(argv[0], "facts") == 0)
		return command_facts(agent);
	if (argc == 1 && strcmp(argv[0], "restore") == 0)
		return command_restore(agent, false);
	if (argc == 1 && strcmp(argv[0], "restore-late") == 0)
		return command_restore(agent, true);
	if (argc == 1 && strcmp(argv[0], "confirm-wait") == 0)
		return command_confirm_wait(agent);
	if (argc == 2 && strcmp(argv[0], "run-operation") == 0)
		return operation_work(agent, argv[1], -1);
	if (argc == 1 && (takes_request(argv[0]) || strcmp(argv[0], "operations") == 0))
		return command_request(agent, argv[0]);
	gf_err_set(&err, GF_E_USAGE, "%s \"%.60s\"; see gpufleet-agent --help",
	           argc == 0   ? "no command"
	           : argc == 1 ? "no such command"
	                       : "these arguments do not belong to",
	           argc ? argv[0] : "");
	return fail(&err);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"sysroot", required_argument, NULL, 'r'},
	                                        {"state-dir", required_argument, NULL, 's'},
	                                        {"help", no_argument, NULL, 'h'},
	                                        {"version", no_argument, NULL, 'V'},
	                                        {NULL, 0, NULL, 0}};
	const char *sysroot = getenv("GPUFLEET_SYSROOT"), *state = "/var/lib/gpufleet";
	static struct agent agent;
	struct gf_err err;
	int option;
	while ((option = getopt_long(argc, argv, "hV", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			sysroot = optarg;
			break;
		case 's':
			state = optarg;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'V':
			printf("gpufleet-agent %s\n", GPUFLEET_VERSION);
			return 0;
		default:
			return 1;
		}
	}
	/* A peer that went away is an error of write(), not a signal. */
	signal(SIGPIPE, SIG_IGN);
	if (agent_open(&agent, sysroot, state, &err) != 0)
		return fail(&err);
	return command_run(&agent, argv + optind, argc - optind);
}
