/* session.h: one run of a fleet from start to end, as scan, plan, apply, verify, reboot and
 * rollback share it: inventory, store, loop, SSH, signals, the question, the terminal and the
 * recap.
 */
#ifndef GPUFLEET_SESSION_H
#define GPUFLEET_SESSION_H

#include <uv.h>

#include "controller/clock/clock_uv.h"
#include "controller/clock/loop_watch.h"
#include "controller/clock/windows.h"
#include "controller/commands/command_report.h"
#include "controller/fleet/fleet.h"
#include "controller/fleet/journal_store.h"
#include "controller/hook/hook_uv.h"
#include "controller/secret/secret.h"
#include "controller/place/place.h"
#include "controller/plan/saved_plan.h"
#include "controller/terminal/terminal.h"
#include "playbooks/playbook.h"

struct session {
	/* For as long as the process runs: session_open to session_close. */
	struct command_context *context;
	uv_loop_t loop;
	uv_signal_t interrupt, terminate;
	uv_timer_t footer;
	struct clock_uv clock;
	struct loop_watch watch;
	struct terminal terminal;
	struct secrets *secrets; /* a person is asked once */
	bool interrupted;
	bool watching; /* there is another round: a line each, and what hosts tell with -v only */
	bool resting;  /* between two of them */
	bool stopped;  /* by ^C, when no run was under way */
	int status;
	/* Of one round: session_prepare to session_release. */
	struct command_fleet fleet;
	struct playbook *playbook;
	struct saved_plan *saved_plan; /* of apply --plan; or NULL */
	enum host_job job;
	char run[48];
	char *reboot_since; /* reboot: the first run of those that it goes on with; or NULL */
	char secret[65]; /* another one for each run; trials are confirmed by what is made of it */
	json_t *former_runs; /* of this store: an object, whose keys are the ids of all that change
	                        hosts */
	json_t *cut_runs;    /* … and were cut short */
	char who[64], where[256];
	char own_boot_id[BOOT_ID_SIZE]; /* of this machine; "" where it has none */
	uv_poll_t answer;               /* of the question on standard input */
	struct store *store;
	struct journal_store journal;
	struct nova_fleet *nova; /* what the stored facts say of the fleet's Nova; or NULL */
	struct link_opener *opener;
	struct windows windows;
	struct hook_uv hooks;
	struct place place;
	struct agent_bundle bundle;
	struct host_record *records; /* one for each host of the inventory, until they begin */
	struct fleet *engine;
	struct command_report built; /* of the whole fleet, after it: what the history keeps */
	uint64_t began_ms;
	long memory_kb; /* resident, at most, until every host was at its end */
	bool declined, asking, ended;
	bool prompting; /* for a password */
	bool busy;      /* it could not begin: another gpufleet is working on the fleet */
	/* What the command shows once every host is at its end, before the recap. May be NULL. */
	void (*show)(struct session *session);
	/* What it writes before the recap; -1 with *err ends with status 1. May be NULL. */
	int (*keep)(struct session *session, struct gf_err *err);
	/* What it shows before the question. May be NULL. */
	void (*show_plan)(struct session *session);
	const char *question;
	char wanted_answer[16]; /* the one line that means yes; "": yes itself */
};

/* Runs JOB to its end and returns the exit status. SHOW, SHOW_PLAN and QUESTION may be set before.
 */
int session_run(struct session *session, struct command_context *context, enum host_job job,
                struct gf_err *err);

/* session_run in its parts. Between session_open (0, or -1 with *err) and session_close there may
 * be any number of rounds; session_round reads the inventory anew, opens the store and leaves
 * neither it nor a connection open. -1 with *err when the round could not begin; what came of one
 * that did is in `status`. */
int session_open(struct session *session, struct command_context *context, enum host_job job,
                 struct gf_err *err);
int session_round(struct session *session, struct gf_err *err);
void session_close(struct session *session);
/* From here on ^C and SIGTERM are the session's; a round sees to it itself. */
void session_signals(struct session *session);

/* session_watch.c: rounds every SECONDS, until ^C; the exit status. A round that can't begin is
 * left out with a line that says why; the first one is an error unless the fleet is only busy. */
int session_watch(struct session *session, struct command_context *context, unsigned seconds,
                  struct gf_err *err);

/* session_history.c: ends the run's scan in the history, with a summary of the fleet as it is now.
 * A run that was interrupted is no scan. Says on stderr what goes wrong. */
void session_history_end(struct session *session);

/* session_start.c: everything that may be refused before a host is touched. Returns 0 or -1. */
int session_prepare(struct session *session, struct gf_err *err);
void session_release(struct session *session);
/* Does the job change hosts? */
static inline bool session_acts(const struct session *session)
{
	return session->job >= JOB_APPLY;
}

/* session_resume.c: fills records, former_run and cut_runs from the store. 0, or -1 with *err. */
int session_replay(struct session *session, struct gf_err *err);
void session_records_free(struct session *session);
/* One line about what a run that was cut short left to go on with; nothing where there is nothing.
 */
void session_resume_show(struct session *session);

/* session_control.c: names what is pending on control hosts that --limit left out. */
void session_control_left_out(struct session *session);

/* session_show.c: what hosts tell, on the terminal. */
extern const struct fleet_observer session_observer;
void session_footer(struct session *session);
void session_recap(struct session *session);
/* The question (on a terminal), or the go-ahead. */
void session_planned(void *ctx, struct fleet *fleet);
void session_finished(void *ctx, struct fleet *fleet);

#endif
