/* exec_run.c: see exec_run.h. */
#include "controller/commands/exec_run.h"

#include <stdlib.h>
#include <string.h>

#include "controller/secret/become.h"
#include "inventory/nodeset.h"

#define OUTPUT_MAX                                                                                 \
	((size_t)4 << 20) /* kept of one host and stream; the rest is dropped and said so */

#define TRIES 3 /* of a connection that is lost before the command is begun */

struct exec_host {
	struct exec_run *run;
	struct link *link;
	unsigned tries;
	bool ready; /* the command may have been begun */
	struct become become;
	struct secret_claim *claim; /* to sudo's password; NULL: none */
	struct exec_result result;
	uint64_t begun_ms;
	struct exec_host *next;
};

static void begin_more(struct exec_run *run);

/* HOST is off the run's list. */
static void tell_and_free(struct exec_host *host)
{
	struct exec_run *run = host->run;
	secret_drop(host->claim);
	if (host->link)
		link_close(host->link);
	run->running--;
	run->ended++;
	run->done(run->ctx, &host->result);
	free(host->result.out.data);
	free(host->result.errors.data);
	free(host);
	begin_more(run);
}

static void end_host(struct exec_host *host)
{
	struct exec_host **at = &host->run->hosts;
	while (*at != host)
		at = &(*at)->next;
	*at = host->next;
	tell_and_free(host);
}

static void set_cause(struct exec_host *host, const struct gf_err *err)
{
	/* A command that takes too long is a failure of the command: its host was reached. */
	bool slow = host->ready && err->code == GF_E_TIMEOUT;
	bool unreachable = !slow && gf_code_exit_status(err->code) == 4;
	host->result.kind = unreachable ? EXEC_UNREACHABLE : EXEC_FAILED;
	host->result.err = err;
}

static void end_with(struct exec_host *host, const struct gf_err *err)
{
	set_cause(host, err);
	end_host(host);
}

static bool with_sudo(const struct exec_host *host)
{
	return host->result.host->become == BECOME_SUDO;
}

static const char *user_of(const struct exec_host *host)
{
	return host->result.host->user ? host->result.host->user : "the user";
}

static int start_command(struct exec_host *host, struct link *link, struct gf_err *err)
{
	const char *command = host->run->command;
	if (!with_sudo(host))
		return link_exec(link, command, err);
	if (become_init(&host->become, err) != 0)
		return -1;
	char *line = become_command(&host->become, command, true);
	int rc = line ? link_exec(link, line, err) : gf_err_set(err, GF_E_MEMORY, "out of memory");
	free(line);
	return rc;
}

static void ready_cb(void *ctx, struct link *link)
{
	struct exec_host *host = ctx;
	struct gf_err err = {0};
	host->ready = true;
	if (start_command(host, link, &err) != 0)
		end_with(host, &err);
	else if (!with_sudo(host))
		link_write_eof(link); /* sudo may need it for a password first */
}

static void secret_given(void *ctx, const char *text, const struct gf_err *err)
{
	struct exec_host *host = ctx;
	struct gf_err failure = {0};
	char line[SECRET_SIZE + 1];
	if (!text && !err)
		return;
	if (err) {
		host->claim = NULL;
		failure = *err;
		end_with(host, &failure);
		return;
	}
	snprintf(line, sizeof(line), "%s\n", text);
	host->become.state = BECOME_SENT;
	int rc = link_write(host->link, line, strlen(line), &failure);
	explicit_bzero(line, sizeof(line));
	if (rc != 0)
		end_with(host, &failure);
}

static void end_refused(struct exec_host *host, const char *reason)
{
	struct gf_err err = {0};
	gf_err_set(&err, GF_E_BECOME, "sudo refused the password of %s%s%s%s", user_of(host),
	           *reason ? " (" : "", reason, *reason ? ")" : "");
	if (host->claim)
		secret_refused(host->claim);
	host->claim = NULL;
	end_with(host, &err);
}

/* What sudo's words mean. Returns false when the host has ended. */
static bool heed_sudo(struct exec_host *host)
{
	struct gf_err err = {0};
	switch (host->become.state) {
	case BECOME_ASKED:
		if (host->claim)
			return true;
		host->claim = secret_claim(host->run->secrets, SECRET_SUDO, user_of(host),
		                           host->result.host->name, NULL, secret_given, host, &err);
		if (!host->claim)
			end_with(host, &err);
		return host->claim != NULL;
	case BECOME_REFUSED:
		end_refused(host, "");
		return false;
	case BECOME_PASSED:
		if (host->claim)
			secret_accepted(host->claim);
		host->claim = NULL;
		link_write_eof(host->link);
		return true;
	default:
		return true;
	}
}

static void output_cb(void *ctx, struct link *link, int fd, const char *data, size_t size)
{
	(void)link;
	struct exec_host *host = ctx;
	struct exec_bytes *bytes = fd == 2 ? &host->result.errors : &host->result.out;
	if (fd == 2 && with_sudo(host) && host->become.state != BECOME_PASSED) {
		size_t used = become_feed(&host->become, data, size);
		if (!heed_sudo(host))
			return;
		data += used;
		size -= used;
	}
	if (size > OUTPUT_MAX - bytes->size) {
		host->result.truncated = true;
		size = OUTPUT_MAX - bytes->size;
	}
	char *grown = size ? realloc(bytes->data, bytes->size + size) : NULL;
	if (!grown) {
		host->result.truncated |= size > 0;
		return;
	}
	memcpy(grown + bytes->size, data, size);
	bytes->data = grown;
	bytes->size += size;
}

/* The command never began. */
static void end_sudo(struct exec_host *host, int status)
{
	struct gf_err err = {0};
	char reason[200];
	become_reason(&host->become, reason, sizeof(reason));
	if (host->become.state == BECOME_SENT) {
		end_refused(host, reason);
		return;
	}
	if (status == 127)
		gf_err_set(&err, GF_E_BECOME, "sudo is not installed on the host (%s)", reason);
	else
		gf_err_set(&err, GF_E_BECOME, "sudo refused %s (%s)", user_of(host), reason);
	end_with(host, &err);
}

static void exited_cb(void *ctx, struct link *link, int status)
{
	(void)link;
	struct exec_host *host = ctx;
	if (with_sudo(host) && host->become.state != BECOME_PASSED) {
		end_sudo(host, status);
		return;
	}
	host->result.kind = status ? EXEC_EXIT : EXEC_OK;
	host->result.status = status;
	end_host(host);
}

static void host_open(struct exec_host *host);

static void failed_cb(void *ctx, struct link *link, const struct gf_err *err)
{
	struct exec_host *host = ctx;
	struct gf_err kept = *err;
	if (host->ready || err->code != GF_E_LOST || host->tries == TRIES || host->run->stopping) {
		end_with(host, &kept);
		return;
	}
	link_close(link);
	host_open(host);
}

static const struct link_events events = {
    .ready = ready_cb, .output = output_cb, .exited = exited_cb, .failed = failed_cb};

static void host_open(struct exec_host *host)
{
	struct link_opener *opener = host->run->opener;
	struct gf_err err = {0};
	host->tries++;
	host->link = opener->open(opener, host->result.host, &events, host, &err);
	if (!host->link)
		end_with(host, &err);
}

static void begin(struct exec_run *run, const struct inventory_host *target)
{
	struct gf_err err = {0};
	struct exec_host *host = calloc(1, sizeof(*host));
	run->running++;
	if (!host) {
		gf_err_set(&err, GF_E_MEMORY, "out of memory");
		struct exec_result result = {.host = target, .kind = EXEC_FAILED, .err = &err};
		run->running--;
		run->ended++;
		run->done(run->ctx, &result);
		return;
	}
	host->run = run;
	host->result.host = target;
	host->begun_ms = uv_now(run->loop);
	host->next = run->hosts;
	run->hosts = host;
	host_open(host);
}

static void begin_more(struct exec_run *run)
{
	/* A host that fails to open at once comes back here by end_host(): no deeper than that. */
	if (run->beginning)
		return;
	run->beginning = true;
	while (!run->stopping && run->running < run->forks && run->next < run->count)
		begin(run, &run->inventory->hosts[run->selected[run->next++]]);
	run->beginning = false;
}

void exec_run(struct exec_run *run)
{
	begin_more(run);
	while (run->running > 0)
		uv_run(run->loop, UV_RUN_ONCE);
}

void exec_run_stop(struct exec_run *run, bool now)
{
	run->stopping = true;
	struct gf_err err;
	gf_err_set(&err, GF_E_CANCELLED, "interrupted; the command may still run there");
	while (now && run->hosts) {
		struct exec_host *host = run->hosts;
		run->hosts = host->next;
		set_cause(host, &err);
		tell_and_free(host);
	}
}

const char *exec_run_slowest(const struct exec_run *run, uint64_t *since_ms)
{
	const struct exec_host *slowest = run->hosts;
	for (const struct exec_host *host = run->hosts; host; host = host->next)
		if (host->begun_ms < slowest->begun_ms)
			slowest = host;
	if (!slowest)
		return NULL;
	*since_ms = slowest->begun_ms;
	return slowest->result.host->name;
}

char *exec_run_in_flight(const struct exec_run *run)
{
	const char **names = calloc(run->running + 1, sizeof(*names));
	size_t count = 0;
	for (const struct exec_host *host = run->hosts; names && host; host = host->next)
		names[count++] = host->result.host->name;
	char *folded = names ? nodeset_fold(names, count) : NULL;
	free(names);
	return folded;
}
