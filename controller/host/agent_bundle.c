/* agent_bundle.c: see agent_bundle.h. */
#include "controller/host/agent_bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "controller/secret/become.h"
#include "node-agent/launch_script.h"

#define BUNDLE_LIMIT ((long)64 << 20)

static FILE *file_open(const char *path, size_t *size, struct gf_err *err)
{
	FILE *file = fopen(path, "rbe");
	struct stat info;

	if (!file) {
		gf_err_errno(err, GF_E_IO, "can't open %s", path);
		return NULL;
	}
	if (fstat(fileno(file), &info) || info.st_size > BUNDLE_LIMIT) {
		fclose(file);
		gf_err_set(err, GF_E_IO, "%s is not a bundle: it is too large", path);
		return NULL;
	}
	*size = (size_t)info.st_size;
	return file;
}

static int hash_read(const char *path, char hash[65], struct gf_err *err)
{
	char text[66] = "";
	size_t size;
	FILE *file = file_open(path, &size, err);

	if (!file)
		return gf_err_wrap(err,
		                   "the agent's bundle is missing (install gpufleet as a whole, or "
		                   "run it from its build tree)");
	size = fread(text, 1, sizeof(text) - 1, file);
	text[size] = '\0';
	fclose(file);
	if (strspn(text, "0123456789abcdef") != 64)
		return gf_err_set(err, GF_E_IO, "%s does not hold a SHA-256", path);
	memcpy(hash, text, 64);
	hash[64] = '\0';
	return 0;
}

static int bundle_commands(struct agent_bundle *bundle, struct gf_err *err)
{
	char *script = become_quote(launch_script);
	int made = -1;

	if (script) {
		made = asprintf(&bundle->command, "sh -c %s gpufleet %s %zu %s %zu", script,
		                bundle->hash, bundle->size, launch_arch, strlen(place_script));
	}
	free(script);
	return made < 0 ? gf_err_set(err, GF_E_MEMORY, "out of memory") : 0;
}

int agent_bundle_load(const char *folder, struct agent_bundle *bundle, struct gf_err *err)
{
	char path[PATH_MAX];

	memset(bundle, 0, sizeof(*bundle));
	snprintf(path, sizeof(path), "%s/gpufleet-agent.hash", folder);
	if (hash_read(path, bundle->hash, err))
		return -1;
	snprintf(path, sizeof(path), "%s/gpufleet-agent.tar.gz", folder);
	bundle->file = file_open(path, &bundle->size, err);
	if (!bundle->file || bundle_commands(bundle, err)) {
		agent_bundle_free(bundle);
		return -1;
	}
	/* Read ahead by the kernel, so that the loop does not wait for the disk. */
	posix_fadvise(fileno(bundle->file), 0, 0, POSIX_FADV_WILLNEED);
	return 0;
}

int agent_bundle_read(const struct agent_bundle *bundle, size_t offset, char *bytes, size_t size,
                      struct gf_err *err)
{
	ssize_t got = pread(fileno(bundle->file), bytes, size, (off_t)offset);

	if (got < 0)
		return gf_err_errno(err, GF_E_IO, "can't read the agent's bundle");
	if ((size_t)got != size)
		return gf_err_set(err, GF_E_IO, "the agent's bundle has changed meanwhile");
	return 0;
}

void agent_bundle_free(struct agent_bundle *bundle)
{
	if (bundle->file)
		fclose(bundle->file);
	free(bundle->command);
	memset(bundle, 0, sizeof(*bundle));
}
