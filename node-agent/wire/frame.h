/* frame.h: the wire between controller and agent: one JSON object a line, both ways, lines bounded,
 * whatever stands before the agent's first line skipped as noise (banners, .bashrc output).
 *
 * A struct frame splits what arrives into lines. Feed it, then take lines until there is none:
 *	frame_feed(&frame, data, size, &err);
 *	while ((line = frame_line(&frame, &length)))
 *		object = frame_parse(line, length, &err);
 */
#ifndef GPUFLEET_WIRE_FRAME_H
#define GPUFLEET_WIRE_FRAME_H

#include <stddef.h>

#include <jansson.h>

#include "node-agent/wire/error.h"

#define FRAME_LINE_LIMIT  ((size_t)16 << 20)
#define FRAME_NOISE_LIMIT ((size_t)1 << 20)
#define FRAME_PROTOCOL    1

/* What the agent writes at once. sshd makes a packet of what it finds in the agent's pipe, and SSH
 * libraries keep buffers of the next power of two above the longest packet of a session: with what
 * SSH puts around it, this one is just below 4 kB. */
#define FRAME_PACKET ((size_t)4000)

struct frame {
	char *data;
	size_t used, capacity;
	size_t start;   /* the next line begins here */
	size_t scanned; /* no newline between start and here */
	size_t limit;   /* longest line */
	size_t noise;   /* bytes skipped by frame_greet so far */
};

void frame_init(struct frame *frame, size_t limit);
void frame_free(struct frame *frame);

/* Takes SIZE bytes (copied). GF_E_PROTOCOL once a line without an end is longer than the limit.
 * Lines taken before are invalid after this. */
int frame_feed(struct frame *frame, const void *data, size_t size, struct gf_err *err);

/* The next whole line without its newline (and carriage return), NUL-terminated, or NULL. It
 * belongs to the frame and lives until the next frame_feed. May hold NUL bytes: *length (may be
 * NULL) counts. */
char *frame_line(struct frame *frame, size_t *length);

/* Nothing that was taken is used any more: gives back the buffer, where nothing has been left in
 * it. */
void frame_rest(struct frame *frame);

/* Reads a line as one JSON object; NULL and GF_E_PROTOCOL for anything else. */
json_t *frame_parse(const char *line, size_t length, struct gf_err *err);

/* The text of the result in the LINE that frame_parse has read as ANSWER, of *SIZE bytes; it
 * belongs to the line. NULL where the line is not written as the agent does it:
 * {"id":1,"result":…}. */
const char *frame_result(const char *line, size_t length, const json_t *answer, size_t *size);

/* OBJECT as a line with its newline: malloc'd; *length (may be NULL) is its length. */
char *frame_encode(const json_t *object, size_t *length, struct gf_err *err);

/* What the launch script and the agent say first. */
enum frame_greeting {
	FRAME_GREETING_NONE,  /* only noise so far: feed more */
	FRAME_GREETING_HELLO, /* the agent runs; *object is its hello */
	FRAME_GREETING_PLACE, /* the launch script wants its second part: there is no agent */
	FRAME_GREETING_PUSH,  /* which wants the bundle */
};

/* Takes lines until one is a greeting; a banner without a newline before it on the same line is
 * skipped, too. *object (a new reference; for the caller to json_decref) is set with
 * FRAME_GREETING_HELLO. Returns 0, or -1: the launch script's own error (its code and message),
 * another protocol version (GF_E_AGENT), or more noise than FRAME_NOISE_LIMIT. */
int frame_greet(struct frame *frame, enum frame_greeting *greeting, json_t **object,
                struct gf_err *err);

/* A JSON string of bytes from a host, whatever they are: invalid UTF-8 becomes "?". */
json_t *frame_text(const char *bytes, size_t size);

#endif
