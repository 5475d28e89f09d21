/* test_error.c: the error type's contract. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "node-agent/wire/error.h"

static void test_set_and_wrap(void **state)
{
	(void)state;
	struct gf_err err = {0};
	assert_int_equal(gf_err_set(&err, GF_E_AUTH, "no key for %s", "gpu01"), -1);
	assert_int_equal(err.code, GF_E_AUTH);
	assert_string_equal(err.msg, "no key for gpu01");
	assert_int_equal(gf_err_wrap(&err, "host %d", 7), -1);
	assert_string_equal(err.msg, "host 7: no key for gpu01");
	assert_int_equal(err.code, GF_E_AUTH);
}

static void test_errno_is_kept(void **state)
{
	(void)state;
	struct gf_err err = {0};
	errno = ENOENT;
	gf_err_errno(&err, GF_E_IO, "open");
	assert_string_equal(err.msg, "open: No such file or directory");
	assert_int_equal(errno, ENOENT);
}

static void test_null_and_long_messages(void **state)
{
	(void)state;
	char text[2000];
	struct gf_err err = {0};
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(gf_err_set(NULL, GF_E_IO, "%s", text), -1);
	gf_err_set(&err, GF_E_IO, "%s", text);
	gf_err_wrap(&err, "%s", text);
	gf_err_errno(&err, GF_E_IO, "%s", text);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void test_every_code_has_a_name_of_its_own(void **state)
{
	(void)state;
#define X(code, name, retry, status)                                                               \
	assert_int_equal(gf_code_from_name(name), code);                                           \
	assert_string_equal(gf_code_name(code), name);                                             \
	assert_int_equal(gf_code_exit_status(code), status);
	GF_ERROR_CODES(X)
#undef X
	assert_int_equal(gf_code_from_name("nonsense"), GF_E_INTERNAL);
	/* What another says went wrong has gone wrong. */
	assert_int_equal(gf_code_from_name("ok"), GF_E_INTERNAL);
	assert_true(gf_code_retryable(GF_E_LOST));
	assert_false(gf_code_retryable(GF_E_HOST_KEY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_set_and_wrap),
	    cmocka_unit_test(test_errno_is_kept),
	    cmocka_unit_test(test_null_and_long_messages),
	    cmocka_unit_test(test_every_code_has_a_name_of_its_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
