/* test_ssh_login.c: key files, an ssh-agent, a slow agent, and what is said when none of it helps.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/integration/sshd/sshd_fixture.h"

/* libssh 0.10 forgets the agent's former list when it asks for it again: 300 bytes a round. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:ssh_buffer_new\n";
}

static struct sshd sshd;
static char agent_socket[192];
static pid_t agent;

static int start(void **state)
{
	(void)state;
	sshd_start(&sshd, "");
	/* No key of the person who runs the tests. */
	setenv("HOME", sshd.dir, 1);
	unsetenv("SSH_AUTH_SOCK");
	return 0;
}

static int stop(void **state)
{
	(void)state;
	sshd_stop(&sshd);
	return 0;
}

static void agent_start(void)
{
	snprintf(agent_socket, sizeof(agent_socket), "%s/agent", sshd.dir);
	agent = fork();
	assert_true(agent >= 0);
	if (agent == 0) {
		dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 1);
		execlp("ssh-agent", "ssh-agent", "-D", "-a", agent_socket, (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 250 && access(agent_socket, F_OK) != 0; i++)
		usleep(20000);
}

static void agent_stop(void)
{
	kill(agent, SIGCONT);
	kill(agent, SIGTERM);
	waitpid(agent, NULL, 0);
	unlink(agent_socket);
}

static void agent_add(const char *path)
{
	shell("SSH_AUTH_SOCK=%s ssh-add -q %s 2>/dev/null", agent_socket, path);
}

static void expect_failure(struct client *client, const char *socket, const char *words)
{
	struct bed bed;
	struct ssh_options options = {.agent_socket = socket};
	bed_open(&bed, &options);
	bed_exec(&bed, client, 20000);
	bed_close(&bed);
	assert_true(client->failed && !client->ready);
	assert_int_equal(client->err.code, GF_E_AUTH);
	if (!strstr(client->err.msg, words))
		fail_msg("no \"%s\" in: %s", words, client->err.msg);
	client_free(client);
}

static void wrong_key_says_what_to_do(void **state)
{
	(void)state;
	struct client client;
	char path[192];
	snprintf(path, sizeof(path), "%s/wrong", sshd.dir);
	shell("ssh-keygen -q -t ed25519 -N '' -f %s", path);
	client_init(&client, &sshd, "true");
	client.host.identity_file = path;
	expect_failure(&client, "", "authorized_keys");
}

/* Keyboard-interactive that asks nothing (there is no PAM behind it) has refused no password. */
static void refused_before_it_asks(void **state)
{
	(void)state;
	struct sshd other;
	struct bed bed;
	struct client client;
	struct gf_err err = {0};
	char path[192];
	sshd_start(&other, "Match all\nKbdInteractiveAuthentication yes");
	snprintf(path, sizeof(path), "%s/wrong", other.dir);
	shell("ssh-keygen -q -t ed25519 -N '' -f %s", path);
	bed_open(&bed, NULL);
	ssh_opener_free(bed.opener);
	struct secrets *secrets = secrets_new(&bed.loop, NULL, &err);
	assert_non_null(secrets);
	bed.opener = ssh_opener_new(
	    &bed.loop, &(struct ssh_options){.agent_socket = "", .secrets = secrets}, &err);
	assert_non_null(bed.opener);
	client_init(&client, &other, "true");
	client.host.identity_file = path;
	bed_exec(&bed, &client, 20000);
	assert_int_equal(client.err.code, GF_E_AUTH);
	if (!strstr(client.err.msg, "authorized_keys"))
		fail_msg("%s", client.err.msg);
	client_free(&client);
	secrets_free(secrets);
	bed_close(&bed);
	sshd_stop(&other);
}

/* As PAM makes it do for an account that it forbids. */
static void hang_up_in_the_middle_says_why(void **state)
{
	(void)state;
	struct sshd other;
	struct bed bed;
	struct client client;
	char path[192];
	if (geteuid() != 0)
		skip();
	sshd_start(&other, "AuthorizedKeysCommandUser root\n"
	                   "AuthorizedKeysCommand /bin/sh -c \"kill -9 $PPID\"");
	snprintf(path, sizeof(path), "%s/wrong", other.dir);
	shell("ssh-keygen -q -t ed25519 -N '' -f %s", path);
	bed_open(&bed, NULL);
	client_init(&client, &other, "true");
	client.host.identity_file = path;
	bed_exec(&bed, &client, 20000);
	assert_int_equal(client.err.code, GF_E_LOST);
	if (!strstr(client.err.msg, "during authentication: it may still be booting"))
		fail_msg("%s", client.err.msg);
	client_free(&client);
	bed_close(&bed);
	sshd_stop(&other);
}

static void missing_and_broken_files_are_named(void **state)
{
	(void)state;
	struct client client;
	char path[192];
	snprintf(path, sizeof(path), "%s/nothing-here", sshd.dir);
	client_init(&client, &sshd, "true");
	client.host.identity_file = path;
	expect_failure(&client, "", "no identity file");
	snprintf(path, sizeof(path), "%s/known_hosts", sshd.dir);
	client_init(&client, &sshd, "true");
	client.host.identity_file = path;
	expect_failure(&client, "", "not a private key");
	client_init(&client, &sshd, "true");
	client.host.identity_file = NULL;
	expect_failure(&client, "", "no key to log in");
}

static void encrypted_key_without_agent_is_clear(void **state)
{
	(void)state;
	struct client client;
	char path[192];
	snprintf(path, sizeof(path), "%s/encrypted", sshd.dir);
	shell("ssh-keygen -q -t ed25519 -N secret -f %s", path);
	client_init(&client, &sshd, "true");
	client.host.identity_file = path;
	expect_failure(&client, "", "passphrase");
	/* An old PEM file, where OpenSSL itself would ask on the terminal. */
	snprintf(path, sizeof(path), "%s/pem", sshd.dir);
	shell("ssh-keygen -q -t rsa -b 2048 -m PEM -N secret -f %s", path);
	client_init(&client, &sshd, "true");
	client.host.identity_file = path;
	expect_failure(&client, "", "passphrase");
}

static void open_key_is_refused(void **state)
{
	(void)state;
	struct client client;
	char path[192];
	snprintf(path, sizeof(path), "%s/open", sshd.dir);
	shell("cp %s %s && chmod 640 %s", sshd.identity, path, path);
	client_init(&client, &sshd, "true");
	client.host.identity_file = path;
	expect_failure(&client, "", "can be read or written by others (mode 0640)");
}

static void usual_file_is_found(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	shell("mkdir -p %s/.ssh && cp %s %s/.ssh/id_ed25519", sshd.dir, sshd.identity, sshd.dir);
	bed_open(&bed, NULL);
	client_init(&client, &sshd, "true");
	client.host.identity_file = NULL;
	bed_exec(&bed, &client, 10000);
	shell("rm -r %s/.ssh", sshd.dir);
	if (client.failed)
		fail_msg("%s", client.err.msg);
	client_free(&client);
	bed_close(&bed);
}

/* The key that the host takes comes after one that it does not; ten links share one agent. */
static void agent_signs(void **state)
{
	(void)state;
	struct bed bed;
	struct client clients[10];
	char wrong[192];
	snprintf(wrong, sizeof(wrong), "%s/first", sshd.dir);
	shell("ssh-keygen -q -t rsa -b 2048 -N '' -f %s", wrong);
	agent_start();
	agent_add(wrong);
	agent_add(sshd.identity);
	struct ssh_options options = {.agent_socket = agent_socket};
	bed_open(&bed, &options);
	for (size_t i = 0; i < 10; i++) {
		client_init(&clients[i], &sshd, "echo $0");
		clients[i].host.identity_file = NULL;
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, 10, 20000);
	for (size_t i = 0; i < 10; i++) {
		if (clients[i].failed)
			fail_msg("%s", clients[i].err.msg);
		client_free(&clients[i]);
	}
	bed_close(&bed);
	agent_stop();
}

static void agent_signs_with_rsa(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	char rsa[192];
	snprintf(rsa, sizeof(rsa), "%s/rsa", sshd.dir);
	shell("ssh-keygen -q -t rsa -b 2048 -N '' -f %s && cat %s.pub >>%s/authorized_keys", rsa,
	      rsa, sshd.dir);
	agent_start();
	agent_add(rsa);
	struct ssh_options options = {.agent_socket = agent_socket};
	bed_open(&bed, &options);
	client_init(&client, &sshd, "true");
	client.host.identity_file = NULL;
	bed_exec(&bed, &client, 10000);
	if (client.failed)
		fail_msg("%s", client.err.msg);
	client_free(&client);
	bed_close(&bed);
	agent_stop();
}

/* The file is encrypted, but the agent has its key. */
static void encrypted_file_is_signed_by_agent(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	char path[192];
	snprintf(path, sizeof(path), "%s/locked", sshd.dir);
	agent_start();
	shell("cp %s %s && cp %s.pub %s.pub", sshd.identity, path, sshd.identity, path);
	agent_add(path);
	shell("ssh-keygen -q -p -P '' -N secret -f %s >/dev/null", path);
	struct ssh_options options = {.agent_socket = agent_socket};
	bed_open(&bed, &options);
	client_init(&client, &sshd, "true");
	client.host.identity_file = path;
	bed_exec(&bed, &client, 10000);
	if (client.failed)
		fail_msg("%s", client.err.msg);
	client_free(&client);
	bed_close(&bed);
	agent_stop();
}

/* The agent stands still for two seconds; the loop, and a host with a key file, do not. */
static void slow_agent_does_not_stall_the_loop(void **state)
{
	(void)state;
	struct bed bed;
	struct client slow, quick;
	agent_start();
	agent_add(sshd.identity);
	struct ssh_options options = {.agent_socket = agent_socket};
	bed_open(&bed, &options);
	client_init(&slow, &sshd, "true");
	slow.host.identity_file = NULL;
	client_init(&quick, &sshd, "true");
	kill(agent, SIGSTOP);
	client_open(&slow, bed.opener);
	client_open(&quick, bed.opener);
	bed_run(&bed, &quick, 1, 5000);
	assert_true(quick.exited);
	bed_run_for(&bed, 2000);
	assert_false(client_done(&slow));
	assert_in_range(loop_watch_longest_ms(&bed.watch), 0, 300);
	kill(agent, SIGCONT);
	bed_run(&bed, &slow, 1, 10000);
	if (slow.failed)
		fail_msg("%s", slow.err.msg);
	client_free(&slow);
	client_free(&quick);
	bed_close(&bed);
	agent_stop();
}

static void stuck_agent_has_a_deadline(void **state)
{
	(void)state;
	struct bed bed;
	struct client client;
	agent_start();
	agent_add(sshd.identity);
	struct ssh_options options = {.agent_socket = agent_socket, .auth_timeout_ms = 800};
	bed_open(&bed, &options);
	client_init(&client, &sshd, "true");
	client.host.identity_file = NULL;
	kill(agent, SIGSTOP);
	bed_exec(&bed, &client, 5000);
	assert_true(client.failed);
	assert_non_null(strstr(client.err.msg, "agent"));
	client_free(&client);
	kill(agent, SIGCONT);
	bed_close(&bed);
	agent_stop();
}

static void absent_agent_is_named(void **state)
{
	(void)state;
	struct client client;
	client_init(&client, &sshd, "true");
	client.host.identity_file = NULL;
	expect_failure(&client, "/nonexistent/agent", "cannot reach the ssh-agent");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(wrong_key_says_what_to_do),
	    cmocka_unit_test(refused_before_it_asks),
	    cmocka_unit_test(hang_up_in_the_middle_says_why),
	    cmocka_unit_test(missing_and_broken_files_are_named),
	    cmocka_unit_test(encrypted_key_without_agent_is_clear),
	    cmocka_unit_test(open_key_is_refused),
	    cmocka_unit_test(usual_file_is_found),
	    cmocka_unit_test(agent_signs),
	    cmocka_unit_test(agent_signs_with_rsa),
	    cmocka_unit_test(encrypted_file_is_signed_by_agent),
	    cmocka_unit_test(slow_agent_does_not_stall_the_loop),
	    cmocka_unit_test(stuck_agent_has_a_deadline),
	    cmocka_unit_test(absent_agent_is_named),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
