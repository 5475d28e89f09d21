/* The program finds its own files: in the build tree, in an installation that was moved, and by
 * name where neither is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "controller/place/place.h"

static void make(const char *path)
{
	char command[PATH_MAX * 2];

	snprintf(command, sizeof(command), "mkdir -p \"$(dirname '%s')\" && : >'%s'", path, path);
	assert_int_equal(system(command), 0);
}

static void make_below(const char *root, const char *path)
{
	char whole[PATH_MAX];

	snprintf(whole, sizeof(whole), "%s/%s", root, path);
	make(whole);
}

static void ends_with(const char *text, const char *end)
{
	assert_true(strlen(text) >= strlen(end));
	assert_string_equal(text + strlen(text) - strlen(end), end);
}

static void in_the_build_tree(void **state)
{
	struct place place;

	(void)state;
	place_find(&place); /* of this test, which is built beside gpufleet */
	assert_string_equal(place.playbooks, TEST_SOURCE_DIR "/playbooks");
}

static void moved(void **state)
{
	char root[] = "/tmp/gpufleet-place-XXXXXX", folder[PATH_MAX], command[PATH_MAX];
	struct place place;

	(void)state;
	assert_non_null(mkdtemp(root));
	make_below(root, "bin/gpufleet");
	make_below(root, "libexec/gpufleet/gpufleet-agent.tar.gz");
	make_below(root, "share/gpufleet/playbooks/gpu-passthrough.json");
	snprintf(folder, sizeof(folder), "%s/bin", root);
	place_find_from(folder, &place);
	ends_with(place.bundle, "/bin/../libexec/gpufleet");
	ends_with(place.playbooks, "/bin/../share/gpufleet/playbooks");
	/* A source tree that was copied with its build. */
	make_below(root, "build/release/gpufleet-agent.tar.gz");
	make_below(root, "playbooks/gpu-passthrough.json");
	snprintf(folder, sizeof(folder), "%s/build/release", root);
	place_find_from(folder, &place);
	ends_with(place.bundle, "/build/release/.");
	ends_with(place.playbooks, "/build/release/../../playbooks");
	snprintf(command, sizeof(command), "rm -rf '%s'", root);
	assert_int_equal(system(command), 0);
}

static void nowhere(void **state)
{
	struct place place;

	(void)state;
	place_find_from("/nonexistent/bin", &place);
	ends_with(place.bundle, "/libexec/gpufleet");
	ends_with(place.playbooks, "/share/gpufleet/playbooks");
	assert_int_equal(place.bundle[0], '/');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(in_the_build_tree),
	    cmocka_unit_test(moved),
	    cmocka_unit_test(nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
