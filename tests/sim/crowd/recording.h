/* recording.h: what one simulated host said in its life (tests/sim/recorder.c), as answers that any
 * number of hosts give: with their own name, boot ids and serial numbers, and with the ids of the
 * run and of the operations that they were asked for.
 *
 * A life has epochs: each request that changes the host (an operation, a reboot) ends one. What is
 * only looked at is answered as it was in the same epoch, or in the last one before it in which it
 * was asked for.
 */
#ifndef GPUFLEET_CROWD_RECORDING_H
#define GPUFLEET_CROWD_RECORDING_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define RECORDING_OPERATIONS 16

enum piece_kind {
	PIECE_TEXT,
	PIECE_ID, /* of the request */
	PIECE_NAME,
	PIECE_BOOT, /* the boot id of boot `number`, counting from 0 */
	PIECE_RUN,
	PIECE_OPERATION, /* the operation `number`, in the order in which they were asked for */
	PIECE_SERIAL,
	PIECE_NOW,
};

struct piece {
	enum piece_kind kind;
	unsigned number;
	const char *text; /* of the recording's own text */
	size_t size;
};

struct answer {
	struct piece *pieces;
	size_t count;
};

struct exchange {
	char request[16];     /* facts, plan, … */
	unsigned epoch;       /* that it was asked in */
	bool acts;            /* it ends that epoch */
	int operation;        /* the number of the operation that it is about; -1: none */
	struct answer answer; /* all its lines */
};

struct recording {
	struct answer hello;
	struct exchange *exchanges;
	size_t count;
};

/* Reads DIRECTORY/conversation.1 and so on. What is wrong with them ends the program. */
void recording_load(struct recording *recording, const char *directory);

/* The answer to REQUEST of a host that is in EPOCH; NULL: there is none. */
const struct exchange *recording_find(const struct recording *recording, const char *request,
                                      unsigned epoch);

#endif
