/* secret.h: passwords and passphrases: asked once per run on the terminal, or given; kept in locked
 * memory; tried on one host first.
 *
 * A secret is known by its kind and by whose it is (a user, a key file). Everybody who needs it
 * claims it. Nobody else asks a person twice, and nobody tries a password that was refused: the
 * first to get it is on trial, the others wait for the outcome. Once one host has taken it, all get
 * it; after SECRET_REFUSALS_MAX refusals nobody does any more, because accounts are locked after a
 * few wrong passwords.
 *
 * Callbacks come on the loop, never from within a function here. A secret never leaves this module
 * but by the callback's argument, which is valid during the call only.
 */
#ifndef GPUFLEET_SECRET_H
#define GPUFLEET_SECRET_H

#include <stdbool.h>
#include <uv.h>

#include "node-agent/wire/error.h"

enum secret_kind { SECRET_SUDO, SECRET_LOGIN, SECRET_PASSPHRASE, SECRET_ANSWER };

#define SECRET_SIZE         1024 /* with the final zero */
#define SECRET_REFUSALS_MAX 3

struct secrets;
struct secret_claim;

struct secret_hooks {
	/* A person is being asked (the terminal must show nothing else), or not any more. May be
	 * NULL. */
	void (*asking)(void *ctx, bool asking);
	void *ctx;
	const char *terminal; /* NULL: /dev/tty; tests have another one */
	unsigned answer_ms;   /* for a person; 0: 300000 */
};

/* TEXT: the secret, to be tried now and then judged with secret_accepted or secret_refused. ERR:
 * there is none, and the claim is gone. Neither: a person or another host is still waited for
 * (called every few seconds, so that the caller can put its own deadline off). */
typedef void secret_cb(void *ctx, const char *text, const struct gf_err *err);

/* HOOKS is copied; it may be NULL. NULL with *err. */
struct secrets *secrets_new(uv_loop_t *loop, const struct secret_hooks *hooks, struct gf_err *err);
/* Wipes everything; open claims must have been dropped. The loop must run once more. NULL is fine.
 */
void secrets_free(struct secrets *secrets);

/* Reads one line from FD, which is closed: the sudo password of every user. Blocks. */
int secrets_read_sudo(struct secrets *secrets, int fd, struct gf_err *err);

/* Claims the secret of KIND that belongs to NAME, needed by HOST. PROMPT: the words to ask with, or
 * NULL for this kind's own. NULL with *err when out of memory. */
struct secret_claim *secret_claim(struct secrets *secrets, enum secret_kind kind, const char *name,
                                  const char *host, const char *prompt, secret_cb *cb, void *ctx,
                                  struct gf_err *err);

/* The outcome of a try. The claim is gone. */
void secret_accepted(struct secret_claim *claim);
void secret_refused(struct secret_claim *claim);
/* Gives a claim up without an outcome: no callback follows. NULL is fine. */
void secret_drop(struct secret_claim *claim);

/* Ends a question that is open, for ^C: whoever waits is told so. */
void secrets_cancel(struct secrets *secrets);

#endif
