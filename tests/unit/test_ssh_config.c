/* ~/.ssh/config: what it says of a host in tables, what it may not be, and every malformed file. */
#include <pwd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "controller/ssh/ssh_config.h"
#include "inventory/inventory_fields.h"
#include "inventory/shared_text.h"
#include "tests/unit/bad_inputs.h"

static char warnings[2000];

static void warn(void *ctx, const char *file, unsigned line, const char *host, const char *message)
{
	(void)ctx;
	size_t used = strlen(warnings);
	snprintf(warnings + used, sizeof(warnings) - used, "%s:%u: %s: %s\n", file, line, host,
	         message);
}

static struct inventory_host *host_new(const char *name)
{
	struct inventory_host *host = calloc(1, sizeof(*host));
	host->name = strdup(name);
	host->address = strdup(name);
	return host;
}

static void host_free(struct inventory_host *host)
{
	host_clear(host);
	free(host);
}

/* The host as one line: user@address:port (ME: who runs the test) via JUMP files [only] known. */
static void describe(const struct inventory_host *host, char *text, size_t size)
{
	bool me = strcmp(host->user, getpwuid(getuid())->pw_name) == 0;
	snprintf(text, size, "%s@%s:%u", me ? "ME" : host->user, host->address, host->port);
	if (host->jump)
		snprintf(text + strlen(text), size - strlen(text), " via %s", host->jump);
	for (size_t i = 0; i < host->identity_files.count; i++)
		snprintf(text + strlen(text), size - strlen(text), " %s",
		         host->identity_files.items[i]);
	if (host->identities_only)
		snprintf(text + strlen(text), size - strlen(text), " only");
	if (host->alive_interval_s || host->alive_count)
		snprintf(text + strlen(text), size - strlen(text), " alive %ux%u",
		         host->alive_interval_s, host->alive_count);
	if (strcmp(host->known_hosts, "/home/me/.ssh/known_hosts") != 0)
		snprintf(text + strlen(text), size - strlen(text), " known %s", host->known_hosts);
}

/* What CONFIG makes of NAME, or its error. */
static void apply(const char *config, const char *name, char *text, size_t size)
{
	struct gf_err err = {0};
	struct ssh_config *read = ssh_config_parse("config", config, strlen(config), &err);
	struct inventory_host *host = host_new(name);
	warnings[0] = '\0';
	if (!read || ssh_config_apply(read, host, warn, NULL, &err) != 0)
		snprintf(text, size, "%s", err.msg);
	else
		describe(host, text, size);
	host_free(host);
	ssh_config_free(read);
}

static const struct {
	const char *config, *host, *expected;
} table[] = {
    /* built in */
    {"", "gpu01", "ME@gpu01:22"},
    {"# nothing\n\n   \t\r\n", "gpu01", "ME@gpu01:22"},
    /* patterns */
    {"Host gpu01\nUser a\n", "gpu01", "a@gpu01:22"},
    {"Host gpu01\nUser a\n", "gpu011", "ME@gpu011:22"},
    {"Host GPU01\nUser a\n", "gpu01", "ME@gpu01:22"},
    {"Host gpu0?\nUser a\n", "gpu01", "a@gpu01:22"},
    {"Host gpu0?\nUser a\n", "gpu0", "ME@gpu0:22"},
    {"Host *.lab g*\nUser a\n", "gpu01", "a@gpu01:22"},
    {"Host g*u*1\nUser a\n", "gpu01", "a@gpu01:22"},
    {"Host * !gpu01\nUser a\n", "gpu01", "ME@gpu01:22"},
    {"Host !gpu01\nUser a\n", "gpu02", "ME@gpu02:22"},
    {"Host * !gpu01\nUser a\n", "gpu02", "a@gpu02:22"},
    {"Host *\nUser a\nHost x\nUser b\n", "x", "a@x:22"},
    {"User a\nHost x\nUser b\n", "x", "a@x:22"},
    {"Host \"gpu01\" 'gpu02'\nUser a\n", "gpu02", "a@gpu02:22"},
    /* the first value wins, each keyword by itself */
    {"Host x\nPort 1\nHost *\nPort 2\nUser b\n", "x", "b@x:1"},
    {"Port 3\nPort 4\n", "x", "ME@x:3"},
    /* spelling */
    {"user=a\nPORT = 7\n", "x", "a@x:7"},
    {"  uSeR  a  # who\n", "x", "a@x:22"},
    {"User \"a\"\r\n", "x", "a@x:22"},
    {"User a", "x", "a@x:22"},
    /* HostName */
    {"HostName 192.0.2.1\n", "x", "ME@192.0.2.1:22"},
    {"HostName %h.example.org\n", "x", "ME@x.example.org:22"},
    {"HostName 2001:db8::1\n", "x", "ME@2001:db8::1:22"},
    /* IdentityFile adds up and is expanded at the end */
    {"IdentityFile ~/.ssh/a\nIdentityFile /k/%n-%h-%p-%r-%%\nHostName h\nPort 9\nUser me\n", "x",
     "me@h:9 /home/me/.ssh/a /k/x-h-9-me-%"},
    {"IdentityFile %d/a\nIdentityFile ${FOLDER}/b\n", "x", "ME@x:22 /home/me/a /f/b"},
    {"IdentityFile \"/my keys/a\"\nIdentitiesOnly yes\n", "x", "ME@x:22 /my keys/a only"},
    {"IdentityFile '/my keys/a\\\\b'\n", "x", "ME@x:22 /my keys/a\\b"},
    {"IdentityFile /my\\ key\n", "x", "ME@x:22 /my key"},
    {"IdentityFile none\n", "x", "ME@x:22"},
    {"IdentitiesOnly no\n", "x", "ME@x:22"},
    {"IdentityFile ${NO_SUCH}/b\n", "x",
     "config:1:14: the environment has no NO_SUCH, which \"${NO_SUCH}/b\" needs"},
    {"UserKnownHostsFile /k\n", "x", "ME@x:22 known /k"},
    {"UserKnownHostsFile none\n", "x", "ME@x:22 known /dev/null"},
    {"ServerAliveInterval 30\nServerAliveCountMax 2\nServerAliveInterval 40\n", "x",
     "ME@x:22 alive 30x2"},
    {"ServerAliveInterval 1m30S\n", "x", "ME@x:22 alive 90x0"},
    {"ServerAliveInterval 0\n", "x", "ME@x:22"},
    {"ServerAliveInterval none\n", "x", "ME@x:22"},
    {"Match exec true\nServerAliveInterval 30\nServerAliveCountMax 2\n", "x", "ME@x:22"},
    {"ServerAliveInterval 2d\n", "x",
     "config:1:21: ServerAliveInterval takes a time up to a day, such as 30 or 2m, not \"2d\""},
    {"ServerAliveInterval -5\n", "x",
     "config:1:21: ServerAliveInterval takes a time up to a day, such as 30 or 2m, not \"-5\""},
    {"ServerAliveInterval 5 6\n", "x",
     "config:1:23: ServerAliveInterval takes one value: \"6\" is too many"},
    {"ServerAliveCountMax many\n", "x",
     "config:1:21: ServerAliveCountMax takes a number up to 9999, not \"many\""},
    /* jumps: ProxyJump and ProxyCommand, whichever is first */
    {"ProxyJump b\n", "x", "ME@x:22 via b"},
    {"ProxyJump me@b:2222,c\n", "x", "ME@x:22 via me@b:2222,c"},
    {"Host x\nProxyJump none\nHost *\nProxyJump b\n", "x", "ME@x:22"},
    {"ProxyCommand none\nProxyJump b\n", "x", "ME@x:22"},
    {"ProxyJump b\nProxyCommand nc %h %p\n", "x", "ME@x:22 via b"},
    {"Host x\n  ProxyCommand nc %h %p\n", "x",
     "config:2:3: ProxyCommand applies to x and is not supported: name the bastion with ProxyJump, "
     "or with \"jump\" in the inventory"},
    {"Host y\n  ProxyCommand nc %h %p\n", "x", "ME@x:22"},
    {"HostKeyAlias y\n", "x",
     "config:1:1: HostKeyAlias applies to x and is not supported: record the host's key under its "
     "own name, or pin it with host_key in the inventory"},
    {"CanonicalizeHostname no\nCanonicalizeHostname yes\n", "x", "ME@x:22"},
    {"CanonicalizeHostname yes\n", "x",
     "config:1:1: CanonicalizeHostname applies to x and is not supported: give the host an address "
     "in the inventory"},
    /* Match */
    {"Match all\nUser a\n", "x", "a@x:22"},
    {"Match host 192.*\nPort 5\n", "x", "ME@x:22"},
    {"HostName 192.0.2.1\nMatch host 192.*\nPort 5\n", "x", "ME@192.0.2.1:5"},
    {"HostName 192.0.2.1\nMatch originalhost x,y\nPort 5\n", "x", "ME@192.0.2.1:5"},
    {"Match originalhost *,!x\nPort 5\n", "x", "ME@x:22"},
    {"Match !originalhost x\nPort 5\n", "x", "ME@x:22"},
    {"User a\nMatch user=a\nPort 5\n", "x", "a@x:5"},
    {"Match localuser * user b\nPort 5\n", "x", "ME@x:22"},
    {"Match exec \"test -e /f\"\nForwardAgent yes\n", "x", "ME@x:22"},
    {"Match originalhost y exec true\nPort 5\n", "x", "ME@x:22"},
    {"Port 5\nMatch exec true\nPort 6\n", "x", "ME@x:5"},
    {"Match exec true\n Port 6\n", "x",
     "config:1:7: whether this Match applies to x cannot be decided here, and its Port (line 2) "
     "would "
     "change how the host is reached: write it as a Host block, or set the value in the inventory"},
    {"Match final\nUser b\n", "x",
     "config:1:7: whether this Match applies to x cannot be decided here, and its User (line 2) "
     "would "
     "change how the host is reached: write it as a Host block, or set the value in the inventory"},
    /* what ssh knows and gpufleet need not */
    {"ForwardAgent yes\nSendEnv LANG=\"a b\" LC_*\nControlPath ~/.ssh/%C\n", "x", "ME@x:22"},
    {"IgnoreUnknown UseKeychain,Foo*\nUseKeychain yes\nFooBar 1\nUser a\n", "x", "a@x:22"},
    /* without a file system Include is passed over */
    {"Include other\nUser a\n", "x", "a@x:22"},
};

static void lookups(void **state)
{
	(void)state;
	size_t wrong = 0;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[1000];
		apply(table[i].config, table[i].host, text, sizeof(text));
		if (strcmp(text, table[i].expected) != 0) {
			fprintf(stderr, "%s\n  expected: %s\n  got:      %s\n", table[i].config,
			        table[i].expected, text);
			wrong++;
		}
	}
	assert_int_equal(wrong, 0);
}

static void inventory_is_first(void **state)
{
	(void)state;
	static const char config[] = "User a\nPort 5\nHostName h\nIdentityFile /f\nProxyJump b\n"
	                             "UserKnownHostsFile /k\nProxyCommand x\n";
	struct gf_err err = {0};
	struct ssh_config *read = ssh_config_parse("config", config, strlen(config), &err);
	struct inventory_host *host = host_new("x");
	host->user = shared_text_new("u");
	host->port = 7;
	host->address_given = true;
	host->identity_file = shared_text_new("/i");
	host->jump = shared_text_new("none");
	host->known_hosts = shared_text_new("/known");
	assert_int_equal(ssh_config_apply(read, host, NULL, NULL, &err), 0);
	char text[300];
	describe(host, text, sizeof(text));
	assert_string_equal(text, "u@x:7 known /known");
	assert_string_equal(host->identity_file, "/i");
	host_free(host);
	ssh_config_free(read);
}

static void what_is_left_out_is_said(void **state)
{
	(void)state;
	char text[300];
	apply("Host x\nCertificateFile ~/.ssh/c\nIdentityAgent SSH_AUTH_SOCK\nUserKnownHostsFile "
	      "/k /l\n",
	      "x", text, sizeof(text));
	assert_string_equal(warnings,
	                    "config:2: x: CertificateFile is left out: user certificates are not "
	                    "supported: the host "
	                    "must take the plain key\n"
	                    "config:4: x: of UserKnownHostsFile only the first file is read\n");
	apply("Host y\nCertificateFile ~/.ssh/c\n", "x", text, sizeof(text));
	assert_string_equal(warnings, "");
}

static char folder[64];

static void put(const char *name, const char *text)
{
	char path[200];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path, 0600);
}

static void read_as(const char *host_name, char *text, size_t size)
{
	char path[200];
	struct gf_err err = {0};
	snprintf(path, sizeof(path), "%s/config", folder);
	struct ssh_config *read = ssh_config_read(path, &err);
	struct inventory_host *host = host_new(host_name);
	if (!read || ssh_config_apply(read, host, NULL, NULL, &err) != 0)
		snprintf(text, size, "%s", err.msg);
	else
		describe(host, text, size);
	host_free(host);
	ssh_config_free(read);
}

static void expect_read(const char *host, const char *expected)
{
	char text[1000], *found = text;
	read_as(host, text, sizeof(text));
	if (strncmp(text, folder, strlen(folder)) == 0)
		found += strlen(folder) + 1;
	assert_string_equal(found, expected);
}

static void files_and_includes(void **state)
{
	(void)state;
	char path[200];
	snprintf(folder, sizeof(folder), "/tmp/gpufleet-config.XXXXXX");
	assert_non_null(mkdtemp(folder));
	expect_read("x", "ME@x:22"); /* there is none */
	snprintf(path, sizeof(path), "%s/d", folder);
	mkdir(path, 0700);
	put("d/1", "Host x\nUser one\n");
	put("d/2", "User two\nPort 2\n");
	put("config", "Include d/* missing\nHost y\nUser y\n");
	expect_read("x", "one@x:2");
	expect_read("y", "two@y:2");
	/* Inside a block, Include holds only there; a Host in the file does not leak out of it. */
	put("config", "Host y\nInclude d/1 d/2\nIdentityFile /k\n");
	expect_read("x", "ME@x:22");
	expect_read("y", "two@y:2 /k");
	put("config", "Host x\nInclude d/1\nPort 9\n");
	expect_read("x", "one@x:9");
	put("d/1", "Port 22\nHost x\n\tUser @\n");
	expect_read("x", "d/1:3:7: \"@\" is no login name");
	put("d/1", "Include config\n");
	expect_read("x",
	            "config:2:9: Include goes more than 16 files deep: does it include itself?");
	put("config", "Include d/3 d/3\n");
	put("d/3", "Include d/3 d/3 d/3\n");
	expect_read("x", "d/3:1:9: Include goes more than 16 files deep: does it include itself?");
	put("config", "User a\n");
	snprintf(path, sizeof(path), "%s/config", folder);
	chmod(path, 0620);
	expect_read("x", "config can be written to by others: chmod go-w it, and let it be yours");
	unlink(path);
	mkdir(path, 0700);
	expect_read("x", "config is not a file");
	snprintf(path, sizeof(path), "rm -r %s", folder);
	assert_int_equal(system(path), 0);
}

static bool config_taken(const char *path, struct gf_err *err)
{
	chmod(path, 0644);
	struct ssh_config *config = ssh_config_read(path, err);
	ssh_config_free(config);
	return config != NULL;
}

static void bad_inputs(void **state)
{
	(void)state;
	size_t wrong;
	/* A checkout may be writable by its group, or belong to somebody else. */
	char copy[] = "/tmp/gpufleet-config.XXXXXX", command[400];
	assert_non_null(mkdtemp(copy));
	snprintf(command, sizeof(command), "cp %s/tests/unit/bad-inputs/ssh_config/* %s",
	         TEST_SOURCE_DIR, copy);
	assert_int_equal(system(command), 0);
	size_t seen = bad_inputs_walk(copy, config_taken, &wrong);
	snprintf(command, sizeof(command), "rm -r %s", copy);
	assert_int_equal(system(command), 0);
	assert_int_equal(wrong, 0);
	assert_true(seen >= 30);
}

/* Many blocks for many hosts: each host goes through all of them. */
static void many_hosts(void **state)
{
	(void)state;
	char *text = NULL;
	size_t size = 0;
	struct gf_err err = {0};
	FILE *out = open_memstream(&text, &size);
	for (int i = 0; i < 2000; i++)
		fprintf(out, "Host gpu%04d\n  HostName 192.0.2.%d\n", i, i % 256);
	fclose(out);
	struct ssh_config *read = ssh_config_parse("config", text, size, &err);
	assert_non_null(read);
	for (int i = 0; i < 2000; i++) {
		char name[16];
		snprintf(name, sizeof(name), "gpu%04d", i);
		struct inventory_host *host = host_new(name);
		assert_int_equal(ssh_config_apply(read, host, NULL, NULL, &err), 0);
		assert_int_equal(strncmp(host->address, "192.0.2.", 8), 0);
		host_free(host);
	}
	ssh_config_free(read);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lookups),
	    cmocka_unit_test(inventory_is_first),
	    cmocka_unit_test(what_is_left_out_is_said),
	    cmocka_unit_test(files_and_includes),
	    cmocka_unit_test(bad_inputs),
	    cmocka_unit_test(many_hosts),
	};
	setenv("HOME", "/home/me", 1);
	setenv("FOLDER", "/f", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
