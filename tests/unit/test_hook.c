/* An operator's command as a process: how it ends, what is told of it, and that nothing is left. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "controller/hook/hook_uv.h"

struct told {
	unsigned calls;
	struct gf_err err;
};

static void done(void *ctx, const struct gf_err *err)
{
	struct told *told = ctx;

	told->calls++;
	told->err = err ? *err : (struct gf_err){.code = GF_OK};
}

/* Runs `sh -c SCRIPT` to its end: exactly one word of it. */
static struct told run(const char *script, unsigned timeout_s)
{
	static char shell[] = "/bin/sh", option[] = "-c";
	char *copy = strdup(script), *items[] = {shell, option, copy};
	const struct string_list argv = {.items = items, .count = 3};
	const char *environment[] = {"GPUFLEET_WAVE=7", NULL};
	const struct hook_call call = {&argv, environment, timeout_s};
	struct told told = {0};
	struct hook_uv hooks;
	struct gf_err err;
	uv_loop_t loop;

	uv_loop_init(&loop);
	hook_uv_init(&hooks, &loop);
	assert_non_null(hooks.runner.run(&hooks.runner, &call, done, &told, &err));
	assert_int_equal(told.calls, 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(told.calls, 1);
	free(copy);
	return told;
}

static void test_ends(void **state)
{
	struct told told;

	(void)state;
	assert_int_equal(run("true", 10).err.code, GF_OK);
	assert_int_equal(run("test \"$GPUFLEET_WAVE\" = 7 && test -n \"$PATH\"", 10).err.code,
	                 GF_OK);
	told = run("echo first; echo; echo 'the cloud is not well'; echo; exit 3", 10);
	assert_int_equal(told.err.code, GF_E_TASK);
	assert_string_equal(told.err.msg, "/bin/sh ended with status 3: the cloud is not well");
	told = run("echo no newline >&2; printf end; exit 1", 10);
	assert_string_equal(told.err.msg, "/bin/sh ended with status 1: end");
	told = run("kill -9 $$", 10);
	assert_string_equal(told.err.msg, "/bin/sh was ended by signal 9");
	/* More than fits is cut, and read to its end. */
	told = run("yes | head -c 300000 | tr -d '\\n'; exit 4", 10);
	assert_int_equal(told.err.code, GF_E_TASK);
}

static void test_time(void **state)
{
	struct told told;

	(void)state;
	told = run("echo working; sleep 100 & wait", 1);
	assert_int_equal(told.err.code, GF_E_TIMEOUT);
	assert_string_equal(told.err.msg, "/bin/sh took longer than 1 s: working");
	/* What it leaves in the background holds the pipe, and nobody up. */
	assert_int_equal(run("sleep 3 & exit 0", 10).err.code, GF_OK);
}

static void test_not_there(void **state)
{
	static char name[] = "/nonexistent/check";
	char *items[] = {name};
	const struct string_list argv = {.items = items, .count = 1};
	const struct hook_call call = {&argv, NULL, 5};
	struct told told = {0};
	struct hook_uv hooks;
	struct gf_err err;
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	hook_uv_init(&hooks, &loop);
	assert_null(hooks.runner.run(&hooks.runner, &call, done, &told, &err));
	assert_string_equal(err.msg,
	                    "/nonexistent/check can't be started: no such file or directory");
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(told.calls, 0);
}

static void test_cancel(void **state)
{
	static char shell[] = "/bin/sh", option[] = "-c", script[] = "sleep 100 & wait";
	char *items[] = {shell, option, script};
	const struct string_list argv = {.items = items, .count = 3};
	const struct hook_call call = {&argv, NULL, 50};
	struct told told = {0};
	struct hook_uv hooks;
	struct hook *hook;
	uv_loop_t loop;

	(void)state;
	uv_loop_init(&loop);
	hook_uv_init(&hooks, &loop);
	hook = hooks.runner.run(&hooks.runner, &call, done, &told, NULL);
	assert_non_null(hook);
	hooks.runner.cancel(&hooks.runner, hook);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(told.calls, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ends),
	    cmocka_unit_test(test_time),
	    cmocka_unit_test(test_not_there),
	    cmocka_unit_test(test_cancel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
