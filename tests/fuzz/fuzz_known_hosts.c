/* fuzz_known_hosts.c: any bytes as a known_hosts file, asked for hosts and keys. */
#include <stdint.h>
#include <stdlib.h>

#include "controller/ssh/ssh_known_hosts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"a", "[b]:22"};
	struct gf_err err = {0};
	struct ssh_known_hosts_match match;
	const char *types[SSH_KNOWN_HOSTS_TYPES];
	struct ssh_known_hosts *table =
	    ssh_known_hosts_parse("file", (const char *)data, size, &err);
	if (!table)
		abort();
	ssh_known_hosts_check(table, names, 2, "ssh-ed25519", "K1", &match);
	ssh_known_hosts_check(table, names, 2, "ssh-ed25519", "K9", &match);
	if (match.result == KNOWN_HOSTS_MATCH && match.line == 0)
		abort();
	ssh_known_hosts_types(table, names, 2, types);
	ssh_known_hosts_free(table);
	return 0;
}
