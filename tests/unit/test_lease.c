/* test_lease.c: which run may change a host. */
#include "tests/unit/agent_root.h"

#include <time.h>

#include "node-agent/lease.h"

static void test_lease(void **state)
{
	struct agent *agent = *state;
	struct gf_err err;
	assert_int_equal(lease_check(agent, "run1", NULL), 0); /* nothing is there */
	assert_int_equal(lease_take(agent, "run1", "alice", "ctl1", false, NULL), 0);
	assert_int_equal(lease_take(agent, "run1", "alice", "ctl1", false, NULL), 0);
	assert_int_equal(lease_check(agent, "run1", NULL), 0);
	assert_int_equal(lease_check(agent, "run2", &err), -1);
	assert_int_equal(err.code, GF_E_LEASE);
	assert_non_null(strstr(err.msg, "run run1, started by alice on ctl1"));
	assert_int_equal(lease_check(agent, NULL, &err), -1);
	assert_int_equal(lease_take(agent, "run2", "bob", "ctl2", false, &err), -1);
	assert_int_equal(lease_release(agent, "run2", NULL), 0); /* not its own: stays */
	assert_int_equal(lease_check(agent, "run2", &err), -1);
	assert_int_equal(lease_take(agent, "run2", "bob", "ctl2", true, NULL), 0);
	assert_int_equal(lease_check(agent, "run1", &err), -1);
	assert_int_equal(lease_release(agent, "run2", NULL), 0);
	assert_int_equal(lease_check(agent, "run1", NULL), 0);
}

static void test_lease_ends(void **state)
{
	struct agent *agent = *state;
	char text[200];
	snprintf(text, sizeof(text),
	         "{\"run\":\"old\",\"who\":\"x\",\"where\":\"y\",\"renewed\":%lld}",
	         (long long)time(NULL) - LEASE_LIFE_S - 1);
	agent_root_file(&agent->root, "/var/lib/gpufleet/lease.json", text);
	assert_int_equal(lease_take(agent, "new", "alice", "ctl1", false, NULL), 0);
	agent_root_file(&agent->root, "/var/lib/gpufleet/lease.json", "garbage");
	assert_int_equal(lease_take(agent, "newer", "alice", "ctl1", false, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, agent_root_setup, agent_root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(test_lease), TEST(test_lease_ends)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
