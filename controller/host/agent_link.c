/* agent_link.c: see agent_link.h.
 *
 * The happy path: link ready → exec the launch script → noise → [what puts the agent there, and the
 * bundle →] hello → for each request: events, a result. Possible failure modes: the link fails; the
 * command ends before hello (sudo wants a password, no shell: its stderr says why) or after it
 * (GF_E_LOST: the work goes on without us); a line that is no JSON, or answers what was not asked
 * (GF_E_PROTOCOL).
 */
#include "controller/host/agent_link.h"

#include <stdlib.h>
#include <string.h>

#include "controller/host/agent_push.h"
#include "controller/secret/become.h"
#include "node-agent/wire/frame.h"

#define STDERR_KEPT 400

enum client_state { CLIENT_CONNECTING, CLIENT_STARTING, CLIENT_READY, CLIENT_FAILED };

struct agent_link {
	struct link *link;
	const struct inventory_host *host;
	const struct agent_bundle *bundle;
	struct secrets *secrets;
	struct json_share *share;
	struct secret_claim *claim; /* to sudo's password; NULL: none */
	struct become *become;      /* what sudo says; NULL: it is not asked */
	const struct agent_link_events *events;
	void *ctx;
	enum client_state state;
	struct frame frame;
	const char *line; /* that is being told of, and what it says */
	size_t line_length;
	const json_t *message;
	struct agent_push push;
	json_int_t id;   /* of the last request */
	bool pending;    /* its result has not come */
	unsigned calls;  /* callbacks that have not returned */
	bool closed;     /* by one of them: freed when the last returns */
	char *complaint; /* the beginning of stderr; NULL: nothing was said */
	size_t complaint_size;
};

static void client_free(struct agent_link *client)
{
	frame_free(&client->frame);
	free(client->become);
	free(client->complaint);
	free(client);
}

/* A callback begins; it may close the client. */
static void call_begins(struct agent_link *client)
{
	client->calls++;
}

/* It returned: -1 when the client was closed, which may be gone now. */
static int call_ended(struct agent_link *client)
{
	client->calls--;
	if (!client->closed)
		return 0;
	if (client->calls == 0)
		client_free(client);
	return -1;
}

/* Whoever else waits for the password has it now, or is asked for it: nothing came of this one. */
static void client_claim_drop(struct agent_link *client)
{
	secret_drop(client->claim);
	client->claim = NULL;
}

static int client_fail(struct agent_link *client, const struct gf_err *err)
{
	if (client->state == CLIENT_FAILED)
		return -1;
	client->state = CLIENT_FAILED;
	client_claim_drop(client);
	call_begins(client);
	client->events->failed(client->ctx, err);
	call_ended(client);
	return -1;
}

static bool client_sudo(const struct agent_link *client)
{
	return client->host->become == BECOME_SUDO;
}

static const char *client_user(const struct agent_link *client)
{
	return client->host->user ? client->host->user : "the user";
}

static void client_secret(void *ctx, const char *text, const struct gf_err *err)
{
	struct agent_link *client = ctx;
	struct gf_err failure = {0};
	char line[SECRET_SIZE + 1];
	int rc;

	if (!text && !err) {
		if (client->events->waiting)
			client->events->waiting(client->ctx);
		return;
	}
	if (err) {
		client->claim = NULL;
		failure = *err;
		client_fail(client, &failure);
		return;
	}
	/* The only place where it is written: sudo waits for it, and the agent has said nothing. */
	snprintf(line, sizeof(line), "%s\n", text);
	client->become->state = BECOME_SENT;
	rc = link_write(client->link, line, strlen(line), &failure);
	explicit_bzero(line, sizeof(line));
	if (rc)
		client_fail(client, &failure);
}

/* What sudo's words mean. -1 when the client is gone or failed. */
static int client_become(struct agent_link *client)
{
	struct gf_err err = {0};

	if (client->become->state == BECOME_ASKED && !client->claim) {
		if (client->secrets)
			client->claim =
			    secret_claim(client->secrets, SECRET_SUDO, client_user(client),
			                 client->host->name, NULL, client_secret, client, &err);
		else
			gf_err_set(&err, GF_E_BECOME,
			           "sudo asks for the password of %s: allow it without one in "
			           "sudoers",
			           client_user(client));
		if (!client->claim)
			return client_fail(client, &err);
	}
	if (client->become->state == BECOME_REFUSED && client->claim) {
		secret_refused(client->claim);
		client->claim = NULL;
		gf_err_set(&err, GF_E_BECOME, "sudo refused the password of %s",
		           client_user(client));
		return client_fail(client, &err);
	}
	return 0;
}

/* The agent's own first word: sudo let it begin. */
static void client_passed(struct agent_link *client)
{
	if (client->claim && client->become->state == BECOME_SENT)
		secret_accepted(client->claim);
	else
		secret_drop(client->claim);
	client->claim = NULL;
	if (client->become)
		client->become->state = BECOME_PASSED;
}

static void client_ready(void *ctx, struct link *link)
{
	struct agent_link *client = ctx;
	char *with_sudo = NULL;
	struct gf_err err = {0};
	int rc = 0;

	if (client_sudo(client)) {
		client->become = malloc(sizeof(*client->become));
		rc = client->become ? become_init(client->become, &err)
		                    : gf_err_set(&err, GF_E_MEMORY, "out of memory");
		with_sudo =
		    rc ? NULL : become_command(client->become, client->bundle->command, false);
		if (!rc && !with_sudo)
			rc = gf_err_set(&err, GF_E_MEMORY, "out of memory");
	}
	if (!rc)
		rc = link_exec(link, with_sudo ? with_sudo : client->bundle->command, &err);
	free(with_sudo);
	if (rc) {
		client_fail(client, &err);
		return;
	}
	client->state = CLIENT_STARTING;
	call_begins(client);
	client->events->connected(client->ctx);
	call_ended(client);
}

static void client_drained(void *ctx, struct link *link)
{
	struct agent_link *client = ctx;
	struct gf_err err = {0};

	(void)link;
	if (client->state == CLIENT_STARTING &&
	    agent_push_drained(&client->push, client->link, client->bundle, &err))
		client_fail(client, &err);
}

/* One greeting taken, or none yet (1: there may be more to take). */
static int client_greet(struct agent_link *client)
{
	enum frame_greeting greeting = FRAME_GREETING_NONE;
	struct gf_err err = {0};
	json_t *hello = NULL;

	if (frame_greet(&client->frame, &greeting, &hello, &err))
		return client_fail(client, &err);
	if (greeting == FRAME_GREETING_NONE)
		return 0;
	client_passed(client);
	if (greeting != FRAME_GREETING_HELLO) {
		if (agent_push_asked(&client->push, greeting, client->link, client->bundle, &err))
			return client_fail(client, &err);
		return 1;
	}
	client->state = CLIENT_READY;
	call_begins(client);
	client->events->hello(client->ctx, hello);
	json_decref(hello);
	return call_ended(client) ? -1 : 1;
}

static int client_request_done(struct agent_link *client, const json_t *message)
{
	const json_t *error = json_object_get(message, "error");
	const json_t *result = json_object_get(message, "result");
	const char *code, *text;
	struct gf_err err = {0};

	client->pending = false;
	if (result) {
		call_begins(client);
		client->events->result(client->ctx, result);
		return call_ended(client);
	}
	code = json_string_value(json_object_get(error, "code"));
	text = json_string_value(json_object_get(error, "message"));
	gf_err_set(&err, code ? gf_code_from_name(code) : GF_E_AGENT, "%s",
	           text ? text : "the agent gave no reason");
	call_begins(client);
	client->events->error(client->ctx, &err);
	return call_ended(client);
}

static int client_message(struct agent_link *client, const json_t *message)
{
	const json_t *id = json_object_get(message, "id");
	const json_t *event = json_object_get(message, "event");
	struct gf_err err = {0};

	if (!json_is_integer(id)) {
		const char *text = json_string_value(
		    json_object_get(json_object_get(message, "error"), "message"));

		gf_err_set(&err, GF_E_PROTOCOL, "the agent answered without an id%s%s",
		           text ? ": " : "", text ? text : "");
		return client_fail(client, &err);
	}
	if (json_integer_value(id) != client->id || !client->pending)
		return 0; /* of a request that was given up */
	if (event) {
		call_begins(client);
		client->events->event(client->ctx, event);
		return call_ended(client);
	}
	return client_request_done(client, message);
}

/* What hosts say is mostly what others have said. */
static json_t *client_parse(struct agent_link *client, const char *line, size_t length,
                            struct gf_err *err)
{
	json_t *message = NULL;

	if (client->share)
		message = json_share_load(client->share, line, length, JSON_REJECT_DUPLICATES);
	if (json_is_object(message))
		return message;
	json_decref(message);
	return frame_parse(line, length, err); /* which says what is wrong */
}

static int client_lines(struct agent_link *client)
{
	struct gf_err err = {0};
	size_t length;
	char *line;

	while (client->state == CLIENT_READY && (line = frame_line(&client->frame, &length))) {
		json_t *message = client_parse(client, line, length, &err);
		int gone;

		if (!message)
			return client_fail(client, &err);
		client->line = line;
		client->line_length = length;
		client->message = message;
		gone = client_message(client, message);
		json_decref(message);
		if (gone)
			return -1;
	}
	return 0;
}

static void client_output(void *ctx, struct link *link, int fd, const char *data, size_t size)
{
	struct agent_link *client = ctx;
	struct gf_err err = {0};
	int more = 1;

	(void)link;
	if (fd != 1 && client_sudo(client) && client->state == CLIENT_STARTING) {
		size_t used = become_feed(client->become, data, size);

		data += used;
		size -= used;
		if (client_become(client))
			return;
	}
	if (fd != 1) {
		size_t room = STDERR_KEPT - client->complaint_size;
		size_t kept = size < room ? size : room;

		if (size && !client->complaint)
			client->complaint = malloc(STDERR_KEPT + 1);
		if (client->complaint) {
			memcpy(client->complaint + client->complaint_size, data, kept);
			client->complaint_size += kept;
		}
		return;
	}
	if (client->state == CLIENT_FAILED)
		return;
	if (frame_feed(&client->frame, data, size, &err)) {
		client_fail(client, &err);
		return;
	}
	while (more > 0 && client->state == CLIENT_STARTING)
		more = client_greet(client);
	if (more >= 0 && client->state == CLIENT_READY && client_lines(client) == 0)
		frame_rest(&client->frame);
}

/* The last line that a program left on stderr, without what a terminal would act on. */
static void complaint_line(struct agent_link *client, char *line, size_t size)
{
	char *end, *start;

	*line = '\0';
	if (!client->complaint)
		return;
	client->complaint[client->complaint_size] = '\0';
	for (size_t i = 0; i < client->complaint_size; i++) {
		unsigned char c = (unsigned char)client->complaint[i];

		if ((c < 0x20 && c != '\n') || c >= 0x7f)
			client->complaint[i] = '?';
	}
	end = client->complaint + strlen(client->complaint);
	while (end > client->complaint && end[-1] == '\n')
		*--end = '\0';
	start = strrchr(client->complaint, '\n');
	start = start ? start + 1 : client->complaint;
	snprintf(line, size, "%s", start);
}

static void client_exited(void *ctx, struct link *link, int status)
{
	struct agent_link *client = ctx;
	struct gf_err err = {0};
	char line[200];

	(void)link;
	complaint_line(client, line, sizeof(line));
	if (!*line && client->become)
		become_reason(client->become, line, sizeof(line));
	if (client->state == CLIENT_READY)
		gf_err_set(&err, GF_E_LOST, "the agent ended%s%s", *line ? ": " : "", line);
	else if (client->become && client->become->state == BECOME_SENT) {
		secret_refused(client->claim);
		client->claim = NULL;
		gf_err_set(&err, GF_E_BECOME, "sudo refused the password of %s%s%s%s",
		           client_user(client), *line ? " (" : "", line, *line ? ")" : "");
	} else if (client->become && client->become->state != BECOME_PASSED && status == 127)
		gf_err_set(&err, GF_E_BECOME, "sudo is not installed on the host (%s)", line);
	else if (client->become && client->become->state != BECOME_PASSED &&
	         (strstr(line, "sudo") || strstr(line, "sudoers")))
		gf_err_set(&err, GF_E_BECOME,
		           "sudo refused %s (%s): allow it in sudoers, or set \"become\": "
		           "\"none\" with user root",
		           client_user(client), line);
	else
		gf_err_set(&err, GF_E_AGENT,
		           "the agent could not be started: the command ended with status %d%s%s",
		           status, *line ? ": " : "", line);
	client_fail(client, &err);
}

static void client_failed(void *ctx, struct link *link, const struct gf_err *err)
{
	(void)link;
	client_fail(ctx, err);
}

static void client_link_waiting(void *ctx, struct link *link)
{
	struct agent_link *client = ctx;

	(void)link;
	if (client->events->waiting)
		client->events->waiting(client->ctx);
}

static const struct link_events client_link_events = {
    .ready = client_ready,
    .waiting = client_link_waiting,
    .output = client_output,
    .drained = client_drained,
    .exited = client_exited,
    .failed = client_failed,
};

struct agent_link *agent_link_open(struct link_opener *opener, const struct inventory_host *host,
                                   const struct agent_bundle *bundle, struct secrets *secrets,
                                   struct json_share *share, const struct agent_link_events *events,
                                   void *ctx, struct gf_err *err)
{
	struct agent_link *client = calloc(1, sizeof(*client));

	if (!client) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
		return NULL;
	}
	client->host = host;
	client->bundle = bundle;
	client->secrets = secrets;
	client->share = share;
	client->events = events;
	client->ctx = ctx;
	frame_init(&client->frame, FRAME_LINE_LIMIT);
	client->link = opener->open(opener, host, &client_link_events, client, err);
	if (!client->link) {
		client_free(client);
		return NULL;
	}
	return client;
}

int agent_link_request(struct agent_link *client, json_t *request, struct gf_err *err)
{
	size_t length = 0;
	char *line = NULL;
	int rc = -1;

	if (!request || json_object_set_new(request, "id", json_integer(++client->id))) {
		gf_err_set(err, GF_E_MEMORY, "out of memory");
	} else {
		line = frame_encode(request, &length, err);
		if (line)
			rc = link_write(client->link, line, length, err);
	}
	client->pending = rc == 0;
	free(line);
	json_decref(request);
	return rc;
}

const char *agent_link_result_text(const struct agent_link *client, size_t *size)
{
	return frame_result(client->line, client->line_length, client->message, size);
}

void agent_link_close(struct agent_link *client)
{
	if (!client)
		return;
	client_claim_drop(client);
	link_close(client->link);
	if (client->calls > 0)
		client->closed = true;
	else
		client_free(client);
}
