/* sshd_fixture.h: private OpenSSH servers on loopback, and clients of the SSH links to try on them.
 */
#ifndef GPUFLEET_SSHD_FIXTURE_H
#define GPUFLEET_SSHD_FIXTURE_H

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "controller/clock/loop_watch.h"
#include "controller/ssh/ssh_opener.h"

struct sshd {
	char dir[128]; /* config, host key, user key, authorized_keys, known_hosts */
	char config[192], identity[192], known_hosts[192];
	unsigned port;
	pid_t pid;
};

/* Starts sshd in a folder of its own; EXTRA lines go into its configuration ("" for none). Fails
 * the test when it does not come up; skips the program (exit 77) when there is no sshd at all. */
void sshd_start(struct sshd *sshd, const char *extra);
void sshd_stop(struct sshd *sshd);

/* Does sshd (GPUFLEET_SSHD names another than the distribution's) bar addresses that misbehave? */
bool sshd_penalises(void);

/* How many lines of its log begin with WORDS. */
unsigned sshd_logged(const struct sshd *sshd, const char *words);

/* The host's public key as a known_hosts file has it ("ssh-ed25519 AAAA…"), and its SHA256
 * fingerprint. */
void sshd_host_key(const struct sshd *sshd, char *key, size_t size);
void sshd_fingerprint(const struct sshd *sshd, char *text, size_t size);

void file_write(const char *path, const char *text);
void file_read(const char *path, char *text, size_t size);
/* Runs a shell command that must succeed. */
void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* One link and what came of it. */
struct client {
	struct inventory_host host;
	struct link *link;
	const char *command, *input;
	size_t input_size;
	bool ready, exited, failed, keep_open, manual; /* manual: `ready` starts nothing */
	int status;
	struct gf_err err;
	char *out, *err_out;
	size_t out_size, err_size;
};

/* A client of SSHD with its user key and known_hosts. */
void client_init(struct client *client, const struct sshd *sshd, const char *command);
void client_open(struct client *client, struct link_opener *opener);
void client_free(struct client *client);
bool client_done(const struct client *client);

/* The loop, and how long it was kept from everything else at most. */
struct bed {
	uv_loop_t loop;
	uv_timer_t guard;
	struct loop_watch watch;
	bool guard_fired;
	struct link_opener *opener;
};

void bed_open(struct bed *bed, const struct ssh_options *options);
void bed_close(struct bed *bed); /* the loop must end by itself: a leak fails the test */
/* Runs the loop until the clients are done; fails the test after LIMIT_MS. */
void bed_run(struct bed *bed, struct client *clients, size_t count, unsigned limit_ms);
/* Runs the loop for so long. */
void bed_run_for(struct bed *bed, unsigned ms);
/* Opens, runs and returns when the client is done. */
void bed_exec(struct bed *bed, struct client *client, unsigned limit_ms);

#endif
