/* test_ssh_silence.c: peers that keep the TCP connection and say nothing any more, and a loop that
 * stood still itself. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/integration/sshd/sshd_fixture.h"

static struct sshd sshd;

static int start(void **state)
{
	(void)state;
	sshd_start(&sshd, "MaxSessions 100");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	sshd_stop(&sshd);
	return 0;
}

/* The process that serves the client's connection, as its command tells. */
static pid_t serving_process(struct bed *bed, const struct client *client)
{
	for (int i = 0; i < 500 && !(client->out && strchr(client->out, '\n')); i++)
		bed_run_for(bed, 10);
	assert_non_null(client->out);
	return (pid_t)strtol(client->out, NULL, 10);
}

/* No deadline of a command: only its silence tells that the host hangs. */
static void hanging_host_ends_its_command(void **state)
{
	struct ssh_options options = {.keepalive_ms = 200, .agent_socket = ""};
	struct client client;
	struct bed bed;
	pid_t pid;

	(void)state;
	bed_open(&bed, &options);
	client_init(&client, &sshd, "echo $PPID; sleep 60");
	client_open(&client, bed.opener);
	pid = serving_process(&bed, &client);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	bed_run(&bed, &client, 1, 5000);
	kill(pid, SIGCONT);
	assert_true(client.failed);
	assert_int_equal(client.err.code, GF_E_LOST);
	assert_non_null(strstr(client.err.msg, "may still run"));
	client_free(&client);
	bed_close(&bed);
}

/* What ~/.ssh/config says of a host is before our own interval, which would take ten minutes. */
static void interval_of_the_host(void **state)
{
	struct ssh_options options = {.keepalive_ms = 150000, .agent_socket = ""};
	struct client client;
	struct bed bed;
	pid_t pid;

	(void)state;
	bed_open(&bed, &options);
	client_init(&client, &sshd, "echo $PPID; sleep 60");
	client.host.alive_interval_s = 1;
	client.host.alive_count = 1;
	client_open(&client, bed.opener);
	pid = serving_process(&bed, &client);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	bed_run(&bed, &client, 1, 30000);
	kill(pid, SIGCONT);
	assert_true(client.failed);
	assert_int_equal(client.err.code, GF_E_LOST);
	assert_non_null(strstr(client.err.msg, "has answered nothing for 2 s"));
	client_free(&client);
	bed_close(&bed);
}

static void hanging_host_ends_an_idle_link(void **state)
{
	struct ssh_options options = {.keepalive_ms = 200, .agent_socket = ""};
	struct client client;
	struct bed bed;
	pid_t pid;

	(void)state;
	bed_open(&bed, &options);
	client_init(&client, &sshd, "echo $PPID");
	client.keep_open = true;
	client_open(&client, bed.opener);
	pid = serving_process(&bed, &client);
	bed_run(&bed, &client, 1, 5000);
	assert_true(client.exited);
	client.exited = false;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	bed_run(&bed, &client, 1, 5000);
	kill(pid, SIGCONT);
	assert_true(client.failed);
	assert_int_equal(client.err.code, GF_E_LOST);
	client_free(&client);
	bed_close(&bed);
}

/* A command may be silent for as long as it likes, on a host that answers. */
static void silent_command_lives(void **state)
{
	struct ssh_options options = {.keepalive_ms = 300, .agent_socket = ""};
	struct client client;
	struct bed bed;

	(void)state;
	bed_open(&bed, &options);
	client_init(&client, &sshd, "sleep 4; echo done");
	bed_exec(&bed, &client, 10000);
	assert_true(client.exited);
	assert_int_equal(client.status, 0);
	assert_string_equal(client.out, "done\n");
	client_free(&client);
	bed_close(&bed);
}

static uint64_t stall_at;

static void stall_cb(uv_check_t *check)
{
	if (uv_hrtime() / 1000000 < stall_at)
		return;
	sleep(2);
	uv_close((uv_handle_t *)check, NULL);
}

/* The loop's own standing still is not the host's fault. */
static void stalled_loop_gives_nobody_up(void **state)
{
	struct ssh_options options = {
	    .connect_timeout_ms = 1000, .auth_timeout_ms = 1000, .agent_socket = ""};
	static const unsigned after[] = {1, 8, 15, 30, 60};
	struct client client;
	uv_check_t stall;
	struct bed bed;

	(void)state;
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		bed_open(&bed, &options);
		uv_check_init(&bed.loop, &stall);
		uv_check_start(&stall, stall_cb);
		stall_at = uv_hrtime() / 1000000 + after[i];
		client_init(&client, &sshd, "echo done");
		bed_exec(&bed, &client, 10000);
		if (client.failed)
			fail_msg("stalled after %u ms: %s", after[i], client.err.msg);
		client_free(&client);
		bed_close(&bed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hanging_host_ends_its_command),
	    cmocka_unit_test(interval_of_the_host),
	    cmocka_unit_test(hanging_host_ends_an_idle_link),
	    cmocka_unit_test(silent_command_lives),
	    cmocka_unit_test(stalled_loop_gives_nobody_up),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
