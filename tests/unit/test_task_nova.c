/* nova_config and nova_service: on a simulated host with Debian's files, applied, applied again,
 * undone. */
#include "node-agent/facts/facts.h"
#include "node-agent/tasks/nova_errors.h"
#include "node-agent/tasks/nova_health.h"
#include "tests/unit/task_host.h"

#define COMPUTE                                                                                    \
	"{\"name\": \"nova\", \"tasks\": [{\"type\": \"nova_config\", \"name\": \"c\", "           \
	"\"service\": \"nova-compute\"}, {\"type\": \"nova_service\", \"name\": \"s\", "           \
	"\"service\": \"nova-compute\", \"settle\": 1, \"timeout\": 20}]}"
#define CONFIG(name)                                                                               \
	"{\"name\": \"nova\", \"tasks\": [{\"type\": \"nova_config\", \"name\": \"c\", "           \
	"\"service\": \"" name "\"}]}"

#define SPEC  "{\"address\": \"0000:01:00.0\"}"
#define ALIAS "{\"name\": \"gpu\", \"vendor_id\": \"10de\", \"product_id\": \"1b06\"}"

static const char nova_conf[] =
    "[DEFAULT]\n# From nova.conf\ntransport_url = rabbit://nova:geheim@ctl\n\n[database]\n"
    "connection = mysql://nova:geheim@ctl/nova\n\n[pci]\npassword = geheim\n"
    "#alias =\n[placement]\npassword = geheim\n";

static void file_set(const struct task_host *host, const char *path, const char *text)
{
	struct root_name name = root_path(&host->root, path);
	FILE *out = fopen(name.text, "w");
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

static void file_is(const struct task_host *host, const char *path, const char *expected)
{
	char *text = root_read_file(&host->root, path, 1 << 20, NULL, NULL);
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

static void unit_set(const struct task_host *host, const char *unit, const char *state,
                     const char *launch)
{
	host_shell(host,
	           "mkdir -p lib/systemd/system ../control/launch ../control/fault; "
	           "echo '[Service]' >lib/systemd/system/%s; echo '%s' >../control/units/%s; "
	           "echo '%s' >../control/launch/%s",
	           unit, state, unit, launch, unit);
}

static void units_boot(const struct task_host *host)
{
	host_shell(host,
	           "GPUFLEET_SYSROOT=$PWD usr/bin/systemctl sim-boot; : >../control/programs.log");
}

static int nova_setup(void **state)
{
	host_setup(state);
	struct task_host *host = *state;
	host_shell(host, "mkdir -p etc/nova var/log/nova "
	                 "usr/lib/python3/dist-packages/nova-26.2.2.egg-info");
	file_set(host, "/etc/nova/nova.conf", nova_conf);
	file_set(host, "/etc/nova/nova-compute.conf", "[DEFAULT]\nx = y\n");
	file_set(host, "/var/log/nova/nova-compute.log", "PciInvalidAlias of long ago\n");
	host_shell(host, "chmod 640 etc/nova/nova.conf");
	unit_set(host, "nova-compute.service", "enabled active",
	         "/usr/bin/python3 /usr/bin/nova-compute --config-file=/etc/nova/nova.conf "
	         "--config-file=/etc/nova/nova-compute.conf "
	         "--log-file=/var/log/nova/nova-compute.log");
	units_boot(host);
	return 0;
}

/* OPTIONS (JSON, with ' for ") is what is wanted; facts are looked at anew. */
static void want(struct task_host *host, const char *options)
{
	char *text = strdup(options);
	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	json_t *list = json_loads(text, 0, NULL);
	assert_non_null(list);
	free(text);
	json_object_set_new(
	    host->context, "nova",
	    json_pack("{si ss so}", "release", 26, "role", "compute", "options", list));
	json_object_set_new(host->facts, "nova", nova_facts(&host->root));
	host->ctx.nova_stale = 0;
}

static void want_gpu(struct task_host *host)
{
	json_t *options = json_pack("[{ss ss ss s[s] s[s]} {ss ss ss ss s[s]}]", "section", "pci",
	                            "name", "device_spec", "kind", "multi", "values", SPEC,
	                            "services", "nova-compute", "section", "pci", "name", "alias",
	                            "kind", "multi", "identity", "name", "values", ALIAS);
	char *text = json_dumps(options, 0);
	assert_non_null(text);
	json_object_set_new(host->context, "nova",
	                    json_pack("{si so}", "release", 26, "options", options));
	json_object_set_new(host->facts, "nova", nova_facts(&host->root));
	host->ctx.nova_stale = 0;
	free(text);
}

static void facts_refresh(struct task_host *host)
{
	json_object_set_new(host->facts, "nova", nova_facts(&host->root));
	host->ctx.nova_stale = 0;
}

static json_t *plan_task(json_t *plan, size_t index)
{
	return json_array_get(json_object_get(plan, "tasks"), index);
}

static const char *task_member(json_t *plan, size_t index, const char *key)
{
	return json_string_value(json_object_get(plan_task(plan, index), key));
}

static const char *last_event(const struct task_host *host, const char *key)
{
	const json_t *event = json_array_get(host->events, json_array_size(host->events) - 1);
	return json_string_value(json_object_get(event, key));
}

static bool apply(struct task_host *host, const char *operation, const char *stage)
{
	bool changed, reboot;
	struct gf_err err;
	if (host_apply(host, operation, stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_false(reboot);
	return changed;
}

static void undo(struct task_host *host, const char *operation)
{
	bool changed, reboot;
	struct gf_err err;
	if (host_undo(host, operation, false, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_false(reboot);
}

static const char *restarts(const struct task_host *host)
{
	return host_output(host, "grep ^restart ../control/programs.log");
}

/* ---- configuration ---- */

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
	want_gpu(host);
	assert_false(plan_changes(host, CONFIG("nova-compute")));
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

/* ---- services ---- */

/* A run that was cut off between the edit and the restart is made good. */
static void test_cut_off(void **state)
{
	struct task_host *host = *state;
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

/* Several services of one file: each is restarted by its own task, an undo restarts both. */
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
	                    "restart nova-scheduler.service\nrestart nova-api.service\n");
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

#define CASE(test) cmocka_unit_test_setup_teardown(test, nova_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_whole),
	    CASE(test_undo_changed),
	    CASE(test_foreign),
	    CASE(test_replaced),
	    CASE(test_list_and_set),
	    CASE(test_blocked),
	    CASE(test_managed),
	    CASE(test_cut_off),
	    CASE(test_unhealthy),
	    CASE(test_stopped),
	    CASE(test_control),
	    CASE(test_docker),
	    cmocka_unit_test(test_errors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
