/* test_ssh_bastion.c: hosts behind real OpenSSH bastions: one session for all, chains,
 * back-pressure, and what is said and done when a bastion refuses, forbids, hangs or dies. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/integration/sshd/sshd_fixture.h"

#define HOSTS 50
#define BIG   ((size_t)8 << 20)

static struct sshd target, first, second;
static struct inventory_host bastion, outer;

static void hop_init(struct inventory_host *hop, const struct sshd *sshd, const char *name)
{
	static struct client client;
	client_init(&client, sshd, "");
	*hop = client.host;
	hop->name = (char *)(uintptr_t)name;
}

static int start(void **state)
{
	(void)state;
	/* Connections that are given up early are what these tests are about. */
	const char *extra = sshd_penalises() ? "PerSourcePenalties no" : "";
	sshd_start(&target, extra);
	sshd_start(&first, extra);
	sshd_start(&second, extra);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	sshd_stop(&target);
	sshd_stop(&first);
	sshd_stop(&second);
	return 0;
}

static void behind(struct client *client, const char *command)
{
	hop_init(&bastion, &first, "jump01");
	client_init(client, &target, command);
	client->host.jump = (char *)(uintptr_t) "jump01";
	client->host.bastion = &bastion;
}

static void expect_words(const struct client *client, enum gf_code code, const char *words)
{
	assert_true(client->failed);
	if (!strstr(client->err.msg, words))
		fail_msg("no \"%s\" in: %s", words, client->err.msg);
	assert_int_equal(client->err.code, code);
}

static void one_session_carries_all(void **state)
{
	(void)state;
	struct bed bed;
	struct client clients[HOSTS];
	unsigned before = sshd_logged(&first, "Accepted publickey");
	bed_open(&bed, NULL);
	for (size_t i = 0; i < HOSTS; i++) {
		behind(&clients[i], "echo here; echo there >&2; exit 3");
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, HOSTS, 60000);
	for (size_t i = 0; i < HOSTS; i++) {
		if (clients[i].failed)
			fail_msg("%s", clients[i].err.msg);
		assert_string_equal(clients[i].out, "here\n");
		assert_string_equal(clients[i].err_out, "there\n");
		assert_int_equal(clients[i].status, 3);
		client_free(&clients[i]);
	}
	/* Later ones still use it. */
	behind(&clients[0], "true");
	bed_exec(&bed, &clients[0], 10000);
	client_free(&clients[0]);
	bed_close(&bed);
	assert_int_equal(sshd_logged(&first, "Accepted publickey") - before, 1);
}

static void chain_of_two(void **state)
{
	(void)state;
	struct bed bed;
	struct client clients[5];
	unsigned before = sshd_logged(&first, "Accepted publickey"),
	         before_second = sshd_logged(&second, "Accepted publickey");
	bed_open(&bed, NULL);
	for (size_t i = 0; i < 5; i++) {
		behind(&clients[i], "echo here");
		hop_init(&outer, &second, "jump02");
		bastion.bastion = &outer;
		bastion.jump = (char *)(uintptr_t) "jump02";
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, 5, 30000);
	for (size_t i = 0; i < 5; i++) {
		if (clients[i].failed)
			fail_msg("%s", clients[i].err.msg);
		client_free(&clients[i]);
	}
	bed_close(&bed);
	assert_int_equal(sshd_logged(&first, "Accepted publickey") - before, 1);
	assert_int_equal(sshd_logged(&second, "Accepted publickey") - before_second, 1);
}

/* Much in both directions at once, past a reader that sleeps first; and the loop never stands
 * still. */
static void much_data_both_ways(void **state)
{
	(void)state;
	struct bed bed;
	struct client clients[4];
	char *data = malloc(BIG);
	assert_non_null(data);
	for (size_t i = 0; i < BIG; i++)
		data[i] = (char)(i * 2654435761u >> 13);
	bed_open(&bed, NULL);
	for (size_t i = 0; i < 4; i++) {
		behind(&clients[i], i == 3 ? "sleep 2; cat" : "cat");
		clients[i].input = data;
		clients[i].input_size = BIG;
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, 4, 120000);
	for (size_t i = 0; i < 4; i++) {
		if (clients[i].failed)
			fail_msg("%s", clients[i].err.msg);
		assert_int_equal(clients[i].out_size, BIG);
		assert_memory_equal(clients[i].out, data, BIG);
		client_free(&clients[i]);
	}
	assert_in_range(loop_watch_longest_ms(&bed.watch), 0, 500);
	bed_close(&bed);
	free(data);
}

static void unknown_bastion_is_named(void **state)
{
	(void)state;
	struct bed bed;
	struct client clients[3];
	bed_open(&bed, NULL);
	for (size_t i = 0; i < 3; i++) {
		behind(&clients[i], "true");
		bastion.known_hosts = (char *)(uintptr_t)target.known_hosts;
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, 3, 10000);
	for (size_t i = 0; i < 3; i++) {
		expect_words(&clients[i], GF_E_HOST_KEY, "bastion jump01: the host key of jump01");
		client_free(&clients[i]);
	}
	bed_close(&bed);
}

/* The bastion is fine, the host behind it is not who it was. */
static void unknown_host_behind_is_named(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	bed_open(&bed, NULL);
	behind(&client, "true");
	client.host.known_hosts = (char *)(uintptr_t)first.known_hosts;
	bed_exec(&bed, &client, 10000);
	expect_words(&client, GF_E_HOST_KEY, "the host key of gpu01 is not known");
	assert_non_null(strstr(client.err.msg, "through bastion jump01"));
	client_free(&client);
	bed_close(&bed);
}

static void refused_behind_the_bastion(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	bed_open(&bed, NULL);
	behind(&client, "true");
	client.host.port = 1;
	bed_exec(&bed, &client, 10000);
	expect_words(&client, GF_E_CONNECT,
	             "bastion jump01 cannot connect to gpu01 (127.0.0.1 port 1): ");
	client_free(&client);
	bed_close(&bed);
}

static void forbidden_forwarding_is_clear(void **state)
{
	(void)state;
	struct sshd strict;
	struct bed bed;
	struct client client;
	sshd_start(&strict, "AllowTcpForwarding no");
	bed_open(&bed, NULL);
	behind(&client, "true");
	hop_init(&bastion, &strict, "jump01");
	bed_exec(&bed, &client, 10000);
	expect_words(&client, GF_E_CONNECT,
	             "bastion jump01 does not let us through to the host (open failed): its "
	             "sshd_config must have AllowTcpForwarding yes");
	client_free(&client);
	bed_close(&bed);
	sshd_stop(&strict);
}

/* Nobody there: all are told, and those who come at once after it, without another try. */
static void absent_bastion_is_tried_once(void **state)
{
	(void)state;
	struct bed bed;
	struct client clients[10], late;
	struct ssh_options options = {.agent_socket = "", .connect_attempts = 1};
	bed_open(&bed, &options);
	for (size_t i = 0; i < 10; i++) {
		behind(&clients[i], "true");
		bastion.port = 1;
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, 10, 10000);
	for (size_t i = 0; i < 10; i++) {
		expect_words(&clients[i], GF_E_CONNECT, "bastion jump01: cannot connect to jump01");
		client_free(&clients[i]);
	}
	/* Were it tried now, it would be found. */
	bastion.port = (uint16_t)first.port;
	client_init(&late, &target, "true");
	late.host.bastion = &bastion;
	client_open(&late, bed.opener);
	bed_run(&bed, &late, 1, 10000);
	expect_words(&late, GF_E_CONNECT, "bastion jump01: cannot connect to jump01");
	client_free(&late);
	bed_run_for(&bed, 2500);
	client_init(&late, &target, "true");
	late.host.bastion = &bastion;
	bed_exec(&bed, &late, 10000);
	if (late.failed)
		fail_msg("%s", late.err.msg);
	client_free(&late);
	bed_close(&bed);
}

static void session_end(const struct sshd *sshd, const char *signal)
{
	shell("for pid in $(pgrep -P %d); do kill -%s $pid $(pgrep -P $pid sshd); done",
	      (int)sshd->pid, signal);
}

/* The bastion's session dies under many: all are lost, and one new session serves them again. */
static void dead_session_is_made_once_again(void **state)
{
	(void)state;
	struct bed bed;
	struct client clients[HOSTS];
	unsigned before = sshd_logged(&first, "Accepted publickey");
	bed_open(&bed, NULL);
	for (size_t i = 0; i < HOSTS; i++) {
		behind(&clients[i], i % 2 ? "sleep 60" : "yes | head -c 100000000");
		client_open(&clients[i], bed.opener);
	}
	for (int i = 0; i < 400; i++) {
		size_t ready = 0;
		for (size_t j = 0; j < HOSTS; j++)
			ready += clients[j].ready;
		if (ready == HOSTS)
			break;
		bed_run_for(&bed, 50);
	}
	session_end(&first, "KILL");
	bed_run(&bed, clients, HOSTS, 10000);
	for (size_t i = 0; i < HOSTS; i++) {
		expect_words(&clients[i], GF_E_LOST, "bastion jump01");
		client_free(&clients[i]);
		client_init(&clients[i], &target, "true");
		clients[i].host.bastion = &bastion;
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, HOSTS, 60000);
	for (size_t i = 0; i < HOSTS; i++) {
		if (clients[i].failed)
			fail_msg("%s", clients[i].err.msg);
		client_free(&clients[i]);
	}
	bed_close(&bed);
	assert_int_equal(sshd_logged(&first, "Accepted publickey") - before, 2);
}

/* The bastion's kernel answers, its sshd does not: silence has an end. */
static void stopped_bastion_is_noticed(void **state)
{
	(void)state;
	struct bed bed;
	struct client clients[3];
	struct ssh_options options = {.agent_socket = "", .keepalive_ms = 300};
	bed_open(&bed, &options);
	for (size_t i = 0; i < 3; i++) {
		behind(&clients[i], "sleep 60");
		client_open(&clients[i], bed.opener);
	}
	bed_run_for(&bed, 2500);
	for (size_t i = 0; i < 3; i++)
		assert_true(clients[i].ready && !client_done(&clients[i]));
	session_end(&first, "STOP");
	bed_run(&bed, clients, 3, 10000);
	for (size_t i = 0; i < 3; i++) {
		expect_words(&clients[i], GF_E_LOST, "bastion jump01");
		client_free(&clients[i]);
	}
	assert_in_range(loop_watch_longest_ms(&bed.watch), 0, 500);
	session_end(&first, "KILL");
	bed_close(&bed);
}

/* The host behind takes the connection, and says nothing. */
static void silent_host_behind_has_a_deadline(void **state)
{
	(void)state;
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	struct bed bed;
	struct client client;
	struct ssh_options options = {.agent_socket = "", .connect_timeout_ms = 1000};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	bed_open(&bed, &options);
	behind(&client, "true");
	client.host.port = ntohs(address.sin_port);
	bed_exec(&bed, &client, 10000);
	expect_words(&client, GF_E_TIMEOUT, "key exchange (through bastion jump01)");
	client_free(&client);
	bed_close(&bed);
	close(fd);
}

/* The host behind hangs; neither the bastion nor TCP can tell. */
static void hanging_host_behind_is_noticed(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	struct ssh_options options = {.agent_socket = "", .keepalive_ms = 300};
	bed_open(&bed, &options);
	behind(&client, "sleep 60");
	client_open(&client, bed.opener);
	for (int i = 0; i < 100 && !client.ready; i++)
		bed_run_for(&bed, 50);
	bed_run_for(&bed, 300);
	session_end(&target, "STOP");
	bed_run(&bed, &client, 1, 10000);
	expect_words(&client, GF_E_LOST, "(through bastion jump01)");
	client_free(&client);
	session_end(&target, "KILL");
	bed_close(&bed);
}

/* Links that are closed at any moment of their way leave nothing behind. */
static void closed_at_any_moment(void **state)
{
	(void)state;
	for (unsigned ms = 0; ms < 240; ms += 12) {
		struct bed bed;
		struct client clients[6];
		bed_open(&bed, NULL);
		for (size_t i = 0; i < 6; i++) {
			behind(&clients[i], "head -c 1000000 /dev/zero");
			client_open(&clients[i], bed.opener);
		}
		bed_run_for(&bed, ms);
		for (size_t i = 0; i < 5; i++)
			client_free(&clients[i]);
		bed_run(&bed, &clients[5], 1, 20000);
		if (clients[5].failed)
			fail_msg("%s", clients[5].err.msg);
		client_free(&clients[5]);
		bed_close(&bed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_session_carries_all),
	    cmocka_unit_test(chain_of_two),
	    cmocka_unit_test(much_data_both_ways),
	    cmocka_unit_test(unknown_bastion_is_named),
	    cmocka_unit_test(unknown_host_behind_is_named),
	    cmocka_unit_test(refused_behind_the_bastion),
	    cmocka_unit_test(forbidden_forwarding_is_clear),
	    cmocka_unit_test(absent_bastion_is_tried_once),
	    cmocka_unit_test(dead_session_is_made_once_again),
	    cmocka_unit_test(stopped_bastion_is_noticed),
	    cmocka_unit_test(silent_host_behind_has_a_deadline),
	    cmocka_unit_test(hanging_host_behind_is_noticed),
	    cmocka_unit_test(closed_at_any_moment),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
