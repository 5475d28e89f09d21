/* world_link.c: links to scripted hosts: everything takes its host's latency, and comes from the
 * clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/fleet/world.h"

/* As controller/ssh/: an established connection that was silent for so long, and one that does not
 * come about, its tries together. */
#define KEEPALIVE_MS  60000
#define UNANSWERED_MS 30000

/* As the kernel does for a neighbour that does not answer (mcast_solicit, retrans_time_ms): who
 * comes up meanwhile is reached. */
#define KNOCKS   3
#define KNOCK_MS 1000

enum turn { TURN_NONE, TURN_KNOCK, TURN_READY, TURN_HELLO, TURN_ANSWER, TURN_LOST, TURN_SILENT };

struct world_link {
	struct link base;
	struct world_link *next;
	struct world_host *host;
	struct clock_timer timer;
	enum turn turn;
	bool ready;
	unsigned knocks;
	char *answer;
	json_int_t id; /* of the request that is open */
	const struct world_operation *follows;
};

static void link_later(struct world_link *link, enum turn turn, unsigned ms)
{
	link->turn = turn;
	clock_arm(&link->host->world->clock, &link->timer, ms);
}

static bool host_answers(const struct world_host *host)
{
	return !host->down && !host->refuses && !(host->cut_off && host->trial == TRIAL_UP);
}

/* Again, until the host is there or it was often enough. */
static void link_knock(struct world_link *link)
{
	bool answers = host_answers(link->host);

	if (++link->knocks < KNOCKS && !answers)
		link_later(link, TURN_KNOCK, KNOCK_MS);
	else
		link_later(link, answers ? TURN_READY : TURN_LOST, link->host->latency_ms);
}

static void link_fire(void *ctx)
{
	struct world_link *link = ctx;
	struct gf_err err = {0};
	enum turn turn = link->turn;
	char boot_id[64], line[200], *answer = link->answer;

	link->turn = TURN_NONE;
	link->answer = NULL;
	if (link->host->world->dead)
		goto out;
	switch (turn) {
	case TURN_KNOCK:
		link_knock(link);
		break;
	case TURN_READY:
		link->ready = true;
		link->base.events->ready(link->base.ctx, &link->base);
		break;
	case TURN_HELLO:
		world_boot_id(link->host, boot_id, sizeof(boot_id));
		snprintf(line, sizeof(line),
		         "Welcome\n{\"hello\":\"gpufleet-agent\",\"protocol\":1,\"version\":"
		         "\"0.1.0\",\"arch\":\"x86_64\",\"boot_id\":\"%s\"}\n",
		         boot_id);
		link->base.events->output(link->base.ctx, &link->base, 1, line, strlen(line));
		break;
	case TURN_ANSWER:
		link->base.events->output(link->base.ctx, &link->base, 1, answer, strlen(answer));
		break;
	case TURN_LOST:
		gf_err_set(&err,
		           link->host->refuses || link->host->down ||
		                   (link->host->stopped && !link->ready)
		               ? GF_E_CONNECT
		               : GF_E_LOST,
		           "%s does not answer", link->host->name);
		link->base.events->failed(link->base.ctx, &link->base, &err);
		break;
	case TURN_NONE:
	case TURN_SILENT:
		break;
	}
out:
	free(answer);
}

static int link_exec_op(struct link *base, const char *command, struct gf_err *err)
{
	struct world_link *link = (struct world_link *)base;

	(void)command;
	(void)err;
	link_later(link, TURN_HELLO, link->host->latency_ms);
	return 0;
}

static bool request_hangs(const struct world_host *host, const json_t *request)
{
	const char *kind = json_string_value(json_object_get(request, "request"));

	return host->hangs && host->reboots && strcmp(kind, "lease") != 0;
}

/* Of what looks at the host, its long context is not read: nobody here asks for it. */
static json_t *request_read(const char *data, size_t size)
{
	static const char *const kinds[] = {"plan", "verify"};
	static const char id_key[] = "\"id\":";
	char start[40];
	json_t *request;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		size_t length =
		    (size_t)snprintf(start, sizeof(start), "{\"request\":\"%s\",", kinds[i]);
		const char *id = data + size - strlen(id_key);

		if (size < length || memcmp(data, start, length) != 0)
			continue;
		while (id > data && memcmp(id, id_key, strlen(id_key)) != 0) /* it is the last */
			id--;
		return json_pack("{s:s, s:I}", "request", kinds[i], "id",
		                 (json_int_t)strtoll(id + strlen(id_key), NULL, 10));
	}
	request = json_loadb(data, size, JSON_DISABLE_EOF_CHECK, NULL);
	if (!request)
		abort();
	return request;
}

/* One whole request a write, as agent_link.c does it. It is on the host at once; only the answer
 * takes its time. */
static int link_write_op(struct link *base, const void *data, size_t size, struct gf_err *err)
{
	struct world_link *link = (struct world_link *)base;
	struct world_host *host = link->host;
	struct world_operation *operation = NULL;
	json_t *request;

	(void)err;
	if (host->world->dead || host->down || link->turn == TURN_LOST || link->turn == TURN_SILENT)
		return 0;
	request = request_read(data, size);
	world_say(host->world, host, "asked for ",
	          json_string_value(json_object_get(request, "request")));
	link->id = json_integer_value(json_object_get(request, "id"));
	free(link->answer);
	link->answer =
	    request_hangs(host, request) ? NULL : world_agent_answer(host, request, &operation);
	link->follows = link->answer ? NULL : operation;
	json_decref(request);
	if (operation && host->cuts && (operation->commit || !host->cuts_commits)) {
		host->cuts--;
		link_later(link, TURN_LOST, host->latency_ms);
	} else if (link->answer) {
		link_later(link, TURN_ANSWER, host->latency_ms);
	}
	world_effect(host->world, host);
	return 0;
}

static void link_eof_op(struct link *base)
{
	(void)base;
}

static void link_close_op(struct link *base)
{
	struct world_link *link = (struct world_link *)base;
	struct world *world = link->host->world;
	struct world_link **at = &world->links;

	while (*at != link)
		at = &(*at)->next;
	*at = link->next;
	clock_disarm(&world->clock, &link->timer);
	free(link->answer);
	free(link);
}

static const struct link_ops ops = {link_exec_op, link_write_op, link_eof_op, link_close_op};

struct link *world_link_open(struct link_opener *opener, const struct inventory_host *inventory,
                             const struct link_events *events, void *ctx, struct gf_err *err)
{
	struct world *world = (struct world *)((char *)opener - offsetof(struct world, opener));
	struct world_host *host = &world->hosts[inventory - world->inventory_hosts];
	struct world_link *link = calloc(1, sizeof(*link));

	(void)err;
	link->base = (struct link){&ops, events, ctx};
	link->host = host;
	link->timer.fire = link_fire;
	link->timer.ctx = link;
	link->next = world->links;
	world->links = link;
	if (host->stopped)
		link_later(link, TURN_LOST, UNANSWERED_MS);
	else if (!host_answers(host))
		link_later(link, TURN_KNOCK, KNOCK_MS);
	else
		link_later(link, TURN_READY, host->latency_ms);
	return &link->base;
}

/* Nothing comes over HOST's links any more; with LOST their ends are told. False: it had none. */
static bool links_end(struct world_host *host, bool lost)
{
	bool any = false;

	for (struct world_link *link = host->world->links; link; link = link->next) {
		if (link->host != host || link->turn == TURN_LOST || link->turn == TURN_SILENT ||
		    link->turn == TURN_KNOCK)
			continue;
		free(link->answer);
		link->answer = NULL;
		link->follows = NULL;
		link->turn = TURN_SILENT;
		clock_disarm(&host->world->clock, &link->timer);
		if (lost)
			link_later(link, TURN_LOST, 100);
		any = true;
	}
	return any;
}

bool world_links_cut(struct world_host *host)
{
	return links_end(host, true);
}

/* Also the end of the host is not told on it. */
bool world_links_silence(struct world_host *host)
{
	return links_end(host, false);
}

bool world_links_stop(struct world_host *host)
{
	bool any = world_links_silence(host);

	for (struct world_link *link = host->world->links; link; link = link->next)
		if (link->host == host && link->turn == TURN_SILENT)
			link_later(link, TURN_LOST, link->ready ? KEEPALIVE_MS : UNANSWERED_MS);
	return any;
}

void world_links_told(struct world_host *host, const struct world_operation *operation)
{
	for (struct world_link *link = host->world->links; link; link = link->next) {
		if (link->host == host && link->follows == operation && link->turn != TURN_LOST) {
			link->follows = NULL;
			link->answer = world_agent_result(host, operation, link->id);
			link_later(link, TURN_ANSWER, host->latency_ms);
		}
	}
}
