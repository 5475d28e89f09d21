/* nova_host.h: the simulated host of task_host.h with Nova as Debian ships it, for the tests of the
 * tasks nova_config and nova_service. */
#ifndef TESTS_NOVA_HOST_H
#define TESTS_NOVA_HOST_H

#include "node-agent/facts/facts.h"
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

UNUSED static void file_set(const struct task_host *host, const char *path, const char *text)
{
	struct root_name name = root_path(&host->root, path);
	FILE *out = fopen(name.text, "w");
	assert_non_null(out);
	fputs(text, out);
	assert_int_equal(fclose(out), 0);
}

UNUSED static void file_is(const struct task_host *host, const char *path, const char *expected)
{
	char *text = root_read_file(&host->root, path, 1 << 20, NULL, NULL);
	assert_non_null(text);
	assert_string_equal(text, expected);
	free(text);
}

UNUSED static void unit_set(const struct task_host *host, const char *unit, const char *state,
                            const char *launch)
{
	host_shell(host,
	           "mkdir -p lib/systemd/system ../control/launch ../control/fault; "
	           "echo '[Service]' >lib/systemd/system/%s; echo '%s' >../control/units/%s; "
	           "echo '%s' >../control/launch/%s",
	           unit, state, unit, launch, unit);
}

UNUSED static void units_boot(const struct task_host *host)
{
	host_shell(host,
	           "GPUFLEET_SYSROOT=$PWD usr/bin/systemctl sim-boot; : >../control/programs.log; "
	           "sleep 0.1"); /* what is younger counts as read by the service */
}

UNUSED static int nova_setup(void **state)
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
UNUSED static void want(struct task_host *host, const char *options)
{
	char *text = strdup(options);
	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	json_t *list = json_loads(text, 0, NULL);
	assert_non_null(list);
	free(text);
	json_object_set_new(host->context, "nova",
	                    json_pack("{si ss so s[sss]}", "release", 26, "role", "compute",
	                              "options", list, "services", "nova-compute", "nova-api",
	                              "nova-scheduler"));
	json_object_set_new(host->facts, "nova", nova_facts(&host->root));
	host->ctx.nova_stale = 0;
}

UNUSED static void want_gpu(struct task_host *host)
{
	json_t *options = json_pack("[{ss ss ss s[s] s[s]} {ss ss ss ss s[s]}]", "section", "pci",
	                            "name", "device_spec", "kind", "multi", "values", SPEC,
	                            "services", "nova-compute", "section", "pci", "name", "alias",
	                            "kind", "multi", "identity", "name", "values", ALIAS);
	char *text = json_dumps(options, 0);
	assert_non_null(text);
	json_object_set_new(host->context, "nova",
	                    json_pack("{si so s[s]}", "release", 26, "options", options, "services",
	                              "nova-compute"));
	json_object_set_new(host->facts, "nova", nova_facts(&host->root));
	host->ctx.nova_stale = 0;
	free(text);
}

UNUSED static void facts_refresh(struct task_host *host)
{
	json_object_set_new(host->facts, "nova", nova_facts(&host->root));
	host->ctx.nova_stale = 0;
}

UNUSED static json_t *plan_task(json_t *plan, size_t index)
{
	return json_array_get(json_object_get(plan, "tasks"), index);
}

UNUSED static const char *task_member(json_t *plan, size_t index, const char *key)
{
	return json_string_value(json_object_get(plan_task(plan, index), key));
}

UNUSED static const char *last_event(const struct task_host *host, const char *key)
{
	const json_t *event = json_array_get(host->events, json_array_size(host->events) - 1);
	return json_string_value(json_object_get(event, key));
}

UNUSED static bool apply(struct task_host *host, const char *operation, const char *stage)
{
	bool changed, reboot;
	struct gf_err err;
	if (host_apply(host, operation, stage, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_false(reboot);
	return changed;
}

UNUSED static void undo(struct task_host *host, const char *operation)
{
	bool changed, reboot;
	struct gf_err err;
	if (host_undo(host, operation, false, &changed, &reboot, &err) != 0)
		fail_msg("%s", err.msg);
	assert_false(reboot);
}

UNUSED static const char *restarts(const struct task_host *host)
{
	return host_output(host, "grep ^restart ../control/programs.log");
}

#define NOVA_CASE(test) cmocka_unit_test_setup_teardown(test, nova_setup, host_teardown)

#endif
