/* facts.nova: services, the files that they read, releases, and that nothing else leaves the host.
 */
#include "node-agent/facts/facts.h"
#include "node-agent/facts/nova.h"
#include "node-agent/facts/nova_options.h"
#include "tests/unit/agent_root.h"

/* ARGUMENTS and ENVIRONMENT are separated by blanks; UNIT is the end of a control group's path. */
static void process_add(const struct root *root, long pid, long parent, const char *arguments,
                        const char *unit, const char *environment)
{
	char path[64], text[2048];
	size_t size = strlen(arguments) + 1;
	snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
	snprintf(text, sizeof(text), "%s", arguments);
	char *blank;
	/* A process's own title is one argument. */
	while (!strstr(arguments, "master process") && (blank = memchr(text, ' ', size)))
		*blank = '\0';
	agent_root_bytes(root, path, text, size);
	snprintf(path, sizeof(path), "/proc/%ld/cgroup", pid);
	snprintf(text, sizeof(text), "0::%s\n", unit);
	agent_root_file(root, path, text);
	snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
	snprintf(text, sizeof(text),
	         "%ld (nova (x) y) S %ld 1 1 0 -1 4194560 1 0 0 0 1 1 0 0 20 0 1 0 100 1 1", pid,
	         parent);
	agent_root_file(root, path, text);
	snprintf(path, sizeof(path), "/proc/%ld/environ", pid);
	snprintf(text, sizeof(text), "%s", environment);
	size = strlen(environment) + 1;
	while ((blank = memchr(text, ' ', size)))
		*blank = '\0';
	agent_root_bytes(root, path, text, size);
}

static void unit_add(const struct root *root, const char *unit, const char *exec)
{
	char path[128], text[512];
	snprintf(path, sizeof(path), "/lib/systemd/system/%s", unit);
	snprintf(text, sizeof(text), "[Unit]\nDescription=x\n[Service]\nUser=nova\nExecStart=%s\n",
	         exec);
	agent_root_file(root, path, text);
}

/* What systemctl show answers: the same for every unit. */
static void systemctl_add(const struct root *root, const char *state, long pid)
{
	char script[1024];
	snprintf(script, sizeof(script),
	         "#!/bin/sh\nshift 2\nfor unit; do\n"
	         "printf 'NRestarts=2\\nMainPID=%ld\\nExecStart={ path=/x ; argv[]=/x y ; z }\\n"
	         "Id=%%s\\nActiveState=%s\\nSubState=running\\nUnitFileState=enabled\\n"
	         "NRestarts=2\\nMainPID=%ld\\n\\n' \"$unit\"\ndone\n",
	         pid, state, pid);
	agent_root_script(root, "/usr/bin/systemctl", script);
}

static json_t *service_named(const json_t *nova, const char *name)
{
	size_t i;
	json_t *service;
	json_array_foreach(json_object_get(nova, "services"), i, service)
	{
		if (strcmp(json_string_value(json_object_get(service, "name")), name) == 0)
			return service;
	}
	fail_msg("no service %s", name);
	return NULL;
}

static void assert_member(const json_t *object, const char *key, const char *expected)
{
	assert_json(json_incref(json_object_get(object, key)), expected);
}

static void test_none(void **state)
{
	struct agent *agent = *state;
	json_t *nova = nova_facts(&agent->root);
	assert_true(json_is_null(nova));
	json_decref(nova);
	/* Others whose arguments tell of Nova. */
	process_add(&agent->root, 10, 1, "tail -f /var/log/nova/nova-compute.log", "/x", "A=b");
	process_add(&agent->root, 11, 1,
	            "/usr/bin/python3 /usr/bin/privsep-helper --config-file "
	            "/etc/nova/nova.conf",
	            "/x", "A=b");
	process_add(&agent->root, 12, 1, "/usr/bin/uwsgi_python311 --ini /etc/glance/nova.ini",
	            "/x", "A=b");
	nova = nova_facts(&agent->root);
	assert_true(json_is_null(nova));
	json_decref(nova);
}

static void test_debian(void **state)
{
	struct agent *agent = *state;
	const struct root *root = &agent->root;
	process_add(root, 100, 1,
	            "/usr/bin/python3 /usr/bin/nova-compute --config-file=/etc/nova/nova.conf "
	            "--config-file=/etc/nova/nova-compute.conf "
	            "--log-file=/var/log/nova/nova-compute.log",
	            "/system.slice/nova-compute.service", "HOME=/var/lib/nova OS_PCI__ALIAS=x");
	unit_add(root, "nova-compute.service", "/etc/init.d/nova-compute systemd-start");
	systemctl_add(root, "active", 100);
	agent_root_file(root, "/etc/nova/nova.conf", "[DEFAULT]\n");
	agent_root_file(root, "/etc/nova/nova-compute.conf",
	                "# This file is managed by Puppet\n[DEFAULT]\n");
	agent_root_file(root, "/etc/nova/nova.conf.d/b.conf", "[DEFAULT]\n");
	agent_root_file(root, "/etc/nova/nova.conf.d/a.conf", "# Ansible managed\n[DEFAULT]\n");
	agent_root_file(root, "/etc/nova/nova.conf.d/.c.conf", "[DEFAULT]\n");
	agent_root_file(root, "/etc/nova/nova.conf.d/d.conf~", "[DEFAULT]\n");
	agent_root_file(root, "/var/log/nova/nova-compute.log", "");
	agent_root_script(root, "/usr/bin/dpkg-query",
	                  "#!/bin/sh\n[ \"$4\" = nova-common ] && echo 2:26.2.2-1~deb12u5\n");
	json_t *nova = nova_facts(root);
	assert_member(nova, "deployment", "'debian'");
	assert_member(nova, "release", "'26.2.2'");
	json_t *service = service_named(nova, "nova-compute");
	assert_member(service, "unit", "'nova-compute.service'");
	assert_member(service, "source", "'argv'");
	assert_member(service, "state", "'active'");
	assert_member(service, "restarts", "2");
	assert_member(service, "pid", "100");
	assert_member(service, "container", "null");
	assert_member(service, "log", "'/var/log/nova/nova-compute.log'");
	assert_member(service, "config_files",
	              "['/etc/nova/nova.conf','/etc/nova/nova-compute.conf']");
	assert_member(service, "config_dirs", "['/etc/nova/nova.conf.d']");
	assert_member(service, "read",
	              "['/etc/nova/nova.conf.d/a.conf','/etc/nova/nova.conf.d/b.conf',"
	              "'/etc/nova/nova.conf','/etc/nova/nova-compute.conf']");
	assert_member(nova, "files",
	              "[{'path':'/etc/nova/nova.conf.d/a.conf','managed_by':'ansible'},"
	              "{'path':'/etc/nova/nova.conf.d/b.conf','managed_by':null},"
	              "{'path':'/etc/nova/nova.conf','managed_by':null},"
	              "{'path':'/etc/nova/nova-compute.conf','managed_by':'puppet'}]");
	json_t *problem = json_array_get(json_object_get(nova, "problems"), 0);
	assert_non_null(strstr(json_string_value(json_object_get(problem, "message")),
	                       "sets OS_PCI__ALIAS, which outweighs"));
	assert_true(json_is_real(json_object_get(service, "started")));
	json_decref(nova);
}

/* Nothing runs: Debian's script says which files there would be. */
static void test_debian_stopped(void **state)
{
	struct agent *agent = *state;
	const struct root *root = &agent->root;
	unit_add(root, "nova-compute.service", "/etc/init.d/nova-compute systemd-start");
	unit_add(root, "nova-api.service", "/etc/init.d/nova-api systemd-start");
	agent_root_file(
	    root, "/etc/init.d/nova-compute",
	    "#!/bin/sh\nDAEMON_ARGS=\"\"\nif [ -f '/etc/nova/nova-compute.conf' ] ; then\n"
	    "\tDAEMON_ARGS=\"--config-file=/etc/nova/nova-compute.conf\"\nfi\n"
	    "# comes from openstack-pkg-tools\n"
	    "DAEMON_ARGS=\"--config-file=${CONFIG_FILE} ${DAEMON_ARGS}\"\n");
	agent_root_file(root, "/etc/default/nova-compute",
	                "DAEMON_ARGS=\"$DAEMON_ARGS --config-dir /etc/nova/more\"\n");
	agent_root_file(root, "/etc/init.d/nova-api",
	                "#!/bin/sh\nUWSGI_INI_PATH=/etc/nova/nova-api-uwsgi.ini\n"
	                "# comes from openstack-pkg-tools\n");
	agent_root_file(
	    root, "/etc/nova/nova-api-uwsgi.ini",
	    "[uwsgi]\n# wsgi-file = /x\nlogto = /var/log/nova/nova-api.log\n"
	    "wsgi-file = /usr/bin/nova-api-wsgi\nenv = OS_NOVA_CONFIG_FILES=nova.conf\n");
	agent_root_file(root, "/etc/nova/nova.conf", "[DEFAULT]\n");
	agent_root_file(root, "/etc/nova/more/x.conf", "[DEFAULT]\n");
	agent_root_dirs(root, "/usr/lib/python3/dist-packages/nova-27.1.0.egg-info");
	json_t *nova = nova_facts(root);
	assert_member(nova, "deployment", "'debian'");
	assert_member(nova, "release", "'27.1.0'");
	json_t *service = service_named(nova, "nova-compute");
	assert_member(service, "source", "'unit'");
	assert_member(service, "state", "null");
	assert_member(service, "pid", "null");
	assert_member(service, "read", "['/etc/nova/nova.conf','/etc/nova/more/x.conf']");
	service = service_named(nova, "nova-api");
	assert_member(service, "source", "'unit'");
	assert_member(service, "read", "['/etc/nova/nova.conf']");
	json_decref(nova);
}

/* uwsgi: the process's environment decides; workers don't count. */
static void test_control(void **state)
{
	struct agent *agent = *state;
	const struct root *root = &agent->root;
	agent_root_file(root, "/etc/nova/nova-api-uwsgi.ini",
	                "[uwsgi]\nwsgi-file = /usr/bin/nova-api-wsgi\n");
	agent_root_file(root, "/etc/nova/nova.conf", "[DEFAULT]\n");
	agent_root_file(root, "/etc/nova/api-paste.ini", "[composite:metadata]\n");
	agent_root_file(root, "/srv/other/nova.conf", "[DEFAULT]\n");
	const char *uwsgi = "/usr/bin/uwsgi_python311 --http-socket :8774 --ini "
	                    "/etc/nova/nova-api-uwsgi.ini";
	process_add(root, 200, 1, uwsgi, "/system.slice/nova-api.service",
	            "OS_NOVA_CONFIG_DIR=/srv/other OS_NOVA_CONFIG_FILES=nova.conf;none.conf");
	process_add(root, 201, 200, uwsgi, "/system.slice/nova-api.service", "A=b");
	process_add(root, 300, 1,
	            "nova-scheduler: master process [/usr/bin/nova-scheduler "
	            "--config-file /etc/nova/nova.conf]",
	            "/system.slice/nova-scheduler.service", "A=b");
	process_add(root, 301, 300,
	            "/usr/bin/python3 -s /usr/bin/nova-scheduler --config-file "
	            "/etc/nova/nova.conf",
	            "/system.slice/nova-scheduler.service", "A=b");
	process_add(root, 400, 1,
	            "/opt/stack/data/venv/bin/python3 "
	            "/opt/stack/data/venv/bin/nova-conductor --config-file nova.conf",
	            "/system.slice/system-devstack.slice/devstack@n-super-cond.service", "A=b");
	json_t *nova = nova_facts(root);
	assert_int_equal(json_array_size(json_object_get(nova, "services")), 3);
	json_t *service = service_named(nova, "nova-api");
	assert_member(service, "pid", "200");
	assert_member(service, "read", "['/srv/other/nova.conf']");
	service = service_named(nova, "nova-scheduler");
	assert_member(service, "unit", "'nova-scheduler.service'");
	assert_member(service, "pid", "300");
	assert_member(service, "read", "['/etc/nova/nova.conf']");
	service = service_named(nova, "nova-conductor");
	assert_member(service, "unit", "'devstack@n-super-cond.service'");
	assert_member(service, "read", "[]");
	assert_non_null(
	    strstr(json_string_value(json_object_get(
	               json_array_get(json_object_get(nova, "problems"), 0), "message")),
	           "relative path"));
	assert_member(nova, "release", "null");
	json_decref(nova);
}

/* The API moved to the web server; its own unit is still installed, and disabled. */
static void test_control_moved(void **state)
{
	struct agent *agent = *state;
	const struct root *root = &agent->root;
	unit_add(root, "nova-api.service", "/usr/bin/nova-api --config-file=/etc/nova/nova.conf");
	unit_add(root, "apache2.service", "/usr/sbin/apachectl start");
	agent_root_file(root, "/etc/apache2/sites-enabled/nova-api.conf",
	                "WSGIScriptAlias / /usr/bin/nova-api-wsgi\n");
	agent_root_script(root, "/usr/bin/systemctl",
	                  "#!/bin/sh\nshift 3\nfor unit; do\n"
	                  "case $unit in apache2*) is='active running enabled 55';; "
	                  "*) is='inactive dead disabled 0';; esac; set -- $is\n"
	                  "printf 'Id=%s\\nActiveState=%s\\nSubState=%s\\nUnitFileState=%s\\n"
	                  "MainPID=%s\\n\\n' $unit $1 $2 $3 $4\ndone\n");
	json_t *nova = nova_facts(root);
	assert_int_equal(json_array_size(json_object_get(nova, "services")), 1);
	json_t *service = service_named(nova, "nova-api");
	assert_member(service, "unit", "'apache2.service'");
	assert_member(service, "state", "'active'");
	json_decref(nova);
}

static void test_rdo(void **state)
{
	struct agent *agent = *state;
	const struct root *root = &agent->root;
	agent_root_file(root, "/usr/share/nova/nova-dist.conf", "[DEFAULT]\n");
	agent_root_file(root, "/etc/nova/nova.conf", "[DEFAULT]\n");
	agent_root_file(
	    root, "/etc/httpd/conf.d/10-nova_api_wsgi.conf",
	    "<VirtualHost *:8774>\n  WSGIScriptAlias / \"/var/www/cgi-bin/nova/nova-api\"\n");
	agent_root_script(root, "/usr/bin/rpm", "#!/bin/sh\necho 22.4.1\n");
	process_add(root, 100, 1, "/usr/bin/python3 /usr/bin/nova-compute",
	            "/system.slice/openstack-nova-compute.service", "HOME=/var/lib/nova");
	unit_add(root, "openstack-nova-compute.service", "/usr/bin/nova-compute");
	unit_add(root, "openstack-nova-scheduler.service", "/usr/bin/nova-scheduler");
	unit_add(root, "httpd.service", "/usr/sbin/httpd $OPTIONS -DFOREGROUND");
	json_t *nova = nova_facts(root);
	assert_member(nova, "deployment", "'rdo'");
	assert_member(nova, "release", "'22.4.1'");
	assert_member(service_named(nova, "nova-compute"), "read",
	              "['/usr/share/nova/nova-dist.conf','/etc/nova/nova.conf']");
	assert_member(service_named(nova, "nova-scheduler"), "source", "'unit'");
	assert_member(service_named(nova, "nova-api"), "unit", "'httpd.service'");
	assert_member(service_named(nova, "nova-api"), "read", "['/etc/nova/nova.conf']");
	json_decref(nova);
}

static const char kolla_config[] =
    "{\"command\": \"nova-compute\", \"config_files\": [{\"source\": "
    "\"/var/lib/kolla/config_files/nova.conf\", \"dest\": \"/etc/nova/nova.conf\"}]}";

static void test_kolla(void **state)
{
	struct agent *agent = *state;
	const struct root *root = &agent->root;
	agent_root_file(root, "/etc/kolla/nova-compute/config.json", kolla_config);
	agent_root_file(root, "/etc/kolla/nova-compute/nova.conf", "[DEFAULT]\n");
	/* The host's own is none of the container's. */
	agent_root_file(root, "/etc/nova/nova.conf", "[DEFAULT]\n");
	process_add(root, 100, 50,
	            "/var/lib/kolla/venv/bin/python3 "
	            "/var/lib/kolla/venv/bin/nova-compute --config-file "
	            "/etc/nova/nova.conf",
	            "/system.slice/docker-0123456789abcdef.scope", "HOME=/var/lib/nova");
	agent_root_dirs(root, "/proc/100/root/var/lib/kolla/venv/lib/python3.10/site-packages/"
	                      "nova-27.3.0.dist-info");
	json_t *nova = nova_facts(root);
	assert_member(nova, "deployment", "'kolla'");
	assert_member(nova, "release", "'27.3.0'");
	json_t *service = service_named(nova, "nova-compute");
	assert_member(service, "unit", "null");
	assert_member(service, "container", "{'engine':'docker','name':'nova_compute'}");
	assert_member(service, "read", "['/etc/kolla/nova-compute/nova.conf']");
	assert_member(nova, "files",
	              "[{'path':'/etc/kolla/nova-compute/nova.conf','managed_by':'kolla'}]");
	json_decref(nova);
	/* With systemd; and stopped. */
	unit_add(root, "kolla-nova_compute-container.service",
	         "/usr/bin/docker start nova_compute");
	systemctl_add(root, "active", 77);
	nova = nova_facts(root);
	assert_member(service_named(nova, "nova-compute"), "unit",
	              "'kolla-nova_compute-container.service'");
	json_decref(nova);
	assert_int_equal(unlink(root_path(root, "/proc/100/cmdline").text), 0);
	nova = nova_facts(root);
	assert_member(nova, "deployment", "'kolla'");
	service = service_named(nova, "nova-compute");
	assert_member(service, "source", "'unit'");
	assert_member(service, "read", "['/etc/kolla/nova-compute/nova.conf']");
	json_decref(nova);
}

/* A container that is none of kolla's: its files are not the host's. */
static void test_container(void **state)
{
	struct agent *agent = *state;
	const struct root *root = &agent->root;
	agent_root_file(root, "/etc/nova/nova.conf", "[DEFAULT]\n");
	process_add(root, 100, 50, "/usr/bin/python3 /usr/bin/nova-compute",
	            "/machine.slice/libpod-0123456789abcdef.scope/container", "A=b");
	json_t *nova = nova_facts(root);
	assert_member(nova, "deployment", "'other'");
	assert_member(service_named(nova, "nova-compute"), "read", "[]");
	assert_int_equal(json_array_size(json_object_get(nova, "problems")), 1);
	json_decref(nova);
}

static json_t *option_named(const json_t *nova, const char *service, const char *key)
{
	return json_object_get(json_object_get(service_named(nova, service), "options"), key);
}

/* What the files come to, and not a word of what else they hold. */
static void test_options(void **state)
{
	struct agent *agent = *state;
	const struct root *root = &agent->root;
	process_add(root, 100, 1,
	            "/usr/bin/python3 /usr/bin/nova-compute --config-file=/etc/nova/nova.conf "
	            "--config-file=/etc/nova/nova-compute.conf",
	            "/system.slice/nova-compute.service", "OS_PCI__REPORT_IN_PLACEMENT=geheim1");
	agent_root_file(
	    root, "/etc/nova/nova.conf",
	    "[DEFAULT]\ntransport_url = rabbit://nova:geheim2@ctl\npci_alias = {\"name\": "
	    "\"old\"}\nreserved_host_cpus = 2\n[database]\nconnection = "
	    "mysql://nova:geheim3@ctl/nova\n[pci]\nalias = {\"name\": \"a\"}\nalias = "
	    "$transport_url\n# gpufleet: added 00000000\nalias = x\n"
	    "[filter_scheduler]\nenabled_filters = A, B\n");
	agent_root_file(root, "/etc/nova/nova-compute.conf",
	                "[keystone_authtoken]\npassword = geheim4\n[pci]\n"
	                "passthrough_whitelist = {\"vendor_id\": \"10de\"}\n"
	                "[filter_scheduler]\nenabled_filters = C\n");
	json_t *nova = nova_facts(root);
	assert_member(option_named(nova, "nova-compute", "filter_scheduler.enabled_filters"),
	              "value", "['C']");
	assert_member(option_named(nova, "nova-compute", "pci.device_spec"), "entries",
	              "[{'value':'{\\'vendor_id\\': \\'10de\\'}','file':"
	              "'/etc/nova/nova-compute.conf','line':4,'section':'pci','name':"
	              "'passthrough_whitelist','ours':false,'effective':true}]");
	json_t *alias = option_named(nova, "nova-compute", "pci.alias");
	assert_int_equal(json_array_size(json_object_get(alias, "entries")), 4);
	assert_member(alias, "value", "null");
	assert_member(json_array_get(json_object_get(alias, "entries"), 0), "name", "'pci_alias'");
	assert_member(json_array_get(json_object_get(alias, "entries"), 2), "value",
	              "'$transport_url'");
	assert_member(option_named(nova, "nova-compute", "DEFAULT.reserved_host_cpus"), "value",
	              "'2'");
	assert_member(option_named(nova, "nova-compute", "DEFAULT.cpu_allocation_ratio"), "value",
	              "null");
	assert_member(service_named(nova, "nova-compute"), "environment",
	              "['OS_PCI__REPORT_IN_PLACEMENT']");
	char *text = json_dumps(nova, 0);
	assert_null(strstr(text, "geheim"));
	assert_null(strstr(text, "rabbit:"));
	free(text);
	json_decref(nova);
	/* A file that Nova itself cannot read. */
	agent_root_file(root, "/etc/nova/nova-compute.conf", "[pci]\npassword geheim\n}\n");
	nova = nova_facts(root);
	text = json_dumps(nova, 0);
	assert_null(strstr(text, "geheim"));
	free(text);
	json_t *problem = json_array_get(json_object_get(nova, "problems"), 0);
	assert_member(problem, "file", "'/etc/nova/nova-compute.conf'");
	assert_member(problem, "line", "2");
	json_decref(nova);
	assert_int_equal(unlink(root_path(root, "/etc/nova/nova-compute.conf").text), 0);
	nova = nova_facts(root);
	problem = json_array_get(json_object_get(nova, "problems"), 0);
	assert_member(problem, "message", "'cannot be read: No such file or directory'");
	json_decref(nova);
}

/* What a release does not have is not looked at, or under its former name. */
static void test_releases(void **state)
{
	(void)state;
	assert_int_equal(nova_release_number("26.2.1"), 26);
	assert_int_equal(nova_release_number(NULL), 0);
	assert_non_null(nova_option_named(0, "PCI", "passthrough_whitelist"));
	assert_string_equal(nova_option_named(25, "pci", "passthrough_whitelist")->as.name,
	                    "passthrough_whitelist");
	assert_null(nova_option_named(25, "pci", "device_spec"));
	assert_null(nova_option_named(25, "pci", "report_in_placement"));
	assert_non_null(nova_option_named(23, "DEFAULT", "scheduler_default_filters"));
	assert_null(nova_option_named(24, "DEFAULT", "scheduler_default_filters"));
	assert_non_null(nova_option_named(0, "DEFAULT", "scheduler_default_filters"));
	assert_null(nova_option_named(26, "filter_scheduler", "pci_in_placement"));
	assert_null(nova_option_named(27, "database", "connection"));
	for (int release = 0; release < 40; release++) {
		const struct nova_option *option, *other;
		for (size_t i = 0; (option = nova_option_at(release, i)); i++)
			for (size_t j = 0; j < i && (other = nova_option_at(release, j)); j++)
				assert_string_not_equal(option->key, other->key);
	}
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, agent_root_setup, agent_root_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(test_none),     CASE(test_debian),        CASE(test_debian_stopped),
	    CASE(test_control),  CASE(test_control_moved), CASE(test_rdo),
	    CASE(test_kolla),    CASE(test_container),     CASE(test_options),
	    CASE(test_releases),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
