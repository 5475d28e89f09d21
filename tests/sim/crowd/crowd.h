/* crowd.h: what the parts of gpufleet-crowd share.
 *
 * One listener on the loopback device has every address of 127.0.0.0/8; the address that was
 * connected to says which host is meant. So a host costs a few hundred bytes and neither a port nor
 * a descriptor.
 */
#ifndef GPUFLEET_CROWD_H
#define GPUFLEET_CROWD_H

#include <libssh/libssh.h>
#include <libssh/server.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "recording.h"

struct crowd_host {
	size_t index;
	char name[32];
	const struct recording *recording;
	pthread_mutex_t lock; /* everything below */
	unsigned boots, epoch;
	uint64_t up_at; /* ms; it is down until then */
	unsigned draws; /* of the dice that lose connections */
	char run[64];
	char operations[RECORDING_OPERATIONS][80];
};

struct crowd_counts {
	atomic_size_t connections, refused, requests, reboots, lost, unknown, down, most_down;
};

struct crowd {
	const char *directory;
	struct recording recordings[8];
	size_t recording_count;
	struct crowd_host *hosts;
	size_t count;
	double boot_seconds, latency_ms, loss_percent;
	uint16_t port;
	ssh_bind bind;
	ssh_key client_key;
	struct crowd_counts counts;
};

void crowd_die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
uint64_t crowd_now_ms(void);

/* crowd_host.c: what one host says; a function of its state and of the request. */

/* Lines to be sent; the caller frees them. */
char *crowd_host_hello(struct crowd_host *host, size_t *size);
/* The answer to one line. *REBOOTS: it goes down with it. NULL: it has none, and the line is one
 * that the recording does not know. */
char *crowd_host_answer(struct crowd_host *host, const char *line, size_t length, size_t *size,
                        bool *reboots);

/* crowd_session.c: a connection to HOST, on a thread of its own. Takes SESSION. */
void crowd_session_start(struct crowd *crowd, struct crowd_host *host, ssh_session session);

/* crowd_files.c: keys, known_hosts and the inventory; INVENTORY: a file with further keys for it,
 * or NULL. */
void crowd_files_write(struct crowd *crowd, const char *inventory);
/* "127.A.B.C" of a host, and the host of an address (host byte order); none: SIZE_MAX. */
void crowd_address(const struct crowd_host *host, char *text, size_t size);
size_t crowd_index(uint32_t address);

#endif
