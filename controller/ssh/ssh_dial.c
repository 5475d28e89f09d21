/* ssh_dial.c: from a name to a connected TCP socket.
 *
 * The happy path: the name is looked up on the pool (a numeric one is not), each address is
 * connected to one after the other, when it is the link's turn (ssh_turn.h), and the socket goes to
 * libssh. Possible failure modes: no such name; every address refuses, is silent or is unreachable;
 * what refuses or resets is tried again after a pause with jitter, a bounded number of times.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/ssh/ssh_bastion.h"

#define ADDRESS_MS_MIN  2000 /* to one of several addresses, at least */
#define BACKOFF_MS      300
#define KEEPALIVE_S     15
#define USER_TIMEOUT_MS 30000 /* unacknowledged data for so long: the host has gone */

static enum link_step connect_address(struct ssh_link *link);

static void resolved_cb(uv_getaddrinfo_t *resolver, int status, struct addrinfo *addresses)
{
	struct ssh_link *link = resolver->data;
	free(resolver);
	if (!link) {
		uv_freeaddrinfo(addresses);
		return;
	}
	link->resolver = NULL;
	if (status != 0) {
		uv_freeaddrinfo(addresses);
		link_fail(link, GF_E_RESOLVE,
		          "cannot find the address of %s (%s): check the name, or give the host an "
		          "`address` in the inventory",
		          link->host->address, uv_strerror(status));
	} else {
		link->addresses = link->address = addresses;
		connect_address(link);
	}
	link_tick(link);
}

enum link_step dial_start_step(struct ssh_link *link)
{
	char port[8];
	if (link->host->bastion)
		return tunnel_start_step(link);
	snprintf(port, sizeof(port), "%u", link->host->port);
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
	                         .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV};
	if (getaddrinfo(link->host->address, port, &hints, &link->addresses) == 0) {
		link->address = link->addresses;
		return connect_address(link);
	}
	link->addresses = NULL;
	hints.ai_flags = AI_NUMERICSERV;
	link->resolver = malloc(sizeof(*link->resolver));
	if (!link->resolver)
		return link_fail(link, GF_E_MEMORY, "out of memory");
	link->resolver->data = link;
	int rc = uv_getaddrinfo(link->opener->loop, link->resolver, resolved_cb,
	                        link->host->address, port, &hints);
	if (rc != 0) {
		free(link->resolver);
		link->resolver = NULL;
		return link_fail(link, GF_E_RESOLVE, "cannot look up %s: %s", link->host->address,
		                 uv_strerror(rc));
	}
	link_move(link, LINK_RESOLVING);
	return STEP_WAIT;
}

static void socket_closed_cb(uv_handle_t *handle)
{
	free(handle->data);
}

/* libssh may or may not have closed its descriptor, and the number may be another file's by now: it
 * is ours to close only if it still is the same socket as the dup. */
void dial_drop_socket(struct ssh_link *link)
{
	struct ssh_socket *sock = link->socket;
	if (!sock)
		return;
	link->socket = NULL;
	sock->link = NULL;
	struct stat ours, theirs;
	if (link->session_fd >= 0 && fstat(sock->fd, &ours) == 0 &&
	    fstat(link->session_fd, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
	    ours.st_dev == theirs.st_dev)
		close(link->session_fd);
	link->session_fd = -1;
	uv_poll_stop(&sock->poll);
	uv_close((uv_handle_t *)&sock->poll, socket_closed_cb);
	close(sock->fd);
}

static void set_options(int fd)
{
	static const struct {
		int level, name, value;
	} options[] = {
	    {IPPROTO_TCP, TCP_NODELAY, 1},
	    {SOL_SOCKET, SO_KEEPALIVE, 1},
	    {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_S},
	    {IPPROTO_TCP, TCP_KEEPINTVL, 5},
	    {IPPROTO_TCP, TCP_KEEPCNT, 3},
	    {IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS},
	};
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

int dial_adopt(struct ssh_link *link, int fd)
{
	struct ssh_socket *sock = calloc(1, sizeof(*sock));
	int dup = -1, rc = ENOMEM;
	if (sock) {
		dup = fcntl(fd, F_DUPFD_CLOEXEC, 0);
		rc = dup < 0 ? errno : -uv_poll_init(link->opener->loop, &sock->poll, dup);
	}
	if (!sock || rc != 0) {
		if (dup >= 0)
			close(dup);
		free(sock);
		close(fd);
		return rc;
	}
	sock->fd = dup;
	sock->link = link;
	sock->poll.data = sock;
	link->socket = sock;
	link->session_fd = fd;
	return 0;
}

/* Opens a socket for the current address and starts to connect it: 0, or errno. */
static int open_socket(struct ssh_link *link)
{
	const struct addrinfo *to = link->address;
	int fd = socket(to->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd < 0)
		return errno;
	int rc = dial_adopt(link, fd);
	if (rc != 0)
		return rc;
	set_options(fd);
	if (connect(fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS)
		return errno;
	return 0;
}
static struct gf_err connect_error(const struct ssh_link *link, int code)
{
	struct gf_err err = {.code = GF_E_CONNECT};
	const char *advice = "";
	if (code == ECONNREFUSED)
		advice = ": is sshd running there, and is the port right?";
	else if (code == EHOSTUNREACH || code == ENETUNREACH)
		advice = ": is the host up, and is there a route to it?";
	else if (code == EMFILE || code == ENFILE)
		advice = ": raise the limit (ulimit -n) or give fewer --forks";
	if (code == ETIMEDOUT)
		snprintf(err.msg, sizeof(err.msg),
		         "%s (%s port %u) did not answer in time: is the host up, and does a "
		         "firewall let port %u through?",
		         link->host->name, link->numeric, link->host->port, link->host->port);
	else
		snprintf(err.msg, sizeof(err.msg), "cannot connect to %s (%s port %u): %s%s",
		         link->host->name, link->numeric, link->host->port, strerror(code), advice);
	if (code == ETIMEDOUT)
		err.code = GF_E_TIMEOUT;
	return err;
}

/* The address failed with CODE: the next one, a later try, or the end. */
static enum link_step address_failed(struct ssh_link *link, int code)
{
	turns_end(link, SSH_PACE_OTHER);
	dial_drop_socket(link);
	if (link->address->ai_next) {
		link->address = link->address->ai_next;
		return connect_address(link);
	}
	struct gf_err err = connect_error(link, code);
	if (code == ECONNREFUSED || code == ECONNRESET)
		return dial_retry(link, &err);
	return link_fail_with(link, &err);
}

static enum link_step connect_address(struct ssh_link *link)
{
	const struct addrinfo *to = link->address;
	getnameinfo(to->ai_addr, to->ai_addrlen, link->numeric, sizeof(link->numeric), NULL, 0,
	            NI_NUMERICHOST);
	return link_move(link, LINK_TURN);
}

enum link_step dial_open_step(struct ssh_link *link)
{
	link_move(link, LINK_CONNECTING);
	int code = open_socket(link);
	return code ? address_failed(link, code) : STEP_WAIT;
}

enum link_step dial_connect_step(struct ssh_link *link)
{
	int code = 0;
	socklen_t size = sizeof(code);
	struct sockaddr_storage peer;
	socklen_t peer_size = sizeof(peer);
	if (!link->socket)
		return STEP_WAIT;
	if (getsockopt(link->socket->fd, SOL_SOCKET, SO_ERROR, &code, &size) != 0)
		code = errno;
	if (code)
		return address_failed(link, code);
	if (getpeername(link->socket->fd, (struct sockaddr *)&peer, &peer_size) != 0)
		return STEP_WAIT; /* not connected yet */
	return link_move(link, LINK_HANDSHAKE);
}

uint64_t dial_deadline(const struct ssh_link *link)
{
	if (link->state == LINK_BACKOFF) {
		/* Doubles each time; half of it is chance, so that a fleet does not come back at
		 * once. */
		uint64_t pause = (uint64_t)BACKOFF_MS << (link->attempt < 6 ? link->attempt : 6);
		uint32_t chance = 0;
		uv_random(NULL, NULL, &chance, sizeof(chance), 0, NULL);
		return pause / 2 + chance % (pause / 2 + 1);
	}
	uint64_t total = link->opener->options.connect_timeout_ms;
	unsigned left = 1;
	for (const struct addrinfo *more = link->address->ai_next; more; more = more->ai_next)
		left++;
	uint64_t share = total / left;
	return share < ADDRESS_MS_MIN && total > ADDRESS_MS_MIN ? ADDRESS_MS_MIN : share;
}

/* Nothing is left of the last try. */
static void dial_clear(struct ssh_link *link)
{
	turns_end(link, SSH_PACE_OTHER);
	handshake_drop_session(link);
	dial_drop_socket(link);
	tunnel_drop(link);
	link->greeting = GREETING_NONE;
}

enum link_step dial_same(struct ssh_link *link)
{
	dial_clear(link);
	return link->host->bastion ? tunnel_start_step(link) : connect_address(link);
}

enum link_step dial_again(struct ssh_link *link)
{
	link->address = link->addresses;
	return dial_same(link);
}

void dial_timeout(struct ssh_link *link)
{
	if (link->state == LINK_BACKOFF) {
		dial_again(link);
	} else {
		address_failed(link, ETIMEDOUT);
	}
}

enum link_step dial_retry(struct ssh_link *link, const struct gf_err *err)
{
	if (link->attempt + 1 >= link->opener->options.connect_attempts)
		return link_fail_with(link, err);
	dial_clear(link);
	link_move(link, LINK_BACKOFF);
	link->attempt++;
	return STEP_WAIT;
}

void dial_forget(struct ssh_link *link)
{
	if (link->resolver) {
		link->resolver->data = NULL;
		uv_cancel((uv_req_t *)link->resolver);
		link->resolver = NULL;
	}
	uv_freeaddrinfo(link->addresses);
	link->addresses = link->address = NULL;
}
