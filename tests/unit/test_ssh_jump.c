/* Bastions: what the inventory and ~/.ssh/config make of `jump`, in a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/ssh/ssh_jump.h"
#include "inventory/inventory_fields.h"

#define HEAD                                                                                       \
	"{\"version\": 1, \"fleet\": \"lab\", \"defaults\": {\"user\": \"root\", "                 \
	"\"identity_file\": \"/k\", \"known_hosts\": \"/kh\"%s%s}, "                               \
	"\"groups\": {\"a\": {\"hosts\": [\"gpu01\", \"jump\"]}}%s%s}"

static const struct {
	const char *defaults, *hosts; /* more of the inventory */
	const char *config;
	const char *expected; /* the way to gpu01, nearest bastion first */
} table[] = {
    {"", "", "", "direct"},
    {"\"jump\": \"me@b:2222\"", "", "", "me@b:2222 key /k known /kh strict"},
    {"\"jump\": \"me@[2001:db8::1]:2222\"", "", "", "me@2001:db8::1:2222 key /k known /kh strict"},
    {"\"jump\": \"me@[2001:db8::1]\"", "", "", "me@2001:db8::1:22 key /k known /kh strict"},
    {"\"jump\": \"me@b\", \"host_keys\": \"accept-new\"", "", "",
     "me@b:22 key /k known /kh accept-new"},
    {"\"jump\": \"me@b\", \"host_keys\": \"pin\"", "", "", "me@b:22 key /k known /kh strict"},
    {"\"jump\": \"me@b,you@c:5\"", "", "",
     "you@c:5 key /k known /kh strict < me@b:22 key /k known /kh strict"},
    {"\"jump\": \"none\"", "", "Host *\nProxyJump b\n", "direct"},
    {"", "", "Host gpu*\nProxyJump b\nHost b\nUser me\nHostName b.lab\nIdentityFile /b\n",
     "me@b.lab:22 files /b known /kh strict"},
    {"", "", "Host gpu*\nProxyJump b\nHost b\nUser me\nUserKnownHostsFile /bk\n",
     "me@b:22 key /k known /bk strict"},
    {"\"jump\": \"b\"", "", "Host b\nUser me\nPort 7\nProxyJump c\nHost c\nUser you\n",
     "me@b:7 key /k known /kh strict < you@c:22 key /k known /kh strict"},
    /* of several, only the first goes its own way */
    {"\"jump\": \"a,b\"", "", "Host *\nUser me\nHost b\nProxyJump x\nHost a\nProxyJump y\n",
     "me@b:22 key /k known /kh strict < me@a:22 key /k known /kh strict < me@y:22 key /k known /kh "
     "strict"},
    /* a host of the inventory, and itself behind the same jump */
    {"\"jump\": \"jump\"",
     "\"hosts\": {\"jump\": {\"address\": \"192.0.2.9\", \"port\": 5, \"host_key\": "
     "\"SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}}",
     "", "root@192.0.2.9:5 key /k known /kh pinned strict"},
    {"\"jump\": \"you@jump:7\"", "", "", "you@jump:7 key /k known /kh strict"},
    /* another port of the same machine is another way */
    {"\"jump\": \"me@gpu.lab:5\"", "\"hosts\": {\"gpu01\": {\"address\": \"gpu.lab\"}}", "",
     "me@gpu.lab:5 key /k known /kh strict"},
    {"\"jump\": \"me@gpu.lab\"", "\"hosts\": {\"gpu01\": {\"address\": \"gpu.lab\"}}", "",
     "direct"},
    /* what cannot be */
    {"\"jump\": \"b\"", "", "Host b\nProxyJump c\nHost c\nProxyJump b\n",
     "the way to gpu01 leads over more than 8 bastions: do their jumps lead to each other?"},
    {"\"jump\": \"b\"", "", "Host b\nProxyCommand nc x\n",
     "config:2:1: ProxyCommand applies to b and is not supported: name the bastion with ProxyJump, "
     "or with \"jump\" in the inventory"},
};

static void describe(const struct inventory_host *host, char *text, size_t size)
{
	static const char *const policies[] = {"strict", "accept-new", "pin"};
	snprintf(text, size, "direct");
	for (bool first = true; (host = host->bastion); first = false) {
		size_t used = first ? 0 : strlen(text);
		snprintf(text + used, size - used, "%s%s@%s:%u%s%s%s%s known %s%s %s",
		         first ? "" : " < ", host->user, host->address, host->port,
		         host->identity_file ? " key " : "",
		         host->identity_file ? host->identity_file : "",
		         host->identity_files.count ? " files " : "",
		         host->identity_files.count ? host->identity_files.items[0] : "",
		         host->known_hosts, host->host_key ? " pinned" : "",
		         policies[host->host_keys]);
	}
}

static void ways(void **state)
{
	(void)state;
	size_t wrong = 0;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		char text[2000];
		struct gf_err err = {0};
		struct ssh_jumps jumps = {0};
		snprintf(text, sizeof(text), HEAD, *table[i].defaults ? ", " : "",
		         table[i].defaults, *table[i].hosts ? ", " : "", table[i].hosts);
		struct inventory *inventory = inventory_parse("f", text, strlen(text), &err);
		if (!inventory) {
			fail_msg("%s", err.msg);
			return;
		}
		struct ssh_config *config =
		    ssh_config_parse("config", table[i].config, strlen(table[i].config), &err);
		assert_non_null(config);
		int rc = 0;
		for (size_t j = 0; rc == 0 && j < inventory->host_count; j++) {
			struct inventory_host *host = &inventory->hosts[j];
			rc = ssh_config_apply(config, host, NULL, NULL, &err);
			if (rc == 0)
				rc = ssh_jumps_resolve(&jumps, config, inventory, host, NULL, NULL,
				                       &err);
		}
		if (rc != 0)
			snprintf(text, sizeof(text), "%s", err.msg);
		else
			describe(inventory_host_find(inventory, "gpu01"), text, sizeof(text));
		if (strcmp(text, table[i].expected) != 0) {
			fprintf(stderr, "%s | %s\n  expected: %s\n  got:      %s\n",
			        table[i].defaults, table[i].config, table[i].expected, text);
			wrong++;
		}
		ssh_config_free(config);
		ssh_jumps_free(&jumps);
		inventory_free(inventory);
	}
	assert_int_equal(wrong, 0);
}

/* Two hundred hosts, one bastion: one description of it, which is what makes it one session. */
static void one_for_all(void **state)
{
	(void)state;
	static const char text[] =
	    "{\"version\": 1, \"fleet\": \"lab\", \"defaults\": {\"jump\": \"a,b\"}, "
	    "\"groups\": {\"a\": {\"hosts\": [\"gpu[001-200]\"]}}}";
	struct gf_err err = {0};
	struct ssh_jumps jumps = {0};
	struct inventory *inventory = inventory_parse("f", text, strlen(text), &err);
	assert_non_null(inventory);
	if (!inventory)
		return;
	for (size_t i = 0; i < inventory->host_count; i++) {
		struct inventory_host *host = &inventory->hosts[i];
		assert_int_equal(ssh_config_apply(NULL, host, NULL, NULL, &err), 0);
		assert_int_equal(ssh_jumps_resolve(&jumps, NULL, inventory, host, NULL, NULL, &err),
		                 0);
		assert_ptr_equal(host->bastion, inventory->hosts[0].bastion);
	}
	size_t bastions = 0;
	for (const struct ssh_jump *jump = jumps.first; jump; jump = jump->next)
		bastions++;
	assert_int_equal(bastions, 2);
	ssh_jumps_free(&jumps);
	inventory_free(inventory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ways),
	    cmocka_unit_test(one_for_all),
	};
	setenv("HOME", "/home/me", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
