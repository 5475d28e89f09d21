/* ssh_turn.h: whose turn it is to connect. A link takes two turns before it does, and gives them
 * back when it has logged in (or failed):
 *
 *   its server's:  the sshd that it goes to (address, port, and through which bastion); the pace
 *                  (ssh_pace.h) is as that server bears it.
 *   its bastion's: SSH_PACE_MAX at once through one bastion, however many servers are behind it.
 * Who is slow gives this one back early, so that dead hosts don't hold the others up.
 *
 * Where a server turns a link away, the link waits for its turn again, and no try of its own is
 * spent: that is the server's affair, and hits any of the links that come to it.
 *
 * Possible failure modes: a server that turns everything away for a minute (all who wait for it are
 * told so).
 */
#ifndef GPUFLEET_SSH_TURN_H
#define GPUFLEET_SSH_TURN_H

#include "controller/ssh/ssh_pace.h"

struct ssh_link;
struct ssh_opener;
struct gf_err;

enum ssh_turn_state { TURN_NONE, TURN_WAITING, TURN_TAKEN };

struct ssh_turn {
	struct ssh_turns *of; /* NULL with TURN_NONE */
	struct ssh_link *link;
	struct ssh_turn *prev, *next; /* of those who wait */
	enum ssh_turn_state state;
};

/* All zero but for the pace to begin with; must outlive its turns. */
struct ssh_turns {
	struct ssh_pace pace;
	struct ssh_turn *first, *last; /* who waits, in the order in which they came */
};

/* What a host said before it hung up, or began to speak SSH. */
enum ssh_greeting { GREETING_NONE, GREETING_SSH, GREETING_FULL, GREETING_BARRED };

/* The step of LINK_TURN, its deadline in milliseconds, and what happens when that has passed. */
enum link_step turn_step(struct ssh_link *link);
uint64_t turn_deadline(const struct ssh_link *link);
void turn_timeout(struct ssh_link *link);

/* Gives LINK's turns back: END is what the server gets to know. */
void turns_end(struct ssh_link *link, enum ssh_pace_end end);

/* LINK's server closed the connection before it spoke SSH: back to the queue, or an ordinary try is
 * spent when it may be no sshd at all. */
enum link_step turn_refused(struct ssh_link *link);

/* LINK has found (in hashed lines, too late for its own connection) which key types are recorded
 * for its server: the next links to it ask for those at once. An sshd punishes who looks at its key
 * and goes (noauth of PerSourcePenalties), so not each of many may find that out for itself. */
void turn_types_learn(struct ssh_link *link);
void turn_types_recall(struct ssh_link *link);

/* Frees what is known of servers: no link is left. */
void turn_servers_free(struct ssh_opener *opener);

#endif
