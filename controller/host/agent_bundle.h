/* agent_bundle.h: the one object that is pushed to hosts, and the command line that starts it. */
#ifndef GPUFLEET_AGENT_BUNDLE_H
#define GPUFLEET_AGENT_BUNDLE_H

#include <stddef.h>
#include <stdio.h>

#include "node-agent/wire/error.h"

struct agent_bundle {
	char hash[65]; /* sha256 of its MANIFEST: the name of its folder on hosts */
	FILE *file;    /* the .tar.gz: hosts that have it already, as most do, need none of it */
	size_t size;
	char *command; /* starts the agent that is there: node-agent/launch_script.h */
};

/* Opens gpufleet-agent.tar.gz and reads .hash in FOLDER. On failure nothing is held. */
int agent_bundle_load(const char *folder, struct agent_bundle *bundle, struct gf_err *err);

/* SIZE bytes of it from OFFSET on, which it has. */
int agent_bundle_read(const struct agent_bundle *bundle, size_t offset, char *bytes, size_t size,
                      struct gf_err *err);

void agent_bundle_free(struct agent_bundle *bundle);

#endif
