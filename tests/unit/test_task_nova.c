/* nova_config: on a simulated host with Debian's files, applied, applied again, undone. */
#include "tests/unit/nova_host.h"

static void test_whole(void **state)
{
	struct task_host *host = *state;
	want_gpu(host);
	json_t *plan = host_plan(host, COMPUTE);
	char *text = json_dumps(plan, 0);
	assert_null(strstr(text, "geheim"));
	assert_non_null(strstr(text, "password = ***"));
	assert_non_null(strstr(text, "+device_spec = "));
	free(text);
	assert_string_equal(task_member(plan, 0, "status"), "change");
	assert_string_equal(task_member(plan, 1, "status"), "change");
	assert_non_null(strstr(task_member(plan, 1, "message"), "guests run on"));
	json_decref(plan);
	file_is(host, "/etc/nova/nova.conf", nova_conf);
	assert_string_equal(restarts(host), "");

	facts_refresh(host);
	assert_true(apply(host, "one", COMPUTE));
	assert_string_equal(restarts(host), "restart nova-compute.service\n");
	assert_string_equal(host_output(host, "stat -c %a etc/nova/nova.conf"), "640\n");
	assert_string_equal(host_output(host, "grep -A1 '^# gpufleet' etc/nova/nova.conf | "
	                                      "grep -c '^alias = \\|^device_spec = '"),
	                    "2\n");
	text = json_dumps(host->events, 0);
	assert_null(strstr(text, "geheim"));
	free(text);

	/* Nothing is restarted when nothing changed. */
	facts_refresh(host);
	assert_false(plan_changes(host, COMPUTE));
	facts_refresh(host);
	assert_false(apply(host, "two", COMPUTE));
	assert_string_equal(restarts(host), "restart nova-compute.service\n");
	assert_string_equal(last_event(host, "message"),
	                    "nova-compute.service runs with its files as they are");

	undo(host, "two");
	undo(host, "one");
	file_is(host, "/etc/nova/nova.conf", nova_conf);
	assert_string_equal(host_output(host, "stat -c %a etc/nova/nova.conf"), "640\n");
	assert_string_equal(restarts(host),
	                    "restart nova-compute.service\nrestart nova-compute.service\n");
	undo(host, "one");
	assert_string_equal(restarts(host),
	                    "restart nova-compute.service\nrestart nova-compute.service\n");
}

/* What others changed since stays; only ours goes. */
static void test_undo_changed(void **state)
{
	struct task_host *host = *state;
	file_set(host, "/etc/nova/nova-compute.conf",
	         "[pci]\nalias = {\"name\": \"gpu\", \"vendor_id\": \"dead\"}\n");
	units_boot(host);
	want_gpu(host);
	assert_true(apply(host, "one", COMPUTE));
	assert_non_null(strstr(host_output(host, "cat etc/nova/nova-compute.conf"),
	                       "# gpufleet: took out: alias = "));
	host_shell(host, "printf '[theirs]\\na = b\\n' >>etc/nova/nova.conf; "
	                 "printf '[theirs]\\nc = d\\n' >>etc/nova/nova-compute.conf");
	undo(host, "one");
	char expected[sizeof(nova_conf) + 64];
	snprintf(expected, sizeof(expected), "%s[theirs]\na = b\n", nova_conf);
	file_is(host, "/etc/nova/nova.conf", expected);
	file_is(host, "/etc/nova/nova-compute.conf",
	        "[pci]\nalias = {\"name\": \"gpu\", \"vendor_id\": \"dead\"}\n[theirs]\nc = d\n");
}

/* The same said by others is enough; what says otherwise is told, or replaced. */
static void test_foreign(void **state)
{
	struct task_host *host = *state;
	file_set(host, "/etc/nova/nova-compute.conf",
	         "[pci]\npassthrough_whitelist = [{\"address\":\"0000:01:00.0\"}]\n"
	         "alias = {\"vendor_id\":\"10de\",\"product_id\":\"1b06\",\"name\":\"gpu\"}\n"
	         "alias = {\"name\": \"other\"}\n");
	units_boot(host);
	want_gpu(host);
	assert_false(plan_changes(host, CONFIG("nova-compute")));
	file_set(host, "/etc/nova/nova-compute.conf",
	         "[DEFAULT]\npci_passthrough_whitelist = {\"vendor_id\": \"10de\"}\n");
	want_gpu(host);
	json_t *plan = host_plan(host, CONFIG("nova-compute"));
	assert_string_equal(task_member(plan, 0, "message"),
	                    "[DEFAULT] pci_passthrough_whitelist of others stays: "
	                    "/etc/nova/nova-compute.conf:2");
	json_decref(plan);
	/* Ours of another release, or of a former wish, go. */
	want(host, "[{'section':'pci','name':'alias','kind':'multi','identity':'name','values':["
	           "'{}']}]");
	assert_true(apply(host, "one", CONFIG("nova-compute")));
	want_gpu(host);
	assert_true(apply(host, "two", CONFIG("nova-compute")));
	assert_string_equal(host_output(host, "grep -c '^alias = ' etc/nova/nova.conf"), "1\n");
	want(host, "[{'section':'pci','name':'alias','kind':'multi','values':[]},"
	           "{'section':'pci','name':'device_spec','kind':'multi','values':[]}]");
	assert_true(apply(host, "three", CONFIG("nova-compute")));
	file_is(host, "/etc/nova/nova.conf", nova_conf);
}

/* A wrong alias that was replaced comes back when ours is not wanted any more. */
static void test_replaced(void **state)
{
	struct task_host *host = *state;
	static const char theirs[] =
	    "[pci]\nalias = {\n  \"name\": \"gpu\",\n  \"vendor_id\": \"dead\"}\n"
	    "alias = {\"name\": \"other\"}\n";
	file_set(host, "/etc/nova/nova-compute.conf", theirs);
	want_gpu(host);
	assert_true(apply(host, "one", CONFIG("nova-compute")));
	assert_string_equal(last_event(host, "message"),
	                    "[pci] alias of others says otherwise and is put aside: "
	                    "/etc/nova/nova-compute.conf:2");
	want_gpu(host);
	json_t *plan = host_plan(host, CONFIG("nova-compute"));
	assert_string_equal(task_member(plan, 0, "status"), "ok");
	assert_string_equal(task_member(plan, 0, "message"), "");
	json_decref(plan);
	want(host,
	     "[{'section':'pci','name':'alias','kind':'multi','identity':'name','values':[]}]");
	assert_true(apply(host, "two", CONFIG("nova-compute")));
	file_is(host, "/etc/nova/nova-compute.conf", theirs);
	undo(host, "two");
	undo(host, "one");
	file_is(host, "/etc/nova/nova-compute.conf", theirs);
	file_is(host, "/etc/nova/nova.conf", nova_conf);
}

static void test_list_and_set(void **state)
{
	struct task_host *host = *state;
	unit_set(host, "nova-scheduler.service", "enabled active",
	         "/usr/bin/python3 /usr/bin/nova-scheduler --config-file=/etc/nova/nova.conf "
	         "--config-file=/etc/nova/late.conf");
	file_set(host, "/etc/nova/late.conf", "[x]\n");
	units_boot(host);
	static const char unknown[] =
	    "[{'section':'filter_scheduler','name':'enabled_filters','kind':'list-add','values':"
	    "['PciPassthroughFilter'],'services':['nova-scheduler']}]";
	static const char wish[] =
	    "[{'section':'filter_scheduler','name':'enabled_filters','kind':'list-add','values':"
	    "['PciPassthroughFilter'],'default':['A','B'],'services':['nova-scheduler']},"
	    "{'section':'pci','name':'report_in_placement','kind':'set','value':'true'}]";
	want(host, unknown);
	json_t *plan = host_plan(host, CONFIG("nova-scheduler"));
	assert_string_equal(task_member(plan, 0, "status"), "blocked");
	json_decref(plan);
	/* Not the compute's option. */
	assert_false(plan_changes(host, CONFIG("nova-compute")));
	/* Nova's default and ours. */
	want(host, wish);
	assert_true(apply(host, "one", CONFIG("nova-scheduler")));
	assert_string_equal(
	    host_output(host, "grep -hE '^(enabled_filters|report)' etc/nova/nova.conf"),
	    "report_in_placement = true\nenabled_filters = "
	    "A,B,PciPassthroughFilter\n");
	/* Theirs in a later file, and ours after it there. */
	file_set(
	    host, "/etc/nova/late.conf",
	    "[filter_scheduler]\nenabled_filters = C, D\n[pci]\nreport_in_placement = False\n");
	want(host, wish);
	assert_true(apply(host, "two", CONFIG("nova-scheduler")));
	file_is(host, "/etc/nova/nova.conf", nova_conf);
	json_t *nova = nova_facts(&host->root);
	char *text = json_dumps(nova, 0);
	assert_non_null(strstr(text, "\"value\": [\"C\", \"D\", \"PciPassthroughFilter\"]"));
	free(text);
	json_decref(nova);
	/* They have it themselves: ours goes. */
	host_shell(host, "sed -i 's/C, D/PciPassthroughFilter/; s/False/1/' etc/nova/late.conf");
	want(host, wish);
	assert_true(apply(host, "three", CONFIG("nova-scheduler")));
	assert_string_equal(host_output(host, "grep -c gpufleet etc/nova/*.conf | grep -v :0"), "");
}

static void blocked(struct task_host *host, const char *words)
{
	want_gpu(host);
	json_t *plan = host_plan(host, CONFIG("nova-compute"));
	assert_string_equal(task_member(plan, 0, "status"), "blocked");
	if (!strstr(task_member(plan, 0, "message"), words))
		fail_msg("%s", task_member(plan, 0, "message"));
	json_decref(plan);
}

static void test_blocked(void **state)
{
	struct task_host *host = *state;
	file_set(host, "/etc/nova/nova-compute.conf", "[pci]\nnonsense\n");
	blocked(host, "/etc/nova/nova-compute.conf:2: Nova cannot read this file");
	host_shell(host, "rm etc/nova/nova-compute.conf");
	blocked(host, "/etc/nova/nova-compute.conf: cannot be read: No such file");
	file_set(host, "/etc/nova/nova-compute.conf", "");
	host_shell(host, "printf 'OS_PCI__ALIAS=x\\0' >proc/$(cat "
	                 "../control/pids/nova-compute.service)/environ");
	blocked(host, "sets OS_PCI__ALIAS, which outweighs every file");
	host_shell(host, "echo 0::/x/libpod-1.scope >proc/$(cat "
	                 "../control/pids/nova-compute.service)/cgroup");
	blocked(host, "in a container that is none of kolla's");
	host_shell(host, "rm -r proc/5* lib/systemd/system/nova-compute.service");
	blocked(host, "this host has no nova-compute");
	json_object_del(host->context, "nova");
	json_t *plan = host_plan(host, CONFIG("nova-compute"));
	assert_string_equal(task_member(plan, 0, "status"), "ok");
	json_decref(plan);
}

static void test_managed(void **state)
{
	struct task_host *host = *state;
	host_shell(host, "sed -i '1i # This file is managed by Puppet' etc/nova/nova.conf");
	want_gpu(host);
	json_t *plan = host_plan(host, CONFIG("nova-compute"));
	assert_string_equal(task_member(plan, 0, "message"),
	                    "/etc/nova/nova.conf is managed by Puppet: this edit will be "
	                    "overwritten at its next run; put the lines into its hieradata or "
	                    "manifest, too");
	json_decref(plan);
	/* kolla: the container's copy on this host. */
	host_shell(host,
	           "mkdir -p etc/kolla/nova-compute; cd etc/kolla/nova-compute; "
	           "printf '[DEFAULT]\\ntransport_url = geheim\\n[pci]\\nalias = "
	           "{\"name\":\"theirs\"}\\n' >nova.conf; echo '{\"command\": \"nova-compute\", "
	           "\"config_files\": [{\"source\": \"/var/lib/kolla/config_files/nova.conf\", "
	           "\"dest\": \"/etc/nova/nova.conf\"}]}' >config.json; cd ../../..; "
	           "echo '/var/lib/kolla/venv/bin/python3 /var/lib/kolla/venv/bin/nova-compute' "
	           "| tr ' \\n' '\\0\\0' >proc/$(cat "
	           "../control/pids/nova-compute.service)/cmdline; "
	           "echo 0::/x/docker-1.scope >proc/$(cat "
	           "../control/pids/nova-compute.service)/cgroup");
	want_gpu(host);
	plan = host_plan(host, CONFIG("nova-compute"));
	assert_non_null(strstr(task_member(plan, 0, "message"), "is temporary: kolla writes it"));
	const char *diff = json_string_value(json_object_get(
	    json_array_get(json_object_get(plan_task(plan, 0), "changes"), 0), "diff"));
	assert_non_null(strstr(diff, "--- a/etc/kolla/nova-compute/nova.conf"));
	assert_non_null(strstr(diff,
	                       "On the deploy host, /etc/kolla/config/nova/nova-compute.conf:\n"
	                       "[pci]\ndevice_spec = " SPEC "\nalias = {\"name\":\"theirs\"}\n"
	                       "alias = " ALIAS "\n"));
	assert_null(strstr(diff, "geheim"));
	json_decref(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    NOVA_CASE(test_whole),    NOVA_CASE(test_undo_changed), NOVA_CASE(test_foreign),
	    NOVA_CASE(test_replaced), NOVA_CASE(test_list_and_set), NOVA_CASE(test_blocked),
	    NOVA_CASE(test_managed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
