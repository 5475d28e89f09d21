/* test_ssh_known_hosts.c: the table of known hosts, and the HMAC under it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "controller/ssh/ssh_hmac.h"
#include "controller/ssh/ssh_known_hosts.h"

static struct ssh_known_hosts_match check(const char *text, const char *name, const char *type,
                                          const char *key)
{
	struct gf_err err;
	struct ssh_known_hosts_match match;
	struct ssh_known_hosts *table = ssh_known_hosts_parse("file", text, strlen(text), &err);
	assert_non_null(table);
	ssh_known_hosts_check(table, &name, 1, type, key, &match);
	for (size_t i = 0; i < SSH_KNOWN_HOSTS_TYPES; i++)
		match.types[i] = match.types[i] ? "some" : NULL; /* the table is about to go */
	ssh_known_hosts_free(table);
	return match;
}

static void hmac_matches_rfc_2202(void **state)
{
	(void)state;
	static const uint8_t wanted[SSH_HMAC_SIZE] = {0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72,
	                                              0x64, 0xe2, 0x8b, 0xc0, 0xb6, 0xfb, 0x37,
	                                              0x8c, 0x8e, 0xf1, 0x46, 0xbe, 0x00};
	uint8_t key[SSH_HMAC_SIZE], result[SSH_HMAC_SIZE];
	memset(key, 0x0b, sizeof(key));
	struct ssh_hmac_key prepared;
	ssh_hmac_key(&prepared, key);
	ssh_hmac_sha1(&prepared, "Hi There", 8, result);
	assert_memory_equal(result, wanted, sizeof(wanted));
}

static void lines_decide(void **state)
{
	(void)state;
	static const struct {
		const char *text, *name, *key;
		enum ssh_known_hosts_result result;
		unsigned line;
	} cases[] = {
	    {"", "a", "K1", KNOWN_HOSTS_UNKNOWN, 0},
	    {"a ssh-ed25519 K1", "a", "K1", KNOWN_HOSTS_MATCH, 1},
	    {"a ssh-ed25519 K1\n", "b", "K1", KNOWN_HOSTS_UNKNOWN, 0},
	    {"#a ssh-ed25519 K1\n\n  a,b\tssh-ed25519  K1 me@here\r\n", "b", "K1",
	     KNOWN_HOSTS_MATCH, 3},
	    {"A.Example ssh-ed25519 K1\n", "a.example", "K1", KNOWN_HOSTS_MATCH, 1},
	    {"a ssh-ed25519 K2\n", "a", "K1", KNOWN_HOSTS_CHANGED, 1},
	    {"a ssh-ed25519 K2\na ssh-ed25519 K1\n", "a", "K1", KNOWN_HOSTS_MATCH, 2},
	    {"a ssh-rsa K1\n", "a", "K1", KNOWN_HOSTS_OTHER, 1},
	    {"a ssh-rsa K2\na ssh-ed25519 K3\n", "a", "K1", KNOWN_HOSTS_CHANGED, 2},
	    {"[a]:2222 ssh-ed25519 K1\n", "a", "K1", KNOWN_HOSTS_UNKNOWN, 0},
	    {"[a]:2222 ssh-ed25519 K1\n", "[a]:2222", "K1", KNOWN_HOSTS_MATCH, 1},
	    {"*.x,!b.x ssh-ed25519 K1\n", "a.x", "K1", KNOWN_HOSTS_MATCH, 1},
	    {"*.x,!b.x ssh-ed25519 K1\n", "b.x", "K1", KNOWN_HOSTS_UNKNOWN, 0},
	    {"?.x ssh-ed25519 K1\n", "ab.x", "K1", KNOWN_HOSTS_UNKNOWN, 0},
	    {"a ssh-ed25519 K1\n@revoked * ssh-ed25519 K1\n", "a", "K1", KNOWN_HOSTS_REVOKED, 2},
	    {"@revoked * ssh-ed25519 K1\na ssh-ed25519 K1\n", "a", "K1", KNOWN_HOSTS_REVOKED, 1},
	    {"@revoked b ssh-ed25519 K1\na ssh-ed25519 K1\n", "a", "K1", KNOWN_HOSTS_MATCH, 2},
	    {"@revoked a ssh-ed25519 K2\n", "a", "K1", KNOWN_HOSTS_UNKNOWN, 0},
	    {"@cert-authority * ssh-ed25519 K1\n", "a", "K1", KNOWN_HOSTS_AUTHORITY, 1},
	    {"@cert-authority * ssh-ed25519 K2\na ssh-ed25519 K1\n", "a", "K1", KNOWN_HOSTS_MATCH,
	     2},
	    {"@strange a ssh-ed25519 K1\n", "a", "K1", KNOWN_HOSTS_UNKNOWN, 0},
	    {"a ssh-ed25519\na\n@revoked\n|1|x|y ssh-ed25519 K1\n|2|x ssh-ed25519 K1\n", "a", "K1",
	     KNOWN_HOSTS_UNKNOWN, 0},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ssh_known_hosts_match match =
		    check(cases[i].text, cases[i].name, "ssh-ed25519", cases[i].key);
		if (match.result != cases[i].result || match.line != cases[i].line)
			fail_msg("case %zu: result %d, line %u", i, (int)match.result, match.line);
	}
}

static void types_are_those_recorded(void **state)
{
	(void)state;
	struct gf_err err;
	const char *text = "a,b ssh-rsa K1\nb ecdsa-sha2-nistp256 K2\n@revoked b ssh-ed25519 K3\n";
	const char *name = "b", *types[SSH_KNOWN_HOSTS_TYPES];
	struct ssh_known_hosts *table = ssh_known_hosts_parse("file", text, strlen(text), &err);
	ssh_known_hosts_types(table, &name, 1, types);
	assert_non_null(types[0]);
	assert_non_null(types[1]);
	assert_null(types[2]);
	ssh_known_hosts_free(table);
}

static void names_have_the_port(void **state)
{
	(void)state;
	char name[64];
	ssh_known_hosts_name("Host", 22, name, sizeof(name));
	assert_string_equal(name, "host");
	ssh_known_hosts_name("::1", 2222, name, sizeof(name));
	assert_string_equal(name, "[::1]:2222");
}

static void added_key_is_found_and_kept(void **state)
{
	(void)state;
	struct gf_err err = {0};
	struct ssh_known_hosts_match match;
	struct stat info;
	const char *name = "a", *base = getenv("TMPDIR");
	char dir[128], path[192];
	snprintf(dir, sizeof(dir), "%s/gpufleet-known.XXXXXX", base ? base : "/tmp");
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/ssh", dir);
	strcat(path, "/known_hosts"); /* the folder is made, too */
	struct ssh_known_hosts *table = ssh_known_hosts_read(path, &err);
	assert_non_null(table);
	assert_int_equal(ssh_known_hosts_add(table, name, "ssh-ed25519", "K1", &err), 0);
	for (int again = 0; again < 2; again++) {
		ssh_known_hosts_check(table, &name, 1, "ssh-ed25519", "K1", &match);
		assert_int_equal(match.result, KNOWN_HOSTS_MATCH);
		assert_int_equal(match.line, 1);
		ssh_known_hosts_free(table);
		table = ssh_known_hosts_read(path, &err);
	}
	assert_int_equal(stat(path, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0600);
	ssh_known_hosts_free(table);
	unlink(path);
	*strrchr(path, '/') = '\0';
	rmdir(path);
	rmdir(dir);
}

/* What takes long is left to a search, also when one key has very many names. */
static void many_hashed_lines_are_not_tried_at_once(void **state)
{
	(void)state;
	static char text[1 << 20];
	const char *name = "a";
	size_t used = 0;
	struct gf_err err;
	struct ssh_known_hosts_match match;
	struct ssh_known_hosts_found found = {0};
	for (unsigned i = 0; i < 5000; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		                         "|1|%08uAAAAAAAAAAAAAAAAAAA=|%08uAAAAAAAAAAAAAAAAAAA= "
		                         "ssh-ed25519 K1\n",
		                         i, i);
	used += (size_t)snprintf(text + used, sizeof(text) - used, "b ssh-ed25519 K2\n");
	struct ssh_known_hosts *table = ssh_known_hosts_parse("file", text, used, &err);
	assert_false(ssh_known_hosts_quick(table, &name, 1, "ssh-ed25519", "K1", &match));
	assert_false(ssh_known_hosts_quick(table, &name, 1, "ssh-ed25519", "K2", &match));
	name = "b";
	assert_true(ssh_known_hosts_quick(table, &name, 1, "ssh-ed25519", "K2", &match));
	assert_int_equal(match.result, KNOWN_HOSTS_MATCH);
	assert_int_equal(ssh_known_hosts_search(table, &name, 1, &found), 0);
	assert_int_equal(found.count, 0);
	ssh_known_hosts_decide(table, &name, 1, "ssh-ed25519", "K3", &found, &match);
	assert_int_equal(match.result, KNOWN_HOSTS_CHANGED);
	assert_int_equal(match.line, 5001);
	ssh_known_hosts_free(table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hmac_matches_rfc_2202),
	    cmocka_unit_test(lines_decide),
	    cmocka_unit_test(types_are_those_recorded),
	    cmocka_unit_test(names_have_the_port),
	    cmocka_unit_test(added_key_is_found_and_kept),
	    cmocka_unit_test(many_hashed_lines_are_not_tried_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
