/* ssh_pace.h: how many new connections a server is asked for at once, so that it turns none away.
 *
 * sshd drops connections that have not logged in yet: by chance from the tenth on, all from the
 * hundredth (MaxStartups 10:30:100 of sshd_config(5)); since OpenSSH 9.8 it also bars an address
 * that misbehaved, for 15 s and longer (PerSourcePenalties). So at most SSH_PACE_MAX are pending at
 * one server. Where that is too many, because its limit is lower or others use it too, the window
 * is halved and nothing is asked for a while; each one that gets in opens it again by a part of
 * one.
 *
 * A function of what it is told: no clock, no network. Times are milliseconds of any one clock.
 */
#ifndef GPUFLEET_SSH_PACE_H
#define GPUFLEET_SSH_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define SSH_PACE_MAX 8 /* below the ten from which a default sshd drops */

/* How a connection came to be pending no longer. */
enum ssh_pace_end {
	SSH_PACE_IN,      /* it has logged in */
	SSH_PACE_REFUSED, /* the server closed it before it said a word of SSH */
	SSH_PACE_OTHER,   /* anything else */
};

struct ssh_pace {
	double window; /* 1 to SSH_PACE_MAX */
	unsigned pending;
	unsigned pauses;        /* since the last one that got in */
	uint64_t quiet_until;   /* nothing is asked before */
	uint64_t refused_since; /* the first refusal since the last that got in; 0: none */
	bool served;            /* some got in */
};

void ssh_pace_init(struct ssh_pace *pace);

/* 0: one may begin NOW; else in how many milliseconds it may; UINT64_MAX: when another has ended.
 */
uint64_t ssh_pace_wait(const struct ssh_pace *pace, uint64_t now);

void ssh_pace_begin(struct ssh_pace *pace);
void ssh_pace_end(struct ssh_pace *pace, enum ssh_pace_end end, uint64_t now);

/* Nobody is pending, and it bears what any server is taken to bear: all that may be forgotten is
 * that it has served. */
bool ssh_pace_idle(const struct ssh_pace *pace);

/* For so long, in milliseconds, has it turned everything away. */
uint64_t ssh_pace_refused_ms(const struct ssh_pace *pace, uint64_t now);

#endif
