/* hook.h: an operator's own command that the controller runs (rollout.health, drain …): started,
 * watched, and ended when its time is over. hook_uv.c runs it for real; a test scripts its own.
 *
 * Everything happens on the loop's thread.
 */
#ifndef GPUFLEET_HOOK_H
#define GPUFLEET_HOOK_H

#include "inventory/inventory.h"
#include "node-agent/wire/error.h"

struct hook;

struct hook_call {
	const struct string_list *argv; /* of the inventory; run as it is, by no shell */
	const char *const *environment; /* "NAME=value" …, NULL: besides the controller's own */
	unsigned timeout_s;
};

/* The command has ended: ERR is NULL for status 0, else GF_E_TASK or GF_E_TIMEOUT with its last
 * line of output. */
typedef void (*hook_done_fn)(void *ctx, const struct gf_err *err);

struct hook_runner {
	/* Starts it; CALL is read before this returns. DONE comes once, never before this has
	 * returned. NULL with *err (GF_E_TASK): it can't be started. */
	struct hook *(*run)(struct hook_runner *runner, const struct hook_call *call,
	                    hook_done_fn done, void *ctx, struct gf_err *err);
	/* Kills it, with what it waits for; DONE is not called any more. */
	void (*cancel)(struct hook_runner *runner, struct hook *hook);
};

#endif
