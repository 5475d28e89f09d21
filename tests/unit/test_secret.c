/* Secrets: asked once on a terminal (a pseudo one here), tried on one host first, given up after
 * the first refusals. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

#include "controller/secret/secret.h"

#define HOSTS 20

struct bed {
	uv_loop_t loop;
	struct secrets *secrets;
	int master;
	char terminal[64];
	unsigned asked; /* how often the hook said so */
};

struct need {
	struct secret_claim *claim;
	unsigned given, waits;
	bool failed;
	char text[64];
	struct gf_err err;
};

static void asking(void *ctx, bool on)
{
	((struct bed *)ctx)->asked += on;
}

static void bed_open(struct bed *bed, bool terminal, unsigned answer_ms)
{
	struct gf_err err = {0};
	*bed = (struct bed){.master = -1};
	uv_loop_init(&bed->loop);
	snprintf(bed->terminal, sizeof(bed->terminal), "/nonexistent/tty");
	if (terminal) {
		bed->master = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK);
		assert_true(bed->master >= 0 && grantpt(bed->master) == 0 &&
		            unlockpt(bed->master) == 0);
		assert_int_equal(ptsname_r(bed->master, bed->terminal, sizeof(bed->terminal)), 0);
	}
	struct secret_hooks hooks = {
	    .asking = asking, .ctx = bed, .terminal = bed->terminal, .answer_ms = answer_ms};
	bed->secrets = secrets_new(&bed->loop, &hooks, &err);
	assert_non_null(bed->secrets);
}

static void bed_close(struct bed *bed)
{
	secrets_free(bed->secrets);
	uv_run(&bed->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&bed->loop), 0);
	if (bed->master >= 0)
		close(bed->master);
}

static void stop_cb(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static void turn(struct bed *bed, unsigned ms)
{
	uv_timer_t timer;
	uv_timer_init(&bed->loop, &timer);
	uv_timer_start(&timer, stop_cb, ms, 0);
	uv_run(&bed->loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&bed->loop, UV_RUN_NOWAIT);
}

static void need_cb(void *ctx, const char *text, const struct gf_err *err)
{
	struct need *need = ctx;
	if (err) {
		need->failed = true;
		need->err = *err;
		need->claim = NULL;
	} else if (text) {
		need->given++;
		snprintf(need->text, sizeof(need->text), "%s", text);
	} else {
		need->waits++;
	}
}

static void claim(struct bed *bed, struct need *need, enum secret_kind kind, const char *host)
{
	struct gf_err err = {0};
	*need = (struct need){0};
	need->claim = secret_claim(bed->secrets, kind, "deploy", host, NULL, need_cb, need, &err);
	assert_non_null(need->claim);
}

static void said(struct bed *bed, char *text, size_t size)
{
	ssize_t got = read(bed->master, text, size - 1);
	text[got > 0 ? got : 0] = '\0';
}

static void type(struct bed *bed, const char *text)
{
	assert_int_equal(write(bed->master, text, strlen(text)), (ssize_t)strlen(text));
	turn(bed, 30);
}

static void asked_once_tried_once_then_for_all(void **state)
{
	(void)state;
	struct bed bed;
	struct need needs[HOSTS];
	char shown[300];
	bed_open(&bed, true, 0);
	for (size_t i = 0; i < HOSTS; i++)
		claim(&bed, &needs[i], SECRET_SUDO, i ? "gpu02" : "gpu01");
	turn(&bed, 30);
	said(&bed, shown, sizeof(shown));
	assert_string_equal(shown, "sudo password of deploy (gpu01 asks; used for all hosts): ");
	assert_int_equal(needs[0].given, 0);
	type(&bed, "open sesame\n");
	said(&bed, shown, sizeof(shown));
	assert_null(strstr(shown, "sesame")); /* no echo */
	assert_int_equal(needs[0].given, 1);
	assert_string_equal(needs[0].text, "open sesame");
	for (size_t i = 1; i < HOSTS; i++)
		assert_int_equal(needs[i].given, 0);
	secret_accepted(needs[0].claim);
	turn(&bed, 30);
	for (size_t i = 1; i < HOSTS; i++) {
		assert_int_equal(needs[i].given, 1);
		secret_accepted(needs[i].claim);
	}
	assert_int_equal(bed.asked, 1);
	/* The terminal echoes again. */
	struct termios settings;
	int fd = open(bed.terminal, O_RDWR | O_NOCTTY);
	assert_int_equal(tcgetattr(fd, &settings), 0);
	assert_true(settings.c_lflag & ECHO);
	close(fd);
	bed_close(&bed);
}

static void refused_once_is_tried_nowhere_else(void **state)
{
	(void)state;
	struct bed bed;
	struct need needs[HOSTS];
	bed_open(&bed, true, 0);
	for (size_t i = 0; i < HOSTS; i++)
		claim(&bed, &needs[i], SECRET_SUDO, "gpu01");
	turn(&bed, 30);
	type(&bed, "wrong\n");
	secret_refused(needs[0].claim);
	turn(&bed, 30);
	for (size_t i = 1; i < HOSTS; i++) {
		assert_true(needs[i].failed && needs[i].given == 0);
		assert_int_equal(needs[i].err.code, GF_E_BECOME);
		assert_non_null(strstr(needs[i].err.msg, "not tried on more hosts"));
	}
	claim(&bed, &needs[0], SECRET_SUDO, "gpu09");
	turn(&bed, 30);
	assert_true(needs[0].failed);
	assert_int_equal(bed.asked, 1);
	bed_close(&bed);
}

/* One host took it: others with another password are let be, up to a few. */
static void refusals_after_a_success_have_an_end(void **state)
{
	(void)state;
	struct bed bed;
	struct need need;
	bed_open(&bed, true, 0);
	claim(&bed, &need, SECRET_LOGIN, "gpu01");
	turn(&bed, 30);
	type(&bed, "right\n");
	secret_accepted(need.claim);
	for (int i = 0; i < SECRET_REFUSALS_MAX; i++) {
		claim(&bed, &need, SECRET_LOGIN, "gpu02");
		turn(&bed, 30);
		assert_int_equal(need.given, 1);
		secret_refused(need.claim);
	}
	claim(&bed, &need, SECRET_LOGIN, "gpu03");
	turn(&bed, 30);
	assert_true(need.failed);
	assert_int_equal(need.err.code, GF_E_AUTH);
	bed_close(&bed);
}

/* The host on trial goes away without a word: the next one is. */
static void lost_trial_passes_on(void **state)
{
	(void)state;
	struct bed bed;
	struct need first, second, third;
	bed_open(&bed, true, 0);
	claim(&bed, &first, SECRET_SUDO, "gpu01");
	claim(&bed, &second, SECRET_SUDO, "gpu02");
	claim(&bed, &third, SECRET_SUDO, "gpu03");
	turn(&bed, 30);
	type(&bed, "right\n");
	secret_drop(first.claim);
	turn(&bed, 30);
	assert_true(second.given == 1 && third.given == 0);
	secret_drop(second.claim);
	secret_drop(third.claim);
	bed_close(&bed);
}

/* A passphrase is tried here: a typing error is asked about again. */
static void passphrase_may_be_mistyped(void **state)
{
	(void)state;
	struct bed bed;
	struct need need;
	char shown[300];
	bed_open(&bed, true, 0);
	for (int i = 0; i < 3; i++) {
		claim(&bed, &need, SECRET_PASSPHRASE, "gpu01");
		turn(&bed, 30);
		said(&bed, shown, sizeof(shown));
		assert_non_null(strstr(shown, i ? "that was wrong; once more: passphrase of the key"
		                                : "passphrase of the key"));
		type(&bed, "wrong\n");
		assert_int_equal(need.given, 1);
		secret_refused(need.claim);
	}
	claim(&bed, &need, SECRET_PASSPHRASE, "gpu01");
	turn(&bed, 30);
	assert_true(need.failed);
	assert_non_null(strstr(need.err.msg, "wrong 3 times"));
	bed_close(&bed);
}

static void without_a_terminal_it_is_said(void **state)
{
	(void)state;
	static const char *const words[] = {[SECRET_SUDO] = "--become-password-fd",
	                                    [SECRET_LOGIN] = "let a key in there",
	                                    [SECRET_PASSPHRASE] = "ssh-add deploy"};
	for (enum secret_kind kind = SECRET_SUDO; kind <= SECRET_PASSPHRASE; kind++) {
		struct bed bed;
		struct need need;
		bed_open(&bed, false, 0);
		claim(&bed, &need, kind, "gpu01");
		turn(&bed, 30);
		assert_true(need.failed);
		if (!strstr(need.err.msg, words[kind]))
			fail_msg("%s", need.err.msg);
		bed_close(&bed);
	}
}

static void nobody_answers(void **state)
{
	(void)state;
	struct bed bed;
	struct need need;
	bed_open(&bed, true, 100);
	claim(&bed, &need, SECRET_SUDO, "gpu01");
	turn(&bed, 300);
	assert_true(need.failed);
	assert_int_equal(need.err.code, GF_E_BECOME);
	assert_non_null(strstr(need.err.msg, "in time"));
	bed_close(&bed);
}

static void cancelled(void **state)
{
	(void)state;
	struct bed bed;
	struct need need;
	bed_open(&bed, true, 0);
	claim(&bed, &need, SECRET_SUDO, "gpu01");
	turn(&bed, 30);
	secrets_cancel(bed.secrets);
	turn(&bed, 30);
	assert_true(need.failed);
	assert_int_equal(need.err.code, GF_E_CANCELLED);
	bed_close(&bed);
}

static void read_from_a_file(void **state)
{
	(void)state;
	static const struct {
		const char *text, *password;
	} rows[] = {
	    {"abc\nrest", "abc"}, {"abc", "abc"}, {"a b\r\n", "a b"}, {"\n", NULL}, {"", NULL}};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct bed bed;
		struct need need;
		int pair[2];
		struct gf_err err = {0};
		bed_open(&bed, false, 0);
		assert_int_equal(pipe(pair), 0);
		assert_true(write(pair[1], rows[i].text, strlen(rows[i].text)) >= 0);
		close(pair[1]);
		int rc = secrets_read_sudo(bed.secrets, pair[0], &err);
		assert_int_equal(rc, rows[i].password ? 0 : -1);
		if (rows[i].password) {
			claim(&bed, &need, SECRET_SUDO, "gpu01");
			turn(&bed, 20);
			assert_string_equal(need.text, rows[i].password);
			secret_accepted(need.claim);
		}
		assert_int_equal(close(pair[0]), -1); /* it was */
		bed_close(&bed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(asked_once_tried_once_then_for_all),
	    cmocka_unit_test(refused_once_is_tried_nowhere_else),
	    cmocka_unit_test(refusals_after_a_success_have_an_end),
	    cmocka_unit_test(lost_trial_passes_on),
	    cmocka_unit_test(passphrase_may_be_mistyped),
	    cmocka_unit_test(without_a_terminal_it_is_said),
	    cmocka_unit_test(nobody_answers),
	    cmocka_unit_test(cancelled),
	    cmocka_unit_test(read_from_a_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
