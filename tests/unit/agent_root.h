/* agent_root.h: a root directory for one test, made and removed by it. */
#ifndef GPUFLEET_AGENT_ROOT_H
#define GPUFLEET_AGENT_ROOT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "node-agent/operation/operation.h"
#include "node-agent/root.h"

/* Setup and teardown: *state is a struct agent *. */
static inline int agent_root_setup(void **state)
{
	char path[PATH_MAX];
	const char *tmp = getenv("TMPDIR");
	snprintf(path, sizeof(path), "%s/gpufleet-unit.XXXXXX", tmp ? tmp : "/tmp");
	struct agent *agent = calloc(1, sizeof(*agent));
	assert_non_null(agent);
	assert_non_null(mkdtemp(path));
	assert_int_equal(root_open(&agent->root, path, NULL), 0);
	snprintf(agent->state, sizeof(agent->state), "/var/lib/gpufleet");
	*state = agent;
	return 0;
}

static inline int agent_root_teardown(void **state)
{
	struct agent *agent = *state;
	int failed = journal_remove_tree(agent->root.path);
	free(agent);
	return failed;
}

static inline void agent_root_dirs(const struct root *root, const char *path)
{
	assert_int_equal(journal_make_dirs(root_path(root, path).text, NULL), 0);
}

/* Writes a file with the directories above it. */
static inline void agent_root_bytes(const struct root *root, const char *path, const void *data,
                                    size_t size)
{
	char dir[PATH_MAX];
	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	if (*dir)
		agent_root_dirs(root, dir);
	FILE *file = fopen(root_path(root, path).text, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	assert_int_equal(fclose(file), 0);
}

static inline void agent_root_file(const struct root *root, const char *path, const char *text)
{
	agent_root_bytes(root, path, text, strlen(text));
}

static inline void agent_root_link(const struct root *root, const char *path, const char *target)
{
	char dir[PATH_MAX];
	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	agent_root_dirs(root, dir);
	assert_int_equal(symlink(target, root_path(root, path).text), 0);
}

static inline void agent_root_script(const struct root *root, const char *path, const char *text)
{
	agent_root_file(root, path, text);
	assert_int_equal(chmod(root_path(root, path).text, 0755), 0);
}

/* VALUE must be the same JSON as EXPECTED (with ' for "). Steals VALUE. */
static inline void assert_json(json_t *value, const char *expected)
{
	char *text = strdup(expected);
	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	json_t *wanted = json_loads(text, JSON_DECODE_ANY, NULL);
	assert_non_null(wanted);
	char *got = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
	char *want = json_dumps(wanted, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(got, want);
	free(got);
	free(want);
	free(text);
	json_decref(wanted);
	json_decref(value);
}

#endif
