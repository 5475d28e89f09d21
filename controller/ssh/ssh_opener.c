/* ssh_opener.c: see ssh_opener.h. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "controller/ssh/ssh_bastion.h"

/* Fast on any CPU with AES instructions, and what OpenSSH offers everywhere. */
#define CIPHERS                                                                                    \
	"aes128-gcm@openssh.com,chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,aes128-ctr,"  \
	"aes256-ctr"

#define POOL_SIZE "128"

static unsigned or_default(unsigned value, unsigned standard)
{
	return value ? value : standard;
}

struct link_opener *ssh_opener_new(uv_loop_t *loop, const struct ssh_options *options,
                                   struct gf_err *err)
{
	struct ssh_opener *opener = calloc(1, sizeof(*opener));
	if (!opener) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	opener->base.open = ssh_link_open;
	opener->loop = loop;
	if (options)
		opener->options = *options;
	struct ssh_options *set = &opener->options;
	set->connect_timeout_ms = or_default(set->connect_timeout_ms, 10000);
	set->auth_timeout_ms = or_default(set->auth_timeout_ms, 20000);
	set->connect_attempts = or_default(set->connect_attempts, 3);
	set->refused_timeout_ms = or_default(set->refused_timeout_ms, 60000);
	set->keepalive_ms = or_default(set->keepalive_ms, 15000);
	opener->ciphers = strdup(set->ciphers ? set->ciphers : CIPHERS);
	const char *agent = set->agent_socket ? set->agent_socket : getenv("SSH_AUTH_SOCK");
	opener->waking = ssh_ticks_new(loop, link_tick);
	if (!opener->ciphers || !opener->waking) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		goto err_free;
	}
	if (agent && agent[0]) {
		if (ssh_agent_init(&opener->agent, loop, agent, err) != 0)
			goto err_free;
		opener->agent_list = AGENT_UNKNOWN;
	}
	/* libuv lets look-ups have half of its pool, which is four threads by itself: with a name
	 * server that takes its time, hosts would time out before they were asked about. */
	setenv("UV_THREADPOOL_SIZE", POOL_SIZE, 0);
	/* libssh writes with plain send(): a peer that has gone must not end the process. */
	signal(SIGPIPE, SIG_IGN);
	ssh_init();
	return &opener->base;
err_free:
	ssh_ticks_free(opener->waking);
	free(opener->ciphers);
	free(opener);
	return NULL;
}

void ssh_opener_free(struct link_opener *base)
{
	if (!base)
		return;
	struct ssh_opener *opener = (struct ssh_opener *)base;
	bastions_end(opener);
	turn_servers_free(opener);
	ssh_ticks_free(opener->waking);
	if (opener->agent.socket_path)
		ssh_agent_end(&opener->agent);
	for (size_t i = 0; i < opener->agent_key_count; i++) {
		free(opener->agent_keys[i].answer);
		ssh_key_free(opener->agent_keys[i].key);
	}
	free(opener->agent_keys);
	for (size_t i = 0; i < opener->table_count; i++)
		ssh_known_hosts_free(opener->tables[i]);
	free(opener->tables);
	ssh_keys_free(&opener->keys);
	free(opener->ciphers);
	free(opener);
	ssh_finalize();
}
