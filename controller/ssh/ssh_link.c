/* ssh_link.c: the machine of ssh_link.h.
 *
 * The happy path: open queues a tick; each tick pumps libssh, steps the state, and repeats until
 * nothing moves; the poll mask is computed last. Possible failure modes: a deadline passes
 * (timer_cb), the socket ends (a step sees it), the owner closes the link inside a callback (then
 * it is torn down when the tick unwinds, never under libssh's feet).
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "controller/ssh/ssh_bastion.h"

#define PASSES_MAX 64 /* in one tick; a link that could go on yields to the others */

#define LATE_MS 250

/* The bastion's own link has its deadlines, and its failure ends the wait; this one is for bugs. */
#define BASTION_MS (UINT64_C(600) * 1000)

enum deadline {
	DEADLINE_NONE,
	DEADLINE_CONNECT,
	DEADLINE_BASTION,
	DEADLINE_DIAL,
	DEADLINE_TURN,
	DEADLINE_AUTH,
	DEADLINE_COMMAND
};

static enum link_step wait_step(struct ssh_link *link);
static enum link_step idle_step(struct ssh_link *link);

#define NEXT(state) (1u << LINK_##state)

static const struct {
	const char *name;
	unsigned allowed; /* the states that may follow; FAILED always may */
	enum deadline deadline;
	enum link_step (*step)(struct ssh_link *link);
} states[LINK_STATES] = {
    [LINK_NEW] = {"new", NEXT(RESOLVING) | NEXT(TURN) | NEXT(BASTION), DEADLINE_CONNECT,
                  dial_start_step},
    [LINK_RESOLVING] = {"resolving", NEXT(TURN), DEADLINE_CONNECT, wait_step},
    [LINK_TURN] = {"waiting for its turn to connect", NEXT(TURN) | NEXT(CONNECTING) | NEXT(TUNNEL),
                   DEADLINE_TURN, turn_step},
    [LINK_CONNECTING] = {"connecting", NEXT(HANDSHAKE) | NEXT(BACKOFF) | NEXT(TURN), DEADLINE_DIAL,
                         dial_connect_step},
    [LINK_BASTION] = {"waiting for the bastion", NEXT(TURN), DEADLINE_BASTION, tunnel_wait_step},
    [LINK_TUNNEL] = {"connecting through the bastion", NEXT(HANDSHAKE) | NEXT(BACKOFF),
                     DEADLINE_CONNECT, tunnel_open_step},
    [LINK_BACKOFF] = {"waiting to connect again", NEXT(TURN) | NEXT(BASTION), DEADLINE_DIAL,
                      wait_step},
    [LINK_HANDSHAKE] = {"key exchange",
                        NEXT(HOST_KEY) | NEXT(AUTH) | NEXT(BACKOFF) | NEXT(TURN) | NEXT(BASTION),
                        DEADLINE_CONNECT, handshake_step},
    [LINK_HOST_KEY] = {"looking up the host key", NEXT(AUTH) | NEXT(TURN) | NEXT(BASTION),
                       DEADLINE_NONE, wait_step},
    [LINK_AUTH] = {"authentication", NEXT(AGENT) | NEXT(SECRET) | NEXT(IDLE), DEADLINE_AUTH,
                   login_step},
    [LINK_AGENT] = {"waiting for the ssh-agent", NEXT(AUTH), DEADLINE_AUTH, wait_step},
    /* The question has a deadline of its own (controller/secret), and so has sshd. */
    [LINK_SECRET] = {"waiting for a password", NEXT(AUTH), DEADLINE_NONE, secret_wait_step},
    [LINK_IDLE] = {"idle", NEXT(OPENING), DEADLINE_NONE, idle_step},
    [LINK_OPENING] = {"opening a channel", NEXT(REQUESTING), DEADLINE_AUTH, command_open_step},
    [LINK_REQUESTING] = {"starting the command", NEXT(RUNNING), DEADLINE_AUTH,
                         command_request_step},
    [LINK_RUNNING] = {"running the command", NEXT(IDLE), DEADLINE_COMMAND, command_run_step},
    [LINK_FAILED] = {"failed", 0, DEADLINE_NONE, wait_step},
};

const char *link_state_name(enum link_state state)
{
	return states[state].name;
}

static enum link_step wait_step(struct ssh_link *link)
{
	(void)link;
	return STEP_WAIT;
}

static enum link_step idle_step(struct ssh_link *link)
{
	if (link->bastion)
		return bastion_step(link);
	if (ssh_is_connected(link->session))
		return STEP_WAIT;
	return link_fail(link, GF_E_LOST, "the connection to %s was closed by the host",
	                 link->host->name);
}

static void timer_cb(uv_timer_t *timer);

static void deadline_start(struct ssh_link *link, uint64_t ms)
{
	link->due = uv_hrtime() / 1000000 + ms;
	uv_timer_start(&link->timer, timer_cb, ms, 0);
}

static void timer_cb(uv_timer_t *timer)
{
	struct ssh_link *link = timer->data;
	uint64_t now = uv_hrtime() / 1000000;

	/* For so long the loop stood still, which is not the host's fault: it gets that time back.
	 */
	if (now > link->due + LATE_MS && link->state != LINK_BACKOFF && link->state != LINK_TURN) {
		deadline_start(link, now - link->due);
		return;
	}
	/* The host has answered, and only was not listened to yet. */
	if (link->waking && link->late != LATE_HEARD && link->state != LINK_BACKOFF) {
		link->late = LATE_EXCUSED;
		deadline_start(link, LATE_MS);
		return;
	}
	switch (states[link->state].deadline) {
	case DEADLINE_NONE:
		return;
	case DEADLINE_DIAL:
		dial_timeout(link);
		break;
	case DEADLINE_TURN:
		turn_timeout(link);
		break;
	case DEADLINE_COMMAND: {
		uint64_t left = command_deadline(link);
		if (left) {
			deadline_start(link, left);
			return;
		}
		link_fail(link, GF_E_TIMEOUT,
		          "the command on %s did not end in time; it may still run there (a longer "
		          "--timeout waits longer)",
		          link->host->name);
		break;
	}
	case DEADLINE_CONNECT:
	case DEADLINE_BASTION:
	case DEADLINE_AUTH:
		link_fail(link, GF_E_TIMEOUT, "%s (%s port %u) did not answer in time: %s",
		          link->host->name, link->numeric[0] ? link->numeric : link->host->address,
		          link->host->port, states[link->state].name);
		break;
	}
	link_tick(link);
}

static uint64_t deadline_ms(struct ssh_link *link)
{
	const struct ssh_options *options = &link->opener->options;
	switch (states[link->state].deadline) {
	case DEADLINE_NONE:
		return 0;
	case DEADLINE_CONNECT:
		return options->connect_timeout_ms;
	case DEADLINE_BASTION:
		return BASTION_MS;
	case DEADLINE_DIAL:
		return dial_deadline(link);
	case DEADLINE_TURN:
		return turn_deadline(link);
	case DEADLINE_AUTH:
		return options->auth_timeout_ms;
	case DEADLINE_COMMAND:
		return command_deadline(link);
	}
	return 0;
}

enum link_step link_move(struct ssh_link *link, enum link_state state)
{
	assert(state == LINK_FAILED || (states[link->state].allowed & (1u << state)));
	/* Between AUTH and AGENT one deadline goes on: a slow agent must not renew it. */
	bool same = states[link->state].deadline == DEADLINE_AUTH && state <= LINK_AGENT &&
	            link->state >= LINK_AUTH;
	link->state = state;
	link->late = LATE_NOT;
	if (same)
		return STEP_MORE;
	uint64_t deadline = deadline_ms(link);
	if (deadline)
		deadline_start(link, deadline);
	else
		uv_timer_stop(&link->timer);
	return STEP_MORE;
}

enum link_step link_fail_with(struct ssh_link *link, const struct gf_err *err)
{
	if (link->state == LINK_FAILED)
		return STEP_WAIT;
	link->err = *err;
	if (link->host->bastion && !strstr(err->msg, "bastion")) {
		size_t used = strlen(link->err.msg);
		snprintf(link->err.msg + used, sizeof(link->err.msg) - used,
		         " (through bastion %s)", link->host->bastion->name);
	}
	link_move(link, LINK_FAILED);
	return STEP_WAIT;
}

enum link_step link_fail(struct ssh_link *link, enum gf_code code, const char *format, ...)
{
	struct gf_err err = {.code = code};
	va_list args;
	va_start(args, format);
	vsnprintf(err.msg, sizeof(err.msg), format, args);
	va_end(args);
	return link_fail_with(link, &err);
}

/* In the order that libssh needs: poll stopped, channel, session off its event, disconnect, free,
 * dup. */
static void drop_connection(struct ssh_link *link)
{
	uv_timer_stop(&link->timer);
	uv_timer_stop(&link->alive);
	if (link->socket)
		uv_poll_stop(&link->socket->poll);
	turns_end(link, SSH_PACE_OTHER);
	command_drop(link);
	login_forget(link);
	host_key_forget(link);
	if (link->bastion)
		bastion_drop_channels(link->bastion);
	handshake_drop_session(link);
	dial_drop_socket(link);
	tunnel_drop(link);
	dial_forget(link);
}

void link_release(struct ssh_link *link)
{
	if (--link->holds > 0)
		return;
	free(link->command);
	command_out_drop(link);
	free(link);
}

static void timer_closed_cb(uv_handle_t *handle)
{
	link_release(handle->data);
}

static void tear_down(struct ssh_link *link)
{
	struct ssh_opener *opener = link->opener;
	drop_connection(link);
	ssh_ticks_remove(opener->waking, link);
	if (link->next)
		link->next->prev = link->prev;
	if (link->prev)
		link->prev->next = link->next;
	else
		opener->links = link->next;
	uv_close((uv_handle_t *)&link->timer, timer_closed_cb);
	uv_close((uv_handle_t *)&link->alive, timer_closed_cb);
}

static void ssh_link_close(struct link *base)
{
	struct ssh_link *link = (struct ssh_link *)base;
	if (link->closing)
		return;
	link->closing = true;
	if (!link->ticking)
		tear_down(link);
}

static void poll_cb(uv_poll_t *poll, int status, int events)
{
	(void)status; /* an error shows when libssh reads */
	(void)events;
	struct ssh_socket *sock = poll->data;
	if (!sock->link)
		return;
	if (!ssh_ticks_over(sock->link->opener->waking)) {
		link_tick(sock->link);
		return;
	}
	/* Until its turn comes, nothing more need be said about it: of a thousand that wait, libuv
	 * would tell 48 times in one turn. The tick asks for it again. */
	sock->mask = 0;
	uv_poll_stop(poll);
	link_wake(sock->link);
}

/* Last of all in a tick: what libssh waits for now. */
static void update_mask(struct ssh_link *link)
{
	struct ssh_socket *sock = link->socket;
	if (!sock)
		return;
	int mask = UV_READABLE;
	if (link->state == LINK_CONNECTING)
		mask = UV_WRITABLE;
	else if (link->session && ((ssh_get_poll_flags(link->session) & SSH_WRITE_PENDING) ||
	                           (ssh_get_status(link->session) & SSH_WRITE_PENDING)))
		mask |= UV_WRITABLE;
	if (mask != sock->mask) {
		sock->mask = mask;
		uv_poll_start(&sock->poll, mask, poll_cb);
	}
}

void link_tick(struct ssh_link *link)
{
	if (link->ticking || link->closing) {
		link_wake(link);
		return;
	}
	link->ticking = true;
	if (link->late == LATE_EXCUSED)
		link->late = LATE_HEARD;
	unsigned pass = 0;
	for (; pass < PASSES_MAX && !link->closing && link->state != LINK_FAILED; pass++) {
		link->opener->ticks++;
		if (link->state == LINK_HANDSHAKE)
			handshake_listen(link);
		if (link->event)
			ssh_event_dopoll(link->event, 0);
		if (states[link->state].step(link) == STEP_WAIT)
			break;
	}
	if (link->state == LINK_FAILED && !link->reported && !link->closing) {
		link->reported = true;
		drop_connection(link);
		link->base.events->failed(link->base.ctx, &link->base, &link->err);
	}
	link->ticking = false;
	if (link->closing)
		tear_down(link);
	else if (link->state != LINK_FAILED) {
		if (pass == PASSES_MAX)
			link_wake(link);
		update_mask(link);
	}
}

void link_wake(struct ssh_link *link)
{
	if (!link->closing)
		ssh_ticks_add(link->opener->waking, link);
}

static const struct link_ops ssh_link_ops = {
    .exec = command_exec_start,
    .write = command_write,
    .write_eof = command_write_eof,
    .close = ssh_link_close,
};

struct link *ssh_link_open(struct link_opener *base, const struct inventory_host *host,
                           const struct link_events *events, void *ctx, struct gf_err *err)
{
	struct ssh_opener *opener = (struct ssh_opener *)base;
	if (host->jump && !host->bastion) {
		gf_err_set(err, GF_E_INTERNAL, "the jump host %s of %s was not looked up",
		           host->jump, host->name);
		return NULL;
	}
	struct ssh_link *link = calloc(1, sizeof(*link));
	if (!link) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	link->base = (struct link){&ssh_link_ops, events, ctx};
	link->opener = opener;
	link->host = host;
	link->session_fd = -1;
	link->login.agent_fd = -1;
	link->exit_status = -1;
	link->holds = 2;
	uv_timer_init(opener->loop, &link->timer);
	uv_timer_init(opener->loop, &link->alive);
	link->timer.data = link->alive.data = link;
	link->next = opener->links;
	if (link->next)
		link->next->prev = link;
	opener->links = link;
	link_wake(link);
	return &link->base;
}
