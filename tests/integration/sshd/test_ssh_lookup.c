/* test_ssh_lookup.c: name servers that take their time (a dead first one in resolv.conf costs five
 * seconds a name). */
#include <dlfcn.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/integration/sshd/sshd_fixture.h"

#define HOSTS 60

/* In place of libc's, for this program: every name takes half a second, and there is none. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **found)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

	if (strstr(node, ".example")) {
		if (!hints || !(hints->ai_flags & AI_NUMERICHOST))
			usleep(500000);
		return EAI_NONAME;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(node, service, hints, found);
}

static void slow_names_wait_for_nobody(void **state)
{
	struct ssh_options options = {.connect_timeout_ms = 3000, .agent_socket = ""};
	static struct client clients[HOSTS];
	static char names[HOSTS][32];
	struct sshd nowhere = {.port = 22};
	struct bed bed;

	(void)state;
	bed_open(&bed, &options);
	for (size_t i = 0; i < HOSTS; i++) {
		snprintf(names[i], sizeof(names[i]), "gpu%zu.example", i);
		client_init(&clients[i], &nowhere, "true");
		clients[i].host.address = names[i];
		client_open(&clients[i], bed.opener);
	}
	bed_run(&bed, clients, HOSTS, 20000);
	for (size_t i = 0; i < HOSTS; i++) {
		if (clients[i].err.code != GF_E_RESOLVE)
			fail_msg("%s: %s", names[i], clients[i].err.msg);
		client_free(&clients[i]);
	}
	bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slow_names_wait_for_nobody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
