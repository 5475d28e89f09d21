/* The agent on one host: sudo's password, which one host tries first and the others wait for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "controller/host/agent_link.h"

#define HELLO                                                                                      \
	"{\"hello\":\"gpufleet-agent\",\"protocol\":1,\"version\":\"0\",\"arch\":\"x86_64\","      \
	"\"boot_id\":\"b\"}\n"

/* A host behind a link that does what the test says. */
struct peer {
	struct link link;
	struct inventory_host host;
	struct agent_link *client;
	char prompt[64]; /* what sudo is to ask with */
	unsigned passwords;
	bool said_hello, failed;
};

static struct peer *opened; /* the opener is told of a host, and not by whom */

static int peer_exec(struct link *link, const char *command, struct gf_err *err)
{
	struct peer *peer = (struct peer *)link;
	const char *prompt = strstr(command, "gpufleet-p-");

	(void)err;
	assert_non_null(prompt);
	snprintf(peer->prompt, sizeof(peer->prompt), "%.*s", (int)strcspn(prompt, "' "), prompt);
	return 0;
}

static int peer_write(struct link *link, const void *data, size_t size, struct gf_err *err)
{
	(void)err;
	assert_int_equal(size, 7);
	assert_memory_equal(data, "secret\n", size);
	((struct peer *)link)->passwords++;
	return 0;
}

static void peer_closed(struct link *link)
{
	link->events = NULL;
}

static const struct link_ops peer_ops = {
    .exec = peer_exec, .write = peer_write, .close = peer_closed};

static struct link *peer_open(struct link_opener *opener, const struct inventory_host *host,
                              const struct link_events *events, void *ctx, struct gf_err *err)
{
	(void)opener;
	(void)host;
	(void)err;
	opened->link = (struct link){&peer_ops, events, ctx};
	return &opened->link;
}

static void connected(void *ctx)
{
	(void)ctx;
}

static void hello(void *ctx, const json_t *text)
{
	(void)text;
	((struct peer *)ctx)->said_hello = true;
}

static void failed(void *ctx, const struct gf_err *err)
{
	(void)err;
	((struct peer *)ctx)->failed = true;
}

static const struct agent_link_events events = {
    .connected = connected, .hello = hello, .failed = failed};

/* PEER is connected to, and its sudo asks for the password. */
static void peer_ask(struct peer *peer, char *name, struct secrets *secrets)
{
	static const struct agent_bundle bundle = {.command = (char *)(uintptr_t) "launch"};
	static struct link_opener opener = {peer_open};
	struct gf_err err = {0};

	*peer = (struct peer){.host = {.name = name, .become = BECOME_SUDO}};
	peer->host.user = (char *)(uintptr_t) "operator";
	opened = peer;
	peer->client =
	    agent_link_open(&opener, &peer->host, &bundle, secrets, NULL, &events, peer, &err);
	assert_non_null(peer->client);
	peer->link.events->ready(peer->link.ctx, &peer->link);
	peer->link.events->output(peer->link.ctx, &peer->link, 2, peer->prompt,
	                          strlen(peer->prompt));
}

static void peer_say_hello(struct peer *peer)
{
	peer->link.events->output(peer->link.ctx, &peer->link, 1, HELLO, strlen(HELLO));
	assert_true(peer->said_hello);
}

static struct secrets *password_given(uv_loop_t *loop)
{
	struct gf_err err = {0};
	struct secrets *secrets;
	int fds[2];

	uv_loop_init(loop);
	secrets = secrets_new(loop, NULL, &err);
	assert_non_null(secrets);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "secret\n", 7), 7);
	close(fds[1]);
	assert_int_equal(secrets_read_sudo(secrets, fds[0], &err), 0);
	return secrets;
}

static void idle_cb(uv_idle_t *idle)
{
	(void)idle;
}

/* Nothing of the secrets keeps the loop going by itself. */
static void turns(uv_loop_t *loop)
{
	uv_idle_t idle;

	uv_idle_init(loop, &idle);
	uv_idle_start(&idle, idle_cb);
	for (int i = 0; i < 20; i++)
		uv_run(loop, UV_RUN_NOWAIT);
	uv_close((uv_handle_t *)&idle, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
}

static void all_over(uv_loop_t *loop, struct secrets *secrets)
{
	secrets_free(secrets);
	uv_run(loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(loop), 0);
}

/* Both ask, and the first has the password to try. */
static struct secrets *both_ask(uv_loop_t *loop, struct peer *first, struct peer *second)
{
	static char names[2][8] = {"gpu01", "gpu02"};
	struct secrets *secrets = password_given(loop);

	peer_ask(first, names[0], secrets);
	peer_ask(second, names[1], secrets);
	turns(loop);
	assert_int_equal(first->passwords, 1);
	assert_int_equal(second->passwords, 0);
	return secrets;
}

static void one_host_tries_it_first(void **state)
{
	struct peer first, second;
	uv_loop_t loop;
	struct secrets *secrets = both_ask(&loop, &first, &second);

	(void)state;
	peer_say_hello(&first);
	turns(&loop);
	assert_int_equal(second.passwords, 1);
	peer_say_hello(&second);
	agent_link_close(first.client);
	agent_link_close(second.client);
	all_over(&loop, secrets);
}

/* The connection is lost before sudo has said what it thinks of the password: the next host tries
 * it. */
static void lost_try_is_handed_on(void **state)
{
	const struct gf_err lost = {.code = GF_E_LOST, .msg = "lost"};

	(void)state;
	for (int closed = 0; closed < 2; closed++) {
		struct peer first, second;
		uv_loop_t loop;
		struct secrets *secrets = both_ask(&loop, &first, &second);

		if (closed)
			agent_link_close(first.client);
		else
			first.link.events->failed(first.link.ctx, &first.link, &lost);
		turns(&loop);
		assert_int_equal(second.passwords, 1);
		assert_int_equal(first.failed, !closed);
		if (!closed)
			agent_link_close(first.client);
		agent_link_close(second.client);
		all_over(&loop, secrets);
	}
}

/* Who is gone meanwhile is not told. */
static void closed_while_it_waits(void **state)
{
	struct peer first, second;
	uv_loop_t loop;
	struct secrets *secrets = both_ask(&loop, &first, &second);

	(void)state;
	agent_link_close(second.client);
	peer_say_hello(&first);
	turns(&loop);
	assert_int_equal(second.passwords, 0);
	agent_link_close(first.client);
	all_over(&loop, secrets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_host_tries_it_first),
	    cmocka_unit_test(lost_try_is_handed_on),
	    cmocka_unit_test(closed_while_it_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
