/* ssh_keepalive.c: is the host still there, while nothing is heard of it? The kernel at the other
 * end answers TCP even when sshd hangs, or behind a proxy; so an established session that was
 * silent is asked, and fails when it stays silent. A host that says anything is never asked.
 *
 * libssh has one question open at a time and hands its answer over at the next call; what counts
 * here is that any byte came.
 */
#include <libssh/server.h> /* ssh_send_keepalive stands there, but is the client's, too */

#include "controller/ssh/ssh_link.h"

#define COUNT_MAX 3 /* ssh's own ServerAliveCountMax */

static unsigned interval_ms(const struct ssh_link *link)
{
	unsigned given = link->host->alive_interval_s;
	return given ? given * 1000 : link->opener->options.keepalive_ms;
}

/* Silent intervals in a row: then it has gone. As ssh counts, the first one is asked about. */
static unsigned silences_max(const struct ssh_link *link)
{
	return 1 + (link->host->alive_count ? link->host->alive_count : COUNT_MAX);
}

static bool established(const struct ssh_link *link)
{
	return link->state == LINK_IDLE || link->state == LINK_RUNNING;
}

static void alive_ask(struct ssh_link *link)
{
	/* Takes the answer to the last question; where that is still open, both do nothing. */
	if (link->alive_asked)
		ssh_send_keepalive(link->session);
	ssh_send_keepalive(link->session);
	link->alive_asked = true;
}

static void alive_cb(uv_timer_t *timer)
{
	struct ssh_link *link = timer->data;
	unsigned silences = silences_max(link);

	/* The loop may have stood still: what has arrived meanwhile counts. */
	if (established(link) && ssh_is_connected(link->session))
		ssh_event_dopoll(link->event, 0);
	link_wake(link);
	if (!established(link) || !ssh_is_connected(link->session))
		return;
	if (link->counter.in_bytes != link->alive_bytes) {
		link->alive_bytes = link->counter.in_bytes;
		link->silences = 0;
		return;
	}
	if (++link->silences < silences) {
		if (link->silences == 1)
			alive_ask(link);
		return;
	}
	link_fail(link, GF_E_LOST,
	          "%s has answered nothing for %u s while %s: it hangs, or the network does%s",
	          link->host->name,
	          (unsigned)(((uint64_t)silences * interval_ms(link) + 500) / 1000),
	          link_state_name(link->state),
	          link->state == LINK_RUNNING ? "; the command may still run there" : "");
}

void alive_start(struct ssh_link *link)
{
	unsigned interval = interval_ms(link);

	link->alive_bytes = link->counter.in_bytes;
	link->silences = 0;
	uv_timer_start(&link->alive, alive_cb, interval, interval);
}
