/* test_ssh_rate.c: many hosts at one OpenSSH server, directly or through a bastion, with the limits
 * on new connections that it has by itself, narrower ones, and those of OpenSSH 9.8. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "controller/ssh/ssh_link.h"
#include "tests/integration/sshd/sshd_fixture.h"

#define STANDARD "MaxStartups 10:30:100"
#define HOSTS    120

static struct inventory_host bastion;

static void behind(struct client *client, const struct sshd *hop)
{
	struct client on_bastion;
	client_init(&on_bastion, hop, "");
	bastion = on_bastion.host;
	bastion.name = (char *)(uintptr_t) "jump01";
	client->host.jump = bastion.name;
	client->host.bastion = &bastion;
}

/* COUNT links at once to TARGET, through HOP when it is given, must all run their command; one
 * ordinary try is all that each has. Is anything kept of those servers then? */
static bool all_get_in(const struct sshd *target, const struct sshd *hop, size_t count)
{
	struct bed bed;
	struct ssh_options options = {.agent_socket = "", .connect_attempts = 1};
	struct client *clients = calloc(count, sizeof(*clients));
	assert_non_null(clients);
	bed_open(&bed, &options);
	for (size_t i = 0; i < count; i++) {
		client_init(&clients[i], target, "true");
		if (hop)
			behind(&clients[i], hop);
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, count, 120000);
	for (size_t i = 0; i < count; i++) {
		if (clients[i].failed)
			fail_msg("%zu: %s", i, clients[i].err.msg);
		assert_int_equal(clients[i].status, 0);
		client_free(&clients[i]);
	}
	bool kept = ((struct ssh_opener *)bed.opener)->servers != NULL;
	bed_close(&bed);
	free(clients);
	return kept;
}

static void standard_limits_drop_nobody(void **state)
{
	(void)state;
	struct sshd sshd;
	sshd_start(&sshd, STANDARD);
	assert_false(all_get_in(&sshd, NULL, HOSTS));
	assert_int_equal(sshd_logged(&sshd, "drop connection"), 0);
	sshd_stop(&sshd);
}

static void standard_limits_behind_a_bastion(void **state)
{
	(void)state;
	struct sshd sshd, hop;
	sshd_start(&sshd, STANDARD);
	sshd_start(&hop, STANDARD);
	assert_false(all_get_in(&sshd, &hop, HOSTS));
	assert_int_equal(sshd_logged(&sshd, "drop connection"), 0);
	assert_int_equal(sshd_logged(&hop, "drop connection"), 0);
	sshd_stop(&sshd);
	sshd_stop(&hop);
}

/* Two pending ones and no more: it drops some, which is nobody's failure. */
static void narrow_door(void **state)
{
	(void)state;
	struct sshd sshd, hop;
	sshd_start(&sshd, "MaxStartups 2");
	sshd_start(&hop, STANDARD);
	all_get_in(&sshd, NULL, 40);
	assert_in_range(sshd_logged(&sshd, "drop connection"), 1, 40);
	sshd_stop(&sshd);
	/* Another one: the first may have said it often enough for a while. */
	sshd_start(&sshd, "MaxStartups 2");
	all_get_in(&sshd, &hop, 40);
	assert_in_range(sshd_logged(&sshd, "drop connection"), 1, 40);
	sshd_stop(&sshd);
	sshd_stop(&hop);
}

/* The key that is recorded, hashed, is not the one that is offered first: who finds that out has to
 * connect anew, and each time an sshd of today takes it amiss. The first eight may (and the ninth
 * is the fixture, which looked whether sshd is there). */
static void recorded_type_is_found_once(void **state)
{
	(void)state;
	struct sshd sshd;
	char second[256], key[1024], line[1200];
	const char *base = getenv("TMPDIR");
	snprintf(second, sizeof(second), "%s/gpufleet-rsa.%d", base ? base : "/tmp", getpid());
	shell("ssh-keygen -q -t rsa -b 2048 -N '' -f %s </dev/null", second);
	snprintf(line, sizeof(line), "HostKey %s\nLogLevel VERBOSE", second);
	sshd_start(&sshd, line);
	strcat(second, ".pub");
	file_read(second, key, sizeof(key));
	snprintf(line, sizeof(line), "[127.0.0.1]:%u %s", sshd.port, key);
	file_write(sshd.known_hosts, line);
	shell("ssh-keygen -q -H -f %s >/dev/null 2>&1", sshd.known_hosts);
	unsigned before = sshd_logged(&sshd, "Connection from");
	assert_true(all_get_in(&sshd, NULL, 40)); /* which type to ask for */
	assert_in_range(sshd_logged(&sshd, "Connection from") - before, 41, 49);
	assert_int_equal(sshd_logged(&sshd, "drop connection"), 0);
	sshd_stop(&sshd);
	unlink(second);
	*strrchr(second, '.') = '\0';
	unlink(second);
}

static void relay(int from, unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd ends[2] = {{from, POLLIN, 0}, {to, POLLIN, 0}};
	char data[4096];
	if (connect(to, (struct sockaddr *)&address, sizeof(address)) != 0)
		_exit(1);
	while (poll(ends, 2, -1) > 0)
		for (int i = 0; i < 2; i++) {
			ssize_t got = ends[i].revents ? read(ends[i].fd, data, sizeof(data)) : -1;
			if (got == 0 ||
			    (got > 0 && write(ends[1 - i].fd, data, (size_t)got) != got))
				_exit(0);
		}
	_exit(1);
}

/* A server on a port of its own that leads on to sshd at PORT, but turns all after the first OPEN
 * away with WORDS, for SECONDS from then on (OpenSSH 9.8 bars an address like this). */
static pid_t doorkeeper(const char *words, unsigned open, unsigned seconds, unsigned port,
                        unsigned *own)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t size = sizeof(address);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 128), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
	*own = ntohs(address.sin_port);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		close(fd);
		return pid;
	}
	setpgid(0, 0);
	signal(SIGCHLD, SIG_IGN);
	for (time_t first = 0;;) {
		int client = accept(fd, NULL, NULL);
		bool barred = !open;
		open -= !barred;
		first = first || !barred ? first : time(NULL);
		if (barred && time(NULL) - first < (time_t)seconds)
			(void)!write(client, words, strlen(words));
		else if (fork() == 0)
			relay(client, port);
		close(client);
	}
}

static void doorkeeper_end(pid_t pid)
{
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* sshd's record under the doorkeeper's port. */
static void known_as(const struct sshd *sshd, unsigned port)
{
	char key[1024], line[1200];
	sshd_host_key(sshd, key, sizeof(key));
	snprintf(line, sizeof(line), "[127.0.0.1]:%u %s\n", port, key);
	file_write(sshd->known_hosts, line);
}

static void barred_for_a_while(void **state)
{
	(void)state;
	struct sshd sshd;
	unsigned port;
	sshd_start(&sshd, STANDARD);
	pid_t pid = doorkeeper("Not allowed at this time\r\n", 0, 3, sshd.port, &port);
	known_as(&sshd, port);
	sshd.port = port;
	all_get_in(&sshd, NULL, 30);
	assert_int_equal(sshd_logged(&sshd, "drop connection"), 0);
	doorkeeper_end(pid);
	sshd_stop(&sshd);
}

/* All who come to it are told, not one after the other. */
static void barred_for_long_is_said(void **state)
{
	(void)state;
	struct sshd sshd;
	struct bed bed;
	struct client clients[20];
	struct ssh_options options = {
	    .agent_socket = "", .connect_attempts = 1, .refused_timeout_ms = 2000};
	unsigned port;
	sshd_start(&sshd, STANDARD);
	pid_t pid = doorkeeper("Exceeded MaxStartups\r\n", 0, 600, sshd.port, &port);
	sshd.port = port;
	bed_open(&bed, &options);
	for (size_t i = 0; i < 20; i++) {
		client_init(&clients[i], &sshd, "true");
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, 20, 60000);
	for (size_t i = 0; i < 20; i++) {
		assert_true(clients[i].failed);
		assert_int_equal(clients[i].err.code, GF_E_CONNECT);
		if (!strstr(clients[i].err.msg, "has turned every connection away for 2 s (it says "
		                                "\"Exceeded MaxStartups\")"))
			fail_msg("%s", clients[i].err.msg);
		client_free(&clients[i]);
	}
	bed_close(&bed);
	doorkeeper_end(pid);
	sshd_stop(&sshd);
}

/* A key that nobody has let in. */
static const char *wrong_key(const struct sshd *sshd)
{
	static char path[192];
	snprintf(path, sizeof(path), "%s/wrong_key", sshd->dir);
	if (access(path, F_OK) != 0)
		shell("ssh-keygen -q -t ed25519 -N '' -f %s", path);
	return path;
}

/* Whoever is barred for others of the same run that could not log in is told so. */
static void barred_for_what_we_did(void **state)
{
	(void)state;
	struct sshd sshd;
	struct bed bed;
	struct client clients[20];
	struct ssh_options options = {
	    .agent_socket = "", .connect_attempts = 1, .refused_timeout_ms = 2000};
	unsigned port, denied = 0;
	sshd_start(&sshd, STANDARD);
	pid_t pid = doorkeeper("Not allowed at this time\r\n", 3, 600, sshd.port, &port);
	known_as(&sshd, port);
	sshd.port = port;
	bed_open(&bed, &options);
	for (size_t i = 0; i < 20; i++) {
		client_init(&clients[i], &sshd, "true");
		clients[i].host.identity_file = (char *)(uintptr_t)wrong_key(&sshd);
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, 20, 60000);
	for (size_t i = 0; i < 20; i++) {
		assert_true(clients[i].failed);
		if (clients[i].err.code == GF_E_AUTH)
			denied++;
		else if (!strstr(clients[i].err.msg, "has let nobody in for 2 s (it says \"Not "
		                                     "allowed at this time\"), after 3 "
		                                     "connections from here had ended without a "
		                                     "login"))
			fail_msg("%s", clients[i].err.msg);
		client_free(&clients[i]);
	}
	assert_int_equal(denied, 3);
	bed_close(&bed);
	doorkeeper_end(pid);
	sshd_stop(&sshd);
}

/* An sshd that does bar, by itself: the next command waits until it is over. */
static void penalty_is_waited_for(void **state)
{
	(void)state;
	struct sshd sshd;
	struct bed bed;
	struct client clients[6];
	if (!sshd_penalises()) {
		print_message("skipped: this sshd has no PerSourcePenalties (OpenSSH 9.8); "
		              "GPUFLEET_SSHD names another\n");
		skip();
	}
	sshd_start(&sshd, STANDARD);
	bed_open(&bed, NULL);
	for (size_t i = 0; i < 6; i++) {
		client_init(&clients[i], &sshd, "true");
		clients[i].host.identity_file = (char *)(uintptr_t)wrong_key(&sshd);
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, 6, 60000);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(clients[i].err.code, GF_E_AUTH);
		client_free(&clients[i]);
	}
	bed_close(&bed);
	all_get_in(&sshd, NULL, 30);
	assert_true(sshd_logged(&sshd, "drop connection .* penalty: failed authentication") > 0);
	sshd_stop(&sshd);
}

/* What hangs up without a word may be no sshd at all: an ordinary try is spent. */
static void silent_door_is_no_patience(void **state)
{
	(void)state;
	struct sshd sshd;
	struct bed bed;
	struct client client;
	unsigned port;
	sshd_start(&sshd, STANDARD);
	pid_t pid = doorkeeper("", 0, 600, sshd.port, &port);
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "true");
	client.host.port = (uint16_t)port;
	bed_exec(&bed, &client, 30000);
	assert_true(client.failed);
	assert_non_null(strstr(client.err.msg, "hung up before the connection was set up"));
	client_free(&client);
	bed_close(&bed);
	doorkeeper_end(pid);
	sshd_stop(&sshd);
}

#define DEAD 16

/* Hosts that answer nothing take no turn from those that do. */
static void dead_hosts_hold_nobody_up(void **state)
{
	(void)state;
	struct sshd sshd, hop;
	struct bed bed;
	struct client dead[DEAD], alive[8];
	int ports[DEAD], filler[DEAD][3];
	struct ssh_options options = {.agent_socket = "", .connect_timeout_ms = 20000};
	sshd_start(&sshd, STANDARD);
	sshd_start(&hop, STANDARD);
	bed_open(&bed, &options);
	client_init(&alive[0], &sshd, "true");
	behind(&alive[0], &hop);
	bed_exec(&bed, &alive[0], 60000); /* the bastion's session is there, so turns go in order */
	client_free(&alive[0]);
	for (size_t i = 0; i < DEAD; i++) {
		/* A full backlog swallows what comes. */
		struct sockaddr_in address = {.sin_family = AF_INET};
		socklen_t size = sizeof(address);
		address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		ports[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		assert_int_equal(bind(ports[i], (struct sockaddr *)&address, sizeof(address)), 0);
		assert_int_equal(listen(ports[i], 0), 0);
		assert_int_equal(getsockname(ports[i], (struct sockaddr *)&address, &size), 0);
		for (size_t j = 0; j < 3; j++) {
			filler[i][j] =
			    socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
			(void)!connect(filler[i][j], (struct sockaddr *)&address, sizeof(address));
		}
		client_init(&dead[i], &sshd, "true");
		behind(&dead[i], &hop);
		dead[i].host.port = ntohs(address.sin_port);
		client_open(&dead[i], bed.opener);
	}
	for (size_t i = 0; i < 8; i++) {
		client_init(&alive[i], &sshd, "true");
		behind(&alive[i], &hop);
		client_open(&alive[i], bed.opener);
	}
	bed_run(&bed, alive, 8, 60000);
	for (size_t i = 0; i < 8; i++) {
		if (alive[i].failed)
			fail_msg("%s", alive[i].err.msg);
		client_free(&alive[i]);
	}
	for (size_t i = 0; i < DEAD; i++) {
		assert_false(client_done(&dead[i]));
		client_free(&dead[i]);
		close(ports[i]);
		for (size_t j = 0; j < 3; j++)
			close(filler[i][j]);
	}
	bed_close(&bed);
	sshd_stop(&sshd);
	sshd_stop(&hop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(standard_limits_drop_nobody),
	    cmocka_unit_test(standard_limits_behind_a_bastion),
	    cmocka_unit_test(narrow_door),
	    cmocka_unit_test(recorded_type_is_found_once),
	    cmocka_unit_test(barred_for_a_while),
	    cmocka_unit_test(barred_for_long_is_said),
	    cmocka_unit_test(barred_for_what_we_did),
	    cmocka_unit_test(penalty_is_waited_for),
	    cmocka_unit_test(silent_door_is_no_patience),
	    cmocka_unit_test(dead_hosts_hold_nobody_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
