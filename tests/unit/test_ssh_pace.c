/* How many connections are asked for at once, against a model of what sshd does with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "controller/ssh/ssh_pace.h"

static unsigned begin_all(struct ssh_pace *pace, uint64_t now)
{
	unsigned begun = 0;
	for (; ssh_pace_wait(pace, now) == 0; begun++)
		ssh_pace_begin(pace);
	return begun;
}

static void eight_at_once(void **state)
{
	(void)state;
	struct ssh_pace pace;
	ssh_pace_init(&pace);
	assert_int_equal(begin_all(&pace, 1000), 8);
	assert_true(ssh_pace_wait(&pace, 1000) == UINT64_MAX);
	ssh_pace_end(&pace, SSH_PACE_OTHER, 1000);
	assert_int_equal(begin_all(&pace, 1000), 1);
	for (unsigned i = 0; i < 100; i++) {
		ssh_pace_end(&pace, SSH_PACE_IN, 1000);
		assert_int_equal(begin_all(&pace, 1000), 1);
	}
	assert_int_equal(ssh_pace_refused_ms(&pace, 1000), 0);
}

static void refusals_of_one_burst_are_one(void **state)
{
	(void)state;
	struct ssh_pace pace;
	ssh_pace_init(&pace);
	begin_all(&pace, 1000);
	for (unsigned i = 0; i < 8; i++)
		ssh_pace_end(&pace, SSH_PACE_REFUSED, 1000 + i);
	assert_int_equal(ssh_pace_wait(&pace, 1050), 150);
	assert_int_equal(begin_all(&pace, 1199), 0);
	assert_int_equal(begin_all(&pace, 1200), 4);
	assert_int_equal(ssh_pace_refused_ms(&pace, 1200), 200);
}

/* Each refusal doubles the pause, up to a bound; one that gets in ends it. */
static void pauses_grow_and_end(void **state)
{
	(void)state;
	struct ssh_pace pace;
	uint64_t now = 0;
	static const unsigned pauses[] = {200, 400, 800, 1600, 3200, 6400, 8000, 8000};
	ssh_pace_init(&pace);
	for (unsigned i = 0; i < 8; i++) {
		ssh_pace_begin(&pace);
		ssh_pace_end(&pace, SSH_PACE_REFUSED, now);
		assert_int_equal(ssh_pace_wait(&pace, now), pauses[i]);
		now += pauses[i];
	}
	assert_int_equal(begin_all(&pace, now), 1);
	assert_int_equal(ssh_pace_refused_ms(&pace, now), now - 1);
	ssh_pace_end(&pace, SSH_PACE_IN, now);
	assert_int_equal(ssh_pace_refused_ms(&pace, now), 0);
	assert_true(pace.served);
	ssh_pace_begin(&pace);
	ssh_pace_end(&pace, SSH_PACE_REFUSED, now);
	assert_int_equal(ssh_pace_wait(&pace, now), 200);
}

/* What may be forgotten of a server. */
static void idle_is_as_new(void **state)
{
	struct ssh_pace pace;
	uint64_t now = 1;
	(void)state;
	ssh_pace_init(&pace);
	assert_true(ssh_pace_idle(&pace));
	ssh_pace_begin(&pace);
	assert_false(ssh_pace_idle(&pace));
	ssh_pace_end(&pace, SSH_PACE_OTHER, now);
	assert_true(ssh_pace_idle(&pace));
	ssh_pace_begin(&pace);
	ssh_pace_end(&pace, SSH_PACE_REFUSED, now);
	assert_false(ssh_pace_idle(&pace));
	/* It is idle again when its window is what it was. */
	for (int i = 0; i < 200 && !ssh_pace_idle(&pace); i++) {
		now += 10000;
		ssh_pace_begin(&pace);
		ssh_pace_end(&pace, SSH_PACE_IN, now);
		assert_int_equal(ssh_pace_idle(&pace), pace.window >= SSH_PACE_MAX);
	}
	assert_true(ssh_pace_idle(&pace));
}

#define HOSTS 500

/* An sshd that takes LIMIT pending ones and drops the others, each login taking 20 to 60 ms.
 * Returns how many it dropped; fails when not all get in within LIMIT_MS. */
static unsigned serve(unsigned limit, unsigned login_ms, unsigned limit_ms)
{
	struct ssh_pace pace;
	uint64_t ends[SSH_PACE_MAX] = {0};
	unsigned busy = 0, in = 0, begun = 0, dropped = 0;
	ssh_pace_init(&pace);
	for (uint64_t now = 1; in < HOSTS; now++) {
		if (now > limit_ms)
			fail_msg("%u of %u are in after %u ms", in, HOSTS, limit_ms);
		for (unsigned i = 0; i < SSH_PACE_MAX; i++)
			if (ends[i] == now) {
				ends[i] = 0;
				busy--;
				in++;
				ssh_pace_end(&pace, SSH_PACE_IN, now);
			}
		while (begun < HOSTS && ssh_pace_wait(&pace, now) == 0) {
			ssh_pace_begin(&pace);
			if (busy >= limit) {
				dropped++;
				ssh_pace_end(&pace, SSH_PACE_REFUSED, now);
				continue;
			}
			unsigned i = 0;
			while (ends[i])
				i++;
			ends[i] = now + login_ms + begun * 7919 % 40;
			busy++;
			begun++;
		}
	}
	assert_int_equal(pace.pending, 0);
	return dropped;
}

static void five_hundred_get_in(void **state)
{
	(void)state;
	assert_int_equal(serve(10, 20, 6000), 0);
	assert_int_equal(serve(8, 20, 6000), 0);
	/* A narrower door costs some refusals, which must stay few. */
	assert_in_range(serve(5, 20, 10000), 1, 20);
	assert_in_range(serve(2, 20, 30000), 1, 60);
	assert_in_range(serve(1, 20, 60000), 1, 150);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(eight_at_once),       cmocka_unit_test(refusals_of_one_burst_are_one),
	    cmocka_unit_test(pauses_grow_and_end), cmocka_unit_test(idle_is_as_new),
	    cmocka_unit_test(five_hundred_get_in),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
