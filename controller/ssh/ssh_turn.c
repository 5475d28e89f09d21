/* ssh_turn.c: see ssh_turn.h. */
#include "controller/ssh/ssh_turn.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "controller/ssh/ssh_tunnel.h"

#define SLOW_MS    2000                    /* after so long, a bastion's turn is given back */
#define TURN_MS    (UINT64_C(1800) * 1000) /* every turn has an end of its own: for bugs */
#define WAITING_MS 5000                    /* how often the link's owner is told to wait */

struct ssh_server {
	struct ssh_turns turns;
	const struct ssh_bastion *bastion;
	struct server_types *types; /* to ask for first; NULL: nothing was learned */
	unsigned port;
	unsigned failed; /* connections of ours that ended before they had logged in */
	char address[];
};

struct server_types {
	const char *list[SSH_KNOWN_HOSTS_TYPES];
};

static int server_compare(const void *a, const void *b)
{
	const struct ssh_server *left = a, *right = b;
	if (left->bastion != right->bastion)
		return (uintptr_t)left->bastion < (uintptr_t)right->bastion ? -1 : 1;
	if (left->port != right->port)
		return left->port < right->port ? -1 : 1;
	return strcmp(left->address, right->address);
}

static struct ssh_turns *server_get(struct ssh_link *link)
{
	const char *address = link->tunnel ? link->host->address : link->numeric;
	struct ssh_server *server = calloc(1, sizeof(*server) + strlen(address) + 1);
	if (!server)
		return NULL;
	ssh_pace_init(&server->turns.pace);
	server->bastion = link->tunnel ? link->tunnel->bastion : NULL;
	server->port = link->host->port;
	strcpy(server->address, address);
	struct ssh_server **known = tsearch(server, &link->opener->servers, server_compare);
	if (!known || *known != server)
		free(server);
	return known ? &(*known)->turns : NULL;
}

static void server_free(void *node)
{
	struct ssh_server *server = node;
	free(server->types);
	free(server);
}

void turn_servers_free(struct ssh_opener *opener)
{
	tdestroy(opener->servers, server_free);
	opener->servers = NULL;
}

/* A server's turns are the first that it has. */
static struct ssh_server *server_of(const struct ssh_link *link)
{
	return (struct ssh_server *)link->server_turn.of;
}

void turn_types_learn(struct ssh_link *link)
{
	struct ssh_server *server = server_of(link);
	if (server && !server->types)
		server->types = calloc(1, sizeof(*server->types));
	if (server && server->types)
		memcpy(server->types->list, link->types, sizeof(link->types));
}

void turn_types_recall(struct ssh_link *link)
{
	const struct ssh_server *server = server_of(link);
	if (server && server->types)
		memcpy(link->types, server->types->list, sizeof(link->types));
}

static void wake_first(struct ssh_turns *turns)
{
	if (turns->first)
		link_wake(turns->first->link);
}

static void line_up(struct ssh_turn *turn, struct ssh_turns *turns, struct ssh_link *link)
{
	*turn = (struct ssh_turn){turns, link, turns->last, NULL, TURN_WAITING};
	if (turns->last)
		turns->last->next = turn;
	else
		turns->first = turn;
	turns->last = turn;
}

static void leave_line(struct ssh_turn *turn)
{
	if (turn->next)
		turn->next->prev = turn->prev;
	else
		turn->of->last = turn->prev;
	if (turn->prev)
		turn->prev->next = turn->next;
	else
		turn->of->first = turn->next;
	turn->prev = turn->next = NULL;
	wake_first(turn->of);
}

static bool turn_take(struct ssh_turn *turn, uint64_t now)
{
	if (turn->state == TURN_TAKEN)
		return true;
	if (turn->of->first != turn || ssh_pace_wait(&turn->of->pace, now) > 0)
		return false;
	turn->state = TURN_TAKEN;
	ssh_pace_begin(&turn->of->pace);
	leave_line(turn);
	return true;
}

static void turn_end(struct ssh_turn *turn, enum ssh_pace_end end)
{
	if (turn->state == TURN_WAITING)
		leave_line(turn);
	if (turn->state == TURN_TAKEN) {
		ssh_pace_end(&turn->of->pace, end, uv_now(turn->link->opener->loop));
		wake_first(turn->of);
	}
	*turn = (struct ssh_turn){0};
}

/* Of thousands of hosts most have an sshd of their own, of which there is nothing to be known. */
static void server_forget(struct ssh_opener *opener, struct ssh_server *server)
{
	if (server->turns.first || server->types || server->failed ||
	    !ssh_pace_idle(&server->turns.pace))
		return;
	tdelete(server, &opener->servers, server_compare);
	server_free(server);
}

void turns_end(struct ssh_link *link, enum ssh_pace_end end)
{
	struct ssh_server *server = server_of(link);
	if (link->server_turn.state == TURN_TAKEN && end == SSH_PACE_OTHER &&
	    link->greeting == GREETING_SSH)
		server->failed++;
	turn_end(&link->server_turn, end);
	turn_end(&link->bastion_turn, SSH_PACE_OTHER);
	if (server && end != SSH_PACE_REFUSED)
		server_forget(link->opener, server);
}

/* Not what ssh_keepalive.c uses this timer for, which begins when the link has logged in. */
static void slow_cb(uv_timer_t *timer)
{
	struct ssh_link *link = timer->data;
	if (link->bastion_turn.state == TURN_TAKEN)
		turn_end(&link->bastion_turn, SSH_PACE_OTHER);
}

enum link_step turn_step(struct ssh_link *link)
{
	uint64_t now = uv_now(link->opener->loop);
	if (link->server_turn.state == TURN_NONE) {
		struct ssh_turns *server = server_get(link);
		if (!server)
			return link_fail(link, GF_E_MEMORY, "out of memory");
		line_up(&link->server_turn, server, link);
		link->turn_since = now;
	}
	bool ours = turn_take(&link->server_turn, now);
	if (ours && link->tunnel) {
		if (link->bastion_turn.state == TURN_NONE)
			line_up(&link->bastion_turn, &link->tunnel->bastion->turns, link);
		ours = turn_take(&link->bastion_turn, now);
	}
	if (!ours) {
		link_move(link, LINK_TURN); /* the deadline anew */
		return STEP_WAIT;
	}
	if (!link->tunnel)
		return dial_open_step(link);
	uv_timer_start(&link->alive, slow_cb, SLOW_MS, 0);
	return link_move(link, LINK_TUNNEL);
}

uint64_t turn_deadline(const struct ssh_link *link)
{
	const struct ssh_turn *turn =
	    link->server_turn.state == TURN_WAITING ? &link->server_turn : &link->bastion_turn;
	if (turn->state != TURN_WAITING || turn->of->first != turn)
		return WAITING_MS;
	uint64_t wait = ssh_pace_wait(&turn->of->pace, uv_now(link->opener->loop));
	return wait < WAITING_MS ? wait : WAITING_MS;
}

void turn_timeout(struct ssh_link *link)
{
	if (uv_now(link->opener->loop) - link->turn_since > TURN_MS)
		link_fail(link, GF_E_TIMEOUT, "%s waited for its turn to connect for %u s",
		          link->host->name, (unsigned)(TURN_MS / 1000));
	else if (link->base.events->waiting)
		link->base.events->waiting(link->base.ctx, &link->base);
}

static const char *refusal(const struct ssh_link *link)
{
	switch (link->greeting) {
	case GREETING_FULL:
		return "it says \"Exceeded MaxStartups\"";
	case GREETING_BARRED:
		return "it says \"Not allowed at this time\"";
	default:
		return "it hangs up before it says anything";
	}
}

/* FAILED connections from here may be what it bars this address for. */
static void give_up(struct ssh_link *link, const char *why, unsigned failed)
{
	const char *name = link->host->name, *address = link->numeric;
	unsigned port = link->host->port, seconds = link->opener->options.refused_timeout_ms / 1000;
	if (failed)
		link_fail(link, GF_E_CONNECT,
		          "%s (%s port %u) has let nobody in for %u s (%s), after %u connections "
		          "from here had ended without a login: mend first what those hosts "
		          "report; if their sshd bars this address for it (PerSourcePenalties), "
		          "that ends by itself within 10 minutes",
		          name, address, port, seconds, why, failed);
	else
		link_fail(
		    link, GF_E_CONNECT,
		    "%s (%s port %u) has turned every connection away for %u s (%s): look for "
		    "other clients that keep its sshd busy, or raise MaxStartups there; if it "
		    "bars this address for what came from it before (PerSourcePenalties), "
		    "wait up to 10 minutes, or exempt it (PerSourcePenaltyExemptList)",
		    name, address, port, seconds, why);
}

enum link_step turn_refused(struct ssh_link *link)
{
	struct ssh_turns *server = link->server_turn.of;
	unsigned failed = link->greeting == GREETING_BARRED ? server_of(link)->failed : 0;
	uint64_t now = uv_now(link->opener->loop);
	struct gf_err err = {0};
	/* Was it for the rate? Else it may be no sshd, or one that takes nobody. */
	bool rate =
	    link->greeting != GREETING_NONE || server->pace.served || server->pace.pending > 1;
	turns_end(link, SSH_PACE_REFUSED);
	if (ssh_pace_refused_ms(&server->pace, now) >= link->opener->options.refused_timeout_ms) {
		give_up(link, refusal(link), failed);
		for (struct ssh_turn *turn = server->first; turn; turn = turn->next) {
			give_up(turn->link, refusal(link), failed);
			link_wake(turn->link);
		}
		return STEP_WAIT;
	}
	if (rate)
		return dial_same(link);
	gf_err_set(&err, GF_E_CONNECT,
	           "%s (%s port %u) hung up before the connection was set up (%s): its sshd may be "
	           "starting, be limited by MaxStartups, or refuse this address",
	           link->host->name, link->numeric, link->host->port, ssh_get_error(link->session));
	return dial_retry(link, &err);
}
