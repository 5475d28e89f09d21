/* terminal.h: what a run shows while it goes on: one line for each change of stage and, on a
 * terminal, a live footer below them; or one JSON object a line. It knows nothing of hosts and
 * fleets.
 */
#ifndef GPUFLEET_TERMINAL_H
#define GPUFLEET_TERMINAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct terminal {
	FILE *out;
	bool json; /* nothing but JSON on OUT */
	bool color;
	bool live;   /* OUT is a terminal: a footer is drawn */
	bool footer; /* … and is on the screen now */
	uint64_t drawn_ms;
};

/* One event; texts may come from hosts. NULL: not given. */
struct terminal_event {
	const char *event; /* "state", "task", "finished", "run", … */
	const char *host, *stage, *task, *status, *message;
	const json_t *more; /* further keys of its JSON line (borrowed), or NULL */
};

struct terminal_progress {
	size_t total, done, running, waiting, failed, blocked, unreachable;
	const char *slowest, *slowest_stage;
	unsigned slowest_s;
	unsigned elapsed_s;
};

/* COLOR: asked for (NO_COLOR, --no-color and what is no terminal were looked at by the caller). */
void terminal_init(struct terminal *terminal, FILE *out, bool json, bool color);

/* Prints EVENT as a line: on a terminal a message is cut to what is left of it (the recap has all).
 */
void terminal_event(struct terminal *terminal, const struct terminal_event *event);

/* Draws the footer again, at most ten times a second; nothing without a terminal. NOW_MS is
 * monotonic. */
void terminal_footer(struct terminal *terminal, const struct terminal_progress *progress,
                     uint64_t now_ms);

/* Takes the footer off the screen: before anything else is printed to OUT. */
void terminal_clear(struct terminal *terminal);

/* The escape sequence for a status ("failed", "done", …), or "" without color. */
const char *terminal_paint(const struct terminal *terminal, const char *status);
/* What ends PAINT: "" where there is none. */
const char *terminal_plain(const char *paint);

#endif
