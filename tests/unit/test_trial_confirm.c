/* Who ends a trial: of the commit and the host's own timer one wins, and the other obeys. */
#include "tests/unit/agent_root.h"

#include <pthread.h>
#include <time.h>

#include "node-agent/facts/facts.h"
#include "node-agent/trial/trial_confirm.h"
#include "node-agent/trial/trial_marker.h"

/* A trial of operation "op" that runs now, with TERMS. Returns the marker. */
static json_t *trial_up(struct agent *agent, const char *token, json_int_t confirm_s)
{
	const struct trial_terms terms = {.token = token, .confirm_s = confirm_s};
	json_t *marker = json_pack("{s:s, s:s, s:s, s:s}", "operation", "op", "stage", "host",
	                           "boot_id", "11111111-before", "state", "staged");
	struct gf_err err;

	agent_root_dirs(&agent->root, agent->state);
	agent_root_file(&agent->root, "/proc/sys/kernel/random/boot_id", "22222222-now\n");
	agent_root_file(&agent->root, "/proc/cmdline", "ro gpufleet.op=op panic=30\n");
	agent_root_script(&agent->root, "/usr/sbin/reboot",
	                  "#!/bin/sh\n: >$GPUFLEET_SYSROOT/reboots\n");
	if (trial_confirm_arm(agent, marker, &terms, &err) != 0 ||
	    trial_marker_write(agent, marker, &err) != 0)
		fail_msg("%s", err.msg);
	return marker;
}

static bool exists(const struct agent *agent, const char *path)
{
	return root_exists(&agent->root, path);
}

static void test_token(void **state)
{
	struct agent *agent = *state;
	json_t *marker = trial_up(agent, "the token", 600);
	char *text = json_dumps(marker, 0);
	struct gf_err err;

	assert_null(strstr(text, "the token")); /* its digest */
	free(text);
	assert_int_equal(trial_confirm_take(agent, marker, NULL, &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	assert_non_null(strstr(err.msg, "begun by another controller"));
	assert_int_equal(trial_confirm_take(agent, marker, "a token", &err), -1);
	assert_int_equal(trial_confirm_take(agent, marker, "the token", &err), 0);
	/* A commit that was cut off after it comes again. */
	assert_int_equal(trial_confirm_take(agent, marker, "the token", &err), 0);
	json_decref(marker);
}

static void test_without_terms(void **state)
{
	struct agent *agent = *state;
	json_t *marker = trial_up(agent, NULL, 0);
	struct gf_err err;

	assert_int_equal(trial_confirm_take(agent, marker, NULL, &err), 0);
	assert_int_equal(trial_confirm_wait(agent, &err), 0);
	assert_false(exists(agent, "/reboots"));
	json_decref(marker);
}

static void test_expires(void **state)
{
	struct agent *agent = *state;
	json_t *marker = trial_up(agent, "t", 1);
	struct gf_err err;

	agent_root_dirs(&agent->root, "/proc/1");
	assert_int_equal(trial_confirm_wait(agent, &err), 0);
	assert_true(exists(agent, "/reboots"));
	assert_true(trial_confirm_expired(agent));
	/* The reboot may fail: then it is asked for again. */
	unlink(root_path(&agent->root, "/reboots").text);
	assert_int_equal(trial_confirm_wait(agent, &err), 0);
	assert_true(exists(agent, "/reboots"));
	assert_int_equal(trial_confirm_take(agent, marker, "t", &err), -1);
	assert_int_equal(err.code, GF_E_BLOCKED);
	assert_non_null(strstr(err.msg, "was not confirmed in time"));
	trial_confirm_clear(agent);
	assert_false(trial_confirm_expired(agent));
	json_decref(marker);
}

static void test_not_the_trial(void **state)
{
	struct agent *agent = *state;
	json_t *marker = trial_up(agent, "t", 1);
	struct gf_err err;

	agent_root_file(&agent->root, "/proc/cmdline", "ro\n");
	assert_int_equal(trial_confirm_wait(agent, &err), 0);
	assert_false(exists(agent, "/reboots"));
	json_decref(marker);
}

struct timer {
	const struct agent *agent;
	bool over;
};

static void *timer_run(void *ctx)
{
	struct timer *timer = ctx;

	trial_confirm_wait(timer->agent, NULL);
	timer->over = true;
	return NULL;
}

/* Guests keep the host up, however late it is; and a confirmation ends the waiting. */
static void test_guests(void **state)
{
	static const char guest[] = "/usr/bin/qemu-system-x86_64\0-name\0guest=instance-1";
	struct agent *agent = *state;
	json_t *marker = trial_up(agent, "t", 1);
	const struct timespec pause = {.tv_sec = 2};
	struct timer timer = {.agent = agent};
	struct gf_err err;
	pthread_t thread;

	agent_root_file(&agent->root, "/proc/4242/comm", "qemu-system-x86\n");
	agent_root_bytes(&agent->root, "/proc/4242/cmdline", guest, sizeof(guest));
	json_t *guests = guest_facts(&agent->root, NULL);
	assert_int_equal(json_array_size(guests), 1);
	json_decref(guests);
	assert_int_equal(pthread_create(&thread, NULL, timer_run, &timer), 0);
	nanosleep(&pause, NULL);
	assert_false(exists(agent, "/reboots"));
	assert_int_equal(trial_confirm_take(agent, marker, "t", &err), 0);
	pthread_join(thread, NULL);
	assert_true(timer.over);
	assert_false(exists(agent, "/reboots"));
	json_decref(marker);
}

/* Many times at once: never both, never neither. */
static void test_race(void **state)
{
	struct agent *agent = *state;

	agent_root_dirs(&agent->root, "/proc/1");
	for (unsigned i = 0; i < 8; i++) {
		json_t *marker = trial_up(agent, "t", 1);
		const struct timespec pause = {.tv_nsec = 990000000 + (long)i * 30000};
		struct timer timer = {.agent = agent};
		pthread_t thread;
		bool won;

		unlink(root_path(&agent->root, "/reboots").text);
		assert_int_equal(pthread_create(&thread, NULL, timer_run, &timer), 0);
		nanosleep(&pause, NULL);
		won = trial_confirm_take(agent, marker, "t", NULL) == 0;
		pthread_join(thread, NULL);
		assert_int_equal(won, !exists(agent, "/reboots"));
		json_decref(marker);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, agent_root_setup, agent_root_teardown)
	const struct CMUnitTest tests[] = {
	    CASE(test_token),         CASE(test_without_terms), CASE(test_expires),
	    CASE(test_not_the_trial), CASE(test_guests),        CASE(test_race),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
