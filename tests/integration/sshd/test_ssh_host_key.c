/* test_ssh_host_key.c: what a host's key must be: known, not changed, not revoked, or pinned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/integration/sshd/sshd_fixture.h"

static struct sshd sshd;
static char key[1024], fingerprint[128], name[64];

static int start(void **state)
{
	(void)state;
	sshd_start(&sshd, "");
	sshd_host_key(&sshd, key, sizeof(key));
	sshd_fingerprint(&sshd, fingerprint, sizeof(fingerprint));
	snprintf(name, sizeof(name), "[127.0.0.1]:%u", sshd.port);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	sshd_stop(&sshd);
	return 0;
}

/* Connects with TEXT as known_hosts (NULL: no file) and leaves the outcome in *client. */
static void try_with(struct client *client, const char *text, enum inventory_host_keys policy,
                     char *pin)
{
	struct bed bed;
	bed_open(&bed, NULL);
	client_init(client, &sshd, "true");
	client->host.host_keys = policy;
	client->host.host_key = pin;
	if (text)
		file_write(sshd.known_hosts, text);
	else
		unlink(sshd.known_hosts);
	bed_exec(&bed, client, 10000);
	bed_close(&bed);
}

static void expect_ok(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void expect_ok(const char *format, ...)
{
	struct client client;
	char text[8192];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	try_with(&client, text, HOST_KEYS_STRICT, NULL);
	if (client.failed)
		fail_msg("%s", client.err.msg);
	client_free(&client);
}

static void expect_ok_text(const char *text)
{
	struct client client;
	try_with(&client, text, HOST_KEYS_STRICT, NULL);
	if (client.failed)
		fail_msg("%s", client.err.msg);
	client_free(&client);
}

static void expect_refused(const char *text, const char *words, const char *more)
{
	struct client client;
	try_with(&client, text, HOST_KEYS_STRICT, NULL);
	assert_true(client.failed && !client.ready);
	assert_int_equal(client.err.code, GF_E_HOST_KEY);
	if (!strstr(client.err.msg, words) || !strstr(client.err.msg, more))
		fail_msg("no \"%s\" or no \"%s\" in: %s", words, more, client.err.msg);
	client_free(&client);
}

/* Another ed25519 key than the host's. */
static void other_key(char *text, size_t size)
{
	char path[256];
	shell("test -f %s/other || ssh-keygen -q -t ed25519 -N '' -f %s/other", sshd.dir, sshd.dir);
	snprintf(path, sizeof(path), "%s/other.pub", sshd.dir);
	file_read(path, text, size);
	text[strcspn(text, "\n")] = '\0';
}

static void known_forms_are_accepted(void **state)
{
	(void)state;
	expect_ok("%s %s\n", name, key);
	expect_ok("# a comment\n\nother.example %s\r\n%s,gpu01.example %s comment\n", key, name,
	          key);
	expect_ok("[gpu01]:%u %s\n", sshd.port, key); /* by its name in the inventory */
	expect_ok("[127.0.0.*]:%u %s", sshd.port, key);
}

static void hashed_name_is_accepted(void **state)
{
	(void)state;
	char line[2048], hashed[4096];
	snprintf(line, sizeof(line), "%s %s\n", name, key);
	file_write(sshd.known_hosts, line);
	shell("ssh-keygen -q -H -f %s >/dev/null 2>&1", sshd.known_hosts);
	file_read(sshd.known_hosts, hashed, sizeof(hashed));
	assert_int_equal(strncmp(hashed, "|1|", 3), 0);
	expect_ok("%s", hashed);
}

static void changed_key_is_refused(void **state)
{
	(void)state;
	char other[1024], text[4096];
	other_key(other, sizeof(other));
	snprintf(text, sizeof(text), "# first\n%s %s\n", name, other);
	expect_refused(text, "has changed", fingerprint);
	snprintf(text, sizeof(text), "# first\n%s %s\n", name, other);
	expect_refused(text, "known_hosts:2", "ssh-keygen -f");
}

static void changed_hashed_key_is_refused(void **state)
{
	(void)state;
	char other[1024], text[4096];
	other_key(other, sizeof(other));
	snprintf(text, sizeof(text), "%s %s\n", name, other);
	file_write(sshd.known_hosts, text);
	shell("ssh-keygen -q -H -f %s >/dev/null 2>&1", sshd.known_hosts);
	file_read(sshd.known_hosts, text, sizeof(text));
	expect_refused(text, "has changed", fingerprint);
}

static void revoked_key_is_refused(void **state)
{
	(void)state;
	char text[4096];
	snprintf(text, sizeof(text), "%s %s\n@revoked * %s\n", name, key, key);
	expect_refused(text, "revoked", "known_hosts:2");
}

static void negated_name_does_not_match(void **state)
{
	(void)state;
	char text[4096];
	snprintf(text, sizeof(text), "[127.0.0.*]:*,!%s %s\n", name, key);
	expect_refused(text, "is not known", fingerprint);
}

static void certificate_authority_is_named(void **state)
{
	(void)state;
	char text[4096];
	snprintf(text, sizeof(text), "@cert-authority * %s\n", key);
	expect_refused(text, "@cert-authority", "not supported");
}

static void unknown_key_is_refused_with_advice(void **state)
{
	(void)state;
	expect_refused("", "is not known", "ssh-keyscan");
	expect_refused(NULL, fingerprint, "accept-new");
}

static void key_of_another_type_is_refused(void **state)
{
	(void)state;
	char text[4096], path[256], rsa[2048];
	snprintf(path, sizeof(path), "%s/rsa.pub", sshd.dir);
	shell("ssh-keygen -q -t rsa -b 2048 -N '' -f %s/rsa", sshd.dir);
	file_read(path, rsa, sizeof(rsa));
	snprintf(text, sizeof(text), "%s %s", name, rsa);
	expect_refused(text, "another type", "known_hosts:1");
}

static void accept_new_records_once(void **state)
{
	(void)state;
	struct client client;
	struct bed bed;
	char text[4096], wanted[2048];
	struct stat info;
	try_with(&client, NULL, HOST_KEYS_ACCEPT_NEW, NULL);
	if (client.failed)
		fail_msg("%s", client.err.msg);
	client_free(&client);
	snprintf(wanted, sizeof(wanted), "%s %s\n", name, key);
	file_read(sshd.known_hosts, text, sizeof(text));
	assert_string_equal(text, wanted);
	assert_int_equal(stat(sshd.known_hosts, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	/* Many at once, one opener: still one line, after one that had no newline. */
	file_write(sshd.known_hosts, "# no newline");
	bed_open(&bed, NULL);
	struct client clients[8];
	for (size_t i = 0; i < 8; i++) {
		client_init(&clients[i], &sshd, "true");
		clients[i].host.host_keys = HOST_KEYS_ACCEPT_NEW;
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, 8, 20000);
	for (size_t i = 0; i < 8; i++) {
		assert_true(clients[i].exited);
		client_free(&clients[i]);
	}
	bed_close(&bed);
	snprintf(wanted, sizeof(wanted), "# no newline\n%s %s\n", name, key);
	file_read(sshd.known_hosts, text, sizeof(text));
	assert_string_equal(text, wanted);
	/* A changed key is refused by accept-new, too. */
	char other[1024];
	other_key(other, sizeof(other));
	snprintf(text, sizeof(text), "%s %s\n", name, other);
	try_with(&client, text, HOST_KEYS_ACCEPT_NEW, NULL);
	assert_true(client.failed);
	assert_non_null(strstr(client.err.msg, "has changed"));
	client_free(&client);
}

static void pin_decides_alone(void **state)
{
	(void)state;
	struct client client;
	char wrong[] = "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
	try_with(&client, NULL, HOST_KEYS_PIN, fingerprint);
	if (client.failed)
		fail_msg("%s", client.err.msg);
	client_free(&client);
	try_with(&client, NULL, HOST_KEYS_PIN, wrong);
	assert_true(client.failed);
	assert_int_equal(client.err.code, GF_E_HOST_KEY);
	assert_non_null(strstr(client.err.msg, fingerprint));
	client_free(&client);
	try_with(&client, NULL, HOST_KEYS_PIN, NULL);
	assert_true(client.failed);
	assert_non_null(strstr(client.err.msg, "no host_key"));
	client_free(&client);
}

/* Two keys on the host, and the one recorded (hashed, so that it is not seen before) is not the
 * first. */
static void recorded_type_is_asked_for(void **state)
{
	(void)state;
	struct sshd two;
	struct bed bed;
	struct client client;
	char extra[256], path[256], rsa[2048], text[4096];
	shell("ssh-keygen -q -t rsa -b 2048 -N '' -f %s/second", sshd.dir);
	snprintf(extra, sizeof(extra), "HostKey %s/second", sshd.dir);
	sshd_start(&two, extra);
	snprintf(path, sizeof(path), "%s/second.pub", sshd.dir);
	file_read(path, rsa, sizeof(rsa));
	snprintf(text, sizeof(text), "[127.0.0.1]:%u %s", two.port, rsa);
	for (int hashed = 0; hashed < 2; hashed++) {
		file_write(two.known_hosts, text);
		if (hashed)
			shell("ssh-keygen -q -H -f %s >/dev/null 2>&1", two.known_hosts);
		bed_open(&bed, NULL);
		client_init(&client, &two, "true");
		bed_exec(&bed, &client, 10000);
		if (client.failed)
			fail_msg("%s", client.err.msg);
		client_free(&client);
		bed_close(&bed);
	}
	sshd_stop(&two);
}

/* With so many that the search leaves the loop, the answers are the same. */
static void many_hashed_lines_are_searched(void **state)
{
	(void)state;
	static char text[600 << 10];
	char other[1024], line[2048];
	size_t used = 0;
	struct client client;
	for (unsigned i = 0; i < 5000; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		                         "|1|%08uAAAAAAAAAAAAAAAAAAA=|%08uAAAAAAAAAAAAAAAAAAA= "
		                         "ssh-ed25519 AAAAC3Nz%08u\n",
		                         i, i, i);
	expect_refused(text, "is not known", fingerprint);
	try_with(&client, text, HOST_KEYS_ACCEPT_NEW, NULL);
	if (client.failed)
		fail_msg("%s", client.err.msg);
	client_free(&client);
	for (int known = 0; known < 2; known++) {
		other_key(other, sizeof(other));
		snprintf(line, sizeof(line), "%s %s\n", name, known ? key : other);
		file_write(sshd.known_hosts, line);
		shell("ssh-keygen -q -H -f %s >/dev/null 2>&1", sshd.known_hosts);
		file_read(sshd.known_hosts, text + used, sizeof(text) - used);
		if (known)
			expect_ok_text(text);
		else
			expect_refused(text, "has changed", "known_hosts:5001");
	}
	/* Closed while its key is looked up. */
	struct bed bed;
	bed_open(&bed, NULL);
	text[used] = '\0';
	for (int turns = 1; turns < 60; turns++) {
		client_init(&client, &sshd, "true");
		file_write(sshd.known_hosts, text);
		client_open(&client, bed.opener);
		/* No link: the command has ended by then. */
		for (int i = 0; i < turns && client.link && !client.failed; i++)
			uv_run(&bed.loop, UV_RUN_NOWAIT), usleep(500);
		client_free(&client);
	}
	bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(known_forms_are_accepted),
	    cmocka_unit_test(hashed_name_is_accepted),
	    cmocka_unit_test(changed_key_is_refused),
	    cmocka_unit_test(changed_hashed_key_is_refused),
	    cmocka_unit_test(revoked_key_is_refused),
	    cmocka_unit_test(negated_name_does_not_match),
	    cmocka_unit_test(certificate_authority_is_named),
	    cmocka_unit_test(unknown_key_is_refused_with_advice),
	    cmocka_unit_test(key_of_another_type_is_refused),
	    cmocka_unit_test(accept_new_records_once),
	    cmocka_unit_test(pin_decides_alone),
	    cmocka_unit_test(recorded_type_is_asked_for),
	    cmocka_unit_test(many_hashed_lines_are_searched),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
