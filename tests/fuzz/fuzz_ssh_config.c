/* fuzz_ssh_config.c: any bytes as ~/.ssh/config, asked for two hosts. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "controller/ssh/ssh_config.h"
#include "inventory/inventory_fields.h"
#include "inventory/text_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void warn(void *ctx, const char *file, unsigned line, const char *host, const char *message)
{
	(void)ctx;
	if (!line || !*file || !*host || !*message)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = {"gpu01", "x"};
	struct gf_err err = {0};
	struct ssh_config *config = ssh_config_parse("file", (const char *)data, size, &err);
	if (!config && err.code == GF_OK)
		abort();
	for (size_t i = 0; config && i < 2; i++) {
		struct inventory_host host = {.name = strdup(names[i]),
		                              .address = strdup(names[i])};
		/* Whatever a file says, nothing may reach the network that is no name. */
		if (ssh_config_apply(config, &host, warn, NULL, &err) == 0 &&
		    (!host_name_valid(host.address) || !host.port || !host.user ||
		     !host.known_hosts || (host.jump && !rule_jump.valid(host.jump))))
			abort();
		host_clear(&host);
	}
	ssh_config_free(config);
	return 0;
}
