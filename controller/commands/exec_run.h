/* exec_run.h: one command on many hosts, a bounded number at a time, over any link_opener. */
#ifndef GPUFLEET_EXEC_RUN_H
#define GPUFLEET_EXEC_RUN_H

#include <uv.h>

#include "controller/commands/exec_fold.h"
#include "controller/link/link.h"
#include "controller/secret/secret.h"

struct exec_run {
	/* What the caller sets. */
	uv_loop_t *loop;
	struct link_opener *opener;
	const struct inventory *inventory;
	const size_t *selected;
	size_t count;
	unsigned forks;
	const char *command;     /* a shell's line; through sudo where "become" says so */
	struct secrets *secrets; /* who knows sudo's password */
	/* Called for every host as it ends. The result is the callee's only during the call. */
	void (*done)(void *ctx, const struct exec_result *result);
	void *ctx;
	/* What the run keeps. */
	size_t next, running, ended;
	bool beginning;
	bool stopping;           /* no host is begun any more */
	struct exec_host *hosts; /* those under way */
};

/* Runs the loop until every host has ended, or those under way have after exec_run_stop. */
void exec_run(struct exec_run *run);

/* Begins no more hosts; `now`: also leaves those under way. */
void exec_run_stop(struct exec_run *run, bool now);

/* The host that is under way for the longest time, and since when on the loop's clock; NULL: none.
 */
const char *exec_run_slowest(const struct exec_run *run, uint64_t *since_ms);

/* The names of the hosts under way, folded; the caller frees it. */
char *exec_run_in_flight(const struct exec_run *run);

#endif
