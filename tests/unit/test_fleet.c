/* test_fleet.c: the rules by which a fleet lets hosts begin, and what the end means, on scripted
 * hosts and a virtual clock (tests/unit/fleet/world.h). */
#include "tests/unit/fleet/fleet_case.h"

static void whole_apply_and_nothing_left(void **state)
{
	(void)state;
	world_init(&world, 5, 1);
	rollout()->max_unavailable = 2;
	assert_int_equal(world_run(&world), 0);
	for (size_t i = 0; i < 5; i++) {
		assert_true(world_proven(&world.hosts[i]));
		assert_int_equal(world.hosts[i].reboots, 1);
		assert_int_equal(world.hosts[i].begun, 2);
		assert_int_equal(world_open_intents(&world, i), 0);
	}
	assert_int_equal(world.most_down, 2);
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(reboots(), 5);
	assert_int_equal(world.hosts[4].begun, 2);
	assert_int_equal(world.hosts[4].starts, 1);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* The next wave opens when the last one is at its end; inside one, nobody waits for the slowest. */
static void waves_open_one_after_another(void **state)
{
	(void)state;
	world_init(&world, 8, 1);
	waves_set(1, 4);
	rollout()->max_unavailable = 2;
	world.hosts[1].boot_ms = 500000;
	assert_int_equal(world_run(&world), 0);
	assert_true(world.hosts[1].started_at >= world.hosts[0].finished_at);
	for (size_t i = 4; i < 8; i++)
		assert_true(world.hosts[i].started_at >= world.hosts[1].finished_at);
	assert_true(world.hosts[3].started_at < world.hosts[1].finished_at);
	assert_true(world_ok(&world));
	world_free(&world);
}

static void domains_have_their_own_limit(void **state)
{
	(void)state;
	world_init(&world, 6, 1);
	for (size_t i = 0; i < 6; i++)
		snprintf(world.hosts[i].domain, sizeof(world.hosts[i].domain), "rack%zu", i / 3);
	rollout()->max_unavailable = 4;
	rollout()->per_domain = 1;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.most_down, 2);
	assert_true(world_ok(&world));
	world_free(&world);
}

static void forks_bound_connections(void **state)
{
	(void)state;
	world_init(&world, 9, 1);
	world.forks = 3;
	rollout()->max_unavailable = 9;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.most_active, 3);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* Who waits for nothing but the record of its end holds a place that others wait for. */
static void ends_are_written_at_once_when_many_wait(void **state)
{
	(void)state;
	world_init(&world, 1, 1);
	world.job = JOB_SCAN;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.hurried, 1);
	world_free(&world);
	/* All of them end between two commits. */
	world_init(&world, 40, 1);
	world.job = JOB_SCAN;
	world.forks = 40;
	assert_int_equal(world_run(&world), 0);
	assert_in_range(world.hurried, 1, 31);
	world_free(&world);
}

static void budget_used_up_halts(void **state)
{
	(void)state;
	world_init(&world, 6, 1);
	rollout()->max_failures = 1;
	world.hosts[1].fails = world.hosts[2].fails = true;
	assert_int_equal(world_run(&world), 3);
	assert_int_equal(with_verdict(HOST_DONE), 1);
	assert_int_equal(with_verdict(HOST_FAILED), 2);
	assert_int_equal(with_verdict(HOST_SKIPPED), 3);
	assert_non_null(strstr(world.hosts[5].err.msg, "failure budget"));
	assert_int_equal(world.hosts[5].begun, 0);
	/* What failed may be mended; then the same command goes on. */
	world.hosts[1].fails = world.hosts[2].fails = false;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(reboots(), 6);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* The last host's failure is one too many, too; a tolerated one is not. */
static void budget_counts_with_nobody_left(void **state)
{
	(void)state;
	world_init(&world, 1, 1);
	world.hosts[0].fails = true;
	assert_int_equal(world_run(&world), 3);
	world_free(&world);
	world_init(&world, 3, 1);
	rollout()->max_failures = 1;
	world.hosts[2].fails = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(with_verdict(HOST_DONE), 2);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* What fails while it is looked at uses the budget up, before anybody is touched. */
static void budget_counts_failures_of_looking(void **state)
{
	(void)state;
	world_init(&world, 3, 1);
	world.hosts[2].plan_fails = true;
	assert_int_equal(world_run(&world), 3);
	assert_int_equal(with_verdict(HOST_SKIPPED), 2);
	assert_int_equal(world.hosts[0].begun, 0);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* `plan` halts nothing, whatever fails. */
static void plan_has_no_budget(void **state)
{
	(void)state;
	world_init(&world, 3, 1);
	world.job = JOB_PLAN;
	world.hosts[0].plan_fails = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(with_verdict(HOST_DONE), 2);
	assert_int_equal(reboots(), 0);
	world_free(&world);
}

static void blocked_is_no_failure(void **state)
{
	(void)state;
	world_init(&world, 4, 1);
	world.hosts[0].blocked = world.hosts[1].guests = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(with_verdict(HOST_BLOCKED), 2);
	assert_int_equal(with_verdict(HOST_DONE), 2);
	assert_int_equal(world.hosts[0].begun + world.hosts[1].begun, 0);
	assert_true(world_ok(&world));
	world_free(&world);
}

static void unreachable_takes_a_slot(void **state)
{
	(void)state;
	world_init(&world, 4, 1);
	rollout()->max_unavailable = 2;
	world.hosts[3].refuses = true;
	assert_int_equal(world_run(&world), 4);
	assert_int_equal(with_verdict(HOST_UNREACHABLE), 1);
	assert_int_equal(with_verdict(HOST_DONE), 3);
	assert_true(world_ok(&world));
	world_free(&world);
	/* With one slot, nobody can go down beside it. */
	world_init(&world, 4, 1);
	world.hosts[3].refuses = true;
	assert_int_equal(world_run(&world), 3);
	assert_int_equal(with_verdict(HOST_SKIPPED), 3);
	assert_non_null(strstr(world.hosts[0].err.msg, "max_unavailable"));
	assert_int_equal(reboots(), 0);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* Left in the middle of a reboot by a run on all hosts, it takes its slot in a run that leaves it
 * out, too. */
static void down_outside_the_selection_takes_a_slot(void **state)
{
	(void)state;
	world_init(&world, 3, 1);
	world.hosts[0].never_returns = true;
	assert_int_equal(world_run(&world), 3);
	for (size_t i = 0; i < 2; i++)
		world.selected[i] = i + 1;
	world.selected_count = 2;
	assert_int_equal(world_run(&world), 3);
	assert_int_equal(reboots(), 1);
	rollout()->max_unavailable = 2;
	rollout()->per_domain = 1;
	for (size_t i = 0; i < 3; i++)
		snprintf(world.hosts[i].domain, sizeof(world.hosts[i].domain), "rack");
	assert_int_equal(world_run(&world), 3);
	rollout()->per_domain = 0;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(reboots(), 3);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* Lost in the middle of its work, it takes its slot in later runs, until one hears of it. */
static void lost_outside_the_selection_takes_a_slot(void **state)
{
	(void)state;
	world_init(&world, 3, 1);
	rollout()->max_failures = 1;
	world.hosts[0].dies = true;
	world.hosts[0].boot_ms = 3600000;
	assert_int_equal(world_run(&world), 3);
	assert_int_equal(world.hosts[0].err.code, GF_E_LOST);
	for (size_t i = 0; i < 2; i++)
		world.selected[i] = i + 1;
	world.selected_count = 2;
	assert_int_equal(world_run(&world), 3);
	assert_int_equal(reboots(), 0);
	world_wait(&world, 3600000);
	world.hosts[0].boot_ms = 90000;
	world.job = JOB_SCAN;
	world.selected[0] = 0;
	world.selected_count = 1;
	assert_int_equal(world_run(&world), 0);
	world.job = JOB_APPLY;
	for (size_t i = 0; i < 2; i++)
		world.selected[i] = i + 1;
	world.selected_count = 2;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(reboots(), 2);
	assert_true(world_ok(&world));
	world_free(&world);
}

static void never_back_is_a_failure(void **state)
{
	(void)state;
	world_init(&world, 3, 1);
	rollout()->max_failures = 1;
	rollout()->max_unavailable = 2;
	world.hosts[0].never_returns = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(world.hosts[0].verdict, HOST_FAILED);
	assert_int_equal(with_verdict(HOST_DONE), 2);
	/* It was waited for as long as the inventory says. */
	assert_true(world.hosts[0].finished_at - world.hosts[0].started_at >= 600000);
	assert_true(world_ok(&world));
	world_free(&world);
}

static void ineffective_reboot_is_not_repeated(void **state)
{
	(void)state;
	world_init(&world, 1, 1);
	world.hosts[0].ineffective = true;
	assert_int_equal(world_run(&world), 3);
	assert_int_equal(world.hosts[0].reboots, 1);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* The agent's word is not enough: the devices are looked at. */
static void lying_agent_is_not_believed(void **state)
{
	(void)state;
	world_init(&world, 1, 1);
	world.hosts[0].ineffective = world.hosts[0].lies = true;
	assert_int_equal(world_run(&world), 3);
	assert_non_null(strstr(world.hosts[0].err.msg, "nouveau, expected vfio-pci"));
	assert_true(world_ok(&world));
	world_free(&world);
}

static void ignored_reboot_is_asked_for_again(void **state)
{
	(void)state;
	world_init(&world, 1, 1);
	world.hosts[0].reboot_ignored = true;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.hosts[0].reboots, 1);
	assert_true(world_ok(&world));
	world_free(&world);
}

static void lost_connections_do_nothing_twice(void **state)
{
	(void)state;
	world_init(&world, 2, 1);
	world.hosts[0].cuts = 5;
	world.hosts[1].dies = true;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.hosts[0].begun, 2);
	assert_int_equal(world.hosts[0].reboots, 1);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* Each hello says that it is up: that alone must not be waited on for ever. */
static void host_that_hangs_has_an_end(void **state)
{
	(void)state;
	world_init(&world, 2, 1);
	rollout()->max_failures = 1;
	rollout()->max_unavailable = 2; /* it counts as lost */
	world.hosts[0].hangs = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(world.hosts[0].verdict, HOST_FAILED);
	assert_non_null(strstr(world.hosts[0].err.msg, "has hung 3 times in a row"));
	assert_int_equal(world.hosts[1].verdict, HOST_DONE);
	world.hosts[0].hangs = false;
	assert_int_equal(world_run(&world), 0);
	assert_true(world_ok(&world));
	world_free(&world);
}

static void full_store_stops_before_acting(void **state)
{
	(void)state;
	world_init(&world, 2, 1);
	world.store_full = true;
	assert_int_equal(world_run(&world), 3);
	assert_int_equal(world.hosts[0].begun + world.hosts[1].begun, 0);
	assert_int_equal(reboots(), 0);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* Control hosts run their own stage, one at a time, once the first wave is through; they are never
 * rebooted and take no slot. */
static void control_hosts_come_after_the_first_wave(void **state)
{
	(void)state;
	world_init(&world, 6, 1);
	waves_set(2, 3);
	world.hosts[0].control = world.hosts[3].control = true;
	assert_int_equal(world_run(&world), 0);
	for (size_t i = 0; i < 6; i++) {
		bool control = world.hosts[i].control;

		assert_int_equal(world.hosts[i].verdict, HOST_DONE);
		assert_int_equal(world.hosts[i].reboots, control ? 0 : 1);
		assert_int_equal(world.hosts[i].begun, control ? 1 : 2);
	}
	for (size_t i = 0; i < 4; i += 3) {
		assert_true(world.hosts[i].started_at >= world.hosts[1].finished_at);
		assert_true(world.hosts[i].started_at >= world.hosts[2].finished_at);
	}
	/* The waves go on beside them: nobody waits for a control host. */
	assert_true(world.hosts[3].started_at >= world.hosts[0].finished_at);
	assert_true(world.hosts[0].started_at < world.hosts[5].finished_at);
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.hosts[0].begun, 1);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* Nothing is offered before a host is ready; and a control host that fails counts. */
static void control_hosts_need_a_ready_host(void **state)
{
	(void)state;
	world_init(&world, 3, 1);
	world.hosts[2].control = true;
	world.hosts[0].blocked = world.hosts[1].blocked = true;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(world.hosts[2].verdict, HOST_SKIPPED);
	assert_non_null(
	    strstr(world.hosts[2].err.msg, "none of this run's compute hosts is ready"));
	assert_int_equal(world.hosts[2].begun, 0);
	world.hosts[1].blocked = false;
	assert_int_equal(world_run(&world), 2);
	assert_int_equal(world.hosts[2].verdict, HOST_DONE);
	assert_true(world_ok(&world));
	world_free(&world);
	/* Named alone, it needs none. */
	world_init(&world, 2, 1);
	world.hosts[1].control = true;
	world.selected[0] = 1;
	world.selected_count = 1;
	assert_int_equal(world_run(&world), 0);
	assert_int_equal(world.hosts[1].begun, 1);
	world.hosts[1].tuned = false;
	world.hosts[1].fails = true;
	assert_int_equal(world_run(&world), 3);
	assert_true(world_ok(&world));
	world_free(&world);
}

/* The first ^C, wherever it comes: what is under way goes on to its end, nothing begins; and the
 * same command brings the rest. */
static void stop_lets_go_on(void **state)
{
	size_t effects;

	(void)state;
	world_init(&world, 3, 1);
	assert_int_equal(world_run(&world), 0);
	effects = world.effects;
	world_free(&world);
	for (size_t after = 1; after < effects; after++) {
		world_init(&world, 3, 1);
		world.stop_after = after;
		world_run(&world);
		for (size_t i = 0; i < 3; i++) {
			const struct world_host *host = &world.hosts[i];

			if (!world_proven(host) && host->verdict != HOST_SKIPPED)
				fail_msg("stopped after %zu: %s is %s", after, host->name,
				         host_state_name(host->verdict));
			assert_true(host->verdict != HOST_SKIPPED || host->begun == 0);
		}
		assert_int_equal(world.status, with_verdict(HOST_SKIPPED) ? 130 : 0);
		world.stop_after = 0;
		assert_int_equal(world_run(&world), 0);
		assert_int_equal(reboots(), 3);
		assert_true(world_ok(&world));
		world_free(&world);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whole_apply_and_nothing_left),
	    cmocka_unit_test(waves_open_one_after_another),
	    cmocka_unit_test(domains_have_their_own_limit),
	    cmocka_unit_test(forks_bound_connections),
	    cmocka_unit_test(ends_are_written_at_once_when_many_wait),
	    cmocka_unit_test(budget_used_up_halts),
	    cmocka_unit_test(budget_counts_with_nobody_left),
	    cmocka_unit_test(budget_counts_failures_of_looking),
	    cmocka_unit_test(plan_has_no_budget),
	    cmocka_unit_test(blocked_is_no_failure),
	    cmocka_unit_test(unreachable_takes_a_slot),
	    cmocka_unit_test(down_outside_the_selection_takes_a_slot),
	    cmocka_unit_test(lost_outside_the_selection_takes_a_slot),
	    cmocka_unit_test(never_back_is_a_failure),
	    cmocka_unit_test(ineffective_reboot_is_not_repeated),
	    cmocka_unit_test(lying_agent_is_not_believed),
	    cmocka_unit_test(ignored_reboot_is_asked_for_again),
	    cmocka_unit_test(lost_connections_do_nothing_twice),
	    cmocka_unit_test(host_that_hangs_has_an_end),
	    cmocka_unit_test(full_store_stops_before_acting),
	    cmocka_unit_test(control_hosts_come_after_the_first_wave),
	    cmocka_unit_test(control_hosts_need_a_ready_host),
	    cmocka_unit_test(stop_lets_go_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
