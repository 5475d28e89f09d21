/* ssh_known_hosts.h: a known_hosts file as a table: read once, asked for every host.
 *
 * Understood: plain names, [host]:port, wildcards and negation, hashed names (|1|salt|hash),
 * @revoked.
 * @cert-authority lines are kept apart: certificates are not supported, and a host that only such a
 * line names is reported as that. Lines that are none of these are skipped, as OpenSSH does.
 *
 * A host whose key is as recorded costs one look-up by key, hashed or not; only a host that is new
 * or about to be refused costs a pass over the hashed lines (10 ms for 10,000 of them): _quick,
 * _search and _decide let that pass run elsewhere, _check does all of it at once.
 */
#ifndef GPUFLEET_SSH_KNOWN_HOSTS_H
#define GPUFLEET_SSH_KNOWN_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "node-agent/wire/error.h"

struct ssh_known_hosts;

enum ssh_known_hosts_result {
	KNOWN_HOSTS_UNKNOWN,   /* no line names the host */
	KNOWN_HOSTS_MATCH,     /* a line has exactly this key */
	KNOWN_HOSTS_CHANGED,   /* a line has another key of this type: `line` */
	KNOWN_HOSTS_OTHER,     /* lines have keys of other types only: `types` */
	KNOWN_HOSTS_REVOKED,   /* an @revoked line has this key: `line` */
	KNOWN_HOSTS_AUTHORITY, /* only an @cert-authority line names the host: `line` */
};

#define SSH_KNOWN_HOSTS_TYPES 4

struct ssh_known_hosts_match {
	enum ssh_known_hosts_result result;
	unsigned line;                            /* 1-based; 0: none */
	const char *types[SSH_KNOWN_HOSTS_TYPES]; /* borrowed from the table; NULL after the last */
};

/* Reads PATH. A file that does not exist is an empty table. NULL with *err. */
struct ssh_known_hosts *ssh_known_hosts_read(const char *path, struct gf_err *err);

/* The same from memory (copied). */
struct ssh_known_hosts *ssh_known_hosts_parse(const char *path, const char *text, size_t size,
                                              struct gf_err *err);
void ssh_known_hosts_free(struct ssh_known_hosts *table);

/* One more ssh_known_hosts_free() is then needed. */
struct ssh_known_hosts *ssh_known_hosts_keep(struct ssh_known_hosts *table);

const char *ssh_known_hosts_path(const struct ssh_known_hosts *table);

/* Writes the name that a file has for HOST at PORT: "host" or "[host]:port", in lower case. */
void ssh_known_hosts_name(const char *host, unsigned port, char *name, size_t size);

/* What the table says of KEY (base64, as in the file) of TYPE offered by a host that goes by NAMES.
 */
void ssh_known_hosts_check(const struct ssh_known_hosts *table, const char *const *names,
                           size_t count, const char *type, const char *key,
                           struct ssh_known_hosts_match *match);

/* The same where that is quickly said. False: it takes a search. */
bool ssh_known_hosts_quick(const struct ssh_known_hosts *table, const char *const *names,
                           size_t count, const char *type, const char *key,
                           struct ssh_known_hosts_match *match);

struct ssh_known_hosts_found {
	size_t *lines, count, room;
};

/* Finds the hashed lines that name the host. May run on another thread than all the rest. -1: out
 * of memory. */
int ssh_known_hosts_search(const struct ssh_known_hosts *table, const char *const *names,
                           size_t count, struct ssh_known_hosts_found *found);

/* As ssh_known_hosts_check, after a search; frees what was FOUND. */
void ssh_known_hosts_decide(const struct ssh_known_hosts *table, const char *const *names,
                            size_t count, const char *type, const char *key,
                            struct ssh_known_hosts_found *found,
                            struct ssh_known_hosts_match *match);

/* The key types that plain lines record for NAMES, to be asked for first. NULL after the last. */
void ssh_known_hosts_types(const struct ssh_known_hosts *table, const char *const *names,
                           size_t count, const char *types[SSH_KNOWN_HOSTS_TYPES]);

/* Records a key: appends one line to the file (made with mode 600 when missing) and to the table.
 */
int ssh_known_hosts_add(struct ssh_known_hosts *table, const char *name, const char *type,
                        const char *key, struct gf_err *err);

#endif
