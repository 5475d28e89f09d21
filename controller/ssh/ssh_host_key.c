/* ssh_host_key.c: a host's key against the inventory's pin or known_hosts.
 *
 * Possible failure modes: the host offers another key than recorded, a revoked or an unknown one. A
 * key that is simply known costs a look-up; else many hashed lines are searched on the pool.
 */
#include <stdlib.h>
#include <string.h>

#include "controller/ssh/ssh_link.h"

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
	size_t count;
};

/* A file may know the host by its address or by its name in the inventory. */
static void host_names(const struct inventory_host *host, struct host_names *names)
{
	ssh_known_hosts_name(host->address, host->port, names->address, sizeof(names->address));
	ssh_known_hosts_name(host->name, host->port, names->name, sizeof(names->name));
	names->list[0] = names->address;
	names->list[1] = names->name;
	names->count = strcmp(names->address, names->name) == 0 ? 1 : 2;
}

int host_key_recorded(struct ssh_link *link, struct gf_err *err)
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
	ssh_known_hosts_types(table, names.list, names.count, link->types);
	if (!link->types[0])
		turn_types_recall(link);
	return 0;
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

static enum link_step judge(struct ssh_link *link, struct ssh_known_hosts *table,
                            const struct ssh_known_hosts_match *match, const char *type,
                            const char *key, const char *fingerprint)
{
	struct gf_err err = {0};
	struct host_names names;
	if (match->result == KNOWN_HOSTS_MATCH)
		return link_move(link, LINK_AUTH);
	if (match->result == KNOWN_HOSTS_OTHER && !link->types_retried) {
		/* Hashed lines tell their types only now: connect once more and ask for those. */
		link->types_retried = true;
		memcpy(link->types, match->types, sizeof(link->types));
		turn_types_learn(link);
		return dial_again(link);
	}
	if (match->result == KNOWN_HOSTS_UNKNOWN && link->host->host_keys == HOST_KEYS_ACCEPT_NEW) {
		host_names(link->host, &names);
		if (ssh_known_hosts_add(table, names.address, type, key, &err) != 0)
			return link_fail_with(link, &err);
		return link_move(link, LINK_AUTH);
	}
	return refuse(link, match, fingerprint, type);
}

/* A search on the pool; outlives its link when that is closed meanwhile. */
struct ssh_host_key {
	uv_work_t work;
	struct ssh_link *link; /* NULL: closed */
	struct ssh_known_hosts *table;
	struct host_names names;
	char *type, *key, *fingerprint;
	struct ssh_known_hosts_found found;
	bool failed;
};

static void search_free(struct ssh_host_key *search)
{
	if (search->table)
		ssh_known_hosts_free(search->table);
	free(search->found.lines);
	free(search->type);
	free(search->key);
	free(search->fingerprint);
	free(search);
}

static void search_cb(uv_work_t *work)
{
	struct ssh_host_key *search = work->data;
	search->failed = ssh_known_hosts_search(search->table, search->names.list,
	                                        search->names.count, &search->found) != 0;
}

static void searched_cb(uv_work_t *work, int status)
{
	struct ssh_host_key *search = work->data;
	struct ssh_link *link = search->link;
	struct ssh_known_hosts_match match;
	if (link) {
		link->host_key = NULL;
		if (status != 0 || search->failed) {
			link_fail(link, GF_E_MEMORY, "out of memory");
		} else {
			ssh_known_hosts_decide(search->table, search->names.list,
			                       search->names.count, search->type, search->key,
			                       &search->found, &match);
			judge(link, search->table, &match, search->type, search->key,
			      search->fingerprint);
		}
		link_tick(link);
	}
	search_free(search);
}

static enum link_step search_start(struct ssh_link *link, struct ssh_known_hosts *table,
                                   const char *type, const char *key, const char *fingerprint)
{
	struct ssh_host_key *search = calloc(1, sizeof(*search));
	if (!search)
		return link_fail(link, GF_E_MEMORY, "out of memory");
	search->work.data = search;
	search->link = link;
	search->type = strdup(type);
	search->key = strdup(key);
	search->fingerprint = strdup(fingerprint);
	host_names(link->host, &search->names);
	if (!search->type || !search->key || !search->fingerprint) {
		search_free(search);
		return link_fail(link, GF_E_MEMORY, "out of memory");
	}
	search->table = ssh_known_hosts_keep(table);
	uv_queue_work(link->opener->loop, &search->work, search_cb, searched_cb);
	link->host_key = search;
	link_move(link, LINK_HOST_KEY);
	return STEP_WAIT;
}

void host_key_forget(struct ssh_link *link)
{
	if (!link->host_key)
		return;
	link->host_key->link = NULL;
	uv_cancel((uv_req_t *)&link->host_key->work); /* one that has begun ends by itself */
	link->host_key = NULL;
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
	if (!ssh_known_hosts_quick(table, names.list, names.count, type, key, &match))
		return search_start(link, table, type, key, fingerprint);
	return judge(link, table, &match, type, key, fingerprint);
}

enum link_step host_key_verify(struct ssh_link *link)
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
