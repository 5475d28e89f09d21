/* nova_release.c: which release of Nova this host has; see nova.h. */
#include "node-agent/facts/nova.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "node-agent/facts/facts.h"

#define QUERY_TIMEOUT 20

/* "2:26.2.2-1~deb12u5" → "26.2.2"; false when it does not begin with a release. */
static bool version_take(const char *text, char release[32])
{
	const char *colon = strchr(text, ':');
	if (colon && strspn(text, "0123456789") == (size_t)(colon - text))
		text = colon + 1;
	size_t length = strspn(text, "0123456789.");
	while (length > 0 && text[length - 1] == '.')
		length--;
	if (length == 0 || length >= 32 || !isdigit((unsigned char)*text))
		return false;
	snprintf(release, 32, "%.*s", (int)length, text);
	return true;
}

static bool query(const struct root *root, const char *const argv[], char release[32])
{
	struct root_output output;
	if (!root_program_exists(root, argv[0]))
		return false;
	bool found = root_run(root, argv, QUERY_TIMEOUT, &output, NULL) == 0 &&
	             output.status == 0 && version_take(output.text, release);
	root_output_free(&output);
	return found;
}

static bool packages_ask(const struct root *root, char release[32])
{
	static const char *const debian[] = {"nova-common", "python3-nova", "python-nova"};
	static const char *const rpm[] = {"openstack-nova-common", "python3-nova", "python2-nova"};
	for (size_t i = 0; i < sizeof(debian) / sizeof(debian[0]); i++) {
		const char *const argv[] = {"dpkg-query",   "-W",      "-f",
		                            "${Version}\n", debian[i], NULL};
		if (query(root, argv, release))
			return true;
	}
	for (size_t i = 0; i < sizeof(rpm) / sizeof(rpm[0]); i++) {
		const char *const argv[] = {"rpm", "-q", "--qf", "%{VERSION}\n", rpm[i], NULL};
		if (query(root, argv, release))
			return true;
	}
	return false;
}

struct metadata_scan {
	const struct root *root;
	const char *lib; /* the directory at hand */
	char *release;
	bool found;
};

/* "nova-26.2.2.dist-info", "nova-26.2.2.egg-info", "nova-26.2.2-py3.9.egg-info" */
static void metadata_each(void *ctx, const char *name)
{
	struct metadata_scan *scan = ctx;
	if (!scan->found && strncmp(name, "nova-", 5) == 0 &&
	    (strstr(name, ".dist-info") || strstr(name, ".egg-info")))
		scan->found = version_take(name + 5, scan->release);
}

static void python_each(void *ctx, const char *name)
{
	static const char *const kinds[] = {"site-packages", "dist-packages"};
	struct metadata_scan *scan = ctx;
	for (size_t i = 0; i < 2 && !scan->found && strncmp(name, "python", 6) == 0; i++) {
		char path[PATH_MAX];
		if ((size_t)snprintf(path, sizeof(path), "%s/%s/%s", scan->lib, name, kinds[i]) <
		    sizeof(path))
			facts_each_entry(scan->root, path, metadata_each, scan);
	}
}

static bool metadata_find(const struct root *root, const char *lib, char release[32])
{
	struct metadata_scan scan = {.root = root, .lib = lib, .release = release};
	facts_each_entry(root, lib, python_each, &scan);
	return scan.found;
}

/* The lib directory of the environment that the process's python belongs to; inside a container by
 * way of /proc. */
static bool process_metadata(const struct root *root, const struct nova_process *process,
                             char release[32])
{
	char lib[PATH_MAX];
	const char *bin = strstr(process->program, "/bin/");
	if (!bin || process->program[0] != '/')
		return false;
	int length = (int)(bin - process->program);
	if (process->engine)
		snprintf(lib, sizeof(lib), "/proc/%ld/root%.*s/lib", process->pid, length,
		         process->program);
	else
		snprintf(lib, sizeof(lib), "%.*s/lib", length, process->program);
	return metadata_find(root, lib, release);
}

bool nova_release_find(const struct root *root, const struct nova_process *process,
                       char release[32])
{
	static const char *const libs[] = {"/usr/local/lib", "/usr/lib", "/usr/lib64"};
	bool own = process && (process->engine || strncmp(process->program, "/usr/bin/", 9) != 0);
	*release = '\0';
	/* A container's or a virtual environment's Nova is not the packages'. */
	if (own && process_metadata(root, process, release))
		return true;
	if (process && process->engine)
		return false;
	if (packages_ask(root, release))
		return true;
	for (size_t i = 0; i < sizeof(libs) / sizeof(libs[0]); i++)
		if (metadata_find(root, libs[i], release))
			return true;
	return false;
}
