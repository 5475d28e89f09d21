/* become.h: what sudo says on standard error while a command of root's begins.
 *
 * The command is `sudo -k -S -p NONCE COMMAND`: the prompt is a word that nothing else prints, new
 * for every session, so that the password is sent when, and only when, sudo waits for it. Where
 * sudo asks for none, nothing is ever sent: a password sent blindly would be the command's first
 * input. That sudo let the command begin is seen by a mark that the command itself prints first, or
 * by the agent's hello. A second NONCE means that the password was refused.
 *
 * A pure machine over bytes; it holds no secret.
 */
#ifndef GPUFLEET_BECOME_H
#define GPUFLEET_BECOME_H

#include <stdbool.h>
#include <stddef.h>

#include "node-agent/wire/error.h"

enum become_state { BECOME_BEGUN, BECOME_ASKED, BECOME_SENT, BECOME_REFUSED, BECOME_PASSED };

struct become {
	enum become_state state;
	char nonce[48], mark[48];
	char held[64]; /* what may be the beginning of one of them */
	size_t held_size;
	char said[400]; /* the beginning of what sudo said besides: lecture, banner, reason */
	size_t said_size;
};

/* Draws the words of one session. */
int become_init(struct become *become, struct gf_err *err);

/* The command line. MARKED: COMMAND is a shell's script, which prints the mark first (as its own
 * first line). The caller frees it; NULL when out of memory. */
char *become_command(const struct become *become, const char *command, bool marked);

/* Takes bytes of standard error. Returns how many of DATA belong to sudo: all of them, until the
 * mark has been seen; what follows is the command's. The state says what happened. */
size_t become_feed(struct become *become, const char *data, size_t size);

/* TEXT in single quotes, for a POSIX shell. The caller frees it; NULL when out of memory. */
char *become_quote(const char *text);

/* The last line that sudo said, cleaned of what a terminal would act on. */
void become_reason(const struct become *become, char *line, size_t size);

#endif
