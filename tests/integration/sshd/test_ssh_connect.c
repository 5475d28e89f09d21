/* test_ssh_connect.c: names, ports and hosts that do not answer as they should. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/integration/sshd/sshd_fixture.h"

static struct sshd sshd;

static int start(void **state)
{
	(void)state;
	sshd_start(&sshd, "");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	sshd_stop(&sshd);
	return 0;
}

/* A socket on loopback, listening when BACKLOG is given; nobody ever accepts. */
static int dead_port(int backlog, unsigned *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	if (backlog >= 0)
		assert_int_equal(listen(fd, backlog), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void refused_is_tried_again_and_said(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	unsigned port;
	int fd = dead_port(-1, &port);
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "true");
	client.host.port = (uint16_t)port;
	uint64_t began = uv_hrtime();
	bed_exec(&bed, &client, 10000);
	assert_true(client.failed);
	assert_int_equal(client.err.code, GF_E_CONNECT);
	assert_non_null(strstr(client.err.msg, "Connection refused"));
	assert_true(uv_hrtime() - began > 300000000); /* two pauses of at least 150 and 300 ms */
	client_free(&client);
	bed_close(&bed);
	close(fd);
}

static void silent_host_has_a_deadline(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	unsigned port;
	int fd = dead_port(8, &port);
	struct ssh_options options = {.connect_timeout_ms = 700, .agent_socket = ""};
	bed_open(&bed, &options);
	client_init(&client, &sshd, "true");
	client.host.port = (uint16_t)port;
	bed_exec(&bed, &client, 5000);
	assert_true(client.failed);
	assert_int_equal(client.err.code, GF_E_TIMEOUT);
	assert_non_null(strstr(client.err.msg, "key exchange"));
	client_free(&client);
	bed_close(&bed);
	close(fd);
}

/* A full backlog swallows SYNs: a black hole without a network. */
static void black_hole_has_a_deadline(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	unsigned port;
	int fd = dead_port(0, &port), fillers[4];
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < 4; i++) {
		fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(fillers[i], (struct sockaddr *)&address, sizeof(address));
	}
	struct ssh_options options = {.connect_timeout_ms = 700, .agent_socket = ""};
	bed_open(&bed, &options);
	client_init(&client, &sshd, "true");
	client.host.port = (uint16_t)port;
	bed_exec(&bed, &client, 5000);
	assert_true(client.failed);
	assert_int_equal(client.err.code, GF_E_TIMEOUT);
	assert_in_range(loop_watch_longest_ms(&bed.watch), 0, 300);
	client_free(&client);
	bed_close(&bed);
	for (size_t i = 0; i < 4; i++)
		close(fillers[i]);
	close(fd);
}

static void unknown_name_is_said(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	char name[] = "no-such-host.invalid";
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "true");
	client.host.address = name;
	bed_exec(&bed, &client, 30000);
	assert_true(client.failed);
	if (client.err.code !=
	    GF_E_TIMEOUT) { /* a resolver that is out of reach may only time out */
		assert_int_equal(client.err.code, GF_E_RESOLVE);
		assert_non_null(strstr(client.err.msg, name));
	}
	client_free(&client);
	bed_close(&bed);
}

/* localhost is ::1 first on most machines, and sshd listens on 127.0.0.1 alone. */
static void every_address_is_tried(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	char name[] = "localhost", key[1024], line[1200];
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "true");
	client.host.address = name;
	sshd_host_key(&sshd, key, sizeof(key));
	snprintf(line, sizeof(line), "[127.0.0.1]:%u,[localhost]:%u %s\n", sshd.port, sshd.port,
	         key);
	file_write(sshd.known_hosts, line);
	bed_exec(&bed, &client, 30000);
	if (client.failed)
		fail_msg("%s", client.err.msg);
	client_free(&client);
	bed_close(&bed);
}

/* ~/.ssh/config would run a program, were it read. */
static void ssh_config_is_not_read(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	char text[512], mark[256], *home = getenv("HOME"), kept[512];
	snprintf(kept, sizeof(kept), "%s", home ? home : "/");
	snprintf(mark, sizeof(mark), "%s/config-was-run", sshd.dir);
	shell("mkdir -p %s/.ssh", sshd.dir);
	snprintf(text, sizeof(text), "Match exec \"touch %s\"\n  Port 1\n", mark);
	char path[256];
	snprintf(path, sizeof(path), "%s/.ssh/config", sshd.dir);
	file_write(path, text);
	setenv("HOME", sshd.dir, 1);
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "true");
	bed_exec(&bed, &client, 10000);
	setenv("HOME", kept, 1);
	assert_true(client.exited);
	assert_int_not_equal(access(mark, F_OK), 0);
	client_free(&client);
	bed_close(&bed);
}

static void jump_must_have_been_looked_up(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	struct gf_err err = {0};
	static const struct link_events none;
	char jump[] = "bastion";
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "true");
	client.host.jump = jump;
	assert_null(bed.opener->open(bed.opener, &client.host, &none, NULL, &err));
	assert_non_null(strstr(err.msg, "bastion"));
	bed_close(&bed);
}

/* group16 costs a loop 23 ms a host and group18 151: a host that has nothing else is refused. */
static void slow_key_exchange_is_not_done(void **state)
{
	(void)state;
	static const char *const slow[] = {"diffie-hellman-group16-sha512",
	                                   "diffie-hellman-group18-sha512"};
	for (size_t i = 0; i < 2; i++) {
		struct sshd old;
		struct bed bed;
		struct client client;
		char extra[100];
		snprintf(extra, sizeof(extra), "KexAlgorithms %s", slow[i]);
		sshd_start(&old, extra);
		bed_open(&bed, NULL);
		client_init(&client, &old, "true");
		bed_exec(&bed, &client, 10000);
		assert_true(client.failed);
		assert_int_equal(client.err.code, GF_E_CONNECT);
		if (!strstr(client.err.msg, "in common"))
			fail_msg("%s", client.err.msg);
		assert_in_range(loop_watch_longest_ms(&bed.watch), 0, 300);
		client_free(&client);
		bed_close(&bed);
		sshd_stop(&old);
	}
}

/* Closed at every stage of its life, nothing is left behind (bed_close asserts it). */
static void links_close_at_any_time(void **state)
{
	(void)state;
	for (unsigned ms = 0; ms <= 60; ms += 3) {
		struct bed bed;
		struct client client;
		bed_open(&bed, NULL);
		client_init(&client, &sshd, "sleep 5");
		client_open(&client, bed.opener);
		if (ms)
			bed_run_for(&bed, ms);
		client_free(&client);
		bed_close(&bed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(refused_is_tried_again_and_said),
	    cmocka_unit_test(silent_host_has_a_deadline),
	    cmocka_unit_test(black_hole_has_a_deadline),
	    cmocka_unit_test(unknown_name_is_said),
	    cmocka_unit_test(every_address_is_tried),
	    cmocka_unit_test(ssh_config_is_not_read),
	    cmocka_unit_test(jump_must_have_been_looked_up),
	    cmocka_unit_test(slow_key_exchange_is_not_done),
	    cmocka_unit_test(links_close_at_any_time),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
