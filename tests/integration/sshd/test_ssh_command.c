/* test_ssh_command.c: commands over real sshd: output, input, status, and peers that stop or die.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "controller/ssh/ssh_link.h"
#include "tests/integration/sshd/sshd_fixture.h"

#define PUSH_SIZE ((size_t)16 << 20)

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

static uint64_t ticks(const struct bed *bed)
{
	return ((const struct ssh_opener *)bed->opener)->ticks;
}

static void expect_exit(struct client *client, int status)
{
	if (client->failed)
		fail_msg("%s", client->err.msg);
	assert_int_equal(client->status, status);
}

static void gives_output_and_status(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "echo out; echo err >&2; cat; exit 3");
	client.input = "given";
	client.input_size = 5;
	bed_exec(&bed, &client, 10000);
	expect_exit(&client, 3);
	assert_string_equal(client.out, "out\ngiven");
	assert_string_equal(client.err_out, "err\n");
	client_free(&client);
	bed_close(&bed);
}

static void signal_is_128_and_its_number(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "kill -TERM $$; sleep 5");
	bed_exec(&bed, &client, 10000);
	expect_exit(&client, 143);
	client_free(&client);
	bed_close(&bed);
}

static void one_link_runs_several_commands(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	struct gf_err err;
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "echo -n a");
	client.keep_open = true;
	bed_exec(&bed, &client, 10000);
	for (int i = 0; i < 3; i++) {
		client.exited = false;
		assert_int_equal(link_exec(client.link, "echo -n b; exit 1", &err), 0);
		assert_int_equal(link_exec(client.link, "true", &err), -1); /* one at a time */
		link_write_eof(client.link);
		bed_run(&bed, &client, 1, 10000);
		expect_exit(&client, 1);
	}
	assert_string_equal(client.out, "abbb");
	client_free(&client);
	bed_close(&bed);
}

static void large_input_arrives_whole(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	char *push = malloc(PUSH_SIZE), sum[256], path[192];
	assert_non_null(push);
	for (size_t i = 0; i < PUSH_SIZE; i++)
		push[i] = (char)(i * 2654435761u >> 24);
	snprintf(path, sizeof(path), "%s/push", sshd.dir);
	FILE *file = fopen(path, "w");
	assert_int_equal(fwrite(push, 1, PUSH_SIZE, file), PUSH_SIZE);
	fclose(file);
	snprintf(sum, sizeof(sum), "cmp - %s && echo same", path);
	bed_open(&bed, NULL);
	client_init(&client, &sshd, sum);
	client.input = push;
	client.input_size = PUSH_SIZE;
	bed_exec(&bed, &client, 60000);
	expect_exit(&client, 0);
	assert_string_equal(client.out, "same\n");
	client_free(&client);
	bed_close(&bed);
	unlink(path);
	free(push);
}

static void large_output_arrives_whole(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "head -c 8000000 /dev/zero; head -c 1000000 /dev/zero >&2");
	bed_exec(&bed, &client, 60000);
	expect_exit(&client, 0);
	assert_int_equal(client.out_size, 8000000);
	assert_int_equal(client.err_size, 1000000);
	client_free(&client);
	bed_close(&bed);
}

/* The command closes its output long before it ends: nothing may spin in between. */
static void end_of_output_before_status_does_not_spin(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		struct bed bed;
		struct client client;
		bed_open(&bed, NULL);
		client_init(&client, &sshd, "exec >&- 2>&- <&-; sleep 0.5; exit 4");
		bed_exec(&bed, &client, 10000);
		expect_exit(&client, 4);
		assert_in_range(ticks(&bed), 1, 400);
		client_free(&client);
		bed_close(&bed);
	}
}

static void quiet_command_costs_no_ticks(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "echo begun; sleep 30");
	client_open(&client, bed.opener);
	for (int i = 0; i < 500 && client.out_size == 0; i++)
		bed_run_for(&bed, 10);
	assert_int_not_equal(client.out_size, 0);
	uint64_t before = ticks(&bed);
	bed_run_for(&bed, 500);
	assert_in_range(ticks(&bed) - before, 0, 5);
	client_free(&client);
	bed_close(&bed);
}

static void command_has_a_deadline(void **state)
{
	(void)state;
	const struct ssh_options options[] = {
	    {.command_timeout_ms = 600, .agent_socket = ""},
	    {.idle_timeout_ms = 600, .agent_socket = ""},
	};
	for (size_t i = 0; i < 2; i++) {
		struct bed bed;
		struct client client;
		bed_open(&bed, &options[i]);
		client_init(&client, &sshd, "sleep 30");
		bed_exec(&bed, &client, 10000);
		assert_true(client.failed);
		assert_int_equal(client.err.code, GF_E_TIMEOUT);
		assert_non_null(strstr(client.err.msg, "did not end in time"));
		client_free(&client);
		bed_close(&bed);
	}
}

/* The process that serves the client's connection, found by asking it. */
static pid_t serving_process(struct bed *bed, struct client *client)
{
	for (int i = 0; i < 500 && !(client->out && strchr(client->out, '\n')); i++)
		bed_run_for(bed, 10);
	assert_non_null(client->out);
	int pid = atoi(client->out);
	assert_true(pid > 1);
	return pid;
}

/* A peer that stops while it is sent 16 MiB: writes must go on to return, other hosts to be served.
 */
static void stopped_peer_does_not_stall_the_loop(void **state)
{
	(void)state;
	struct bed bed;
	struct client stopped, other;
	struct gf_err err;
	char *push = calloc(1, PUSH_SIZE);
	assert_non_null(push);
	struct ssh_options options = {.idle_timeout_ms = 4000, .agent_socket = ""};
	bed_open(&bed, &options);
	client_init(&stopped, &sshd, "echo $PPID; cat >/dev/null");
	stopped.manual = true;
	client_open(&stopped, bed.opener);
	for (int i = 0; i < 500 && !stopped.ready; i++)
		bed_run_for(&bed, 10);
	assert_int_equal(link_exec(stopped.link, stopped.command, &err), 0);
	pid_t pid = serving_process(&bed, &stopped);
	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(link_write(stopped.link, push, PUSH_SIZE, &err), 0);
	bed.watch.longest = 0;
	client_init(&other, &sshd, "echo fine");
	client_open(&other, bed.opener);
	bed_run(&bed, &other, 1, 5000);
	expect_exit(&other, 0);
	bed_run_for(&bed, 1500);
	assert_in_range(loop_watch_longest_ms(&bed.watch), 0, 300);
	assert_false(client_done(&stopped));
	bed_run(&bed, &stopped, 1, 10000); /* the idle deadline */
	assert_int_equal(stopped.err.code, GF_E_TIMEOUT);
	kill(pid, SIGCONT);
	client_free(&stopped);
	client_free(&other);
	bed_close(&bed);
	free(push);
}

static void killed_peer_is_lost(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "echo $PPID; sleep 30");
	client_open(&client, bed.opener);
	kill(serving_process(&bed, &client), SIGKILL);
	bed_run(&bed, &client, 1, 10000);
	assert_true(client.failed);
	assert_int_equal(client.err.code, GF_E_LOST);
	client_free(&client);
	/* And while nothing runs. */
	client_init(&client, &sshd, "echo $PPID");
	client.keep_open = true;
	bed_exec(&bed, &client, 10000);
	expect_exit(&client, 0);
	client.exited = false;
	kill(atoi(client.out), SIGKILL);
	bed_run(&bed, &client, 1, 10000);
	assert_true(client.failed);
	assert_int_equal(client.err.code, GF_E_LOST);
	client_free(&client);
	bed_close(&bed);
}

static void many_sessions_at_once(void **state)
{
	(void)state;
	enum { COUNT = 100 };
	struct bed bed;
	static struct client clients[COUNT];
	bed_open(&bed, NULL);
	for (size_t i = 0; i < COUNT; i++) {
		client_init(&clients[i], &sshd, "echo here; exit 7");
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, COUNT, 90000);
	for (size_t i = 0; i < COUNT; i++) {
		expect_exit(&clients[i], 7);
		assert_string_equal(clients[i].out, "here\n");
		client_free(&clients[i]);
	}
	bed_close(&bed);
}

/* Descriptors: libssh closes its own sometimes; none may stay, none be closed twice. */
static void no_descriptor_stays(void **state)
{
	(void)state;
	struct stat info;
	int before = 0, after = 0;
	for (int fd = 0; fd < 256; fd++)
		before += fstat(fd, &info) == 0;
	for (int i = 0; i < 6; i++) {
		struct bed bed;
		struct client client;
		bed_open(&bed, NULL);
		client_init(&client, &sshd, i % 2 ? "echo $PPID; sleep 30" : "true");
		client_open(&client, bed.opener);
		if (i % 2)
			kill(serving_process(&bed, &client), SIGKILL);
		bed_run(&bed, &client, 1, 10000);
		client_free(&client);
		bed_close(&bed);
	}
	for (int fd = 0; fd < 256; fd++)
		after += fstat(fd, &info) == 0;
	assert_int_equal(after, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(gives_output_and_status),
	    cmocka_unit_test(signal_is_128_and_its_number),
	    cmocka_unit_test(one_link_runs_several_commands),
	    cmocka_unit_test(large_input_arrives_whole),
	    cmocka_unit_test(large_output_arrives_whole),
	    cmocka_unit_test(end_of_output_before_status_does_not_spin),
	    cmocka_unit_test(quiet_command_costs_no_ticks),
	    cmocka_unit_test(command_has_a_deadline),
	    cmocka_unit_test(stopped_peer_does_not_stall_the_loop),
	    cmocka_unit_test(killed_peer_is_lost),
	    cmocka_unit_test(many_sessions_at_once),
	    cmocka_unit_test(no_descriptor_stays),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
