/* ssh_handshake.c: a libssh session on a connected socket, up to the end of its key exchange.
 *
 * Possible failure modes: the host hangs up before it greets (ssh_turn.h) or after it (tried
 * again), has no key exchange or cipher in common.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "controller/ssh/ssh_link.h"

/* No sntrup761 (16 ms a host and more), no group16 or 18 (up to 151 ms): the loop would stand
 * still. */
#define KEY_EXCHANGES                                                                              \
	"curve25519-sha256,curve25519-sha256@libssh.org,ecdh-sha2-nistp256,ecdh-sha2-nistp384,"    \
	"ecdh-sha2-nistp521,diffie-hellman-group14-sha256"

static const struct {
	const char *type, *algorithms;
} host_key_types[] = {
    {"ssh-ed25519", "ssh-ed25519"},
    {"ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"},
    {"ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"},
    {"ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"},
    {"ssh-rsa", "rsa-sha2-512,rsa-sha2-256"},
};

#define HOST_KEY_TYPES (sizeof(host_key_types) / sizeof(host_key_types[0]))

static bool listed(const char *const *types, const char *type)
{
	for (size_t i = 0; i < SSH_KNOWN_HOSTS_TYPES && types[i]; i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

/* The types that are recorded first, as a host has several keys and shows one. */
static void host_key_order(const struct ssh_link *link, char *order, size_t size)
{
	order[0] = '\0';
	for (int known = 1; known >= 0; known--)
		for (size_t i = 0; i < HOST_KEY_TYPES; i++)
			if (listed(link->types, host_key_types[i].type) == known) {
				size_t used = strlen(order);
				snprintf(order + used, size - used, "%s%s", used ? "," : "",
				         host_key_types[i].algorithms);
			}
}

static int new_session(struct ssh_link *link, struct gf_err *err)
{
	if (host_key_recorded(link, err) != 0)
		return -1;
	link->session = ssh_new();
	if (!link->session)
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	memset(&link->counter, 0, sizeof(link->counter));
	ssh_set_counters(link->session, NULL, &link->counter);
	char order[256];
	host_key_order(link, order, sizeof(order));
	int no = 0, fd = link->session_fd;
	unsigned port = link->host->port;
	const struct {
		enum ssh_options_e option;
		const void *value;
	} options[] = {
	    {SSH_OPTIONS_PROCESS_CONFIG, &no},
	    /* A name that the bastion looks up is nothing to libssh. */
	    {SSH_OPTIONS_HOST, link->host->bastion ? "localhost" : link->numeric},
	    {SSH_OPTIONS_PORT, &port},
	    {SSH_OPTIONS_FD, &fd},
	    {SSH_OPTIONS_USER, link->host->user ? link->host->user : "root"},
	    {SSH_OPTIONS_KNOWNHOSTS, "/dev/null"},
	    {SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null"},
	    {SSH_OPTIONS_KEY_EXCHANGE, KEY_EXCHANGES},
	    {SSH_OPTIONS_HOSTKEYS, order},
	    {SSH_OPTIONS_CIPHERS_C_S, link->opener->ciphers},
	    {SSH_OPTIONS_CIPHERS_S_C, link->opener->ciphers},
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (ssh_options_set(link->session, options[i].option, options[i].value) < 0)
			return gf_err_set(err, GF_E_INTERNAL, "libssh refused an option: %s",
			                  ssh_get_error(link->session));
	ssh_set_blocking(link->session, 0);
	return 0;
}

void handshake_drop_session(struct ssh_link *link)
{
	if (!link->session)
		return;
	if (link->event) {
		ssh_event_remove_session(link->event, link->session);
		ssh_event_free(link->event);
		link->event = NULL;
	}
	ssh_disconnect(link->session);
	ssh_free(link->session);
	link->session = NULL;
}

static enum link_step handshake_failed(struct ssh_link *link)
{
	struct gf_err err = {0};
	const char *reason = ssh_get_error(link->session);
	if (link->greeting != GREETING_SSH)
		return turn_refused(link);
	if (strstr(reason, "kex error"))
		return link_fail(link, GF_E_CONNECT,
		                 "%s and gpufleet have no key exchange, cipher or host key type in "
		                 "common (%s): bring its sshd up to date",
		                 link->host->name, reason);
	gf_err_set(&err, GF_E_CONNECT,
	           "%s (%s port %u) hung up in the middle of the key exchange (%s): its sshd may "
	           "be going down or run out of memory",
	           link->host->name, link->numeric, link->host->port, reason);
	return dial_retry(link, &err);
}

/* sshd says in plain words that it turns a connection away ("Exceeded MaxStartups"; from 9.8 on
 * "Not allowed at this time", be it for MaxStartups or for PerSourcePenalties); libssh skips what
 * stands before the greeting. */
void handshake_listen(struct ssh_link *link)
{
	static const struct {
		const char *words;
		enum ssh_greeting greeting;
	} known[] = {{"SSH-", GREETING_SSH},
	             {"Exceeded MaxStartups", GREETING_FULL},
	             {"Not allowed at this time", GREETING_BARRED}};
	char text[32];
	if (!link->socket || link->greeting == GREETING_SSH)
		return;
	ssize_t got = recv(link->socket->fd, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT);
	for (size_t i = 0; got > 0 && i < sizeof(known) / sizeof(known[0]); i++)
		if ((size_t)got >= strlen(known[i].words) &&
		    memcmp(text, known[i].words, strlen(known[i].words)) == 0)
			link->greeting = known[i].greeting;
}

enum link_step handshake_step(struct ssh_link *link)
{
	struct gf_err err = {0};
	if (!link->session && new_session(link, &err) != 0)
		return link_fail_with(link, &err);
	int rc = ssh_connect(link->session);
	/* libssh makes the descriptor blocking; one write to a stopped peer would stop every host.
	 */
	fcntl(link->socket->fd, F_SETFL, O_RDWR | O_NONBLOCK);
	if (rc == SSH_ERROR)
		return handshake_failed(link);
	if (!link->event) {
		link->event = ssh_event_new();
		if (!link->event || ssh_event_add_session(link->event, link->session) != SSH_OK)
			return link_fail(link, GF_E_MEMORY, "out of memory");
	}
	return rc == SSH_OK ? host_key_verify(link) : STEP_WAIT;
}
