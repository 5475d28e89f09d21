/* test_exec_fold.c: equal outcomes under one node set, failures last, nothing that a terminal acts
 * on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "controller/commands/exec_fold.h"

static struct inventory_host hosts[6];
static char names[6][8];

static int make_hosts(void **state)
{
	(void)state;
	static char address[] = "192.0.2.1";
	for (size_t i = 0; i < 6; i++) {
		snprintf(names[i], sizeof(names[i]), "gpu%02zu", i + 1);
		hosts[i].name = names[i];
		hosts[i].address = address;
	}
	return 0;
}

static void add(struct exec_fold *fold, size_t host, int status, const char *out)
{
	struct gf_err err;
	char *copy = strdup(out);
	struct exec_result result = {.host = &hosts[host],
	                             .kind = status ? EXEC_EXIT : EXEC_OK,
	                             .status = status,
	                             .out = {copy, strlen(out)}};
	assert_int_equal(exec_fold_add(fold, &result, &err), 0);
	free(copy);
}

static void add_error(struct exec_fold *fold, size_t host, const char *format)
{
	struct gf_err err, why;
	gf_err_set(&why, GF_E_CONNECT, "%s %s", format, hosts[host].name);
	struct exec_result result = {.host = &hosts[host], .kind = EXEC_UNREACHABLE, .err = &why};
	assert_int_equal(exec_fold_add(fold, &result, &err), 0);
}

static void expect(struct exec_fold *fold, const char *wanted)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	exec_fold_print(fold, out, true);
	fclose(out);
	assert_string_equal(text, wanted);
	free(text);
	exec_fold_free(fold);
}

static void equal_outputs_are_one(void **state)
{
	(void)state;
	struct exec_fold *fold = exec_fold_new();
	add_error(fold, 4, "cannot connect to");
	add(fold, 2, 1, "same\n");
	add(fold, 0, 0, "same\n");
	add(fold, 1, 0, "same\n");
	add(fold, 3, 0, "");
	add_error(fold, 5, "cannot connect to");
	assert_int_equal(exec_fold_count(fold, EXEC_OK), 3);
	assert_int_equal(exec_fold_count(fold, EXEC_UNREACHABLE), 2);
	expect(fold, "gpu[01-02] (2 hosts):\n  same\n"
	             "gpu04: no output\n"
	             "gpu03: exit status 1:\n  same\n"
	             "gpu[05-06] (2 hosts): unreachable: cannot connect to the host\n");
}

static void control_characters_are_shown(void **state)
{
	(void)state;
	struct exec_fold *fold = exec_fold_new();
	add(fold, 0, 0,
	    "a\x1b[2Jb\rc\r\n\xc2\x9b"
	    "d \xc3\xa4\tend\x7f");
	expect(fold, "gpu01:\n  a\\x1b[2Jb\\x0dc\n  \\xc2\\x9bd \xc3\xa4\tend\\x7f\n");
}

static void bytes_that_are_no_text_are_shown(void **state)
{
	(void)state;
	struct exec_fold *fold = exec_fold_new();
	add(fold, 0, 0,
	    "\x9b"
	    "2J\xe2\x80\xae\xc3");
	expect(fold, "gpu01:\n  \\x9b2J\\xe2\\x80\\xae\\xc3\n");
}

/* Many hosts with much to say, each something else: what is kept has an end. */
static void memory_is_bounded(void **state)
{
	(void)state;
	size_t size = 4 << 20, total = 0;
	char *text = malloc(size), *printed = NULL;
	struct exec_fold *fold = exec_fold_new();
	struct gf_err err;
	for (unsigned i = 0; i < 200; i++) {
		memset(text, 'a' + (int)(i % 26), size);
		memcpy(text, &i, sizeof(i));
		struct exec_result result = {.host = &hosts[0], .out = {text, size}};
		assert_int_equal(exec_fold_add(fold, &result, &err), 0);
	}
	FILE *out = open_memstream(&printed, &total);
	exec_fold_print(fold, out, false);
	fclose(out);
	exec_fold_free(fold);
	assert_true(total < ((size_t)300 << 20));
	assert_non_null(strstr(printed + total - 100, "(there was more; it was left out)"));
	free(printed);
	free(text);
}

static void json_survives_any_bytes(void **state)
{
	(void)state;
	char *text = NULL, bytes[] = "ok\xff\xc3\xa4\xe2\x82";
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct exec_result result = {.host = &hosts[0], .out = {bytes, sizeof(bytes) - 1}};
	exec_result_json(&result, out);
	fclose(out);
	assert_non_null(strstr(text, "\"stdout\":\"ok\\uFFFD\\u00E4\\uFFFD\\uFFFD\""));
	assert_non_null(strstr(text, "\"host\":\"gpu01\""));
	assert_non_null(strstr(text, "\"status\":\"ok\""));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(equal_outputs_are_one),
	    cmocka_unit_test(control_characters_are_shown),
	    cmocka_unit_test(bytes_that_are_no_text_are_shown),
	    cmocka_unit_test(memory_is_bounded),
	    cmocka_unit_test(json_survives_any_bytes),
	};
	return cmocka_run_group_tests(tests, make_hosts, NULL);
}
