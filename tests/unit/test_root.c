/* test_root.c: paths, bounded reads and programs under a root. */
#include "tests/unit/agent_root.h"

#include <errno.h>
#include <time.h>

static void test_paths(void **state)
{
	struct agent *agent = *state;
	struct root_name name = root_path(&agent->root, "/etc/x");
	assert_true(strncmp(name.text, agent->root.path, strlen(agent->root.path)) == 0);
	assert_string_equal(name.text + strlen(agent->root.path), "/etc/x");
	assert_string_equal(root_path(&agent->root, "/etc/../../x").text, "");
	assert_string_equal(root_path(&agent->root, "..").text, "");
	assert_string_not_equal(root_path(&agent->root, "/etc/..x/x..").text, "");
	struct root real;
	assert_int_equal(root_open(&real, "/", NULL), 0);
	assert_false(root_is_sysroot(&real));
	assert_string_equal(root_path(&real, "/etc/x").text, "/etc/x");
	assert_int_equal(root_open(&real, "/nonexistent/root", NULL), -1);
}

static void test_reads(void **state)
{
	struct agent *agent = *state;
	struct gf_err err;
	size_t size;
	char line[4];
	agent_root_file(&agent->root, "/etc/file", "first\nsecond\n");
	char *text = root_read_file(&agent->root, "/etc/file", 100, &size, NULL);
	assert_string_equal(text, "first\nsecond\n");
	assert_int_equal(size, 13);
	free(text);
	assert_null(root_read_file(&agent->root, "/etc/file", 12, NULL, &err));
	assert_int_equal(errno, EFBIG);
	assert_null(root_read_file(&agent->root, "/etc/none", 12, NULL, &err));
	assert_int_equal(errno, ENOENT);
	assert_int_equal(root_read_line(&agent->root, "/etc/file", line, sizeof(line)), 0);
	assert_string_equal(line, "fir");
	assert_int_equal(root_read_line(&agent->root, "/etc/none", line, sizeof(line)), -1);
	assert_string_equal(line, "");
}

static void test_run(void **state)
{
	struct agent *agent = *state;
	struct root_output output;
	struct gf_err err;
	agent_root_script(
	    &agent->root, "/usr/sbin/tool",
	    "#!/bin/sh\necho \"$GPUFLEET_SYSROOT $1 $#\"\necho oops >&2\ncat\nexit 3\n");
	const char *argv[] = {"tool", "a b; rm *", NULL}, *bare[] = {"tool", NULL};
	char expected[PATH_MAX + 64];
	assert_true(root_program_exists(&agent->root, "tool"));
	assert_false(root_program_exists(&agent->root, "no-such-tool"));
	assert_int_equal(root_run(&agent->root, argv, 10, &output, &err), 0);
	snprintf(expected, sizeof(expected), "%s a b; rm * 1\noops\n", agent->root.path);
	assert_string_equal(output.text, expected);
	assert_int_equal(output.status, 3);
	root_output_free(&output);
	assert_int_equal(root_run_ok(&agent->root, argv, 10, &output, &err), -1);
	assert_string_equal(err.msg, "tool a b; rm * ended with status 3: oops");
	root_output_free(&output);
	assert_int_equal(root_run_ok(&agent->root, bare, 10, &output, &err), -1);
	assert_string_equal(err.msg, "tool ended with status 3: oops");
	root_output_free(&output);
	const char *none[] = {"no-such-tool", NULL}, *climbing[] = {"../tool", NULL};
	assert_int_equal(root_run(&agent->root, none, 10, &output, &err), -1);
	assert_int_equal(err.code, GF_E_TASK);
	root_output_free(&output);
	assert_int_equal(root_run(&agent->root, climbing, 10, &output, &err), -1);
	root_output_free(&output);
	agent_root_script(&agent->root, "/usr/bin/broken", "#!/nonexistent/interpreter\n");
	const char *broken[] = {"broken", NULL};
	assert_int_equal(root_run(&agent->root, broken, 10, &output, &err), -1);
	assert_string_equal(err.msg, "cannot run broken: No such file or directory");
	root_output_free(&output);
}

/* A program that hangs is killed with all that it started; one that leaves a child with its output
 * does not hold us up. */
static void test_run_hangs(void **state)
{
	struct agent *agent = *state;
	struct root_output output;
	struct gf_err err;
	agent_root_script(&agent->root, "/usr/bin/hang",
	                  "#!/bin/sh\ntrap '' TERM\necho before\nsleep 100 &\nsleep 100\n");
	const char *hang[] = {"hang", NULL};
	time_t start = time(NULL);
	assert_int_equal(root_run(&agent->root, hang, 1, &output, &err), -1);
	assert_int_equal(err.code, GF_E_TIMEOUT);
	assert_true(output.timed_out);
	assert_string_equal(output.text, "before\n");
	root_output_free(&output);
	agent_root_script(&agent->root, "/usr/bin/leaver", "#!/bin/sh\nsleep 4 &\necho gone\n");
	const char *leaver[] = {"leaver", NULL};
	assert_int_equal(root_run(&agent->root, leaver, 60, &output, &err), 0);
	assert_string_equal(output.text, "gone\n");
	root_output_free(&output);
	assert_true(time(NULL) - start < 60);
}

static void test_run_floods(void **state)
{
	struct agent *agent = *state;
	struct root_output output;
	agent_root_script(&agent->root, "/usr/bin/flood", "#!/bin/sh\nhead -c 9000000 /dev/zero\n");
	const char *flood[] = {"flood", NULL};
	assert_int_equal(root_run(&agent->root, flood, 60, &output, NULL), 0);
	assert_int_equal(output.status, 0);
	assert_true(output.truncated);
	assert_int_equal(output.size, ROOT_OUTPUT_LIMIT);
	root_output_free(&output);
}

static void test_detached(void **state)
{
	struct agent *agent = *state;
	agent_root_script(&agent->root, "/usr/sbin/later",
	                  "#!/bin/sh\ntouch \"$GPUFLEET_SYSROOT/done\"\n");
	const char *argv[] = {"later", NULL};
	assert_int_equal(root_run_detached(&agent->root, argv, 0, NULL), 0);
	for (int i = 0; i < 500 && !root_exists(&agent->root, "/done"); i++)
		usleep(20000);
	assert_true(root_exists(&agent->root, "/done"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, agent_root_setup, agent_root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_paths),      TEST(test_reads),
	                                   TEST(test_run),        TEST(test_run_hangs),
	                                   TEST(test_run_floods), TEST(test_detached)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
