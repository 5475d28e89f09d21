/* ssh_handshake.c: a libssh session on a connected socket: key exchange, then the host key against
 * the inventory's pin or known_hosts.
 *
 * Possible failure modes: the host hangs up before it greets (tried again), has no key exchange or
 * cipher in common, offers another key than recorded, a revoked or an unknown one.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

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

static struct ssh_known_hosts *find_table(struct ssh_opener *opener, const char *path,
                                          struct gf_err *err)
{
	for (size_t i = 0; i < opener->table_count; i++)
		if (strcmp(ssh_known_hosts_path(opener->tables[i]), path) == 0)
			return opener->tables[i];
	struct ssh_known_hosts **tables =
	    realloc(opener->tables, (opener->table_count + 1) * sizeof(*tables));
	if (!tables) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	opener->tables = tables;
	struct ssh_known_hosts *table = ssh_known_hosts_read(path, err);
	if (table)
		tables[opener->table_count++] = table;
	return table;
}

struct host_names {
	char address[300], name[300];
	const char *list[2];
};

/* A file may know the host by its address or by its name in the inventory. */
static void host_names(const struct inventory_host *host, struct host_names *names)
{
	ssh_known_hosts_name(host->address, host->port, names->address, sizeof(names->address));
	ssh_known_hosts_name(host->name, host->port, names->name, sizeof(names->name));
	names->list[0] = names->address;
	names->list[1] = names->name;
}

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

static int known_types(struct ssh_link *link, struct gf_err *err)
{
	const struct inventory_host *host = link->host;
	if (host->host_keys == HOST_KEYS_PIN || link->types_retried)
		return 0;
	if (!host->known_hosts)
		return gf_err_set(err, GF_E_HOST_KEY, "%s has no known_hosts file", host->name);
	struct ssh_known_hosts *table = find_table(link->opener, host->known_hosts, err);
	if (!table)
		return -1;
	struct host_names names;
	host_names(host, &names);
	ssh_known_hosts_types(table, names.list, 2, link->types);
	return 0;
}

static int new_session(struct ssh_link *link, struct gf_err *err)
{
	if (known_types(link, err) != 0)
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
	    {SSH_OPTIONS_HOST, link->numeric},
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

static enum link_step refuse(struct ssh_link *link, const struct ssh_known_hosts_match *match,
                             const char *fingerprint, const char *type)
{
	const char *path = link->host->known_hosts, *name = link->host->name;
	struct host_names names;
	host_names(link->host, &names);
	switch (match->result) {
	case KNOWN_HOSTS_CHANGED:
		return link_fail(
		    link, GF_E_HOST_KEY,
		    "the host key of %s has changed: %s:%u records another one than %s "
		    "(%s), which it offers now. If the host was reinstalled, compare the "
		    "fingerprint at its console and remove the line (ssh-keygen -f '%s' -R "
		    "'%s'); else somebody may be in between",
		    name, path, match->line, fingerprint, type, path, names.address);
	case KNOWN_HOSTS_OTHER:
		return link_fail(link, GF_E_HOST_KEY,
		                 "%s offers only a host key of another type than %s:%u records: %s "
		                 "(%s). Compare it at the host's console, then add it to the file",
		                 name, path, match->line, fingerprint, type);
	case KNOWN_HOSTS_REVOKED:
		return link_fail(
		    link, GF_E_HOST_KEY,
		    "the host key of %s is marked as revoked at %s:%u (%s): give the host "
		    "a new key; do not remove the line",
		    name, path, match->line, fingerprint);
	case KNOWN_HOSTS_AUTHORITY:
		return link_fail(
		    link, GF_E_HOST_KEY,
		    "%s is known only by a @cert-authority line (%s:%u), and host "
		    "certificates are not supported: add the host's own key, %s, or pin it "
		    "with host_key in the inventory",
		    name, path, match->line, fingerprint);
	default:
		return link_fail(
		    link, GF_E_HOST_KEY,
		    "the host key of %s is not known: it offers %s (%s). Compare it at the "
		    "host's console, then add it to %s (ssh-keyscan -p %u %s), or set "
		    "host_keys to \"accept-new\" in the inventory",
		    name, fingerprint, type, path, link->host->port, link->host->address);
	}
}

static enum link_step check_pin(struct ssh_link *link, const char *fingerprint)
{
	const struct inventory_host *host = link->host;
	if (!host->host_key)
		return link_fail(
		    link, GF_E_HOST_KEY,
		    "host_keys is \"pin\", but %s has no host_key in the inventory; it "
		    "offers %s: compare that at its console first",
		    host->name, fingerprint);
	if (strcmp(host->host_key, fingerprint) != 0)
		return link_fail(link, GF_E_HOST_KEY,
		                 "the host key of %s is not the one pinned in the inventory: %s is "
		                 "offered, %s is pinned. If the host was reinstalled, compare the "
		                 "fingerprint at its console and change host_key",
		                 host->name, fingerprint, host->host_key);
	return link_move(link, LINK_AUTH);
}

static enum link_step check_key(struct ssh_link *link, const char *type, const char *key,
                                const char *fingerprint)
{
	struct gf_err err = {0};
	if (link->host->host_key || link->host->host_keys == HOST_KEYS_PIN)
		return check_pin(link, fingerprint);
	struct ssh_known_hosts *table = find_table(link->opener, link->host->known_hosts, &err);
	if (!table)
		return link_fail_with(link, &err);
	struct host_names names;
	struct ssh_known_hosts_match match;
	host_names(link->host, &names);
	ssh_known_hosts_check(table, names.list, 2, type, key, &match);
	if (match.result == KNOWN_HOSTS_MATCH)
		return link_move(link, LINK_AUTH);
	if (match.result == KNOWN_HOSTS_OTHER && !link->types_retried) {
		/* Hashed lines tell their types only now: connect once more and ask for those. */
		link->types_retried = true;
		memcpy(link->types, match.types, sizeof(link->types));
		handshake_drop_session(link);
		dial_drop_socket(link);
		return dial_again(link);
	}
	if (match.result == KNOWN_HOSTS_UNKNOWN && link->host->host_keys == HOST_KEYS_ACCEPT_NEW) {
		if (ssh_known_hosts_add(table, names.address, type, key, &err) != 0)
			return link_fail_with(link, &err);
		return link_move(link, LINK_AUTH);
	}
	return refuse(link, &match, fingerprint, type);
}

static enum link_step verify(struct ssh_link *link)
{
	ssh_key key = NULL;
	unsigned char *hash = NULL;
	size_t size = 0;
	char *text = NULL, *fingerprint = NULL;
	enum link_step step;
	if (ssh_get_server_publickey(link->session, &key) == SSH_OK &&
	    ssh_get_publickey_hash(key, SSH_PUBLICKEY_HASH_SHA256, &hash, &size) == SSH_OK &&
	    ssh_pki_export_pubkey_base64(key, &text) == SSH_OK)
		fingerprint = ssh_get_fingerprint_hash(SSH_PUBLICKEY_HASH_SHA256, hash, size);
	if (!fingerprint)
		step = link_fail(link, GF_E_HOST_KEY, "cannot read the host key of %s",
		                 link->host->name);
	else
		step = check_key(link, ssh_key_type_to_char(ssh_key_type(key)), text, fingerprint);
	ssh_string_free_char(fingerprint);
	ssh_string_free_char(text);
	ssh_clean_pubkey_hash(&hash);
	ssh_key_free(key);
	return step;
}

static enum link_step handshake_failed(struct ssh_link *link)
{
	struct gf_err err = {0};
	const char *reason = ssh_get_error(link->session);
	if (strstr(reason, "kex error"))
		return link_fail(link, GF_E_CONNECT,
		                 "%s and gpufleet have no key exchange, cipher or host key type in "
		                 "common (%s): bring its sshd up to date",
		                 link->host->name, reason);
	gf_err_set(&err, GF_E_CONNECT,
	           "%s (%s port %u) hung up before the connection was set up (%s): its sshd may be "
	           "starting, be limited by MaxStartups, or refuse this address",
	           link->host->name, link->numeric, link->host->port, reason);
	return dial_retry(link, &err);
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
	return rc == SSH_OK ? verify(link) : STEP_WAIT;
}
