/* secret_tty.h: one question to the person at the terminal, without echo and without blocking the
 * loop. Never standard input: that may be data. */
#ifndef GPUFLEET_SECRET_TTY_H
#define GPUFLEET_SECRET_TTY_H

#include <uv.h>

#include "node-agent/wire/error.h"

struct secret_tty;

/* Called once: the line (valid during the call), or why there is none. It frees the question. */
typedef void secret_tty_cb(void *ctx, const char *text, const struct gf_err *err);

/* Asks PROMPT on TERMINAL (NULL: /dev/tty); what is no printable ASCII in it is shown as ?. NULL
 * with *err when there is no terminal. */
struct secret_tty *secret_tty_ask(uv_loop_t *loop, const char *terminal, const char *prompt,
                                  unsigned answer_ms, secret_tty_cb *cb, void *ctx,
                                  struct gf_err *err);

/* Puts the terminal back as it was. NULL is fine. */
void secret_tty_free(struct secret_tty *tty);

#endif
