/* nova.c: the "nova" object of the facts: which services of Nova this host has, what they read, and
 * what that comes to for PCI passthrough.
 *
 * Configuration files hold passwords: of what is in them only the options of nova_options.c leave
 * the host.
 */
#include "node-agent/facts/facts.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "node-agent/facts/nova.h"
#include "node-agent/facts/nova_options.h"
#include "node-agent/wire/frame.h"

#define HEAD_SIZE  4096
#define HEAD_LINES 20

struct nova_scan {
	const struct root *root;
	struct nova_processes processes;
	struct nova_unit units[NOVA_UNITS_MAX];
	size_t unit_count;
	json_t *services, *problems;
	const char *family; /* the first that was seen */
	char release[32];   /* "": unknown */
};

/* ---- who else writes a file ---- */

static const struct {
	const char *text, *manager;
} headers[] = {
    {"managed by puppet", "puppet"},    {"maintained by puppet", "puppet"},
    {"ansible managed", "ansible"},     {"managed by ansible", "ansible"},
    {"managed by juju", "juju"},        {"maintained by juju", "juju"},
    {"maintained by the juju", "juju"}, {"charm-managed", "juju"},
};

const char *nova_file_manager(const struct root *root, const char *path)
{
	char head[HEAD_SIZE], *save = NULL;
	unsigned count = 0;
	if (strncmp(path, "/etc/kolla/", 11) == 0)
		return "kolla";
	int fd = open(root_path(root, path).text, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n = fd >= 0 ? read(fd, head, sizeof(head) - 1) : -1;
	if (fd >= 0)
		close(fd);
	head[n > 0 ? n : 0] = '\0';
	for (char *line = strtok_r(head, "\n", &save); line && count < HEAD_LINES;
	     line = strtok_r(NULL, "\n", &save), count++) {
		line += strspn(line, " \t");
		if (*line != '#' && *line != ';')
			continue;
		for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
			if (strcasestr(line, headers[i].text))
				return headers[i].manager;
	}
	return NULL;
}

static bool text_listed(const json_t *list, const char *key, const char *text)
{
	size_t i;
	json_t *item;
	json_array_foreach(list, i, item)
	{
		const char *value = json_string_value(key ? json_object_get(item, key) : item);
		if (value && strcmp(value, text) == 0)
			return true;
	}
	return false;
}

static json_t *files_value(const struct nova_scan *scan)
{
	json_t *files = json_array(), *service, *path;
	size_t i, j;
	json_array_foreach(scan->services, i, service)
	{
		json_array_foreach(json_object_get(service, "read"), j, path)
		{
			const char *text = json_string_value(path);
			if (text_listed(files, "path", text))
				continue;
			json_t *file = json_pack("{s:s}", "path", text);
			facts_set_text(file, "managed_by", nova_file_manager(scan->root, text));
			json_array_append_new(files, file);
		}
	}
	return files;
}

/* ---- services ---- */

static void unit_state(json_t *service, const struct nova_unit *unit)
{
	facts_set_text(service, "state", unit && unit->known ? unit->active : NULL);
	facts_set_text(service, "substate", unit && unit->known ? unit->sub : NULL);
	facts_set_text(service, "enabled", unit && unit->known ? unit->enabled : NULL);
	json_object_set_new(service, "restarts",
	                    unit && unit->restarts >= 0 ? json_integer(unit->restarts)
	                                                : json_null());
}

static void log_set(const struct nova_scan *scan, json_t *service, const struct nova_launch *launch)
{
	char path[256];
	snprintf(path, sizeof(path), "%s/%s.log",
	         launch->kolla ? "/var/log/kolla/nova" : "/var/log/nova", launch->service);
	const char *log = *launch->log && !launch->kolla ? launch->log : path;
	facts_set_text(service, "log", root_exists(scan->root, log) ? log : NULL);
}

static json_t *service_begin(struct nova_scan *scan, const struct nova_launch *launch,
                             const char *unit, const char *source, const json_t *environment)
{
	json_t *service = json_pack("{s:s, s:s}", "name", launch->service, "source", source);
	facts_set_text(service, "unit", unit);
	nova_files_find(scan->root, launch, service, scan->problems);
	log_set(scan, service, launch);
	json_object_set_new(service, "options",
	                    nova_options_facts(scan->root, service,
	                                       nova_release_number(scan->release), environment,
	                                       scan->problems));
	return service;
}

static void service_process(json_t *service, const struct root *root, long pid)
{
	double started = pid > 0 ? nova_process_started(root, pid) : 0;
	json_object_set_new(service, "pid", pid > 0 ? json_integer(pid) : json_null());
	json_object_set_new(service, "started", started > 0 ? json_real(started) : json_null());
}

static const struct nova_unit *unit_of(const struct nova_scan *scan,
                                       const struct nova_process *process)
{
	for (size_t i = 0; i < scan->unit_count; i++) {
		const struct nova_unit *unit = &scan->units[i];
		if (process->launch.kolla ? strcmp(unit->family, "kolla") == 0 &&
		                                strcmp(unit->service, process->launch.service) == 0
		                          : strcmp(unit->name, process->unit) == 0)
			return unit;
	}
	return NULL;
}

static void container_set(json_t *service, const struct nova_process *process)
{
	char name[64];
	json_t *container = json_null();
	if (process && process->engine) {
		container = json_pack("{s:s, s:n}", "engine", process->engine, "name");
		snprintf(name, sizeof(name), "%s", process->launch.service);
		for (char *dash = strchr(name, '-'); dash; dash = strchr(dash, '-'))
			*dash = '_';
		if (process->launch.kolla)
			json_object_set_new(container, "name", json_string(name));
	}
	json_object_set_new(service, "container", container);
}

const char *nova_unproven_path(const char *name, char path[NOVA_UNPROVEN_SIZE])
{
	snprintf(path, NOVA_UNPROVEN_SIZE, NOVA_UNPROVEN_DIR "/%.255s", name);
	return path;
}

bool nova_unproven(const struct root *root, const char *name)
{
	char path[NOVA_UNPROVEN_SIZE];
	return *name && !strchr(name, '/') && root_exists(root, nova_unproven_path(name, path));
}

/* Said only where it is so. */
static void unproven_set(const struct nova_scan *scan, json_t *service)
{
	const json_t *container = json_object_get(service, "container");
	const char *name = json_string_value(json_object_get(service, "unit"));
	if (!name)
		name = json_string_value(json_object_get(container, "name"));
	if (name && nova_unproven(scan->root, name))
		json_object_set_new(service, "unproven", json_true());
}

/* The names of variables that outweigh files; NULL PROCESS: none is known. */
static void overrides_set(struct nova_scan *scan, json_t *service,
                          const struct nova_process *process)
{
	size_t i;
	json_t *names = json_array();
	char path[64];
	snprintf(path, sizeof(path), "/proc/%ld/environ", process ? process->pid : 0);
	for (i = 0; process && i < json_array_size(process->overrides); i++) {
		const char *text = json_string_value(json_array_get(process->overrides, i));
		int length = (int)strcspn(text, "=");
		json_array_append_new(names, json_stringn(text, (size_t)length));
		nova_problem(scan->problems, path, 0,
		             "the environment of %s sets %.*s, which outweighs every "
		             "configuration file",
		             process->launch.service, length < 100 ? length : 100, text);
	}
	json_object_set_new(service, "environment", names);
}

static void process_service(struct nova_scan *scan, const struct nova_process *process)
{
	const struct nova_unit *unit = unit_of(scan, process);
	const char *name = unit ? unit->name : process->launch.kolla ? "" : process->unit;
	bool elsewhere = process->engine && !process->launch.kolla;
	json_t *service;
	if (text_listed(scan->services, "unit", name) && *name)
		return;
	if (elsewhere) {
		/* Its /etc/nova is another than the host's. */
		service =
		    json_pack("{s:s, s:s, s:[], s:[], s:[], s:n}", "name", process->launch.service,
		              "source", "argv", "config_files", "config_dirs", "read", "log");
		facts_set_text(service, "unit", name);
		nova_problem(scan->problems, "/proc", 0,
		             "%s runs in a container that is none of kolla's: its configuration is "
		             "not looked at",
		             process->launch.service);
	} else {
		service = service_begin(scan, &process->launch, name, "argv", process->overrides);
	}
	unit_state(service, unit);
	service_process(service, scan->root, process->pid);
	container_set(service, process);
	unproven_set(scan, service);
	overrides_set(scan, service, process);
	json_array_append_new(scan->services, service);
	if (!scan->family)
		scan->family = process->launch.kolla                    ? "kolla"
		               : elsewhere                              ? "other"
		               : unit && strcmp(unit->family, "apache") ? unit->family
		                                                        : NULL;
}

static void unit_service(struct nova_scan *scan, const struct nova_unit *unit)
{
	struct nova_launch launch;
	const char *source = "unit";
	/* One service may have several units only where both run. */
	if (text_listed(scan->services, "name", unit->service))
		return;
	if (!nova_unit_launch(scan->root, unit, &launch)) {
		source = "default";
		launch.args = json_array();
		launch.service = unit->service;
		snprintf(launch.prog, sizeof(launch.prog), "%s", unit->service);
	}
	json_t *service = service_begin(scan, &launch, unit->name, source, NULL);
	nova_launch_free(&launch);
	unit_state(service, unit);
	service_process(service, scan->root, unit->pid);
	container_set(service, NULL);
	unproven_set(scan, service);
	overrides_set(scan, service, NULL);
	json_array_append_new(scan->services, service);
	if (!scan->family && strcmp(unit->family, "apache") != 0)
		scan->family = unit->family;
}

/* One that runs now outweighs one that is only installed: a host whose API moved to the web server
 * often keeps the disabled unit. */
static void unit_services(struct nova_scan *scan)
{
	for (size_t i = 0; i < scan->unit_count; i++)
		if (strcmp(scan->units[i].active, "active") == 0)
			unit_service(scan, &scan->units[i]);
	for (size_t i = 0; i < scan->unit_count; i++)
		unit_service(scan, &scan->units[i]);
}

static const char *deployment(const struct nova_scan *scan)
{
	if (scan->family)
		return scan->family;
	if (root_exists(scan->root, "/var/lib/dpkg/info/nova-common.list"))
		return "debian";
	return root_exists(scan->root, "/usr/share/nova/nova-dist.conf") ? "rdo" : "other";
}

static json_t *nova_value(struct nova_scan *scan)
{
	if (scan->processes.truncated)
		nova_problem(scan->problems, "/proc", 0,
		             "more than %d processes of Nova: the rest is not looked at",
		             NOVA_PROCESSES_MAX);
	json_t *nova = json_pack("{s:s}", "deployment", deployment(scan));
	facts_set_text(nova, "release", scan->release);
	json_object_set(nova, "services", scan->services);
	json_object_set_new(nova, "files", files_value(scan));
	json_object_set(nova, "problems", scan->problems);
	return nova;
}

json_t *nova_facts(const struct root *root)
{
	struct nova_scan scan = {.root = root, .services = json_array(), .problems = json_array()};
	nova_processes_find(root, &scan.processes);
	scan.unit_count = nova_units_find(root, scan.units);
	if (scan.processes.count + scan.unit_count > 0)
		nova_release_find(root, scan.processes.count > 0 ? &scan.processes.items[0] : NULL,
		                  scan.release);
	for (size_t i = 0; i < scan.processes.count; i++)
		process_service(&scan, &scan.processes.items[i]);
	unit_services(&scan);
	json_t *nova = json_array_size(scan.services) > 0 ? nova_value(&scan) : json_null();
	nova_processes_free(&scan.processes);
	json_decref(scan.services);
	json_decref(scan.problems);
	return nova;
}
