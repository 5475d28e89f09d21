/* nova_service: when a service is restarted, and what its log is taken for. */
#include "node-agent/tasks/nova_errors.h"
#include "node-agent/tasks/nova_health.h"
#include "node-agent/tasks/nova_task.h"
#include "tests/unit/nova_host.h"

/* A run that was cut off between the edit and the restart is made good. */
static void test_cut_off(void **state)
{
	struct task_host *host = *state;
	want_gpu(host);
	assert_true(apply(host, "zero", CONFIG("nova-compute")));
	undo(host, "zero"); /* the service never saw it */
	assert_string_equal(restarts(host), "");
	want_gpu(host);
	assert_true(apply(host, "one", CONFIG("nova-compute")));
	assert_string_equal(restarts(host), "");
	facts_refresh(host);
	json_t *plan = host_plan(host, COMPUTE);
	assert_string_equal(task_member(plan, 0, "status"), "ok");
	assert_string_equal(task_member(plan, 1, "status"), "change");
	json_decref(plan);
	assert_true(apply(host, "two", COMPUTE));
	assert_string_equal(restarts(host), "restart nova-compute.service\n");
}

static void service_fails(struct task_host *host, const char *operation, const char *words)
{
	bool changed, reboot;
	struct gf_err err;
	host_shell(host, "echo >>etc/nova/nova-compute.conf");
	want_gpu(host);
	assert_int_equal(host_apply(host, operation, COMPUTE, &changed, &reboot, &err), -1);
	assert_int_equal(err.code, GF_E_TASK);
	if (!strstr(err.msg, words))
		fail_msg("%s", err.msg);
	assert_null(strstr(err.msg, "geheim"));
}

static void test_unhealthy(void **state)
{
	struct task_host *host = *state;
	host_shell(host,
	           "echo 'ERROR nova nova.exception.PciConfigInvalidSpec: Invalid "
	           "[pci]device_spec config: bad' >../control/fault/log-nova-compute.service");
	service_fails(
	    host, "one",
	    "nova-compute.service is up, but not healthy: \"PciConfigInvalidSpec: Invalid "
	    "[pci]device_spec config: bad\": an entry of [pci] device_spec is none that");
	host_shell(host, ": >../control/fault/start-nova-compute.service");
	service_fails(host, "two", "nova-compute.service could not be restarted: \"PciConfig");
	host_shell(host, "echo 'x CRITICAL nova Unhandled: amqp://nova:geheim@ctl' "
	                 ">../control/fault/log-nova-compute.service");
	service_fails(host, "three",
	              "could not be restarted: \"x CRITICAL nova Unhandled: amqp://***@ctl\"");
	host_shell(host, "rm ../control/fault/start-nova-compute.service; "
	                 ": >../control/fault/again-nova-compute.service");
	service_fails(host, "four", "ends again and again after its restart");
	/* What is left of it is mended by the next run. */
	host_shell(host, "rm ../control/fault/*; echo 'Unable to remove device with status "
	                 "allocated' >../control/fault/log-nova-compute.service");
	host_shell(host, "echo 'enabled failed' >../control/units/nova-compute.service");
	want_gpu(host);
	assert_true(apply(host, "five", COMPUTE));
	assert_non_null(strstr(last_event(host, "message"), "still in use"));
}

/* It is up and has refused its configuration: it is younger than its files, and no good one. */
static void test_unproven(void **state)
{
	struct task_host *host = *state;
	host_shell(host, "echo 'nova.exception.PciInvalidAlias: bad' "
	                 ">../control/fault/log-nova-compute.service");
	service_fails(host, "one", "is up, but not healthy: \"PciInvalidAlias: bad\"");
	facts_refresh(host);
	assert_true(json_is_true(json_object_get(
	    json_array_get(json_object_get(json_object_get(host->facts, "nova"), "services"), 0),
	    "unproven")));
	json_t *plan = host_plan(host, COMPUTE);
	assert_string_equal(task_member(plan, 0, "status"), "ok");
	assert_string_equal(task_member(plan, 1, "status"), "change");
	assert_non_null(
	    strstr(json_string_value(json_object_get(
	               json_array_get(json_object_get(plan_task(plan, 1), "changes"), 0), "diff")),
	           "its last restart was not seen to end well"));
	json_decref(plan);
	want_gpu(host);
	bool changed, reboot;
	struct gf_err err;
	assert_int_equal(host_apply(host, "two", COMPUTE, &changed, &reboot, &err), -1);
	host_shell(host, "rm ../control/fault/*");
	want_gpu(host);
	assert_true(apply(host, "three", COMPUTE));
	want_gpu(host);
	assert_false(apply(host, "four", COMPUTE));
	assert_false(root_exists(&host->root, NOVA_UNPROVEN_DIR));
}

/* Neither is it well after an undo that found it so. */
static void test_unproven_undo(void **state)
{
	struct task_host *host = *state;
	struct gf_err err;
	host_shell(host, "echo 'nova.exception.PciInvalidAlias: bad' "
	                 ">../control/fault/log-nova-compute.service");
	service_fails(host, "one", "not healthy");
	assert_int_equal(nova_service_undo(&host->root, "nova-compute", &err), -1);
	host_shell(host, "rm ../control/fault/*");
	assert_int_equal(nova_service_undo(&host->root, "nova-compute", &err), 1);
	assert_int_equal(nova_service_undo(&host->root, "nova-compute", &err), 0);
}

/* What somebody stopped for good is left so. */
static void test_stopped(void **state)
{
	struct task_host *host = *state;
	host_shell(host, "echo 'disabled inactive' >../control/units/nova-compute.service");
	units_boot(host);
	want_gpu(host);
	json_object_set_new(json_object_get(host->context, "nova"), "options", json_array());
	assert_false(apply(host, "one", COMPUTE));
	assert_non_null(strstr(last_event(host, "message"), "not enabled: left so"));
	host_shell(host, "echo 'enabled inactive' >../control/units/nova-compute.service");
	assert_true(plan_changes(host, COMPUTE));
}

/* Several services of one file: each that is told something is restarted by its own task, the
 * conductor is not; an undo restarts both. */
static void test_control(void **state)
{
	struct task_host *host = *state;
	host_shell(host, "rm -r lib/systemd/system/nova-compute.service proc/5* "
	                 "../control/units/nova-compute.service; "
	                 "printf '[uwsgi]\\nwsgi-file = /usr/bin/nova-api-wsgi\\n' "
	                 ">etc/nova/nova-api-uwsgi.ini");
	unit_set(host, "nova-api.service", "enabled active",
	         "/usr/bin/uwsgi_python311 --ini /etc/nova/nova-api-uwsgi.ini");
	unit_set(host, "nova-scheduler.service", "enabled active",
	         "/usr/bin/python3 /usr/bin/nova-scheduler --config-file=/etc/nova/nova.conf");
	unit_set(host, "nova-conductor.service", "enabled active",
	         "/usr/bin/python3 /usr/bin/nova-conductor --config-file=/etc/nova/nova.conf");
	units_boot(host);
	static const char stage[] =
	    "{\"name\": \"control\", \"role\": \"control\", \"tasks\": ["
	    "{\"type\": \"nova_config\", \"name\": \"a\", \"service\": \"nova-api\"},"
	    "{\"type\": \"nova_config\", \"name\": \"b\", \"service\": \"nova-scheduler\"},"
	    "{\"type\": \"nova_service\", \"name\": \"c\", \"service\": \"nova-scheduler\", "
	    "\"settle\": 1},"
	    "{\"type\": \"nova_service\", \"name\": \"d\", \"service\": \"nova-api\", "
	    "\"settle\": 1},"
	    "{\"type\": \"nova_service\", \"name\": \"e\", \"service\": \"nova-conductor\"}]}";
	static const char wish[] =
	    "[{'section':'pci','name':'alias','kind':'multi','identity':'name','values':['{}'],"
	    "'services':['nova-api']},{'section':'filter_scheduler','name':'enabled_filters',"
	    "'kind':'list-add','values':['P'],'default':['A'],'services':['nova-scheduler']}]";
	want(host, wish);
	assert_true(apply(host, "one", stage));
	assert_string_equal(restarts(host),
	                    "restart nova-scheduler.service\nrestart nova-api.service\n");
	want(host, wish);
	assert_false(apply(host, "two", stage));
	undo(host, "one");
	file_is(host, "/etc/nova/nova.conf", nova_conf);
	assert_string_equal(restarts(host),
	                    "restart nova-scheduler.service\nrestart nova-api.service\n"
	                    "restart nova-api.service\nrestart nova-scheduler.service\n");
}

/* A container that no unit stands for. */
static void test_docker(void **state)
{
	struct task_host *host = *state;
	struct nova_target target = {.service = "nova-compute",
	                             .unit = "",
	                             .engine = "docker",
	                             .container = "nova_compute",
	                             .log = ""};
	struct nova_state now;
	struct gf_err err;
	host_shell(host,
	           "printf '#!/bin/sh\\n[ \"$1\" = restart ] || echo running 7 0\\necho \"$*\" "
	           ">>../control/programs.log\\n' >usr/bin/docker; chmod 755 usr/bin/docker; "
	           "sed -i \"s|\\.\\./control|$PWD/../control|\" usr/bin/docker");
	assert_int_equal(nova_state_look(&host->root, &target, &now, &err), 0);
	assert_true(now.active);
	assert_int_equal(now.pid, 7);
	assert_int_equal(nova_restart(&host->root, &target, 20, 1, NULL, 0, &err), 0);
	assert_string_equal(host_output(host, "grep -c 'restart nova_compute' "
	                                      "../control/programs.log"),
	                    "1\n");
}

static void test_errors(void **state)
{
	static const struct {
		const char *log, *pattern, *quote;
	} cases[] = {
	    {"", NULL, ""},
	    {"INFO all is well\n", NULL, ""},
	    {"Traceback\nnova.exception.PciInvalidAlias: Invalid PCI alias definition: x\nmore\n",
	     "PciInvalidAlias", "PciInvalidAlias: Invalid PCI alias definition: x"},
	    {"a InventoryInUse: 1\nb InventoryInUse: 2\t3\n", "InventoryInUse",
	     "InventoryInUse: 2 3"},
	    {"nova.exception.PlacementPciMixedTraitsException: VFs",
	     "PlacementPciMixedTraitsException", "PlacementPciMixedTraitsException: VFs"},
	};
	char quote[NOVA_QUOTE_SIZE];
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct nova_error *error = nova_error_find(cases[i].log, false, quote);
		assert_int_equal(error != NULL, cases[i].pattern != NULL);
		assert_string_equal(quote, cases[i].quote);
		if (error)
			assert_string_equal(error->pattern, cases[i].pattern);
	}
	nova_error_last("a ERROR b\nc\nd CRITICAL e\nf", quote);
	assert_string_equal(quote, "d CRITICAL e");
	char *log = malloc(4001);
	memset(log, 'x', 4000);
	memcpy(log, "PciInvalidAlias \xc3\xa4", 18);
	for (size_t i = 18; i + 1 < 4000; i += 2)
		memcpy(log + i, "\xc3\xa4", 2);
	log[4000] = '\0';
	assert_non_null(nova_error_find(log, false, quote));
	json_t *text = json_string(quote);
	assert_non_null(text);
	json_decref(text);
	free(log);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    NOVA_CASE(test_cut_off),       NOVA_CASE(test_unhealthy),     NOVA_CASE(test_unproven),
	    NOVA_CASE(test_unproven_undo), NOVA_CASE(test_stopped),       NOVA_CASE(test_control),
	    NOVA_CASE(test_docker),        cmocka_unit_test(test_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
