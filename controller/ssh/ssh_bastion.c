/* ssh_bastion.c: the bastions' sessions: made when the first link needs one, shared, given up
 * together. See ssh_bastion.h. */
#include "controller/ssh/ssh_bastion.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ssh/ssh_tunnel.h"

#define QUIET_MS     2000 /* after a failed try, doubled with each */
#define QUIET_MS_MAX 15000

static void ready_cb(void *ctx, struct link *link)
{
	struct ssh_bastion *bastion = ctx;
	(void)link;
	bastion->ready = true;
	bastion->failures = 0;
	for (struct ssh_tunnel *tunnel = bastion->tunnels; tunnel; tunnel = tunnel->next)
		if (tunnel->link)
			link_wake(tunnel->link);
}

/* Nobody may have another go for a while: a fleet of hosts must not knock in a row. */
static void stay_quiet(struct ssh_bastion *bastion)
{
	uint64_t pause = (uint64_t)QUIET_MS << (bastion->failures < 4 ? bastion->failures : 4);
	bastion->failures++;
	bastion->quiet_until =
	    uv_now(bastion->opener->loop) + (pause < QUIET_MS_MAX ? pause : QUIET_MS_MAX);
}

static void failed_cb(void *ctx, struct link *link, const struct gf_err *err)
{
	struct ssh_bastion *bastion = ctx;
	bool lost = bastion->ready;
	bastion->err = *err;
	gf_err_wrap(&bastion->err, "bastion %s", bastion->host->name);
	if (lost)
		bastion->err.code = GF_E_LOST; /* worth another try, whatever ended it */
	else
		stay_quiet(bastion);
	bastion->ready = false;
	bastion->link = NULL;
	link_close(link);
	/* They report at the next turn of the loop: their owners may open others at once. */
	for (struct ssh_tunnel *tunnel = bastion->tunnels; tunnel; tunnel = tunnel->next) {
		if (!tunnel->link)
			continue;
		link_fail_with(tunnel->link, &bastion->err);
		link_wake(tunnel->link);
	}
}

/* A password is being looked for, or its server has its hands full. */
static void waiting_cb(void *ctx, struct link *link)
{
	struct ssh_bastion *bastion = ctx;
	(void)link;
	for (struct ssh_tunnel *tunnel = bastion->tunnels; tunnel; tunnel = tunnel->next) {
		struct link *behind = tunnel->link ? &tunnel->link->base : NULL;
		if (behind && behind->events->waiting)
			behind->events->waiting(behind->ctx, behind);
	}
}

static const struct link_events bastion_events = {
    .ready = ready_cb, .waiting = waiting_cb, .failed = failed_cb};

static struct ssh_bastion *bastion_get(struct ssh_opener *opener, const struct inventory_host *host)
{
	struct ssh_bastion *bastion = opener->bastions;
	while (bastion && bastion->host != host)
		bastion = bastion->next;
	if (bastion)
		return bastion;
	bastion = calloc(1, sizeof(*bastion));
	if (!bastion)
		return NULL;
	bastion->opener = opener;
	bastion->host = host;
	ssh_pace_init(&bastion->turns.pace);
	bastion->next = opener->bastions;
	opener->bastions = bastion;
	return bastion;
}

enum link_step tunnel_start_step(struct ssh_link *link)
{
	struct ssh_bastion *bastion = bastion_get(link->opener, link->host->bastion);
	struct gf_err err = {0};
	if (!bastion)
		return link_fail(link, GF_E_MEMORY, "out of memory");
	snprintf(link->numeric, sizeof(link->numeric), "%s", link->host->address);
	if (!bastion->link) {
		if (uv_now(link->opener->loop) < bastion->quiet_until)
			return link_fail_with(link, &bastion->err);
		bastion->link = (struct ssh_link *)ssh_link_open(&link->opener->base, bastion->host,
		                                                 &bastion_events, bastion, &err);
		if (!bastion->link)
			return link_fail_with(link, &err);
		bastion->link->bastion = bastion;
	}
	link->tunnel = tunnel_new(bastion, link);
	if (!link->tunnel)
		return link_fail(link, GF_E_MEMORY, "out of memory");
	return link_move(link, LINK_BASTION);
}

enum link_step tunnel_wait_step(struct ssh_link *link)
{
	return link->tunnel->bastion->ready ? link_move(link, LINK_TURN) : STEP_WAIT;
}

enum link_step bastion_step(struct ssh_link *link)
{
	struct ssh_bastion *bastion = link->bastion;
	struct ssh_tunnel *tunnel, *next;
	bool news = link->counter.in_bytes != bastion->in_bytes;
	bool moved = bastion->moved != NULL;
	if (!ssh_is_connected(link->session))
		return link_fail(link, GF_E_LOST, "the connection to %s was closed by the host",
		                 link->host->name);
	bastion->in_bytes = link->counter.in_bytes;
	if (news && bastion->opening)
		for (tunnel = bastion->tunnels; tunnel; tunnel = next) {
			next = tunnel->next;
			tunnel_heard(tunnel);
		}
	while (bastion->moved) {
		tunnel = bastion->moved;
		bastion->moved = tunnel->next_moved;
		tunnel->moved = false;
		tunnel_pump(tunnel);
	}
	if (bastion->blocked && !(ssh_get_status(link->session) & SSH_WRITE_PENDING))
		for (tunnel = bastion->tunnels; tunnel; tunnel = tunnel->next)
			if (tunnel->blocked)
				tunnel_pump(tunnel);
	return news || moved ? STEP_MORE : STEP_WAIT;
}

void bastion_drop_channels(struct ssh_bastion *bastion)
{
	struct ssh_tunnel *next;
	for (struct ssh_tunnel *tunnel = bastion->tunnels; tunnel; tunnel = next) {
		next = tunnel->next;
		tunnel_cut(tunnel);
	}
}

void bastions_end(struct ssh_opener *opener)
{
	for (struct ssh_bastion *bastion = opener->bastions; bastion; bastion = bastion->next)
		if (bastion->link) {
			link_close(&bastion->link->base);
			bastion->link = NULL;
		}
	while (opener->bastions) {
		struct ssh_bastion *bastion = opener->bastions;
		opener->bastions = bastion->next;
		free(bastion);
	}
}
