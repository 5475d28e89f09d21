/* agent_bundle.c: see agent_bundle.h. */
#include "controller/host/agent_bundle.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/secret/become.h"
#include "node-agent/launch_script.h"

#define BUNDLE_LIMIT ((long)64 << 20)

static int file_read(const char *path, char **data, size_t *size, struct gf_err *err)
{
	FILE *file = fopen(path, "rbe");
	struct stat info;
	char *bytes;

	if (!file)
		return gf_err_errno(err, GF_E_IO, "can't open %s", path);
	if (fstat(fileno(file), &info) || info.st_size > BUNDLE_LIMIT) {
		fclose(file);
		return gf_err_set(err, GF_E_IO, "%s is not a bundle: it is too large", path);
	}
	bytes = malloc((size_t)info.st_size + 1);
	if (!bytes) {
		fclose(file);
		return gf_err_set(err, GF_E_MEMORY, "out of memory");
	}
	*size = fread(bytes, 1, (size_t)info.st_size, file);
	fclose(file);
	if (*size != (size_t)info.st_size) {
		free(bytes);
		return gf_err_set(err, GF_E_IO, "can't read all of %s", path);
	}
	bytes[*size] = '\0';
	*data = bytes;
	return 0;
}

static int bundle_commands(struct agent_bundle *bundle, struct gf_err *err)
{
	char *script = become_quote(launch_script);
	int made = -1;

	if (script) {
		made = asprintf(&bundle->command, "sh -c %s gpufleet %s %zu %s", script,
		                bundle->hash, bundle->size, launch_arch);
	}
	free(script);
	return made < 0 ? gf_err_set(err, GF_E_MEMORY, "out of memory") : 0;
}

int agent_bundle_load(const char *folder, struct agent_bundle *bundle, struct gf_err *err)
{
	char path[PATH_MAX], *hash = NULL;
	size_t size = 0;

	memset(bundle, 0, sizeof(*bundle));
	snprintf(path, sizeof(path), "%s/gpufleet-agent.hash", folder);
	if (file_read(path, &hash, &size, err))
		return gf_err_wrap(err,
		                   "the agent's bundle is missing (install gpufleet as a whole, or "
		                   "run it from its build tree)");
	if (strspn(hash, "0123456789abcdef") != 64) {
		free(hash);
		return gf_err_set(err, GF_E_IO, "%s does not hold a SHA-256", path);
	}
	memcpy(bundle->hash, hash, 64);
	free(hash);
	snprintf(path, sizeof(path), "%s/gpufleet-agent.tar.gz", folder);
	if (file_read(path, &bundle->data, &bundle->size, err) || bundle_commands(bundle, err)) {
		agent_bundle_free(bundle);
		return -1;
	}
	return 0;
}

void agent_bundle_free(struct agent_bundle *bundle)
{
	free(bundle->data);
	free(bundle->command);
	memset(bundle, 0, sizeof(*bundle));
}
