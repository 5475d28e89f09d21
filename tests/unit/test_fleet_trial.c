/* Trials that are no good, can't be reached, or that nobody is there for: how they end. */
#include "tests/unit/fleet/fleet_case.h"

/* COUNT hosts whose boot changes are tried; as many failures are tolerated. */
static void trying_hosts(unsigned count)
{
	world_init(&world, count, 1);
	rollout()->max_failures = count;
	rollout()->confirm_timeout_s = 600;
	for (size_t i = 0; i < count; i++)
		world.hosts[i].tries = true;
}

/* The trial comes up without its devices: the host is sent back while it holds its slot, and the
 * run counts it as failed. */
static void trial_that_is_no_good_is_rolled_back(void **state)
{
	(void)state;
	trying_hosts(3);
	world.hosts[1].ineffective = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(with_verdict(HOST_DONE), 2);
	assert_int_equal(world.hosts[1].verdict, HOST_FAILED);
	assert_non_null(strstr(world.hosts[1].err.msg, "rolled back: "));
	assert_int_equal(world.hosts[1].trial, TRIAL_REVERTED);
	assert_false(world.hosts[1].configured);
	assert_int_equal(world.hosts[1].reboots, 2);
	assert_int_equal(world.hosts[1].commits, 0);
	assert_int_equal(world.most_down, 1);
	assert_true(world.hosts[2].started_at >= world.hosts[1].finished_at);
	assert_int_equal(world_open_intents(&world, 1), 0);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* A card is gone in the trial boot: the host is sent back, that is said, and the next run goes by
 * the cards that are there. */
static void trial_that_loses_a_card_is_rolled_back(void **state)
{
	(void)state;
	trying_hosts(2);
	world.hosts[0].card_vanishes = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(world.hosts[0].verdict, HOST_FAILED);
	assert_non_null(strstr(world.hosts[0].err.msg, "rolled back: "));
	assert_non_null(strstr(world.hosts[0].err.msg, "gone"));
	assert_int_equal(world.hosts[0].trial, TRIAL_REVERTED);
	assert_int_equal(world.hosts[1].verdict, HOST_DONE);
	assert_int_equal(world_run(&world), 0);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* It comes up and nobody can reach it: it goes back by itself, which is waited for. */
static void trial_that_is_cut_off_goes_back(void **state)
{
	(void)state;
	trying_hosts(3);
	world.hosts[1].cut_off = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(with_verdict(HOST_DONE), 2);
	assert_int_equal(world.hosts[1].verdict, HOST_FAILED);
	assert_non_null(
	    strstr(world.hosts[1].err.msg,
	           "rolled back: its trial boot was not reached and proven within "
	           "rollout.confirm_timeout, so it went back by itself: the host is back on "
	           "its former boot entry, files restored"));
	assert_int_equal(world.hosts[1].trial, TRIAL_REVERTED);
	assert_true(world.hosts[1].finished_at - world.hosts[1].started_at > 600000);
	assert_int_equal(world.most_down, 1);
	/* Mended, it is begun again. */
	world.hosts[1].cut_off = false;
	assert_int_equal(world_run(&world), 0);
	assert_true(world_proven(&world.hosts[1]));
	assert_true(world_ok(&world));
	world_free(&world);
}

/* The controller dies while the host boots its trial, which is no good, and the next run finds it
 * there: it is sent back all the same, and that is said. */
static void bad_trial_of_a_dead_run_is_rolled_back(void **state)
{
	(void)state;
	for (int card = 0; card < 2; card++) {
		trying_hosts(1);
		rollout()->confirm_timeout_s = 6000;
		world.hosts[0].ineffective = !card;
		world.hosts[0].card_vanishes = card;
		world_fault_add(&world, &(struct world_fault){.kind = FAULT_CONTROLLER,
		                                              .moment = MOMENT_TRIAL,
		                                              .nth = 1,
		                                              .run = 1});
		assert_int_equal(world_run(&world), -1);
		assert_int_equal(world.hosts[0].trial, TRIAL_UP);
		assert_int_equal(world_run(&world), 2);
		assert_int_equal(world.hosts[0].trial, TRIAL_REVERTED);
		assert_int_equal(world.hosts[0].reboots, 2);
		assert_non_null(strstr(world.hosts[0].err.msg, "rolled back: "));
		assert_int_equal(world_open_intents(&world, 0), 0);
		assert_true(world_ok(&world));
		world_free(&world);
	}
}

/* A worker dies when all is staged, and after each single thing that follows the host may lose its
 * power: also when the stage was to be begun again, and it never heard of that. What it boots is
 * the first go's trial, which is confirmed with the first go's token. */
static void trial_of_the_former_go_is_confirmed(void **state)
{
	unsigned struck;

	(void)state;
	for (size_t effect = 1;; effect++) {
		trying_hosts(1);
		world_fault_add(&world, &(struct world_fault){.kind = FAULT_WORKER_LATE,
		                                              .moment = MOMENT_OPERATION,
		                                              .nth = 1,
		                                              .run = 1});
		world_fault_add(&world, &(struct world_fault){.kind = FAULT_POWER,
		                                              .moment = MOMENT_EFFECT,
		                                              .nth = effect,
		                                              .run = 1,
		                                              .other = WORLD_OWN});
		world_run(&world);
		struck = world.faults.struck[FAULT_POWER];
		world_wait(&world, 600000);
		assert_int_equal(world_run(&world), 0);
		assert_true(world_proven(&world.hosts[0]));
		if (!world_ok(&world))
			fail_msg("power lost after effect %zu", effect);
		world_free(&world);
		if (!struck && effect > 30)
			break;
	}
}

/* The controller is away for longer than trials are confirmed in: whatever it left ends well. */
static void trial_expires_while_nobody_is_there(void **state)
{
	unsigned expired = 0;

	(void)state;
	for (size_t effect = 1;; effect++) {
		int status;

		world_init(&world, 2, 1);
		rollout()->confirm_timeout_s = 600;
		world.hosts[0].tries = world.hosts[1].tries = true;
		world.crash_after = effect;
		status = world_run(&world);
		world.crash_after = 0;
		world_wait(&world, 3600000);
		for (size_t i = 0; i < 2; i++) {
			expired += world.hosts[i].expired;
			assert_int_not_equal(world.hosts[i].trial, TRIAL_UP);
		}
		assert_int_equal(world_run(&world), 0);
		for (size_t i = 0; i < 2; i++) {
			assert_true(world_proven(&world.hosts[i]));
			assert_int_equal(world_open_intents(&world, i), 0);
		}
		assert_true(world_ok(&world));
		world_free(&world);
		if (status >= 0)
			break;
	}
	assert_true(expired > 3);
}

/* A commit goes forward only, also where it is followed up after the connection was lost: the host
 * is not sent back half committed. */
static void commit_that_fails_is_not_sent_back(void **state)
{
	(void)state;
	for (unsigned cuts = 0; cuts < 5; cuts++) {
		world_init(&world, 1, 1);
		rollout()->confirm_timeout_s = 6000;
		world.hosts[0].tries = world.hosts[0].commit_fails = true;
		world.hosts[0].cuts = cuts;
		world.hosts[0].cuts_commits = true;
		assert_int_equal(world_run(&world), 3);
		assert_int_equal(world.hosts[0].reboots, 1);
		assert_int_equal(world.hosts[0].trial, TRIAL_COMMITTING);
		assert_non_null(strstr(world.hosts[0].err.msg, "making it the default failed"));
		world.hosts[0].commit_fails = false;
		assert_int_equal(world_run(&world), 0);
		assert_int_equal(world.hosts[0].reboots, 1);
		assert_true(world_proven(&world.hosts[0]));
		assert_true(world_ok(&world));
		world_free(&world);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(trial_that_is_no_good_is_rolled_back),
	    cmocka_unit_test(trial_that_loses_a_card_is_rolled_back),
	    cmocka_unit_test(trial_that_is_cut_off_goes_back),
	    cmocka_unit_test(bad_trial_of_a_dead_run_is_rolled_back),
	    cmocka_unit_test(trial_of_the_former_go_is_confirmed),
	    cmocka_unit_test(trial_expires_while_nobody_is_there),
	    cmocka_unit_test(commit_that_fails_is_not_sent_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
