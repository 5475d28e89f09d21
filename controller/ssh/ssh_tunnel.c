/* ssh_tunnel.c: one direct-tcpip channel and the socket pair behind it. See ssh_bastion.h.
 *
 * libssh's callbacks only note that there is something: they run inside other calls, where nothing
 * may be read, written or freed.
 */
#include "controller/ssh/ssh_tunnel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PUMPS_MAX 16 /* buffers in one go, so that one loud host does not starve the others */

static void note(struct ssh_tunnel *tunnel)
{
	if (tunnel->moved)
		return;
	tunnel->moved = true;
	tunnel->next_moved = tunnel->bastion->moved;
	tunnel->bastion->moved = tunnel;
	link_wake(tunnel->bastion->link);
}

static int data_cb(ssh_session session, ssh_channel channel, void *data, uint32_t size,
                   int is_stderr, void *ctx)
{
	(void)session;
	(void)channel;
	(void)data;
	(void)size;
	(void)is_stderr;
	note(ctx);
	return 0; /* it stays in the channel */
}

static void end_cb(ssh_session session, ssh_channel channel, void *ctx)
{
	(void)session;
	(void)channel;
	note(ctx);
}

static int window_cb(ssh_session session, ssh_channel channel, uint32_t bytes, void *ctx)
{
	(void)session;
	(void)channel;
	(void)bytes;
	note(ctx);
	return 0;
}

struct ssh_tunnel *tunnel_new(struct ssh_bastion *bastion, struct ssh_link *link)
{
	struct ssh_tunnel *tunnel = calloc(1, sizeof(*tunnel));
	if (!tunnel)
		return NULL;
	tunnel->bastion = bastion;
	tunnel->link = link;
	tunnel->fd = -1;
	tunnel->next = bastion->tunnels;
	if (tunnel->next)
		tunnel->next->prev = tunnel;
	bastion->tunnels = tunnel;
	return tunnel;
}

static void set_opening(struct ssh_tunnel *tunnel, bool opening)
{
	if (tunnel->opening != opening)
		tunnel->bastion->opening += opening ? 1 : (unsigned)-1;
	tunnel->opening = opening;
}

static void set_blocked(struct ssh_tunnel *tunnel, bool blocked)
{
	if (tunnel->blocked != blocked)
		tunnel->bastion->blocked += blocked ? 1 : (unsigned)-1;
	tunnel->blocked = blocked;
}

static void drop_channel(struct ssh_tunnel *tunnel)
{
	set_opening(tunnel, false);
	set_blocked(tunnel, false);
	if (tunnel->moved) {
		struct ssh_tunnel **at = &tunnel->bastion->moved;
		while (*at != tunnel)
			at = &(*at)->next_moved;
		*at = tunnel->next_moved;
		tunnel->moved = false;
	}
	if (!tunnel->channel)
		return;
	ssh_remove_channel_callbacks(tunnel->channel, &tunnel->callbacks);
	ssh_channel_free(tunnel->channel);
	tunnel->channel = NULL;
}

static void rest_clear(struct tunnel_rest *rest)
{
	free(rest->data);
	*rest = (struct tunnel_rest){0};
}

static void poll_closed_cb(uv_handle_t *handle)
{
	free(handle);
}

static void drop_pair(struct ssh_tunnel *tunnel)
{
	if (tunnel->poll) {
		uv_poll_stop(tunnel->poll);
		uv_close((uv_handle_t *)tunnel->poll, poll_closed_cb);
		tunnel->poll = NULL;
	}
	if (tunnel->fd >= 0)
		close(tunnel->fd);
	tunnel->fd = -1;
}

static void tunnel_free(struct ssh_tunnel *tunnel)
{
	drop_pair(tunnel);
	drop_channel(tunnel);
	if (tunnel->next)
		tunnel->next->prev = tunnel->prev;
	if (tunnel->prev)
		tunnel->prev->next = tunnel->next;
	else
		tunnel->bastion->tunnels = tunnel->next;
	rest_clear(&tunnel->in);
	rest_clear(&tunnel->out);
	free(tunnel);
}

void tunnel_drop(struct ssh_link *link)
{
	struct ssh_tunnel *tunnel = link->tunnel;
	if (!tunnel)
		return;
	struct ssh_bastion *bastion = tunnel->bastion;
	link->tunnel = NULL;
	tunnel->link = NULL;
	drop_pair(tunnel);
	/* A channel that is freed while it opens would stay open at the other side. */
	if (!tunnel->opening)
		tunnel_free(tunnel);
	if (bastion->link)
		link_wake(bastion->link);
}

void tunnel_cut(struct ssh_tunnel *tunnel)
{
	drop_channel(tunnel);
	drop_pair(tunnel);
	if (!tunnel->link)
		tunnel_free(tunnel);
}

void tunnel_heard(struct ssh_tunnel *tunnel)
{
	if (!tunnel->opening)
		return;
	if (tunnel->link) {
		link_wake(tunnel->link);
		return;
	}
	if (ssh_channel_open_forward(tunnel->channel, "-", 1, "127.0.0.1", 0) != SSH_AGAIN)
		tunnel_free(tunnel);
}

/* Keeps what was not taken for later. The idle tunnels of a fleet hold no buffer. */
static void rest_keep(struct ssh_tunnel *tunnel, struct tunnel_rest *rest, const uint8_t *data,
                      size_t size)
{
	rest->data = malloc(size);
	if (!rest->data) {
		tunnel->in_ended = tunnel->out_ended = true;
		if (!tunnel->link)
			return;
		link_fail(tunnel->link, GF_E_MEMORY, "out of memory");
		link_wake(tunnel->link);
		return;
	}
	memcpy(rest->data, data, size);
	rest->size = size;
	rest->sent = 0;
}

/* Both senders return how much was taken; -1: that side has ended. */
static ssize_t send_in(struct ssh_tunnel *tunnel, const uint8_t *data, size_t size)
{
	ssize_t sent = send(tunnel->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent >= 0)
		return sent;
	return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

static ssize_t send_out(struct ssh_tunnel *tunnel, const uint8_t *data, size_t size)
{
	uint32_t window = ssh_channel_window_size(tunnel->channel);
	return ssh_channel_write(tunnel->channel, data, (uint32_t)(size < window ? size : window));
}

/* Sends DATA, or what was kept. Returns whether anything moved; *ENDED: nothing will any more. */
static bool pass(struct ssh_tunnel *tunnel, struct tunnel_rest *rest, const uint8_t *data,
                 size_t size, bool *ended,
                 ssize_t (*sender)(struct ssh_tunnel *tunnel, const uint8_t *data, size_t size))
{
	bool kept = rest->data != NULL;
	if (kept) {
		data = rest->data + rest->sent;
		size = rest->size - rest->sent;
	}
	ssize_t sent = sender(tunnel, data, size);
	if (sent < 0) {
		*ended = true;
		rest_clear(rest);
		return false;
	}
	if ((size_t)sent == size)
		rest_clear(rest);
	else if (kept)
		rest->sent += (size_t)sent;
	else
		rest_keep(tunnel, rest, data + sent, size - (size_t)sent);
	return sent > 0;
}

/* From the channel to the link's session. Returns whether anything moved. */
static bool pump_in(struct ssh_tunnel *tunnel)
{
	uint8_t *buffer = tunnel->bastion->buffer;
	if (tunnel->in.data)
		return pass(tunnel, &tunnel->in, NULL, 0, &tunnel->in_ended, send_in);
	if (tunnel->in_ended)
		return false;
	int got = ssh_channel_read_nonblocking(tunnel->channel, buffer,
	                                       sizeof(tunnel->bastion->buffer), 0);
	if (got > 0) {
		pass(tunnel, &tunnel->in, buffer, (size_t)got, &tunnel->in_ended, send_in);
		return true;
	}
	if (got < 0 || ssh_channel_is_eof(tunnel->channel)) {
		tunnel->in_ended = true;
		shutdown(tunnel->fd, SHUT_WR);
	}
	return false;
}

/* From the link's session to the channel. */
static bool pump_out(struct ssh_tunnel *tunnel)
{
	uint8_t *buffer = tunnel->bastion->buffer;
	size_t size = sizeof(tunnel->bastion->buffer);
	uint32_t window = ssh_channel_window_size(tunnel->channel);
	set_blocked(tunnel, ssh_get_status(tunnel->bastion->link->session) & SSH_WRITE_PENDING);
	if (tunnel->blocked || window == 0)
		return false;
	if (tunnel->out.data)
		return pass(tunnel, &tunnel->out, NULL, 0, &tunnel->out_ended, send_out);
	if (tunnel->out_ended)
		return false;
	ssize_t got = recv(tunnel->fd, buffer, size < window ? size : window, MSG_DONTWAIT);
	if (got > 0) {
		pass(tunnel, &tunnel->out, buffer, (size_t)got, &tunnel->out_ended, send_out);
		return true;
	}
	if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
		tunnel->out_ended = true;
		ssh_channel_send_eof(tunnel->channel);
	}
	return false;
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
	(void)status;
	(void)events;
	tunnel_pump(poll->data);
}

static void update_mask(struct ssh_tunnel *tunnel)
{
	int mask = 0;
	if (!tunnel->out_ended && !tunnel->blocked && !tunnel->out.data &&
	    ssh_channel_window_size(tunnel->channel) > 0)
		mask |= UV_READABLE;
	if (tunnel->in.data)
		mask |= UV_WRITABLE;
	if (mask == tunnel->mask)
		return;
	tunnel->mask = mask;
	if (mask)
		uv_poll_start(tunnel->poll, mask, poll_cb);
	else
		uv_poll_stop(tunnel->poll);
}

void tunnel_pump(struct ssh_tunnel *tunnel)
{
	if (!tunnel->channel || tunnel->fd < 0)
		return;
	bool more = true;
	for (int i = 0; more && i < PUMPS_MAX; i++) {
		bool in = pump_in(tunnel), out = pump_out(tunnel);
		more = in || out;
	}
	if (more)
		note(tunnel);
	update_mask(tunnel);
	/* What was written waits in libssh until its own socket is looked at. */
	link_wake(tunnel->bastion->link);
}

static int make_pair(struct ssh_tunnel *tunnel)
{
	int pair[2], rc;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) != 0)
		return errno;
	tunnel->fd = pair[0];
	tunnel->poll = malloc(sizeof(*tunnel->poll));
	rc = tunnel->poll ? -uv_poll_init(tunnel->bastion->opener->loop, tunnel->poll, pair[0])
	                  : ENOMEM;
	if (rc != 0) {
		free(tunnel->poll);
		tunnel->poll = NULL;
		close(pair[1]);
		return rc;
	}
	tunnel->poll->data = tunnel;
	rc = dial_adopt(tunnel->link, pair[1]);
	return rc;
}

/* "Channel opening failure: channel 43 error (2) Connection refused": the number is the protocol's.
 */
static enum link_step open_failed(struct ssh_link *link)
{
	struct ssh_tunnel *tunnel = link->tunnel;
	const struct inventory_host *bastion = tunnel->bastion->host;
	const char *text = ssh_get_error(tunnel->bastion->link->session);
	const char *reason = strstr(text, "error (");
	struct gf_err err = {0};
	int code = reason ? atoi(reason + strlen("error (")) : 0;
	reason = reason && strchr(reason, ')') ? strchr(reason, ')') + 1 : text;
	reason += *reason == ' ';
	set_opening(tunnel, false);
	if (code == 1)
		return link_fail(link, GF_E_CONNECT,
		                 "bastion %s does not let us through to the host (%s): its "
		                 "sshd_config must have AllowTcpForwarding yes, and PermitOpen, if "
		                 "it stands there, must name the host and its port",
		                 bastion->name, reason);
	gf_err_set(&err, GF_E_CONNECT, "bastion %s cannot connect to %s (%s port %u): %s",
	           bastion->name, link->host->name, link->host->address, link->host->port, reason);
	/* sshd may be starting there, as with a refused connection. */
	return dial_retry(link, &err);
}

enum link_step tunnel_open_step(struct ssh_link *link)
{
	struct ssh_tunnel *tunnel = link->tunnel;
	struct ssh_bastion *bastion = tunnel->bastion;
	if (!tunnel->channel) {
		tunnel->channel = ssh_channel_new(bastion->link->session);
		if (!tunnel->channel)
			return link_fail(link, GF_E_MEMORY, "out of memory");
		ssh_callbacks_init(&tunnel->callbacks);
		tunnel->callbacks.userdata = tunnel;
		tunnel->callbacks.channel_data_function = data_cb;
		tunnel->callbacks.channel_eof_function = end_cb;
		tunnel->callbacks.channel_close_function = end_cb;
		tunnel->callbacks.channel_write_wontblock_function = window_cb;
		ssh_set_channel_callbacks(tunnel->channel, &tunnel->callbacks);
		set_opening(tunnel, true);
	}
	int rc = ssh_channel_open_forward(tunnel->channel, link->host->address, link->host->port,
	                                  "127.0.0.1", 0);
	link_wake(bastion->link);
	if (rc == SSH_AGAIN)
		return STEP_WAIT;
	if (rc != SSH_OK)
		return open_failed(link);
	set_opening(tunnel, false);
	rc = make_pair(tunnel);
	if (rc != 0)
		return link_fail(link, GF_E_IO, "cannot make a way through bastion %s: %s",
		                 bastion->host->name, strerror(rc));
	note(tunnel);
	return link_move(link, LINK_HANDSHAKE);
}
