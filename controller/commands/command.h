/* command.h: the subcommands of gpufleet: one row of a table each, one file each (command_NAME.c).
 *
 * A command returns the exit status of the whole program (docs/design and `gpufleet --help` list
 * them). With status 1 and err->code set, main.c prints err->msg on stderr: commands print results,
 * not errors.
 */
#ifndef GPUFLEET_COMMAND_H
#define GPUFLEET_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

#include "controller/secret/secret.h"
#include "controller/ssh/ssh_jump.h"
#include "inventory/inventory.h"
#include "node-agent/wire/error.h"

enum command_status {
	STATUS_DONE = 0,
	STATUS_INPUT = 1,       /* usage or input error, or a fault of the controller */
	STATUS_PENDING = 2,     /* changes pending; or hosts failed, blocked or skipped */
	STATUS_HALTED = 3,      /* by the failure budget */
	STATUS_UNREACHABLE = 4, /* no host failed, but some were unreachable */
	STATUS_WINDOW = 5,      /* no window of rollout.windows is open, or not for long enough */
	STATUS_INTERRUPTED = 130,
};

/* Which options a command takes, beside --help: the bits of struct command.options. */
enum command_option {
	OPTION_FLEET = 1 << 0, /* --limit --state --forks --timeout: it goes to hosts */
	OPTION_JSON = 1 << 1,
	OPTION_YES = 1 << 2,
	OPTION_GUESTS = 1 << 3, /* --allow-running-guests */
	OPTION_PLAN_OUT = 1 << 4,
	OPTION_PLAN_IN = 1 << 5,
	OPTION_WATCH = 1 << 6,
	OPTION_RUN = 1 << 7,
	OPTION_UNDO = 1 << 8,    /* --force --purge */
	OPTION_REPORT = 1 << 9,  /* --format --output --since --history --what-if */
	OPTION_ARGV = 1 << 10,   /* the command after -- */
	OPTION_PROBE = 1 << 12,  /* --probe */
	OPTION_SELECT = 1 << 11, /* --limit --state alone: it reads, but goes to no host */
};

/* The command line, parsed. Strings are argv's (borrowed), NULL where not given. */
struct command_context {
	const struct command *command;
	const char *inventory_path;
	const char *limit;
	const char *state_path; /* NULL: store_default_path of the fleet */
	unsigned forks;         /* connections at once; default 64 */
	unsigned timeout_s;     /* 0: each step's own deadline */
	bool json, yes, color, allow_running_guests, verbose;
	bool become_fd_given;
	unsigned become_fd; /* --become-password-fd */
	const char *run;
	bool force, purge;
	bool probe; /* scan: ask the kernel for free devices */
	const char *format, *output;
	const char *what_if[16]; /* --what-if, as often as given */
	size_t what_if_count;
	const char *since; /* report: as given */
	bool history;
	const char *watch;              /* scan: as given */
	const char *plan_out, *plan_in; /* a saved plan: to be written, to be applied */
	char *const *argv;              /* what stands after `--`, NULL-terminated */
	int argc;
	const char *program; /* argv[0], for the command line of the recap */
	char *const *all_argv;
	int all_argc;
};

struct command {
	const char *name;
	const char *usage; /* "INVENTORY [--out FILE]" */
	const char *doc;   /* one line */
	int (*function)(struct command_context *context, struct gf_err *err);
	unsigned options; /* OPTION_… */
};

extern const struct command command_table[]; /* ends with a row whose name is NULL */

int command_check(struct command_context *context, struct gf_err *err);
int command_scan(struct command_context *context, struct gf_err *err);
int command_plan(struct command_context *context, struct gf_err *err);
int command_apply(struct command_context *context, struct gf_err *err);
int command_verify(struct command_context *context, struct gf_err *err);
int command_report(struct command_context *context, struct gf_err *err);
int command_reboot(struct command_context *context, struct gf_err *err);
int command_rollback(struct command_context *context, struct gf_err *err);
int command_status(struct command_context *context, struct gf_err *err);
int command_exec(struct command_context *context, struct gf_err *err);

/* What almost every command starts from: the inventory and the hosts that --limit selects. */
struct command_fleet {
	struct inventory *inventory;
	size_t *selected; /* indexes into inventory->hosts, ascending */
	size_t count;
	char *state_path;
	struct ssh_jumps jumps; /* of the selected hosts, from command_fleet_reach on */
};

/* Reads the inventory and selects. Returns 0, or STATUS_INPUT with *err. command_fleet_free after
 * either. */
int command_fleet_load(const struct command_context *context, struct command_fleet *fleet,
                       struct gf_err *err);
void command_fleet_free(struct command_fleet *fleet);

/* command_reach.c: fills what the inventory leaves open of how the selected hosts are reached: from
 * ~/.ssh/config, then built in. Prints what it leaves out of that file on stderr. Returns 0 or -1.
 */
int command_fleet_reach(struct command_fleet *fleet, struct gf_err *err);

/* Who asks for passwords, or has read one from --become-password-fd. NULL with *err. */
struct secrets *command_secrets_new(const struct command_context *context, uv_loop_t *loop,
                                    const struct secret_hooks *hooks, struct gf_err *err);

#endif
