/* command_line.c: see command_line.h. The commands and the options are tables; --help prints them.
 */
#include "controller/commands/command_line.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inventory/suggest.h"

const struct command command_table[] = {
    {"check", "INVENTORY", "validate inventory and playbook; touches no host", command_check,
     OPTION_JSON | OPTION_SELECT},
    {"scan", "INVENTORY [--watch INTERVAL]", "collect facts; prints a ready-to-paste `gpus` block",
     command_scan, OPTION_FLEET | OPTION_JSON | OPTION_WATCH | OPTION_PROBE},
    {"plan", "INVENTORY [--out FILE]", "show what apply would change; changes nothing",
     command_plan, OPTION_FLEET | OPTION_JSON | OPTION_PLAN_OUT | OPTION_GUESTS},
    {"apply", "INVENTORY [--plan FILE]",
     "bring the fleet to the declared state; the same command resumes", command_apply,
     OPTION_FLEET | OPTION_JSON | OPTION_YES | OPTION_GUESTS | OPTION_PLAN_IN},
    {"verify", "INVENTORY", "has any host drifted from what the last apply left?", command_verify,
     OPTION_FLEET | OPTION_JSON},
    {"report", "INVENTORY", "readiness of the fleet from what was last seen; touches no host",
     command_report, OPTION_SELECT | OPTION_JSON | OPTION_REPORT},
    {"reboot", "INVENTORY", "rolling reboot under the inventory's waves and budgets",
     command_reboot, OPTION_FLEET | OPTION_JSON | OPTION_YES | OPTION_GUESTS},
    {"rollback", "INVENTORY", "undo what was applied, and reboot where needed", command_rollback,
     OPTION_FLEET | OPTION_JSON | OPTION_YES | OPTION_GUESTS | OPTION_RUN | OPTION_UNDO},
    {"status", "INVENTORY", "the last or running run, host by host", command_status,
     OPTION_SELECT | OPTION_JSON},
    {"exec", "INVENTORY -- COMMAND", "run a command everywhere; equal outputs are folded",
     command_exec, OPTION_FLEET | OPTION_JSON | OPTION_ARGV},
    {NULL, NULL, NULL, NULL, 0},
};

enum option_value {
	VALUE_LIMIT = 256,
	VALUE_STATE,
	VALUE_FORKS,
	VALUE_TIMEOUT,
	VALUE_JSON,
	VALUE_YES,
	VALUE_NO_COLOR,
	VALUE_GUESTS,
	VALUE_BECOME_FD,
	VALUE_RUN,
	VALUE_FORCE,
	VALUE_PURGE,
	VALUE_FORMAT,
	VALUE_OUTPUT,
	VALUE_WHAT_IF,
	VALUE_SINCE,
	VALUE_HISTORY,
	VALUE_WATCH,
	VALUE_PLAN_OUT,
	VALUE_PLAN_IN,
	VALUE_PROBE,
	VALUE_HELP,
	VALUE_VERSION,
};

struct option_row {
	struct option option;
	unsigned commands; /* OPTION_… that brings it; 0: every command */
	const char *argument, *doc;
};

static const struct option_row option_rows[] = {
    {{"limit", required_argument, NULL, VALUE_LIMIT},
     OPTION_FLEET | OPTION_SELECT,
     "NODESET",
     "only these hosts: gpu[01-16],@group,!gpu07"},
    {{"state", required_argument, NULL, VALUE_STATE},
     OPTION_FLEET | OPTION_SELECT,
     "FILE",
     "the store (default: $XDG_STATE_HOME/gpufleet/FLEET.db)"},
    {{"forks", required_argument, NULL, VALUE_FORKS},
     OPTION_FLEET,
     "N",
     "connections at once (default: 64)"},
    {{"timeout", required_argument, NULL, VALUE_TIMEOUT},
     OPTION_FLEET,
     "SECONDS",
     "give a host up that does not answer a step in this time"},
    {{"json", no_argument, NULL, VALUE_JSON},
     OPTION_JSON,
     NULL,
     "only JSON on standard output, one object a line"},
    {{"yes", no_argument, NULL, VALUE_YES}, OPTION_YES, NULL, "do not ask"},
    {{"allow-running-guests", no_argument, NULL, VALUE_GUESTS},
     OPTION_GUESTS,
     NULL,
     "reboot hosts that run guests, too"},
    {{"run", required_argument, NULL, VALUE_RUN},
     OPTION_RUN,
     "ID",
     "undo from this run on (default: all runs)"},
    {{"force", no_argument, NULL, VALUE_FORCE},
     OPTION_UNDO,
     NULL,
     "undo files that were changed since by others, too"},
    {{"purge", no_argument, NULL, VALUE_PURGE},
     OPTION_UNDO,
     NULL,
     "remove the agent, its backups and its units as well"},
    {{"format", required_argument, NULL, VALUE_FORMAT},
     OPTION_REPORT | OPTION_WATCH,
     "FORMAT",
     "text, json, html, csv, prometheus, openstack (a script that makes the flavors), libvirt "
     "(XML) or ansible-inventory"},
    {{"output", required_argument, NULL, VALUE_OUTPUT},
     OPTION_REPORT | OPTION_WATCH,
     "FILE",
     "write there instead of standard output"},
    {{"what-if", required_argument, NULL, VALUE_WHAT_IF},
     OPTION_REPORT,
     "CHANGE",
     "capacity with fix=CHECK or flavor=NAME,vcpus=N,ram=MIB,gpus=ALIAS:N; may be repeated"},
    {{"since", required_argument, NULL, VALUE_SINCE},
     OPTION_REPORT,
     "TIME",
     "what changed since the scan at or before TIME: 2026-01-31, 7d, 24h"},
    {{"history", no_argument, NULL, VALUE_HISTORY},
     OPTION_REPORT,
     NULL,
     "readiness over time, from the scans that are kept"},
    {{"out", required_argument, NULL, VALUE_PLAN_OUT},
     OPTION_PLAN_OUT,
     "FILE",
     "save the plan there, for apply --plan"},
    {{"plan", required_argument, NULL, VALUE_PLAN_IN},
     OPTION_PLAN_IN,
     "FILE",
     "do exactly this saved plan; hosts that changed since are refused"},
    {{"watch", required_argument, NULL, VALUE_WATCH},
     OPTION_WATCH,
     "INTERVAL",
     "scan again and again, a line each: 60s, 5m, 1h"},
    {{"probe", no_argument, NULL, VALUE_PROBE},
     OPTION_PROBE,
     NULL,
     "ask each kernel for the devices that nobody uses, as a guest would"},
    {{"become-password-fd", required_argument, NULL, VALUE_BECOME_FD},
     OPTION_FLEET,
     "N",
     "read sudo's password from this open file"},
    {{"no-color", no_argument, NULL, VALUE_NO_COLOR}, 0, NULL, "no colors (as NO_COLOR)"},
    {{"verbose", no_argument, NULL, 'v'}, 0, NULL, "-v: more lines, whole diffs"},
    {{"help", no_argument, NULL, VALUE_HELP}, 0, NULL, "show this"},
    {{"version", no_argument, NULL, VALUE_VERSION}, 0, NULL, "show the version"},
};

#define OPTION_ROWS (sizeof(option_rows) / sizeof(option_rows[0]))

static bool option_applies(const struct option_row *row, const struct command *command)
{
	return !row->commands || (command && (row->commands & command->options));
}

static void print_options(const struct command *command)
{
	char left[64];

	for (size_t i = 0; i < OPTION_ROWS; i++) {
		const struct option_row *row = &option_rows[i];

		if (!option_applies(row, command))
			continue;
		snprintf(left, sizeof(left), "--%s%s%s", row->option.name, row->argument ? " " : "",
		         row->argument ? row->argument : "");
		printf("  %-26s %s\n", left, row->doc);
	}
}

static void print_help(const struct command *command)
{
	if (command) {
		printf("usage: gpufleet %s %s [options]\n\n%s.\n\n", command->name, command->usage,
		       command->doc);
		print_options(command);
		return;
	}
	printf("usage: gpufleet COMMAND INVENTORY [options]\n\n"
	       "Takes OpenStack compute hosts to GPU passthrough over SSH.\n\n");
	for (const struct command *row = command_table; row->name; row++)
		printf("  %-9s %s\n", row->name, row->doc);
	printf("\n`gpufleet COMMAND --help` shows a command's options.\n\n"
	       "exit status: 0 done, nothing pending; 1 usage or input error; 2 changes pending, "
	       "or hosts\n"
	       "failed, blocked or skipped; 3 halted by the failure budget; 4 some hosts "
	       "unreachable;\n"
	       "5 the window closed; 130 interrupted\n");
}

static const struct command *command_find(const char *name, struct gf_err *err)
{
	const char *names[16], *near;
	size_t count = 0;

	for (const struct command *row = command_table; row->name; row++) {
		if (strcmp(row->name, name) == 0)
			return row;
		names[count++] = row->name;
	}
	near = suggest_nearest(name, names, count);
	gf_err_set(err, GF_E_USAGE,
	           "gpufleet: there is no command \"%.60s\"%s%s%s (gpufleet --help)", name,
	           near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return NULL;
}

static int option_unknown(const struct command *command, const char *given, struct gf_err *err)
{
	const char *names[OPTION_ROWS], *near = NULL;
	char word[64];
	size_t count = 0;

	for (size_t i = 0; i < OPTION_ROWS; i++) {
		if (option_applies(&option_rows[i], command))
			names[count++] = option_rows[i].option.name;
	}
	snprintf(word, sizeof(word), "%s", given + strspn(given, "-"));
	word[strcspn(word, "=")] = '\0';
	near = suggest_nearest(word, names, count);
	for (size_t i = 0; i < OPTION_ROWS; i++) {
		if (strcmp(option_rows[i].option.name, word) == 0)
			near = NULL; /* it is spelt right, but of other commands */
	}
	return gf_err_set(err, GF_E_USAGE,
	                  "gpufleet %s: it has no option %.60s%s%s%s (gpufleet %s --help)",
	                  command->name, given, near ? "; did you mean --" : "", near ? near : "",
	                  near ? "?" : "", command->name);
}

static int number_parse(const char *name, const char *text, unsigned most, unsigned *number,
                        struct gf_err *err)
{
	char *end;
	unsigned long value;

	errno = 0;
	value = strtoul(text, &end, 10);
	if (errno || *end || text[0] < '0' || text[0] > '9' || value < 1 || value > most)
		return gf_err_set(err, GF_E_USAGE,
		                  "--%s takes a number from 1 to %u, not \"%.40s\"", name, most,
		                  text);
	*number = (unsigned)value;
	return 0;
}

static int option_take(struct command_context *context, int value, const char *name, int *status,
                       struct gf_err *err)
{
	switch (value) {
	case VALUE_LIMIT:
		if (!*optarg)
			return gf_err_set(err, GF_E_USAGE,
			                  "--limit is empty: it would select no host");
		context->limit = optarg;
		return 0;
	case VALUE_STATE:
		context->state_path = optarg;
		return 0;
	case VALUE_FORKS:
		return number_parse("forks", optarg, 10000, &context->forks, err);
	case VALUE_TIMEOUT:
		return number_parse("timeout", optarg, 86400, &context->timeout_s, err);
	case VALUE_JSON:
		context->json = true;
		return 0;
	case VALUE_YES:
		context->yes = true;
		return 0;
	case VALUE_NO_COLOR:
		context->color = false;
		return 0;
	case VALUE_GUESTS:
		context->allow_running_guests = true;
		return 0;
	case VALUE_PROBE:
		context->probe = true;
		return 0;
	case VALUE_BECOME_FD:
		context->become_fd_given = true;
		if (strcmp(optarg, "0") == 0)
			return 0;
		return number_parse("become-password-fd", optarg, 65535, &context->become_fd, err);
	case VALUE_RUN:
		context->run = optarg;
		return 0;
	case VALUE_FORCE:
		context->force = true;
		return 0;
	case VALUE_PURGE:
		context->purge = true;
		return 0;
	case VALUE_FORMAT:
		context->format = optarg;
		return 0;
	case VALUE_OUTPUT:
		context->output = optarg;
		return 0;
	case VALUE_WHAT_IF:
		if (context->what_if_count == sizeof(context->what_if) / sizeof(*context->what_if))
			return gf_err_set(err, GF_E_USAGE, "--what-if: %zu at once are the most",
			                  context->what_if_count);
		context->what_if[context->what_if_count++] = optarg;
		return 0;
	case VALUE_SINCE:
		context->since = optarg;
		return 0;
	case VALUE_HISTORY:
		context->history = true;
		return 0;
	case VALUE_WATCH:
		context->watch = optarg;
		return 0;
	case VALUE_PLAN_OUT:
		context->plan_out = optarg;
		return 0;
	case VALUE_PLAN_IN:
		context->plan_in = optarg;
		return 0;
	case 'v':
		context->verbose = true;
		return 0;
	case 'h':
	case VALUE_HELP:
		print_help(context->command);
		*status = STATUS_DONE;
		return 0;
	case VALUE_VERSION:
		printf("gpufleet %s\n", GPUFLEET_VERSION);
		*status = STATUS_DONE;
		return 0;
	default:
		return gf_err_set(err, GF_E_USAGE, "--%s is not available in this version", name);
	}
}

static int options_parse(int argc, char **argv, struct command_context *context, int *status,
                         struct gf_err *err)
{
	struct option options[OPTION_ROWS + 1] = {0};
	size_t count = 0;
	int value, index = -1;

	for (size_t i = 0; i < OPTION_ROWS; i++) {
		if (option_applies(&option_rows[i], context->command))
			options[count++] = option_rows[i].option;
	}
	opterr = 0;
	optind = 1;
	while (*status < 0) {
		int at = optind;

		index = -1;
		value = getopt_long(argc, argv, ":vh", options, &index);
		if (value == -1)
			return 0;
		if (value == ':')
			return gf_err_set(err, GF_E_USAGE, "gpufleet %s: %s needs a value",
			                  context->command->name, argv[optind - 1]);
		if (value == '?')
			return option_unknown(context->command, argv[optind > at ? optind - 1 : at],
			                      err);
		if (option_take(context, value, index >= 0 ? options[index].name : "", status, err))
			return -1;
	}
	return 0;
}

/* WORDS: those before SEPARATOR, options first. */
static int rest_take(int argc, char **argv, char **words, int separator,
                     struct command_context *context, struct gf_err *err)
{
	const struct command *command = context->command;

	if (optind >= separator)
		return gf_err_set(err, GF_E_USAGE, "usage: gpufleet %s %s", command->name,
		                  command->usage);
	context->inventory_path = words[optind];
	if (optind + 1 < separator)
		return gf_err_set(
		    err, GF_E_USAGE,
		    "gpufleet %s: one inventory is enough: \"%.60s\" is one argument too many%s",
		    command->name, words[optind + 1],
		    command->options & OPTION_ARGV ? " (put -- before the command)" : "");
	if (!(command->options & OPTION_ARGV))
		return separator < argc && separator + 1 < argc
		           ? gf_err_set(err, GF_E_USAGE, "gpufleet %s takes no command after --",
		                        command->name)
		           : 0;
	if (separator + 1 >= argc)
		return gf_err_set(err, GF_E_USAGE, "usage: gpufleet %s %s", command->name,
		                  command->usage);
	context->argv = argv + separator + 1;
	context->argc = argc - separator - 1;
	return 0;
}

int command_line_parse(int argc, char **argv, struct command_context *context, int *status,
                       struct gf_err *err)
{
	char **words;
	int separator = 1, rc;

	context->all_argv = argv;
	context->all_argc = argc;
	context->program = argv[0];
	context->forks = 64;
	context->color = !getenv("NO_COLOR") && isatty(STDOUT_FILENO);
	if (argc < 2)
		return gf_err_set(err, GF_E_USAGE,
		                  "usage: gpufleet COMMAND INVENTORY [options] (gpufleet --help)");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--version") == 0) {
		if (strcmp(argv[1], "--version") == 0) {
			printf("gpufleet %s\n", GPUFLEET_VERSION);
		} else {
			if (argc > 2 && !(context->command = command_find(argv[2], err)))
				return -1;
			print_help(context->command);
		}
		*status = STATUS_DONE;
		return 0;
	}
	context->command = command_find(argv[1], err);
	if (!context->command)
		return -1;
	/* What stands after -- is another program's. */
	while (separator < argc && strcmp(argv[separator], "--") != 0)
		separator++;
	/* getopt sorts what it is given; the recap shows the command as it was typed. */
	words = calloc((size_t)argc + 1, sizeof(*words));
	if (!words)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	memcpy(words, argv, (size_t)separator * sizeof(*words));
	rc = options_parse(separator - 1, words + 1, context, status, err);
	optind++; /* counted from words + 1 */
	if (!rc && *status < 0 && context->run && context->purge)
		rc = gf_err_set(
		    err, GF_E_USAGE,
		    "--purge removes what undoing the runs before %.64s takes: leave out "
		    "--run, or --purge",
		    context->run);
	if (!rc && *status < 0)
		rc = rest_take(argc, argv, words, separator, context, err);
	free(words);
	return rc;
}

static bool plain_word(const char *word)
{
	return *word && word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                                  "0123456789@%+=:,./_-")] == '\0';
}

char *command_line_text(const struct command_context *context, const char *extra)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	for (int i = 0; out && i < context->all_argc; i++) {
		const char *word = context->all_argv[i];

		fputs(i ? " " : "", out);
		if (plain_word(word)) {
			fputs(word, out);
			continue;
		}
		fputc('\'', out);
		for (; *word; word++)
			fputs(*word == '\'' ? "'\\''" : (char[]){*word, '\0'}, out);
		fputc('\'', out);
	}
	if (out && extra)
		fprintf(out, " %s", extra);
	if (out)
		fclose(out);
	return text;
}
