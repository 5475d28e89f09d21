/* ssh_peer.c: see ssh_peer.h. */
#include "ssh_peer.h"

#include <signal.h>
#include <sys/signalfd.h>

static int auth_cb(ssh_session session, const char *user, struct ssh_key_struct *key, char state,
                   void *ctx)
{
	struct ssh_peer *peer = ctx;

	(void)session;
	(void)user;
	if (!peer->client_key || ssh_key_cmp(key, peer->client_key, SSH_KEY_CMP_PUBLIC))
		return SSH_AUTH_DENIED;
	peer->authenticated = state == SSH_PUBLICKEY_STATE_VALID;
	return state == SSH_PUBLICKEY_STATE_NONE || peer->authenticated ? SSH_AUTH_SUCCESS
	                                                                : SSH_AUTH_DENIED;
}

static ssh_channel open_cb(ssh_session session, void *ctx)
{
	struct ssh_peer *peer = ctx;

	if (!peer->authenticated || peer->channel)
		return NULL;
	peer->channel = ssh_channel_new(session);
	ssh_callbacks_init(&peer->channel_cb);
	ssh_set_channel_callbacks(peer->channel, &peer->channel_cb);
	return peer->channel;
}

bool ssh_peer_greet(struct ssh_peer *peer, ssh_event event)
{
	peer->server_cb = (struct ssh_server_callbacks_struct){
	    .userdata = peer,
	    .auth_pubkey_function = auth_cb,
	    .channel_open_request_session_function = open_cb,
	};
	ssh_callbacks_init(&peer->server_cb);
	ssh_set_server_callbacks(peer->session, &peer->server_cb);
	ssh_set_auth_methods(peer->session, SSH_AUTH_METHOD_PUBLICKEY);
	return ssh_handle_key_exchange(peer->session) == SSH_OK &&
	       ssh_event_add_session(event, peer->session) == SSH_OK;
}

int ssh_peer_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}
